"""The present trend of a series in words people use: so many points a month, since when.

Weekly medians of at most the last year, less the usual shape of the week, so that a spike of a few days does not count.
Where the level stepped or the slope changed, what lies before is left out: breaks are taken up one by one while each
pays for itself, by an information criterion. Of what is left, the median of pairwise slopes (Theil 1950, Sen 1968),
told only where the rank correlation with time (Mann 1945, Kendall 1975) is clear, its variance raised for
autocorrelation (after Hamed & Rao 1998): a series that wanders has no trend.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import Cadence, FloatArray

Floats = npt.NDArray[np.float64]

TREND_PER_MONTH, TREND_SINCE = "trend_per_month", "trend_since"
_WEEKS = 52  # looked back, at most
_LEAST_WEEKS = 8  # a trend wants two months of evidence
_LEAST_SHARE = 0.5  # of a week must have been observed
_PRICE = 4.0  # of a break: times the logarithm of the number of weeks
_CLEAR = 3.0  # standard deviations of the rank correlation from which a trend is told
_MONTH = 365.25 / 12 / 7  # weeks


def recent_trend(values: FloatArray, timestamps: pd.DatetimeIndex, cadence: Cadence) -> pd.DataFrame:
    """Trend of each series of a panel [T, N] at its end, one row each: `trend_per_month`, in the series' unit, and
    `trend_since`, the UTC day on which it began or before which nothing was looked at; NaN and NaT where there is no
    clear one, or fewer than 8 weeks since the last break.
    """
    week = 7 * cadence.per_day
    weeks = min(len(timestamps) // week, _WEEKS)
    last = values[len(values) - weeks * week :].T
    slopes, starts = np.full(values.shape[1], np.nan), np.zeros(values.shape[1], dtype=np.int64)
    if weeks >= _LEAST_WEEKS:
        _trends(np.ascontiguousarray(last).reshape(-1, weeks, week), slopes, starts)
        since = timestamps[len(values) - weeks * week + starts * week].floor("D").as_unit("us")
    else:
        since = pd.DatetimeIndex([pd.NaT] * len(slopes), dtype="datetime64[us, UTC]")
    told = pd.Series(~np.isnan(slopes))
    return pd.DataFrame({TREND_PER_MONTH: slopes * _MONTH, TREND_SINCE: pd.Series(since).where(told)})


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _trends(weekly: FloatArray, slopes: Floats, starts: npt.NDArray[np.int64]) -> None:
    """Slope a week and first week of the present trend, from values [N, weeks, periods]."""
    count, weeks, periods = weekly.shape
    times, levels, flat = np.empty(weeks), np.empty(weeks), np.empty((weeks, periods))
    for place in range(count):
        for period in range(
            periods
        ):  # less the shape of the week: what is left of a week with odd days tells its level
            column = weekly[place, :, period].astype(np.float64)
            known = column[~np.isnan(column)]
            flat[:, period] = column - np.median(known) if len(known) else column
        seen = 0
        for week in range(weeks):
            inside = flat[week][~np.isnan(flat[week])]
            if len(inside) >= _LEAST_SHARE * periods:
                times[seen], levels[seen] = week, np.median(inside)
                seen += 1
        first = _last_break(times[:seen], levels[:seen])
        if seen - first >= _LEAST_WEEKS:
            slope = _clear_slope(times[first:seen], levels[first:seen])
            slopes[place], starts[place] = slope, int(times[first])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _last_break(times: Floats, levels: Floats) -> int:
    """Where the last step or change of slope lies: the first point after it; 0 = none."""
    smooth = levels.copy()  # a single odd week is no break
    for i in range(1, len(levels) - 1):
        smooth[i] = np.median(levels[i - 1 : i + 2])
    first = 0
    while len(levels) - first >= _LEAST_WEEKS:
        at = _best_break(times[first:], smooth[first:])
        if at == 0:
            break
        first += at
    return first


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _best_break(times: Floats, levels: Floats) -> int:
    """Where a step, or a change of slope, lowers the squares left by a line most; 0 where none pays for itself."""
    count = len(times)
    clock = times - times.mean()
    left = _less_line(clock, levels)
    squares = (left**2).sum()
    best, at = squares * (1 - np.exp(-_PRICE * np.log(count) / count)), 0
    for i in range(2, count - 1):
        for kind in range(2):
            if kind == 1 and not _LEAST_WEEKS <= count - i <= count - _LEAST_WEEKS // 2:
                continue
            column = _less_line(clock, (times >= times[i]) * (times - times[i]) ** kind)  # a step, a hinge
            size = (column**2).sum()
            gain = (column * left).sum() ** 2 / size if size > 1e-9 else 0.0
            if gain > best:
                best, at = gain, i
    return at


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _less_line(clock: Floats, column: Floats) -> Floats:
    """A column less its least-squares line; `clock` has mean 0."""
    left: Floats = column - column.mean() - clock * ((clock * column).sum() / (clock**2).sum())
    return left


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _clear_slope(times: Floats, levels: Floats) -> float:
    """Median of pairwise slopes, NaN where the ranks do not clearly follow time."""
    count = len(times)
    pairs = np.empty(count * (count - 1) // 2)
    score, place = 0.0, 0
    for i in range(count):
        for j in range(i + 1, count):
            pairs[place] = (levels[j] - levels[i]) / (times[j] - times[i])
            score += np.sign(pairs[place])
            place += 1
    slope = np.median(pairs)
    left = levels - slope * times
    left = left - left.mean()
    squares = (left**2).sum()
    carry = min(max((left[1:] * left[:-1]).sum() / squares, 0.0), 0.9) if squares > 0 else 0.0
    variance = count * (count - 1) * (2 * count + 5) / 18 * (1 + carry) / (1 - carry)
    return slope if abs(score) > _CLEAR * np.sqrt(variance) else np.nan
