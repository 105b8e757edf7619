"""Fan chart of one series: what was, what is expected, how sure, and where the thresholds lie.

Roll-up charts (tier bars, risk matrix) are in rollup_charts.py and re-exported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.report import style, ticks
from capforecast.report.anomaly_marks import marks_alt, paint_marks
from capforecast.report.canvas import draw
from capforecast.report.data import FanChart
from capforecast.report.fan_key import fan_key
from capforecast.report.peak_marks import paint_peaks, peaks_alt
from capforecast.report.rollup_charts import risk_matrix, tier_bar
from capforecast.report.words import compact, date_text, unit_sign
from capforecast.schema import QUANTILE_LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["fan_alt", "fan_chart", "fan_key", "risk_matrix", "tier_bar"]

Days = npt.NDArray[np.float64]  # days since 1970

_HISTORY_PER_HORIZON = 2  # how many horizons of history are drawn
_Q025, _Q10, _Q50, _Q90, _Q975 = (QUANTILE_LEVELS.index(level) for level in (0.025, 0.1, 0.5, 0.9, 0.975))
_PLOT = (0.088, 0.186, 0.715, 0.705)  # left, bottom, width, height of the plot within the picture


def fan_chart(fan: FanChart) -> str:
    """SVG of one fan chart: history, median, 80 and 95 % bands, thresholds, origin, likely breach dates, peaks."""

    def paint(axes: Axes) -> None:
        axes.set_position(_PLOT)
        _scale(axes, fan)
        _bands(axes, fan)
        _history(axes, fan)
        paint_marks(axes, fan)
        paint_peaks(axes, fan, style.FAN_HEIGHT * _PLOT[3], style.FAN_WIDTH * _PLOT[2])
        _thresholds(axes, fan)
        _breach_window(axes, fan)
        _labels(axes, fan)

    return draw(style.FAN_WIDTH, style.FAN_HEIGHT, fan_alt(fan), paint)


def fan_alt(fan: FanChart) -> str:
    """What the chart shows, for those who cannot see it."""
    sign = unit_sign(fan.unit)
    parts = [f"{fan.server_id}: {fan.sentence}."]
    seen = np.asarray(fan.history, dtype=float)
    if np.isfinite(seen).any():
        last = seen[np.isfinite(seen)][-1]
        parts.append(f"Last observed {last:.3g}{sign}.")
    end = np.asarray(fan.quantiles, dtype=float)[:, -1] if len(fan.forecast_timestamps) else np.array([])
    if np.isfinite(end).all() and end.size:
        parts.append(
            f"Forecast for {date_text(fan.forecast_timestamps[-1])}: {end[_Q50]:.3g}{sign}, "
            f"80 % interval {end[_Q10]:.3g} to {end[_Q90]:.3g}{sign}."
        )
    return " ".join([*parts, *filter(None, (marks_alt(fan), peaks_alt(fan)))])


def _days(timestamps: pd.DatetimeIndex) -> Days:
    return np.asarray(timestamps.as_unit("ns").asi8 / 86_400e9, dtype=np.float64)


def _shown_history(fan: FanChart) -> tuple[Days, Days]:
    keep = max(_HISTORY_PER_HORIZON * len(fan.forecast_timestamps), 30)
    return _days(fan.history_timestamps[-keep:]), np.asarray(fan.history[-keep:], dtype=np.float64)


def _origin(fan: FanChart) -> float:
    """Days since 1970 at which the forecast starts."""
    if len(fan.history_timestamps):
        return float(_days(fan.history_timestamps[-1:])[0])
    return float(_days(fan.forecast_timestamps[:1])[0])


def _scale(axes: Axes, fan: FanChart) -> None:
    """Limits, grid and tick labels of both axes."""
    past, history = _shown_history(fan)
    future = _days(fan.forecast_timestamps)
    times = np.concatenate([past, future])
    start, end = (float(times[0]), float(times[-1])) if times.size else (0.0, 1.0)
    axes.set_xlim(start, max(end, start + 1e-3))
    low, high = ticks.value_limits(history, fan.quantiles, (fan.threshold_high, fan.threshold_very_high), fan.unit)
    axes.set_ylim(low, high)
    for value in ticks.round_values(low, high):
        axes.axhline(value, color=style.RULE, linewidth=0.4, zorder=0)
        axes.annotate(
            compact(value), (0, value), xycoords=("axes fraction", "data"), xytext=(-3, 0), textcoords="offset points",
            ha="right", va="center", color=style.MUTED,
        )  # fmt: skip
    for when, label in ticks.dates(start, end):
        at = (when - start) / max(end - start, 1e-9)
        axes.plot([at, at], [0, -0.025], color=style.MUTED, linewidth=0.5, transform=axes.transAxes, clip_on=False)
        axes.annotate(
            label, (at, 0), xycoords="axes fraction", xytext=(0, -4), textcoords="offset points",
            ha="center", va="top", color=style.MUTED,
        )  # fmt: skip
    axes.plot([0, 1], [0, 0], color=style.MUTED, linewidth=0.5, transform=axes.transAxes, clip_on=False)


def _bands(axes: Axes, fan: FanChart) -> None:
    future, quantiles = _days(fan.forecast_timestamps), np.asarray(fan.quantiles, dtype=np.float64)
    for lower, upper, colour, order in ((_Q025, _Q975, style.BAND_95, 2.0), (_Q10, _Q90, style.BAND_80, 2.1)):
        axes.fill_between(future, quantiles[lower], quantiles[upper], color=colour, linewidth=0, zorder=order)
    axes.plot(future, quantiles[_Q50], color=style.MEDIAN, linewidth=1.1, zorder=4, solid_capstyle="round")


def _history(axes: Axes, fan: FanChart) -> None:
    past, history = _shown_history(fan)
    axes.plot(past, history, color=style.HISTORY, linewidth=0.7, zorder=3, solid_joinstyle="round")
    seen = np.concatenate([[False], np.isfinite(history), [False]])
    alone = seen[1:-1] & ~seen[:-2] & ~seen[2:]  # a line needs two points; one between gaps would not show
    axes.plot(past[alone], history[alone], ".", color=style.HISTORY, markersize=1.6, zorder=3)
    axes.axvline(_origin(fan), color=style.INK, linewidth=0.6, linestyle=(0, (1, 1.5)), zorder=3.5)


def _thresholds(axes: Axes, fan: FanChart) -> None:
    """Threshold lines, named at the right end; names are kept apart where the lines are close."""
    low, high = axes.get_ylim()
    points = style.FAN_HEIGHT * _PLOT[3] / (high - low)
    placed = -np.inf
    for value, name, colour, dashes in (
        (fan.threshold_high, "high", style.THRESHOLD_HIGH, (0, (4, 2))),
        (fan.threshold_very_high, "very high", style.THRESHOLD_VERY_HIGH, "-"),
    ):
        if value is None or not np.isfinite(value):
            continue
        axes.axhline(value, color=colour, linewidth=0.9, linestyle=dashes, zorder=3.2)
        placed = max((value - low) * points, placed + 7.2)
        axes.annotate(
            f"{compact(value)} {name}", (1, low + placed / points), xycoords=("axes fraction", "data"), xytext=(3, 0),
            textcoords="offset points", va="center", color=colour, fontsize=style.CHART_TEXT_SMALL,
        )  # fmt: skip


def _breach_window(axes: Axes, fan: FanChart) -> None:
    """Where 10 to 50 % of the paths have breached, over and behind the bands; nothing where it is improbable."""
    dates = _breach_dates(fan)
    if fan.in_breach or dates is None:
        return
    left, right = axes.get_xlim()
    least = (right - left) * 0.012  # a window of no width would not show
    begin, end = dates[0], max(dates[1], dates[0] + least)
    axes.axvspan(begin, end, color=style.BREACH_WINDOW, linewidth=0, zorder=1)
    axes.plot([begin, end], [1, 1], color=style.THRESHOLD_HIGH, linewidth=2, transform=axes.get_xaxis_transform(),
              solid_capstyle="butt", clip_on=False, zorder=6)  # fmt: skip


def _breach_dates(fan: FanChart) -> tuple[float, float] | None:
    """Days since 1970 by which 10 and 50 % of the paths have breached, where a breach is more likely than not."""
    first, half = fan.days_q10, fan.days_q50
    if first is None or half is None or not np.isfinite([first, half]).all():
        return None
    return _origin(fan) + first, _origin(fan) + half


def _labels(axes: Axes, fan: FanChart) -> None:
    """Above the plot: the metric on the left, the breach in words on the right."""
    what = style.shorten(style.printable(f"{fan.metric} {fan.statistic}, {fan.unit}".rstrip(", ")), 30)
    axes.annotate(
        what, (0, 1), xycoords="axes fraction", xytext=(-style.FAN_WIDTH * _PLOT[0] + 1, 4),
        textcoords="offset points", ha="left", va="bottom", color=style.INK, fontsize=style.CHART_TEXT_SMALL,
    )  # fmt: skip
    axes.annotate(
        _breach_words(fan, 56 - len(what)), (1, 1), xycoords="axes fraction", xytext=(0, 4),
        textcoords="offset points", ha="right", va="bottom", color=style.THRESHOLD_HIGH,
        fontsize=style.CHART_TEXT_SMALL, fontweight="bold",
    )  # fmt: skip


def _breach_words(fan: FanChart, most: int) -> str:
    """The breach in words; without the threshold where `most` characters do not suffice."""
    dates = _breach_dates(fan)
    if fan.in_breach:
        return "in breach now"
    if dates is None:
        return ""
    begin, end = (date_text(pd.Timestamp(day, unit="D"), year=False) for day in dates)
    when = f"likely {begin}" if begin == end else f"likely {begin} – {end}"
    if fan.threshold_high is not None:
        full = f"breach of {compact(fan.threshold_high)}{unit_sign(fan.unit)} {when}"
        if len(full) <= most:
            return full
    return f"breach {when}"
