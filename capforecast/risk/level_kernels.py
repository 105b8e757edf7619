"""Levels of sample paths: by path and span of days, the largest threshold that the breach rule would see exceeded.

At a day t the k-of-n rule fires above a threshold exactly where x(t) and k of the n values that end at t exceed it, so
where r(t) = min(x(t), k-th largest of these n) does. The first breach comes by a day where the maximum of r up to it
exceeds the threshold: one number by path and span answers for every threshold.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from capforecast.risk.passage import Bundle, _build, _days, days_of
from capforecast.risk.rule import Rule
from capforecast.schema import Cadence, FloatArray

Index = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def kept_levels(
    bundle: Bundle, recent: FloatArray, rule: Rule, ends: Index, most: int, cadence: Cadence
) -> tuple[FloatArray, FloatArray]:
    """Levels [M, W, most] of the sample paths that stand for all, and of all the largest value so far [M, W, K].

    recent: [M, R], days observed before the origin, the latest last; NaN = not above anything.  ends: [W], last day of
    each span.  Of more than `most` paths those in the middle of equal groups are kept, by the maximum of their levels;
    places of fewer paths, and spans beyond a path's length, are NaN. Hourly paths count by their days.
    """
    count, (k, n), b = len(bundle.point), rule, bundle
    seen = recent[:, max(0, recent.shape[1] - (n - 1)) :] if n > 1 else recent[:, :0]
    before = np.full((count, n - 1), -np.inf, np.float32)
    before[:, n - 1 - seen.shape[1] :] = np.where(np.isnan(seen), -np.inf, seen)
    hourly = cadence is Cadence.HOURLY
    longest = days_of(b.pool.shape[1]) if hourly else b.pool.shape[1]
    levels = np.full((count, len(ends), most), np.nan, np.float32)
    peaks = np.full((count, len(ends), b.drawn), np.nan, np.float32)
    _levels(
        b.pool, b.nearest, b.point, b.length, b.scale, b.low, b.high, before, k, n, ends, hourly, longest, levels, peaks
    )
    return levels, peaks


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _levels(  # type: ignore[no-untyped-def]
    pool, nearest, point, length, scale, low, high, before, k, n, ends, hourly, longest, levels, peaks
):
    paths, spans, most = nearest.shape[1], len(ends), levels.shape[2]
    path = np.empty(pool.shape[1], np.float32)
    values = np.empty(n - 1 + longest, np.float32)  # what was observed, then the days of a path
    found = np.empty((paths, spans), np.float32)
    top = np.empty(paths, np.float32)
    largest = np.empty((k, longest), np.float32)
    for m in range(len(nearest)):
        values[: n - 1] = before[m]
        for j in range(paths):
            _build(pool[nearest[m, j]], point[m], length[m], scale[m], low[m], high[m], path)
            days = length[m]
            if hourly:
                days = _days(path, length[m], values[n - 1 :])
            else:
                values[n - 1 : n - 1 + days] = path[:days]
            top[j] = _by_span(values, days, k, n, ends, largest, found[j], peaks[m, :, j])
        order = np.argsort(top)
        kept = min(paths, most)
        for s in range(kept):
            j = order[((2 * s + 1) * paths) // (2 * kept)]
            for w in range(spans):
                levels[m, w, s] = found[j, w]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _by_span(values, days, k, n, ends, largest, found, peaks):  # type: ignore[no-untyped-def]
    """Fill in the level of each span, and the largest value by its end; returns the largest level."""
    _largest_of_windows(values, days, k, n, largest)
    start, top, peak = 0, np.float32(-np.inf), np.float32(-np.inf)
    for w in range(len(ends)):
        if start >= days:
            found[w] = peaks[w] = np.nan
            continue
        best = np.float32(-np.inf)
        for t in range(start, min(ends[w], days)):
            value, kth = values[n - 1 + t], largest[k - 1, t]
            level = kth if kth < value else value
            best = level if level > best else best
            peak = value if value > peak else peak
        found[w], peaks[w], start = best, peak, ends[w]
        top = best if best > top else top
    return top


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _largest_of_windows(values, days, k, n, largest):  # type: ignore[no-untyped-def]
    """The k largest of the n values that end at each day, [k, days], without a branch: values are let in one by one."""
    largest[:, :days] = -np.inf
    for i in range(n):
        for rank in range(k - 1, 0, -1):
            _let_in(largest[rank], largest[rank - 1], values[i:], days)
        first = largest[0]
        for t in range(days):
            value = values[i + t]
            first[t] = value if value > first[t] else first[t]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _let_in(here, above, values, days):  # type: ignore[no-untyped-def]
    """Largest of what is at a rank, and the lesser of the rank above and a new value."""
    for t in range(days):
        value = values[t] if values[t] < above[t] else above[t]
        here[t] = value if value > here[t] else here[t]
