"""Waterfall of the money: what the servers with an action cost now, what each kind of action changes, and then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from capforecast.report import action_words as words
from capforecast.report import style
from capforecast.report.canvas import draw
from capforecast.report.summary_actions import ActionsSummary
from capforecast.report.words import NBSP, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABEL, _FIGURE, _ROW, _BAR = 130.0, 86.0, 17.0, 10.5  # points
MORE, LESS = style.THRESHOLD_HIGH, style.BAND_80


@dataclass(frozen=True)
class Step:
    """One bar: from `start` to `end`, in the currency; a total stands on zero."""

    name: str
    start: float
    end: float
    total: bool = False


def steps(found: ActionsSummary) -> list[Step]:
    """Bars from the cost now to the cost then; none where no price is known or nothing moves."""
    fleet = {row.kind: row for row in found.savings if row.scope == "fleet"}
    every = fleet.get("all")
    if every is None or not every.priced or every.monthly is None or every.to_monthly is None:
        return []
    level, bars = every.monthly, [Step("Cost now", 0.0, every.monthly, total=True)]
    for kind in ("upsize", "downsize", "stop"):
        row = fleet.get(kind)
        if row is None or not row.priced or row.monthly_change is None:
            continue
        bars.append(Step(words.KIND_NAMES[kind], level, level + row.monthly_change))
        level += row.monthly_change
    return [*bars, Step("Cost then", 0.0, every.to_monthly, total=True)]


def savings_chart(found: ActionsSummary) -> str | None:
    """SVG of the waterfall; None where there is none."""
    bars = steps(found)
    if not bars:
        return None
    top = max(max(bar.start, bar.end) for bar in bars) or 1.0
    scale = (style.TEXT_WIDTH - _LABEL - _FIGURE) / top
    height = _ROW * len(bars)

    def paint(axes: Axes) -> None:
        for i, bar in enumerate(bars):
            y = height - _ROW * (i + 1)
            _paint_bar(axes, bar, y, scale)
            if i + 1 < len(bars):
                x = _LABEL + scale * bar.end
                axes.plot([x, x], [y + (_ROW - _BAR) / 2, y - _ROW / 2], color=style.MUTED, linewidth=0.5)

    return draw(style.TEXT_WIDTH, height, savings_alt(found), paint)


def _paint_bar(axes: Axes, bar: Step, y: float, scale: float) -> None:
    from matplotlib.patches import Rectangle

    low, high = sorted((bar.start, bar.end))
    left, width = _LABEL + scale * low, max(scale * (high - low), 0.8)
    fill = style.MUTED if bar.total else MORE if bar.end > bar.start else LESS
    weight = "bold" if bar.total else "normal"
    axes.text(0, y + _ROW / 2, bar.name, va="center", fontsize=7.6, fontweight=weight)
    axes.add_patch(Rectangle((left, y + (_ROW - _BAR) / 2), width, _BAR, facecolor=fill, linewidth=0))
    axes.text(left + width + 5, y + _ROW / 2, _figure(bar), va="center", fontsize=7.4, fontweight=weight)


def _figure(bar: Step) -> str:
    return words.money(bar.end) if bar.total else words.change(bar.end - bar.start)


def savings_title(found: ActionsSummary) -> str:
    """What the bars are of."""
    every = next(row for row in found.savings if row.scope == "fleet" and row.kind == "all")
    return f"Cost a month of the {plural(every.priced, 'server')} with an action and a price, {found.currency}"


def savings_alt(found: ActionsSummary) -> str:
    """The waterfall in words."""
    said = [f"{bar.name.lower()} {_figure(bar)}" for bar in steps(found)]
    return f"{savings_title(found)}: {', '.join(said)}.".replace(NBSP, " ")
