"""Text from data where something interprets text: Markdown of the page, the markup of charts."""

from __future__ import annotations

import html
import re

from capforecast.report.style import printable

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=@&/])")
_EMOJI = re.compile(r"(?<=:)(?=[\w+-]+(?:/[\w]+)?:)")
LONGEST = 200  # characters of one name on a page
_WORD_JOINER = "\N{WORD JOINER}"


def in_markdown(text: object) -> str:
    """Text that Markdown shows as it is: no link, picture, formula, colour or HTML comes of it."""
    shown = printable(str(text))
    shown = _EMOJI.sub(_WORD_JOINER, shown)  # names of icons are looked for after backslashes are gone
    return _MARKS.sub(r"\\\1", shown)


def in_chart(text: object) -> str:
    """Text that a chart shows as it is: no tag comes of it."""
    return html.escape(_short(printable(str(text))), quote=False)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
