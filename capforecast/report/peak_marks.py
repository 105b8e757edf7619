"""Known peaks along the foot of a fan chart: period ends and holidays as ticks, year ends and events as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from capforecast.report import style
from capforecast.report.data import FanChart, Peak
from capforecast.report.words import date_text, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_EVENT = "event: "
_NAMES = {"month_end": "month end", "quarter_end": "quarter end", "year_end": "year end", "holiday": "holiday"}
_RANK = {"year_end": 0, "quarter_end": 1, "month_end": 3, "holiday": 4}  # a quarter ends with a month: one mark does
_EVENT_RANK = 2
HEIGHTS = {"month_end": 2.4, "quarter_end": 5.0, "year_end": 5.0}  # points
_EVENT_HEIGHT = 5.0
HOLIDAY_SIZE = 2.0
_CHARACTER = 2.9  # width of a letter of the names, points
_MOST_SAID = 6


def paint_peaks(axes: Axes, fan: FanChart, height: float, width: float) -> None:
    """Mark the peaks within the axes, `height` x `width` points, and name those that lie ahead; scales must be set."""
    from matplotlib.patches import Rectangle

    left, right = axes.get_xlim()
    free, foot = left, axes.get_xaxis_transform()
    ahead = _start(fan)
    for peak in _shown(fan, left, right):
        begin, end = max(day(peak.first), left), min(day(peak.last) + 1, right)
        if peak.name == "holiday":
            axes.plot([begin + 0.5], [1.6 / height], "o", color=style.MUTED, markersize=HOLIDAY_SIZE, markeredgewidth=0,
                      transform=foot, zorder=5)  # fmt: skip
            continue
        tall = HEIGHTS.get(peak.name, _EVENT_HEIGHT)
        axes.add_patch(Rectangle((begin, 0), end - begin, tall / height, color=colour(peak.name), linewidth=0,
                                 transform=foot, zorder=4.5))  # fmt: skip
        name = style.shorten(style.printable(peak_name(peak.name)), 18)
        room = (right - left) / width * _CHARACTER * len(name)
        at = min(max((begin + end) / 2, left + room / 2), right - room / 2)
        if peak.name == "month_end" or end <= ahead or at - room / 2 < free:
            continue
        free = at + room / 2
        axes.annotate(name, (at, tall / height), xycoords=foot, xytext=(0, 1.2), textcoords="offset points",
                      ha="center", va="bottom", color=style.MUTED, fontsize=style.CHART_TEXT_TINY,
                      zorder=6)  # fmt: skip


def colour(name: str) -> str:
    """Period ends are dark, declared events have the accent."""
    return style.ACCENT if name.startswith(_EVENT) else style.MUTED


def peak_name(name: str) -> str:
    """A peak as one says it: `quarter end`, or what an event was declared as."""
    return _NAMES.get(name, name.removeprefix(_EVENT).replace("_", " "))


def peaks_alt(fan: FanChart) -> str:
    """The peaks ahead in words, "" where there are none. Month ends and single holidays go without saying."""
    end = day(fan.forecast_timestamps[-1]) if len(fan.forecast_timestamps) else -np.inf
    ahead = [p for p in _shown(fan, _start(fan), end) if p.name not in ("month_end", "holiday")]
    said = [f"{peak_name(p.name)} from {date_text(max(p.first, _naive(fan)))}" for p in ahead[:_MOST_SAID]]
    return f"Known peaks ahead: {listed(said)}." if said else ""


def _shown(fan: FanChart, left: float, right: float) -> list[Peak]:
    """Peaks with a day between two times, by first day; of those that end together the one of most weight."""
    inside = [peak for peak in fan.peaks if day(peak.first) < right and day(peak.last) + 1 > left]
    ranked = sorted(inside, key=lambda peak: (_RANK.get(peak.name, _EVENT_RANK), peak.first))
    kept: dict[tuple[pd.Timestamp, bool], Peak] = {}
    for peak in ranked:
        kept.setdefault((peak.last, peak.name in HEIGHTS), peak)
    return sorted(kept.values(), key=lambda peak: (peak.first, peak.name))


def _naive(fan: FanChart) -> pd.Timestamp:
    return pd.Timestamp(_start(fan), unit="D")


def _start(fan: FanChart) -> float:
    """The first moment that is forecast."""
    return day(fan.forecast_timestamps[0]) if len(fan.forecast_timestamps) else np.inf


def day(moment: pd.Timestamp) -> float:
    """Days since 1970."""
    naive = moment.tz_localize(None) if moment.tz is not None else moment
    return float(naive.timestamp() / 86_400)
