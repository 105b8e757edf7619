"""Text from data where something interprets text: Markdown of the page, the markup of charts."""

from __future__ import annotations

import html
import re

from capforecast.report.style import printable

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=@&/])")
# Names of icons and addresses are looked for after backslashes are gone: a joiner, which nobody sees, breaks them.
_FOUND_LATER = re.compile(
    r"(?<=:)(?=[\w+-]+(?:/[\w]+)?:)|(?<=https:)(?=//)|(?<=http:)(?=//)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE
)
LONGEST = 200  # characters of one name on a page
_WORD_JOINER = "\N{WORD JOINER}"


def in_markdown(text: object) -> str:
    """Text that Markdown shows as it is: no link, picture, formula, colour or HTML comes of it."""
    shown = printable(str(text))
    shown = _FOUND_LATER.sub(_WORD_JOINER, shown)
    return _MARKS.sub(r"\\\1", shown)


def in_chart(text: object) -> str:
    """Text that a chart shows as it is: no tag comes of it."""
    return html.escape(_short(printable(str(text))), quote=False)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
