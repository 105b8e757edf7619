"""Hourly candidates that take a daily and a weekly shape out of the series and carry on the trend of what is left."""

from __future__ import annotations

import math

import numba
import numpy as np

from capforecast.forecast.base import Array, Array32, Block, Family, register
from capforecast.forecast.lanes import LANES, group_medians, log_offsets
from capforecast.forecast.smoothing import damped_sum
from capforecast.schema import Cadence

_WINDOWS = (72, 168, 336)  # hours whose trend is carried on
_DAMPING = (0.99, 0.998)  # and a straight line, from the middle of the window
_LINES = len(_DAMPING) + 1
_NEEDED = tuple(max(168, hours) for hours in _WINDOWS)
_HALF_LIFE = 1008.0  # hours: six weeks
_SHRINK = 2.0  # weeks of no deviation that hour-of-week means are held back by
_AROUND = 84  # hours on either side of the moving mean
_LEVEL_HOURS = 24


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _copy_lanes(values, offset, in_logs, first, out):  # type: ignore[no-untyped-def]
    """Rows of some lanes into out [t0, LANES], as logarithms (negative values taken as zero) if asked for."""
    for t in range(len(out)):
        for j in range(LANES):
            value = values[t, first + j]
            out[t, j] = math.log(max(value, 0.0) + offset[first + j]) if in_logs else value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weekly_sums(values, weight, total, sums):  # type: ignore[no-untyped-def]
    """Weighted sums by hour of the week of the distance of values [t0, LANES] from their moving mean, [168, LANES]."""
    seen = len(values)
    total[0] = 0.0
    for t in range(seen):
        for j in range(LANES):
            total[t + 1, j] = total[t, j] + values[t, j]
    sums[:] = 0.0
    for t in range(seen):
        low, high, slot = max(t - _AROUND, 0), min(t + _AROUND, seen), t % 168
        for j in range(LANES):
            mean = (total[high, j] - total[low, j]) / (high - low)
            sums[slot, j] += weight[t] * (values[t, j] - mean)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _shape(sums, counts, shape):  # type: ignore[no-untyped-def]
    """Daily plus shrunken weekly shape [168, LANES] from weighted sums and counts by hour of the week."""
    for hour in range(24):
        count = counts[hour::24].sum()
        for j in range(LANES):
            day = sums[hour::24, j].sum() / max(count, 1e-12)
            for slot in range(hour, 168, 24):
                shape[slot, j] = day + (sums[slot, j] - counts[slot] * day) / (counts[slot] + _SHRINK)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _slope_and_mean(rest, slope, mean):  # type: ignore[no-untyped-def]
    """Least-squares slope and mean of each lane of rest [hours, LANES]."""
    hours = len(rest)
    middle, square = (hours - 1) / 2.0, hours * (hours * hours - 1.0) / 12.0
    slope[:], mean[:] = 0.0, 0.0
    for t in range(hours):
        for j in range(LANES):
            slope[j] += (t - middle) * rest[t, j]
            mean[j] += rest[t, j]
    for j in range(LANES):
        slope[j] /= square
        mean[j] /= hours


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _write_line(base, slope, steps, shape, origin, offset, in_logs, exists, out):  # type: ignore[no-untyped-def]
    """One line with the seasonal shape added back, out [H, LANES], where exists [LANES]."""
    for h in range(len(out)):
        season = shape[(origin + h) % 168]
        for j in range(LANES):
            if exists[j]:
                value = base[j] + slope[j] * steps[h] + season[j]
                out[h, j] = math.exp(min(value, 300.0)) - offset[j] if in_logs else value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _median(rows, out):  # type: ignore[no-untyped-def]
    """Median of each lane of rows [P, LANES]."""
    ordered, medians = np.empty((1, len(rows), LANES)), np.empty((1, 1, LANES))
    group, looks = np.zeros(len(rows), dtype=np.int64), np.array([len(rows)])
    group_medians(rows, group, looks, ordered, np.zeros(1, dtype=np.int64), medians)
    out[:] = medians[0, 0]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _lines(values, weight, counts, windows, steps, offset, in_logs, exists, out):  # type: ignore[no-untyped-def]
    """Damped and straight lines at the end of values [t0, N], season added back, out [windows x lines, H, N].

    steps: how far each line has moved, [windows x lines, H]; the last line of a window starts from its mean, the
    others from the median of the last day.  exists: bool [windows, N].
    """
    seen, per_window = len(values), len(steps) // len(windows)
    total, sums, shape = np.empty((seen + 1, LANES)), np.empty((168, LANES)), np.empty((168, LANES))
    lane, level, slope, mean = np.empty((seen, LANES)), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for first in range(0, values.shape[1], LANES):
        lanes = slice(first, first + LANES)
        if not exists[:, lanes].any():
            continue
        _copy_lanes(values, offset, in_logs, first, lane)
        _weekly_sums(lane, weight, total, sums)
        _shape(sums, counts, shape)
        for t in range(max(0, seen - windows[-1]), seen):
            lane[t] -= shape[t % 168]
        _median(lane[seen - _LEVEL_HOURS :], level)
        for w in range(len(windows)):
            here = exists[w, lanes]
            if not here.any():
                continue
            _slope_and_mean(lane[seen - windows[w] :], slope, mean)
            for k in range(w * per_window, (w + 1) * per_window):
                base = mean if k == (w + 1) * per_window - 1 else level
                _write_line(base, slope, steps[k], shape, seen, offset[lanes], in_logs, here, out[k, :, lanes])


def _steps(horizon: int) -> Array:
    """How far each line has moved from its start, in units of its slope, [9, H]."""
    damped = damped_sum(np.array(_DAMPING), horizon)
    ahead = np.arange(1, horizon + 1)
    return np.concatenate([[*damped, (hours - 1) / 2 + ahead] for hours in _WINDOWS])


def _decomposed(block: Block, out: Array32) -> None:
    """Daily plus shrunken weekly shape around a moving mean (after MSTL, Bandara et al. 2021); lines over the rest."""
    offsets, steps = log_offsets(block.values, block.origins), _steps(block.horizon)
    half = len(steps)
    for o, origin in enumerate(block.origins):
        if origin < min(_NEEDED):
            continue
        weight = 0.5 ** (np.arange(origin)[::-1] / _HALF_LIFE)
        counts = np.bincount(np.arange(origin) % 168, weight, minlength=168)
        exists = block.age(origin) >= np.array(_NEEDED)[:, None]
        seen, windows = block.values[:origin], np.array(_WINDOWS)
        positive = exists & block.nonnegative(origin)
        _lines(seen, weight, counts, windows, steps, offsets[o], False, exists, out[o, :half])
        _lines(seen, weight, counts, windows, steps, offsets[o], True, positive, out[o, half:])


_MEMBERS = tuple(
    f"{kind}_{hours}h_{line}"
    for kind in ("level", "log")
    for hours in _WINDOWS
    for line in (*(f"{phi:g}" for phi in _DAMPING), "line")
)
register(Family("decomposition", Cadence.HOURLY, _MEMBERS, _decomposed))
