"""Drawing surface of the charts: a matplotlib figure without pyplot, turned into the same SVG text every time."""

from __future__ import annotations

import io
import re
import threading
import warnings
from collections.abc import Callable
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from capforecast.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FONTS = Path(__file__).parent / "fonts"
_ONE_AT_A_TIME = threading.Lock()  # matplotlib's settings are global to the process
_SETTINGS = {
    "svg.fonttype": "none",  # text stays text: selectable, small, in the report's own font
    "svg.hashsalt": "capforecast",
    "font.family": [style.FONT, style.FALLBACK_FONT],
    "font.size": style.CHART_TEXT,
    "text.parse_math": False,  # a server may be called $x$
    "axes.unicode_minus": True,
    "path.simplify": True,
    "text.color": style.INK,
}


@lru_cache(maxsize=1)
def _register_fonts() -> None:
    from matplotlib import font_manager

    for name in style.FONT_FILES.values():
        font_manager.fontManager.addfont(_FONTS / name)


def draw(width: float, height: float, alt: str, paint: Callable[[Axes], None]) -> str:
    """SVG of `width` x `height` points holding what `paint` draws; `alt` says in words what is to be seen.

    The axes fill the picture and are measured in points from the lower left corner until `paint` says otherwise.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with _ONE_AT_A_TIME, warnings.catch_warnings(), rc_context(_SETTINGS):  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the viewer finds another font
        _register_fonts()
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        axes.set_axis_off()
        axes.patch.set_visible(False)
        figure.patch.set_visible(False)
        paint(axes)
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return _tidy(buffer.getvalue(), alt)


def _tidy(svg: str, alt: str) -> str:
    """The bare <svg> element, with its text alternative; of its ids those that something refers to."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' id="[A-Za-z][A-Za-z0-9]*_\d+"', "", body)  # numbered anew in each chart; a page holds several
    label = escape(style.printable(alt), quote=True)
    return body.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
