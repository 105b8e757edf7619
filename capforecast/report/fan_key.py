"""The key to all fan charts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from capforecast.report import style
from capforecast.report.canvas import draw
from capforecast.report.peak_marks import HEIGHTS, HOLIDAY_SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Painter = Callable[["Axes", float, float], None]

_SAMPLE, _GAP, _ROW = 14.0, 11.0, 11.0  # points: a sample, the gap between entries, a line of the key
_CHARACTER = 3.14


def fan_key() -> str:
    """SVG of the key to all fan charts: lines and bands, then what is marked along the way."""
    rows = (_lines(), _marks())

    def paint(axes: Axes) -> None:
        for i, row in enumerate(rows):
            x, y = 0.0, _ROW * (len(rows) - 1 - i) + _ROW / 2
            for name, sample in row:
                sample(axes, x, y)
                axes.text(x + _SAMPLE + 4, y, name, va="center", color=style.MUTED)
                x += _SAMPLE + _GAP + _CHARACTER * len(name)

    return draw(style.TEXT_WIDTH, _ROW * len(rows) + 1, fan_key_alt(), paint)


def fan_key_alt() -> str:
    """The key in words."""
    return f"Key to the charts: {', '.join(name for name, _ in [*_lines(), *_marks()])}"


def _lines() -> list[tuple[str, Painter]]:
    return [
        ("observed", _line(style.HISTORY, 0.9)),
        ("median forecast", _line(style.MEDIAN, 1.3)),
        ("80 % interval", _box(style.BAND_80)),
        ("95 % interval", _box(style.BAND_95)),
        ("threshold high", _line(style.THRESHOLD_HIGH, 0.9, (0, (4, 2)))),
        ("very high", _line(style.THRESHOLD_VERY_HIGH, 0.9)),
        ("likely breach (10–50 % of paths)", _box(style.BREACH_WINDOW)),
    ]


def _marks() -> list[tuple[str, Painter]]:
    return [
        ("forecast starts", _upright((0, (1, 1.5)))),
        ("level shift", _upright((0, (3, 1.5)))),
        ("incident spike", _dot("v", 3.2, hollow=True)),
        ("month end", _foot(style.MUTED, 1.8, HEIGHTS["month_end"])),
        ("quarter or year end", _foot(style.MUTED, 4.0, HEIGHTS["quarter_end"])),
        ("declared event", _foot(style.ACCENT, 4.0, HEIGHTS["quarter_end"])),
        ("public holiday", _dot("o", HOLIDAY_SIZE)),
    ]


def _line(colour: str, width: float, dashes: object = "-") -> Painter:
    def paint(axes: Axes, x: float, y: float) -> None:
        axes.plot([x, x + _SAMPLE], [y, y], color=colour, linewidth=width, linestyle=dashes)

    return paint


def _upright(dashes: object) -> Painter:
    def paint(axes: Axes, x: float, y: float) -> None:
        middle = x + _SAMPLE - 3
        axes.plot([middle, middle], [y - 4, y + 4], color=style.INK, linewidth=0.6, linestyle=dashes)

    return paint


def _box(colour: str, width: float = _SAMPLE, height: float = 7.0) -> Painter:
    def paint(axes: Axes, x: float, y: float) -> None:
        from matplotlib.patches import Rectangle

        axes.add_patch(Rectangle((x, y - height / 2), width, height, facecolor=colour, linewidth=0))

    return paint


def _foot(colour: str, width: float, height: float) -> Painter:
    """A mark as it stands on the axis of a chart."""

    def paint(axes: Axes, x: float, y: float) -> None:
        from matplotlib.patches import Rectangle

        axes.plot([x + 2, x + _SAMPLE], [y - 3, y - 3], color=style.MUTED, linewidth=0.5)
        left = x + 2 + (_SAMPLE - 2 - width) / 2
        axes.add_patch(Rectangle((left, y - 3), width, height, facecolor=colour, linewidth=0))

    return paint


def _dot(shape: str, size: float, *, hollow: bool = False) -> Painter:
    def paint(axes: Axes, x: float, y: float) -> None:
        fill, edge = ("none", style.INK) if hollow else (style.MUTED, "none")
        axes.plot([x + _SAMPLE - 4], [y], shape, color=fill, markeredgecolor=edge, markersize=size,
                  markeredgewidth=0.6 if hollow else 0)  # fmt: skip

    return paint
