"""Chart of a leaderboard: relative MAE by model, with the spread over metrics, and coverage and CPU time in figures."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pandas as pd

from capforecast.forecast.model import NAME
from capforecast.report import style
from capforecast.report.canvas import draw
from capforecast.report.ticks import round_values
from capforecast.schema import METRIC

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _NAMES, _FIGURES, _ROW, _HEAD, _FOOT = 10.0, 100.0, 128.0, 24.0, 40.0, 30.0
_COLUMNS = (style.TEXT_WIDTH - 86, style.TEXT_WIDTH - 26)  # middles of the figures: coverage, CPU seconds
_LONGEST = 2.5  # relative MAE at which a bar is cut off, with its value beside it


def leaderboard_chart(rows: pd.DataFrame, title: str) -> str:
    """SVG of the models that have scores, best first. rows: LEADERBOARD_COLUMNS (forecast/leaderboard.py)."""
    ranked = rows[(rows["scope"] == "all") & rows["relative_mae"].notna()]
    by_metric = rows[(rows["scope"] == METRIC) & rows["relative_mae"].notna()]
    height = _HEAD + _ROW * max(len(ranked), 1) + _FOOT
    shown = pd.concat([ranked["relative_mae"], by_metric["relative_mae"], pd.Series([1.0])])
    limit = min(float(shown.max()) * 1.08, _LONGEST)

    def paint(axes: Axes) -> None:
        _frame(axes, title, height, limit)
        for i, row in enumerate(ranked.to_dict("records")):
            middle = height - _HEAD - _ROW * (i + 0.5)
            _bar(axes, row, middle, limit)
            spread = by_metric.loc[by_metric["model"] == row["model"], "relative_mae"]
            xs = [_x(value, limit) for value in spread if value <= limit]
            axes.scatter(xs, [middle] * len(xs), s=9, color=style.PAPER, edgecolors=style.INK, linewidths=0.6, zorder=3)

    words = "; ".join(f"{row['model']}: {row['relative_mae']:.3f}" for row in ranked.to_dict("records"))
    return draw(style.TEXT_WIDTH, height, f"{title}. Relative MAE: {words}", paint)


def _x(value: float, limit: float) -> float:
    return _NAMES + (style.TEXT_WIDTH - _NAMES - _FIGURES) * min(value, limit) / limit


def _frame(axes: Axes, title: str, height: float, limit: float) -> None:
    """Paper, title, axis, and the line of the seasonal naive forecast."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((0, 0), style.TEXT_WIDTH, height, facecolor=style.PAPER, edgecolor="none", zorder=-1))
    axes.text(_LEFT, height - 12, style.printable(title), va="center", fontsize=8.5, fontweight="bold")
    for x, label in zip(_COLUMNS, ("inside 80 / 95 %", "CPU s"), strict=True):
        axes.text(x, height - 30, label, va="center", ha="center", color=style.MUTED)
    for value in round_values(0.0, limit):
        axes.plot([_x(value, limit)] * 2, [_FOOT, height - _HEAD], color=style.FAINT, linewidth=0.7, zorder=0)
        axes.text(_x(value, limit), _FOOT - 6, f"{value:g}", va="center", ha="center", color=style.MUTED)
    axes.plot([_x(1.0, limit)] * 2, [_FOOT, height - _HEAD + 4], color=style.THRESHOLD_HIGH, linewidth=1.0, zorder=2)
    note = "relative MAE (1 = repeating last week, hourly: yesterday; smaller is better); rings: single metrics"
    axes.text(_NAMES, 9, note, va="center", color=style.MUTED)


def _bar(axes: Axes, row: dict[Hashable, Any], middle: float, limit: float) -> None:
    from matplotlib.patches import Rectangle

    length = _x(row["relative_mae"], limit) - _NAMES
    ours = row["model"] == NAME
    fill, ink = (style.ACCENT, style.PAPER) if ours else (style.BAND_80, style.INK)
    axes.add_patch(Rectangle((_NAMES, middle - 7), length, 14, facecolor=fill, edgecolor="none", zorder=1))
    axes.text(_LEFT, middle, style.shorten(row["model"], 20), va="center", fontweight="bold" if ours else "normal")
    axes.text(_NAMES + 4, middle, f"{row['relative_mae']:.3f}", va="center", color=ink, zorder=4)
    inside = f"{100 * row['coverage_80']:.0f} / {100 * row['coverage_95']:.0f}"
    for x, text in zip(_COLUMNS, (inside, f"{row['cpu_seconds']:.3g}"), strict=True):
        axes.text(x, middle, text, va="center", ha="center")
