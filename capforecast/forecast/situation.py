"""Where a daily series stands against its own past: just risen or fallen, high or low for its year.

Which forecasts do well depends on it: after a burst those that expect the old level back, on a plateau those that trust
the last days. All of it is measured in units of the series' own usual change from week to week, so that series of any
metric and size can teach one another.
"""

from __future__ import annotations

import numba
import numpy as np

from capforecast.forecast.base import Array, Index
from capforecast.schema import Cadence

ASPECTS = {Cadence.DAILY: ("week", "month", "quarter", "year"), Cadence.HOURLY: ()}  # hourly they foretold nothing
_WEEKS = 60  # looked back
# (recent weeks, weeks compared with: from .. to, how steeply a difference saturates)
_COMPARED = np.array([(1, 0, 4, 1.0), (4, 4, 8, 0.3), (4, 4, 16, 0.2), (4, 0, 52, 0.15)])


def situations(values: Array, moments: Index, cadence: Cadence) -> Array:
    """Situation of series [T, N] (NaN = unobserved) at moments (counts of points seen), float64 [M, aspects, N].

    Each aspect compares the weekly medians of the last week or month with those of the month, the month before, the
    quarter before and the year, between -1 (far lower) and 1 (far higher); 0 where there is nothing to compare.
    Nothing at or after a moment is read.
    """
    out = np.zeros((len(moments), len(ASPECTS[cadence]), values.shape[1]))
    if out.size:
        series = np.ascontiguousarray(values.T, dtype=np.float64)
        _situations(series, np.asarray(moments, dtype=np.int64), _COMPARED, out)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _situations(values: Array, moments: Index, compared: Array, out: Array) -> None:
    weeks = np.empty(_WEEKS)
    for i in range(len(values)):
        for m, moment in enumerate(moments):
            _weekly_medians(values[i], moment, weeks)
            unit = _scaled(weeks)
            for aspect in range(len(compared)):
                recent, first, last = int(compared[aspect, 0]), int(compared[aspect, 1]), int(compared[aspect, 2])
                change = _mean(weeks[:recent]) - _mean(weeks[first:last])
                if np.isfinite(change):
                    out[m, aspect, i] = np.tanh(compared[aspect, 3] * change / unit)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weekly_medians(series: Array, moment: int, weeks: Array) -> None:
    """Median of each week before a moment, newest first; NaN where nothing was observed."""
    days = np.empty(7)
    for w in range(len(weeks)):
        count = 0
        for t in range(max(moment - 7 * (w + 1), 0), max(moment - 7 * w, 0)):
            if np.isfinite(series[t]):
                place = count
                while place > 0 and days[place - 1] > series[t]:
                    days[place] = days[place - 1]
                    place -= 1
                days[place] = series[t]
                count += 1
        weeks[w] = 0.5 * (days[(count - 1) // 2] + days[count // 2]) if count else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _scaled(weeks: Array) -> float:
    """Turn weekly values into logarithms where none is negative; the usual change from week to week."""
    size, least = _mean(np.abs(weeks)), np.nanmin(weeks)
    if least >= 0:
        weeks[:] = np.log(weeks + 0.05 * size + 1e-12)
    else:
        weeks[:] = weeks / (size + 1e-12)
    changes = np.abs(weeks[1:] - weeks[:-1])
    changes = changes[np.isfinite(changes)]
    return 1.4826 * np.median(changes) + 1e-6 if len(changes) else 1.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _mean(values: Array) -> float:
    total, count = 0.0, 0
    for value in values:
        if np.isfinite(value):
            total += value
            count += 1
    return total / count if count else np.nan
