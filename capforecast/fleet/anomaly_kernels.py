"""Spikes and level shifts of series [N, T], each series by itself, each mark from the values up to it alone."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from capforecast.schema import BoolArray

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

_TO_SIGMA = 1.4826  # median absolute deviation of a normal value to its standard deviation
_TAIL = 0.95  # quantile of the usual strays
_FLOOR = 0.005  # the usual stray is at least this share of the level: a series that hardly moves is not all anomalies
_ALONE = 3  # a value like the middle of the last three belongs to a run, it is no spike
_MOST = 0.75  # of a run's values lie beyond the middle between the levels: it moved as a whole


class Limits(NamedTuple):
    """From where on a stray is a mark. spike_z, shift_z: in standard deviations, by the median of the usual strays;
    spike_tail, shift_tail: in units of their 95 % quantile, which is above that where tails are heavy; both must be
    exceeded. shift_share: share of the level: smaller moves do not matter for capacity.
    """

    spike_z: float
    spike_tail: float
    shift_z: float
    shift_tail: float
    shift_share: float


class Windows(NamedTuple):
    """Periods. season: lag of like with like; seasons: how many of them are looked at; short, shorts: the same where
    those are too few; level: values around which a season swings; run: values that must have moved; before: values
    they are compared with; scale: values that tell the usual stray; least: values that will do for `before`, `scale`.
    """

    season: int
    seasons: int
    short: int
    shorts: int
    level: int
    run: int
    before: int
    scale: int
    least: int

    @property
    def reach(self) -> int:
        """How far back a mark looks."""
        return self.level + self.season * self.seasons + self.run + self.before + self.scale


@numba.njit(cache=True, nogil=True, error_model="numpy")
def mark_series(
    values: Floats,
    windows: Windows,
    limits: Limits,
    spikes: BoolArray,
    shifts: BoolArray,
    began: Whole,
    usual: Floats,
    sizes: Floats,
) -> None:
    """Fill spikes, shifts, began, usual and sizes [N, T], which come as false, -1 and NaN; see anomalies.Marks.

    Once a shift is told, what lies before it is carried to the new level: what is usual from then on is what came
    since, and how far values stray is known from before.
    """
    length = values.shape[1]
    level, flat, before, stray, scatter, tail, now, near, unused = np.empty((9, length))
    for place in range(len(values)):
        carried = values[place].copy()
        start, last, side = 1, -length, 0.0
        while start < length:
            _slide(carried, windows.level, (windows.level + 1) // 2, level, unused)
            _take_out_season(carried, level, windows, flat)
            _slide(flat, windows.before, windows.least, before, unused)
            stray[0] = np.nan
            for t in range(1, length):
                stray[t] = abs(flat[t] - before[t - 1])
            _slide(stray, windows.scale, windows.least, scatter, tail)
            _slide(flat, windows.run, (windows.run + 1) // 2, now, unused)
            _slide(flat, _ALONE, 2, near, unused)
            for t in range(length):
                usual_z = _TO_SIGMA * scatter[t]
                scatter[t] = max(limits.shift_z * usual_z, limits.shift_tail * tail[t])
                tail[t] = max(limits.spike_z * max(usual_z, _FLOOR * abs(before[t])), limits.spike_tail * tail[t])
            told, last = _next_shift(flat, before, scatter, now, windows, limits.shift_share, start, last, side)
            for t in range(start, min(told, length)):
                far = tail[t - 1]
                if abs(flat[t] - before[t - 1]) > far and not abs(flat[t] - near[t - 1]) <= far:
                    spikes[place, t] = True
                    sizes[place, t] = flat[t] - before[t - 1]
                    usual[place, t] = values[place, t] - sizes[place, t]
            if told < length:
                old = before[told - windows.run]
                size = now[told] - old
                side, last, start = np.sign(size), told, told + 1
                onset = _onset(flat, old + size / 2, side, told, windows.run)
                shifts[place, told], began[place, told] = True, onset
                usual[place, told], sizes[place, told] = old, size
                carried[:onset] += size
            else:
                start = length


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _slide(series: Floats, window: int, least: int, median: Floats, tail: Floats) -> None:
    """Median and 95 % quantile [T] of the last `window` values observed; NaN where fewer than `least` were."""
    ordered, count = np.empty(window), 0
    for t in range(len(series)):
        if t >= window and not np.isnan(series[t - window]):
            at = _place(ordered, count, series[t - window])
            for place in range(at, count - 1):
                ordered[place] = ordered[place + 1]
            count -= 1
        if not np.isnan(series[t]):
            at = _place(ordered, count, series[t])
            for place in range(count, at, -1):
                ordered[place] = ordered[place - 1]
            ordered[at] = series[t]
            count += 1
        enough = count >= max(least, 1)
        median[t] = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2 if enough else np.nan
        tail[t] = ordered[int(_TAIL * (count - 1))] if enough else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _take_out_season(series: Floats, level: Floats, windows: Windows, flat: Floats) -> None:
    """`flat` [T]: the values less what the same phase of earlier seasons usually adds to the level; where fewer than
    two of these are known, of earlier short seasons; where fewer than three of those, less nothing."""
    pool = np.empty(max(windows.seasons, windows.shorts))
    for t in range(len(series)):
        count = _same_phase(series, level, t, windows.season, windows.seasons, pool)
        if count < 2:
            count = _same_phase(series, level, t, windows.short, windows.shorts, pool)
            count = count if count > 2 else 0
        flat[t] = series[t]
        if count:
            flat[t] -= (pool[(count - 1) // 2] + pool[count // 2]) / 2


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _same_phase(series: Floats, level: Floats, t: int, season: int, seasons: int, pool: Floats) -> int:
    """How many earlier values of the phase of `t` are known; their distances from the level, sorted, fill `pool`."""
    count = 0
    for turn in range(1, seasons + 1):
        back = t - turn * season
        if back >= 0 and not np.isnan(series[back] - level[back]):
            at = _place(pool, count, series[back] - level[back])
            for place in range(count, at, -1):
                pool[place] = pool[place - 1]
            pool[at] = series[back] - level[back]
            count += 1
    return count


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _place(ordered: Floats, count: int, value: float) -> int:
    """Where `value` belongs among the first `count` sorted values: before those that equal it."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _next_shift(
    flat: Floats,
    before: Floats,
    least: Floats,
    now: Floats,
    windows: Windows,
    share: float,
    start: int,
    last: int,
    side: float,
) -> tuple[int, int]:
    """First row from `start` on at which the last `run` values have moved as a whole against those before, by more than
    `least` was then and a share of the level; T where there is none. And the row at which they last stood moved.

    A move to the same `side` as that of the row `last` within a while of it is still the same.
    """
    run, rest = windows.run, windows.run + windows.before // 2
    for t in range(max(run, start), len(flat)):
        old = before[t - run]
        size = now[t] - old
        if np.isnan(flat[t]) or not abs(size) > max(least[t - run], share * abs(old)):
            continue
        half, towards = old + size / 2, np.sign(size)
        beyond, seen = 0, 0
        for back in range(t - run + 1, t + 1):
            seen += not np.isnan(flat[back])
            beyond += (flat[back] - half) * towards > 0
        if beyond < _MOST * seen:
            continue
        if t - last > rest or towards != side:
            return t, last
        last = t
    return len(flat), last


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _onset(flat: Floats, half: float, side: float, t: int, run: int) -> int:
    """Row at which the run began: the split of the last 2 x run values that leaves the fewest on the wrong side."""
    first = max(t - 2 * run + 1, 0)
    wrong = 0
    for row in range(first, t + 1):
        wrong += (flat[row] - half) * side < 0
    best, onset = wrong, first
    for row in range(first, t):
        wrong += ((flat[row] - half) * side > 0) - 1 * ((flat[row] - half) * side < 0)
        if wrong < best:
            best, onset = wrong, row + 1
    return onset
