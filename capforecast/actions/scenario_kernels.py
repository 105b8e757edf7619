"""Kept levels of sample paths under a scenario: how many fire by each span, and how high they go."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from capforecast.schema import FloatArray

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


def held(
    levels: FloatArray, paths: Index, rows: Index, factor: FloatArray, more: FloatArray, limits: FloatArray,
    last: Index, lead: Index,
) -> tuple[Array, Array]:  # fmt: skip
    """Shares of the kept paths of R series that have fired by each span, [2, R, W], and how high they go, [3, R].

    levels: [N, W, P], of which `paths` [N] are there; rows: [R] of them.  factor, more: float32 [R, W], a level is
    multiplied by and lifted by.  limits: float32 [R, 2].  last, lead: [R], the spans by whose end the median and the
    90 % quantile of the largest level, and the 90 % quantile alone, are taken. NaN where a series has no paths.
    """
    shares = np.full((2, len(rows), levels.shape[1]), np.nan)
    tops = np.full((3, len(rows)), np.nan)
    _held(levels, paths, rows, factor, more, limits, last, lead, shares, tops)
    return shares, tops


def calibrated(exact: Array, before: Array, after: Array, rows: Index, reached: Index, limits: FloatArray) -> Array:
    """Shares of all paths under a scenario, [2, R, W]: those published, moved as the shares of the kept paths move.

    Where these fire less, the same share of all that fire; where more, the same share of all that do not. So no change
    gives what is published, and paths that never or always fire give 0 or 1. A share never falls from span to span.

    exact, before: [2, N, W], of all and of the kept paths.  after: [2, R, W], of the kept paths, of series `rows` [R].
    reached: [N], spans known.  limits: [R, 2]; NaN = no threshold, and so no share.
    """
    out = np.full(after.shape, np.nan)
    _calibrate(exact, before, after, rows, reached, limits, out)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _calibrate(exact, before, after, rows, reached, limits, out):  # type: ignore[no-untyped-def]
    for level in range(2):
        for r in range(len(rows)):
            i, most = rows[r], 0.0
            if np.isnan(limits[r, level]):
                continue
            for w in range(reached[i]):
                share, was, now = exact[level, i, w], before[level, i, w], after[level, r, w]
                if np.isnan(share):
                    share = now
                elif now < was:
                    share *= now / was
                elif now > was:
                    share = 1.0 - (1.0 - share) * ((1.0 - now) / (1.0 - was))
                most = max(most, share)
                out[level, r, w] = most


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _held(  # type: ignore[no-untyped-def]
    levels, paths, rows, factor, more, limits, last, lead, shares, tops
):
    most = levels.shape[2]
    top = np.empty(most, np.float32)
    ordered = np.empty(most, np.float32)
    for r in range(len(rows)):
        i = rows[r]
        if paths[i] == 0:
            continue
        top[:] = -np.inf
        for w in range(levels.shape[1]):
            high, very_high = _fired(levels[i, w], factor[r, w], more[r, w], limits[r, 0], limits[r, 1], top)
            shares[0, r, w], shares[1, r, w] = high / paths[i], very_high / paths[i]
            if w == last[r] or w == lead[r]:
                _sort(top, paths[i], ordered)
                if w == last[r]:
                    tops[0, r] = _quantile(ordered, paths[i], 0.5)
                    tops[1, r] = _quantile(ordered, paths[i], 0.9)
                if w == lead[r]:
                    tops[2, r] = _quantile(ordered, paths[i], 0.9)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fired(values, factor, more, high, very_high, top):  # type: ignore[no-untyped-def]
    """Raise each path's largest level so far by a span's, and count those above the two thresholds."""
    count, further = np.int32(0), np.int32(0)
    for p in range(len(top)):
        value = values[p] * factor + more
        largest = value if value > top[p] else top[p]  # of a span not reached, NaN, nothing comes
        top[p] = largest
        count += np.int32(largest > high)
        further += np.int32(largest > very_high)
    return count, further


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sort(values, count, ordered):  # type: ignore[no-untyped-def]
    """The first values in order; they come nearly sorted, for paths are kept by their largest level."""
    for p in range(count):
        value, place = values[p], p
        while place > 0 and ordered[place - 1] > value:
            ordered[place] = ordered[place - 1]
            place -= 1
        ordered[place] = value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _quantile(ordered, count, share):  # type: ignore[no-untyped-def]
    """Linear quantile of the first `count` values."""
    place = share * (count - 1)
    below = int(place)
    above = min(below + 1, count - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
