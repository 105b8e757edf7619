"""Reliability diagram: of the cases with a stated probability, how many breached. On the diagonal it was right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from capforecast.report import style
from capforecast.report.canvas import draw
from capforecast.report.summary import Bin, Scorecard
from capforecast.report.words import NBSP, count, probability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE, _LEFT, _FOOT, _HEAD, _GAP = 148.0, 34.0, 30.0, 16.0, 62.0
_OFF = 0.06  # distance from the diagonal from which figures stand on the other side of their points
_LARGEST = 5.5  # radius of the point with most cases, points
_CHARACTER, _LINE = 3.6, 7.0  # width and height a label's characters take, points
_FEW = 10  # cases below which the rate of a bin says little


def reliability_chart(record: Scorecard) -> str:
    """SVG with a diagram for each headline horizon; every point says how many cases it stands for."""
    days = [score.horizon_days for score in record.ours]
    height = _SIZE + _FOOT + _HEAD

    def paint(axes: Axes) -> None:
        for i, horizon in enumerate(days):
            _diagram(
                axes, _LEFT + i * (_SIZE + _GAP), [b for b in record.reliability if b.horizon_days == horizon], horizon
            )

    return draw(style.TEXT_WIDTH, height, reliability_alt(record), paint)


def reliability_alt(record: Scorecard) -> str:
    """The diagram in words."""
    parts = ["Reliability diagram: stated probability of a breach against how often it came."]
    for score in record.ours:
        bins = [each for each in record.reliability if each.horizon_days == score.horizon_days]
        pairs = [
            f"stated {probability(b.mean_probability)}, breached {probability(b.rate)} of {count(b.cases)}"
            for b in bins
        ]
        parts.append(f"Within {score.horizon_days} d: {'; '.join(pairs) or 'no cases'}.")
    return " ".join(parts).replace(NBSP, " ")


def _diagram(axes: Axes, left: float, bins: list[Bin], horizon: int) -> None:
    """One square: axes in percent, the diagonal, and a point per bin."""
    from matplotlib.patches import Rectangle

    def at(stated: float, rate: float) -> tuple[float, float]:
        return left + stated * _SIZE, _FOOT + rate * _SIZE

    axes.add_patch(Rectangle((left, _FOOT), _SIZE, _SIZE, facecolor="none", edgecolor=style.RULE, linewidth=0.6))
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, y = at(share, share)
        axes.plot([x, x], [_FOOT, _FOOT - 2.5], color=style.MUTED, linewidth=0.5)
        axes.plot([left, left - 2.5], [y, y], color=style.MUTED, linewidth=0.5)
        axes.text(x, _FOOT - 5, f"{100 * share:.0f}", ha="center", va="top", color=style.MUTED)
        axes.text(left - 5, y, f"{100 * share:.0f}", ha="right", va="center", color=style.MUTED)
        if 0 < share < 1:
            axes.plot([left, left + _SIZE], [y, y], color=style.FAINT, linewidth=0.6, zorder=0)
    axes.plot(*zip(at(0, 0), at(1, 1), strict=True), color=style.INK, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
    axes.text(left + 4, _FOOT + _SIZE - 7, "more breached than stated", va="center", color=style.MUTED)
    axes.text(left + _SIZE - 4, _FOOT + 16, "fewer breached than stated", ha="right", va="center", color=style.MUTED)
    axes.text(left, _FOOT + _SIZE + 9, f"Breach within {horizon} d", va="center", fontsize=7.6, fontweight="bold")
    axes.text(left + _SIZE / 2, _FOOT - 17, "stated probability, %", ha="center", va="top", color=style.MUTED)
    axes.text(left - 27, _FOOT + _SIZE / 2, "breached, %", rotation=90, ha="center", va="center", color=style.MUTED)
    below = [b.rate < b.mean_probability - _OFF for b in bins]
    _points(axes, [at(b.mean_probability, b.rate) for b in bins], [b.cases for b in bins], below)


def _points(axes: Axes, places: list[tuple[float, float]], cases: list[int], below: list[bool]) -> None:
    """Points as large as their cases are many, joined, each with its number; open, and apart, where cases are few."""
    if not places:
        return
    many = np.array(cases) >= _FEW
    xs, ys = (np.array(values) for values in zip(*places, strict=True))
    radius = np.maximum(_LARGEST * np.sqrt(np.array(cases) / max(cases)), 1.6)
    axes.plot(xs[many], ys[many], color=style.ACCENT, linewidth=0.9, zorder=2)
    axes.scatter(xs[many], ys[many], s=(2 * radius[many]) ** 2, color=style.ACCENT, edgecolors=style.PAPER,
                 linewidths=0.6, zorder=3)  # fmt: skip
    axes.scatter(xs[~many], ys[~many], s=10, color=style.PAPER, edgecolors=style.ACCENT, linewidths=0.8, zorder=2.5)
    taken: list[tuple[float, float, float]] = []
    for i in np.flatnonzero(many):
        # Between the points and the diagonal there is room; a point on it has its figure to the right, below the line.
        px, py, r = float(xs[i]), float(ys[i]), float(radius[i])
        x, y, side = (px, py + r + 4, "center") if below[i] else (px + r + 2, py - 4.5, "left")
        if py < _FOOT + r:  # in the corner, where most cases lie
            x, y, side = px + 1, py + r + 6, "left"
        label = f"{cases[i]:,}"
        y = _free(x - (_CHARACTER * len(label) / 2 if side == "center" else 0), y, _CHARACTER * len(label), taken)
        axes.text(x, y, label, ha=side, va="center", color=style.INK, fontsize=style.CHART_TEXT_SMALL, zorder=4)


def _free(start: float, y: float, width: float, taken: list[tuple[float, float, float]]) -> float:
    """Height from `y` up where a label touches none `taken` (start, end, height); takes it."""
    while any(start < end and start + width > begin and abs(y - other) < _LINE for begin, end, other in taken):
        y += _LINE / 2
    taken.append((start, start + width, y))
    return y
