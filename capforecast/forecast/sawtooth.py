"""Daily candidates for what fills up and is emptied every so many days: disks cleaned up, leaks ended by a restart.

Period and day of the resets are those by which a series' daily changes, folded (epoch folding, Leahy et al. 1983), show
the deepest fall; each change counts up to a limit, so one great fall makes no cycle. Ramp and weekdays are then fitted
together with a line, again with outliers cut; what they leave goes on at its level or along its line. Unlike a cycle
repeated (`cycles`), the forecast carries no noise of single days. Series without such resets get no candidate.
"""

from __future__ import annotations

import numba
import numpy as np

from capforecast.forecast.base import Array, Array32, Block, Family, Index, register
from capforecast.forecast.lanes import LANES, row_medians
from capforecast.schema import Cadence

_SHORTEST, _LONGEST = 10, 120  # days of a cycle
_CYCLES = 3  # that must have been seen
_WINDOW = 728  # days looked back
_LEAST = 120  # days of history
_LARGE = 3.0  # mean changes that one change may count towards its weekday's
_LIMIT = 6.0  # usual changes that one change may count
_EVIDENCE = 7.0  # standard errors of the mean change on days of a reset, below zero
_OUTLIER = 3.0  # usual residuals that one residual may count
_LINES, _FLATS = (364, 728), (91,)  # days of what is left that tell its course
MEMBERS = (*(f"line_{days}d" for days in _LINES), *(f"flat_{days}d" for days in _FLATS))
_WEEK = 7
_COLUMNS = 2 + _WEEK  # line, ramp, six weekdays


def resets(values: Array, birth: Index, origin: int) -> tuple[Index, Index]:
    """Period in days, and days since the last reset, of series [T, N] as known at an origin, [N] each; 0 = no resets.

    birth: [N], first row of each series.
    """
    period, since = np.zeros((2, values.shape[1]), dtype=np.int64)
    weeks = (min(origin, _WINDOW + 1) - 1) // _WEEK
    first = origin - weeks * _WEEK  # day of the first change
    change, size = np.empty((weeks * _WEEK, values.shape[1]), dtype=np.float32), np.empty(values.shape[1])
    _changes(values, birth, first, change, size)
    unit = np.maximum(1.4826 * row_medians(np.abs(np.ascontiguousarray(change.T))), 0.5 * size)
    _fold(change, np.where(unit > 0, unit, np.inf), origin - np.maximum(birth, first - 1), period, since)
    return period, since


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _changes(values, birth, first, out, size):  # type: ignore[no-untyped-def]
    """Daily changes from row `first` on less their weekday's mean, [whole weeks, N], and their mean size, [N]."""
    seen = len(out)
    change, usual, limit = np.empty((seen, LANES)), np.empty((_WEEK, LANES)), np.empty(LANES)
    for lane in range(0, values.shape[1], LANES):
        limit[:] = 0.0
        usual[:] = 0.0
        for t in range(seen):
            for j in range(LANES):
                step = values[first + t, lane + j] - values[first + t - 1, lane + j]
                change[t, j] = step if first + t > birth[lane + j] else 0.0
                limit[j] += abs(change[t, j])
        limit *= _LARGE / seen
        for t in range(seen):
            for j in range(LANES):
                usual[t % _WEEK, j] += min(max(change[t, j], -limit[j]), limit[j])
        usual *= _WEEK / seen
        size[lane : lane + LANES] = 0.0
        for t in range(seen):
            for j in range(LANES):
                rest = change[t, j] - usual[t % _WEEK, j]
                size[lane + j] += abs(rest) / seen
                out[t, lane + j] = rest


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fold(change, unit, age, period, since):  # type: ignore[no-untyped-def]
    """Where mean changes [T, N] on one day of a cycle fall furthest below zero, in standard errors; unit: [N].

    Only the longer half of the cycles is folded day by day: each fold gives that of half its cycle by one addition.
    """
    seen = len(change)
    longest = min(_LONGEST, seen // _CYCLES)
    sums, best = np.empty((_LONGEST, LANES), dtype=np.float32), np.empty(LANES)
    newest = np.empty((seen, LANES), dtype=np.float32)  # side by side, newest first: read once for each cycle
    for first in range(0, change.shape[1], LANES):
        best[:] = -_EVIDENCE
        for back in range(seen):
            for j in range(LANES):
                step = change[seen - 1 - back, first + j] / unit[first + j]
                newest[back, j] = min(max(step, -_LIMIT), _LIMIT)
        for whole in range(max(_SHORTEST, longest // 2 + 1), longest + 1):
            sums[:whole] = 0.0
            for begin in range(0, seen, whole):
                _add(sums, newest[begin : begin + whole])
            cycle = whole
            while True:
                _deepest(sums, cycle, age, first, best, period, since)
                if cycle % 2 or cycle // 2 < _SHORTEST:
                    break
                cycle //= 2
                _add(sums, sums[cycle : 2 * cycle])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add(sums, rows):  # type: ignore[no-untyped-def]
    """Add rows of lanes to the first of `sums`, both contiguous: flat, so that it becomes vector instructions."""
    total, more = sums.ravel(), rows.ravel()
    for i in range(len(more)):
        total[i] += more[i]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _deepest(sums, cycle, age, first, best, period, since):  # type: ignore[no-untyped-def]
    """Take note of the days of one cycle whose mean changes [>= cycle, LANES] are deeper than the best so far."""
    lowest = np.zeros(LANES, dtype=np.float32)
    for place in range(cycle):
        for j in range(LANES):
            lowest[j] = min(lowest[j], sums[place, j])
    for j in range(LANES):
        if lowest[j] >= best[j] * np.sqrt(float(_CYCLES)):
            continue  # nearly always
        for place in range(cycle):
            count = (age[first + j] - 2 - place) // cycle + 1
            if count >= _CYCLES and sums[place, j] < best[j] * np.sqrt(count):
                best[j] = sums[place, j] / np.sqrt(count)
                period[first + j], since[first + j] = cycle, place + 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _forecast(values, weekday, origin, age, period, since, out):  # type: ignore[no-untyped-def]
    """Writes [members, H, N] of the series that have resets."""
    for n in range(values.shape[1]):
        if period[n] == 0:
            continue
        seen = min(_WINDOW, age[n])
        ramp = np.empty(seen + out.shape[1])
        for t in range(len(ramp)):
            ramp[t] = ((t - seen + since[n]) % period[n]) / period[n] - 0.5
        days = weekday[origin - seen : origin + out.shape[1]]
        series = values[origin - seen : origin, n].copy()
        fitted = _fitted(series, ramp, days)
        if not fitted[2] > 0.0:
            continue
        left = np.empty(seen)
        for t in range(seen):
            left[t] = series[t] - _shape(fitted, ramp[t], days[t])
        for m in range(len(MEMBERS)):
            level, slope = _course(left, m)
            for h in range(out.shape[1]):
                shape = _shape(fitted, ramp[seen + h], days[seen + h])
                out[m, h, n] = level + slope * (h + 1) + shape


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _shape(fitted, ramp, day):  # type: ignore[no-untyped-def]
    return fitted[2] * ramp + (fitted[2 + day] if day > 0 else 0.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fitted(series, ramp, days):  # type: ignore[no-untyped-def]
    """Coefficients of line, ramp and weekdays 1 to 6; twice, outliers of the first fit being cut in `series`."""
    seen = len(series)
    normal, right, fitted = np.zeros((_COLUMNS, _COLUMNS)), np.zeros(_COLUMNS), np.zeros(_COLUMNS)
    residual, mean = np.empty(seen), series.mean()
    _normal(seen, ramp, days, normal)
    for turn in range(2):
        right[:] = 0.0
        for t in range(seen):
            value = series[t] - mean
            right[0] += value
            right[1] += value * (t + 1 - seen) / 365.0
            right[2] += value * ramp[t]
            if days[t] > 0:
                right[2 + days[t]] += value
        fitted[:] = np.linalg.solve(normal, right)
        if turn == 0:
            for t in range(seen):
                line = fitted[0] + fitted[1] * (t + 1 - seen) / 365.0
                residual[t] = series[t] - mean - line - _shape(fitted, ramp[t], days[t])
            limit = _OUTLIER * 1.4826 * np.median(np.abs(residual))
            for t in range(seen):
                series[t] -= residual[t] - min(max(residual[t], -limit), limit)
    return fitted


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _normal(seen, ramp, days, out):  # type: ignore[no-untyped-def]
    """Matrix of the normal equations: sums of products of constant, line (years), ramp and weekdays 1 to 6."""
    for t in range(seen):
        line, day = (t + 1 - seen) / 365.0, 2 + days[t]
        out[0, 0] += 1.0
        out[0, 1] += line
        out[0, 2] += ramp[t]
        out[1, 1] += line * line
        out[1, 2] += line * ramp[t]
        out[2, 2] += ramp[t] * ramp[t]
        if day > 2:
            out[0, day] += 1.0
            out[1, day] += line
            out[2, day] += ramp[t]
            out[day, day] += 1.0
    for a in range(_COLUMNS):
        out[a, a] += 1e-3
        for b in range(a):
            out[a, b] = out[b, a]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _course(left, member):  # type: ignore[no-untyped-def]
    """Level on the last day and slope a day of what is left [seen]."""
    lines = len(_LINES)
    span = min(_LINES[member] if member < lines else _FLATS[member - lines], len(left))
    recent = left[len(left) - span :]
    mean, middle = recent.mean(), 0.5 * (span - 1)
    if member >= lines:
        return mean, 0.0
    product, square = 0.0, 0.0
    for t in range(span):
        product += (t - middle) * recent[t]
        square += (t - middle) ** 2
    slope = product / square
    return mean + slope * middle, slope


def _daily(block: Block, out: Array32) -> None:
    weekday = block.calendar["day_of_week"].to_numpy().astype(np.int64)
    for o, origin in enumerate(block.origins):
        age = block.age(origin)
        if (age < _LEAST).all():
            continue
        period, since = resets(block.values, block.birth, origin)
        period[age < _LEAST] = 0
        _forecast(block.values, weekday, origin, age, period, since, out[o])


FAMILY = register(Family("sawtooth", Cadence.DAILY, MEMBERS, _daily))
