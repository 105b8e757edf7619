"""Daily candidates for cycles that are no week: logs cleaned each sixty days, services restarted each month.

Each series' period is the lag over which its last half year differs least from itself, growth aside (average magnitude
difference, Ross et al. 1974); the forecast is the last cycle over again, or the mean of the last two, with or without
the change of level from one cycle to the next.
"""

from __future__ import annotations

import numba
import numpy as np

from capforecast.forecast.base import Array, Array32, Block, Family, Index, register
from capforecast.forecast.lanes import LANES
from capforecast.schema import Cadence

_SHORTEST, _LONGEST = 10, 120  # days of a cycle
_WINDOW = 180  # days compared with those a cycle before ...
_STRIDE = 2  # ... every other one of them
_LEAST = 2 * _LONGEST  # days of history
_MARGIN = 0.15  # by which a longer cycle must fit better
MEMBERS = ("last", "two", "last_moved", "two_moved")


def periods(values: Array, origin: int) -> Index:
    """Period in days of each series [T, N] as known at an origin, [N]."""
    out = np.zeros(values.shape[1], dtype=np.int64)
    _periods(values, origin, min(_WINDOW, origin - _LONGEST), out)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _periods(values, origin, window, out):  # type: ignore[no-untyped-def]
    start = origin - window - _LONGEST
    total, least, growth = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    sums = np.zeros((window + _LONGEST + 1, LANES))
    for first in range(0, values.shape[1], LANES):
        least[:] = np.inf
        for t in range(window + _LONGEST):
            for j in range(LANES):
                sums[t + 1, j] = sums[t, j] + values[start + t, first + j]
        for lag in range(_SHORTEST, _LONGEST + 1):
            for j in range(LANES):
                now = sums[-1, j] - sums[_LONGEST, j]
                growth[j] = (now - sums[window + _LONGEST - lag, j] + sums[_LONGEST - lag, j]) / window
            total[:] = 0.0
            for t in range(origin - window, origin, _STRIDE):
                for j in range(LANES):
                    total[j] += abs(values[t, first + j] - values[t - lag, first + j] - growth[j])
            for j in range(LANES):
                if total[j] < least[j] * (1.0 - _MARGIN):  # twice a cycle fits as well: the shortest that does
                    least[j], out[first + j] = total[j], lag


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _repeat(values, origin, age, period, out):  # type: ignore[no-untyped-def]
    """Writes [members, H, N] where a series is old enough."""
    horizon = out.shape[1]
    for n in range(values.shape[1]):
        if age[n] < _LEAST:
            continue
        cycle = period[n]
        now, before = 0.0, 0.0
        for t in range(cycle):
            now += values[origin - 1 - t, n] / cycle
            before += values[origin - 1 - cycle - t, n] / cycle
        for h in range(horizon):
            later = h // cycle + 1
            last = values[origin + h - later * cycle, n]
            older = values[origin + h - (later + 1) * cycle, n]
            drift = (now - before) * later
            out[0, h, n] = last
            out[1, h, n] = 0.5 * (last + older)
            out[2, h, n] = last + drift
            out[3, h, n] = 0.5 * (last + older + now - before) + drift


def _daily(block: Block, out: Array32) -> None:
    for o, origin in enumerate(block.origins):
        age = block.age(origin)
        if (age >= _LEAST).any():
            _repeat(block.values, origin, age, periods(block.values, origin), out[o])


FAMILY = register(Family("cycles", Cadence.DAILY, MEMBERS, _daily))
