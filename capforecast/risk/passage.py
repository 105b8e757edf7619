"""First passages of the breach rule and window maxima over sample paths, one path in memory at a time.

A sample path is point + scale x scaled error path, cut to the metric's range. The scaled paths are shared by all
series of a pool; a series' own path lives in a buffer of one path's length. All arithmetic is float32 in the order
numpy would do it, so the figures equal those of the plain formulas bit for bit (tests/risk/test_passage.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from capforecast.risk.rule import DAILY_PEAK, HOURS_PER_DAY, NEVER, Rule
from capforecast.schema import FloatArray

Counts = npt.NDArray[np.int64]
_LONG_AGO = -1_000_000_000  # no exceedance that far back is within any window


@dataclass(frozen=True)
class Bundle:
    """Sample paths of M series, K each, not yet made.

    pool: float32 [P, L] scaled error paths.  nearest: int64 [M, K], rows of it.  point: float32 [M, L].
    length: int64 [M], periods of each series' paths.  scale, low, high: float32 [M].
    """

    pool: FloatArray
    nearest: npt.NDArray[np.int64]
    point: FloatArray
    length: npt.NDArray[np.int64]
    scale: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def drawn(self) -> int:
        """Sample paths of each series."""
        return int(self.nearest.shape[1])


@dataclass(frozen=True)
class Watch:
    """What a rule looks for: thresholds float32 [M, 2] (NaN = none) and exceedances just before the origin.

    before: int64 [M, 2, k - 1], times of the latest, ascending, -1 = the last period before the origin.
    """

    thresholds: FloatArray
    before: npt.NDArray[np.int64]
    rule: Rule

    @classmethod
    def of(cls, thresholds: FloatArray, recent: FloatArray, rule: Rule) -> Watch:
        """From what was observed just before the origin [M, R], the latest last; NaN counts as not above."""
        seen = recent[:, max(0, recent.shape[1] - (rule.n - 1)) :]
        above = seen[:, None, :] > thresholds[:, :, None]
        times = np.where(above, np.arange(-seen.shape[1], 0), _LONG_AGO)
        empty = np.full((*thresholds.shape, rule.k - 1), _LONG_AGO)
        latest = np.sort(np.concatenate([empty, times], axis=2), axis=2)
        return cls(thresholds, np.ascontiguousarray(latest[:, :, latest.shape[2] - (rule.k - 1) :]), rule)


def daily_passages(bundle: Bundle, watch: Watch, windows: tuple[int, ...]) -> tuple[Counts, FloatArray]:
    """Paths by period of their first breach, [M, 2, L], and their largest value within each window, [M, W, K].

    windows: periods from the origin; a window longer than a path ends with it.
    """
    b, (k, n) = bundle, watch.rule
    first = np.zeros((len(b.point), 2, b.pool.shape[1]), np.int64)
    peaks = np.empty((len(b.point), len(windows), b.drawn), np.float32)
    _daily(
        b.pool, b.nearest, b.point, b.length, b.scale, b.low, b.high, watch.thresholds, watch.before, k, n,
        np.array(windows), first, peaks,
    )  # fmt: skip
    return first, peaks


def hourly_passages(
    bundle: Bundle, daily: Watch, hourly: Watch, windows: tuple[int, ...]
) -> tuple[Counts, Counts, FloatArray]:
    """The same for hourly paths, whose days (24 hours from the origin) stand for their 95 % quantile.

    Returns first breaches by day under the daily rule [M, 2, D], by hour under the hourly rule [M, 2, L], and the
    largest day within each window of days [M, W, K].
    """
    b, (k, n), (k_hours, n_hours) = bundle, daily.rule, hourly.rule
    hours = b.pool.shape[1]
    by_day = np.zeros((len(b.point), 2, days_of(hours)), np.int64)
    by_hour = np.zeros((len(b.point), 2, hours), np.int64)
    peaks = np.empty((len(b.point), len(windows), b.drawn), np.float32)
    _hourly(
        b.pool, b.nearest, b.point, b.length, b.scale, b.low, b.high, daily.thresholds, daily.before, k, n,
        hourly.before, k_hours, n_hours, np.array(windows), by_day, by_hour, peaks,
    )  # fmt: skip
    return by_day, by_hour, peaks


def days_of(hours: int) -> int:
    """Days that stand for so many hours; fewer than 24 make one."""
    return max(hours // HOURS_PER_DAY, min(hours, 1))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _daily(  # type: ignore[no-untyped-def]
    pool, nearest, point, length, scale, low, high, thresholds, before, k, n, windows, first, peaks
):
    path = np.empty(pool.shape[1], np.float32)
    seen = np.empty(max(k - 1, 1), np.int64)
    for m in range(len(nearest)):
        for j in range(nearest.shape[1]):
            _build(pool[nearest[m, j]], point[m], length[m], scale[m], low[m], high[m], path)
            for w in range(len(windows)):
                peaks[m, w, j] = _largest(path, min(windows[w], length[m]))
            _count(path, length[m], thresholds[m], before[m], k, n, seen, first[m])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _hourly(  # type: ignore[no-untyped-def]
    pool, nearest, point, length, scale, low, high, thresholds, days_before, k_days, n_days, hours_before, k_hours,
    n_hours, windows, by_day, by_hour, peaks,
):  # fmt: skip
    path = np.empty(pool.shape[1], np.float32)
    days = np.empty(by_day.shape[2], np.float32)
    seen = np.empty(max(k_days, k_hours, 1), np.int64)
    for m in range(len(nearest)):
        for j in range(nearest.shape[1]):
            _build(pool[nearest[m, j]], point[m], length[m], scale[m], low[m], high[m], path)
            count = _days(path, length[m], days)
            for w in range(len(windows)):
                peaks[m, w, j] = _largest(days, min(windows[w], count))
            _count(days, count, thresholds[m], days_before[m], k_days, n_days, seen, by_day[m])
            _count(path, length[m], thresholds[m], hours_before[m], k_hours, n_hours, seen, by_hour[m])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _build(scaled, point, length, scale, low, high, path):  # type: ignore[no-untyped-def]
    """One sample path."""
    for t in range(length):
        value = scaled[t] * scale + point[t]
        value = low if value < low else value
        path[t] = high if value > high else value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _largest(values, length):  # type: ignore[no-untyped-def]
    """Largest of the first values; in four lanes, for one would wait on itself."""
    a = b = c = d = np.float32(-np.inf)
    whole = length - length % 4
    for t in range(0, whole, 4):
        a = max(a, values[t])
        b = max(b, values[t + 1])
        c = max(c, values[t + 2])
        d = max(d, values[t + 3])
    for t in range(whole, length):
        a = max(a, values[t])
    return max(max(a, b), max(c, d))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _count(values, length, thresholds, before, k, n, seen, first):  # type: ignore[no-untyped-def]
    """Add one path to the counts [2, L] of first breaches; most paths never touch a threshold."""
    top = _largest(values, length)
    for level in range(2):
        if top > thresholds[level]:
            at = _first_passage(values, length, thresholds[level], before[level], k, n, seen)
            if at != NEVER:
                first[level, at] += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _first_passage(values, length, threshold, before, k, n, seen):  # type: ignore[no-untyped-def]
    """Period of the exceedance that is the k-th within n consecutive periods; NEVER where there is none.

    seen: the k - 1 latest exceedances, as a ring whose oldest is at `slot`.
    """
    slot = 0
    for i in range(k - 1):
        seen[i] = before[i]
    for t in range(length):
        if values[t] > threshold:
            if k == 1 or t - seen[slot] < n:
                return t
            seen[slot] = t
            slot = slot + 1 if slot + 1 < k - 1 else 0
    return NEVER


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _days(hours, length, days):  # type: ignore[no-untyped-def]
    """95 % quantile (linear) of each 24 hours, which lies among the three largest; returns the number of days.

    The three are kept without branches, which would be mispredicted.
    """
    size = min(HOURS_PER_DAY, length)
    count = length // size if size > 0 else 0
    position = DAILY_PEAK * (size - 1)
    below = int(position)
    share = np.float32(position - below)
    for day in range(count):
        first = second = third = np.float32(-np.inf)
        for t in range(day * size, (day + 1) * size):
            value = hours[t]
            below_first = value if value < first else first
            below_second = below_first if below_first < second else second
            third = below_second if below_second > third else third
            second = below_first if below_first > second else second
            first = value if value > first else first
        rank = size - 1 - below  # of the lower neighbour, counted from the largest
        lower = first if rank == 0 else (second if rank == 1 else third)
        upper = first if rank <= 1 else second
        days[day] = lower + share * (upper - lower)
    return count
