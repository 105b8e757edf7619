"""What was unusual, on a fan chart: a small triangle over a spike, a dashed line where the level moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from capforecast.report import style
from capforecast.report.data import FanChart, Mark
from capforecast.report.words import date_text, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIND_NAMES = {"spike": "incident spike", "level_shift": "level shift"}
_MOST_SHIFTS = 3  # drawn in one chart: the last ones
_DASHES = (0, (3, 1.5))


def paint_marks(axes: Axes, fan: FanChart) -> None:
    """Mark what lies within the axes; call after the scales are set."""
    left, right = axes.get_xlim()
    seen = [(mark, _day(mark)) for mark in fan.marks]
    shown = [(mark, day) for mark, day in seen if left <= day <= right]
    _paint_spikes(axes, [(mark, day) for mark, day in shown if mark.kind == "spike"])
    labelled = -np.inf
    for mark, day in [(mark, day) for mark, day in shown if mark.kind == "level_shift"][-_MOST_SHIFTS:]:
        axes.axvline(day, color=style.INK, linewidth=0.6, linestyle=_DASHES, zorder=2.6)
        if day - labelled < 0.22 * (right - left):
            continue
        labelled = day
        late = day > left + 0.35 * (right - left)
        axes.annotate(_shift(mark), (day, 0), xycoords=("data", "axes fraction"),
                      xytext=(-2.5 if late else 2.5, 7), textcoords="offset points", ha="right" if late else "left",
                      va="bottom", color=style.INK, fontsize=style.CHART_TEXT_SMALL, zorder=6)  # fmt: skip


def _paint_spikes(axes: Axes, spikes: list[tuple[Mark, float]]) -> None:
    """A triangle over a value that rose, under one that fell; the last is named."""
    low, high = axes.get_ylim()
    room = 0.035 * (high - low)
    for i, (mark, day) in enumerate(spikes):
        rose = mark.size >= 0
        height = min(mark.value, high - 1.5 * room) + room if rose else max(mark.value, low + 1.5 * room) - room
        axes.plot([day], [height], "v" if rose else "^", color="none", markeredgecolor=style.INK, markersize=3.2,
                  markeredgewidth=0.6, zorder=5)  # fmt: skip
        if i == len(spikes) - 1:
            axes.annotate("spike", (day, height), xytext=(3, 0.5), textcoords="offset points", va="center",
                          color=style.INK, fontsize=style.CHART_TEXT_SMALL, zorder=5)  # fmt: skip


def marks_alt(fan: FanChart) -> str:
    """The marks in words, "" where there are none."""
    if not fan.marks:
        return ""
    said = [f"{KIND_NAMES.get(mark.kind, mark.kind)} on {date_text(mark.began)}" for mark in fan.marks[-6:]]
    return f"Marked: {', '.join(said)}."


def _shift(mark: Mark) -> str:
    """`level shift +12`, in the unit of the axis."""
    return f"level shift {'+' if mark.size > 0 else ''}{number(mark.size, 0 if abs(mark.size) >= 10 else 1)}"


def _day(mark: Mark) -> float:
    """Days since 1970."""
    moment = pd.Timestamp(mark.began)
    return float((moment.tz_localize(None) if moment.tz is not None else moment).timestamp() / 86_400)
