"""Errors of all candidates and the vote among them: the two kernels that touch every forecast of every candidate."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from capforecast.forecast.base import Array, Mask

_LEAST_SHARE = 0.25  # of a horizon that must have been observed for an error to count
_FEW = 12  # values that are sorted outright

Numbers = npt.NDArray[np.floating[Any]]


def candidate_errors(cube: Numbers, actual: Array) -> tuple[Array, Mask]:
    """Mean absolute errors [O, K, N] of forecasts [O, K, H, N] on the observed points of [O, H, N], and who exists.

    An error is NaN where a candidate lacks a point or too few points were observed. Exists: bool [O, K, N], finite
    over the whole horizon, whatever was observed.
    """
    seen = np.isfinite(actual)
    total = np.empty((cube.shape[0], cube.shape[1], cube.shape[3]))
    _absolute_errors(cube, np.where(seen, actual, 0.0), seen.astype(np.float64), total)
    count = seen.sum(axis=1)[:, None]
    enough = count >= max(1.0, _LEAST_SHARE * actual.shape[1])
    return np.where(enough, total / np.maximum(count, 1), np.nan), np.isfinite(total)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _absolute_errors(cube, actual, seen, total):  # type: ignore[no-untyped-def]
    """Writes sums over the horizon [O, K, N]; NaN or infinity anywhere in a forecast shows in its sum."""
    origins, candidates, horizon, width = cube.shape
    for o in range(origins):
        for k in range(candidates):
            for n in range(width):
                total[o, k, n] = 0.0
            for h in range(horizon):
                for n in range(width):
                    total[o, k, n] += seen[o, h, n] * abs(cube[o, k, h, n] - actual[o, h, n])


def combine(values: Numbers, weight: Array) -> tuple[Array, Array]:
    """Interpolated weighted median and weighted mean over candidates, [H, N] each; NaN in a column without weight.

    values: [K, H, N]; weight: [K, N], not negative; candidates without weight may be NaN. Each value stands at the
    middle of its share of the weight (equal values by share); the median is read off between neighbours.
    """
    _, horizon, width = values.shape
    median, mean = np.full((horizon, width), np.nan), np.full((horizon, width), np.nan)
    _combine(values, np.ascontiguousarray(weight.T), median, mean)
    return median, mean


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _combine(values, weight, median, mean):  # type: ignore[no-untyped-def]
    candidates, horizon, width = values.shape
    voters = np.empty((width, candidates), dtype=np.int64)
    count = np.zeros(width, dtype=np.int64)
    total = np.zeros(width)
    for n in range(width):
        for k in range(candidates):
            if weight[n, k] > 0.0:
                voters[n, count[n]] = k
                count[n] += 1
                total[n] += weight[n, k]
    value, share = np.empty((2, candidates)), np.empty((2, candidates))
    for h in range(horizon):  # outside: the values of a step lie together
        for n in range(width):
            if count[n] == 0:
                continue
            average = 0.0
            for i in range(count[n]):
                k = voters[n, i]
                value[0, i], share[0, i] = values[k, h, n], weight[n, k]
                average += weight[n, k] * value[0, i]
            mean[h, n] = average / total[n]
            median[h, n] = _weighted_median(value, share, count[n], 0.5 * total[n], average / total[n])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weighted_median(value, share, count, half, pivot):  # type: ignore[no-untyped-def]
    """Where half of the weight lies: quickselect, then a sort of the few values around it. Overwrites its buffers.

    value, share: [2, >= count], the voters in row 0. `below` is the weight of all values cut off on the left, `low`
    the largest of them and `at_low` the middle of its share.
    """
    below, low, at_low = 0.0, np.nan, 0.0
    row = 0
    while count > _FEW:
        left, right, weight = 0, 0, 0.0
        for i in range(count):  # both sides are written, one of them counts: no branch to mispredict
            v, s = value[row, i], share[row, i]
            smaller = v < pivot
            value[1 - row, left], share[1 - row, left] = v, s
            left += smaller
            weight += s * smaller
            value[row, right], share[row, right] = v, s
            right += not smaller
        if left == 0 or right == 0:
            if left:
                row = 1 - row
            if value[row, :count].max() == value[row, :count].min():
                break
            pivot = 0.5 * value[row, :count].max() + 0.5 * value[row, :count].min()
            if pivot <= value[row, :count].min():  # neighbours among floats
                pivot = value[row, :count].max()
            continue
        top, its_share = _largest(value[1 - row], share[1 - row], left)
        middle = below + weight - 0.5 * its_share
        if middle >= half:
            row, count = 1 - row, left
        else:
            below += weight
            low, at_low = top, middle
            count = right
        pivot = _middle_of_three(value[row, 0], value[row, count // 2], value[row, count - 1])
    return _from_sorted(value[row], share[row], count, half, below, low, at_low)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _largest(value, share, count):  # type: ignore[no-untyped-def]
    """Largest value and its share; the largest share among equal values."""
    top, its_share = value[0], share[0]
    for i in range(1, count):
        if value[i] > top or (value[i] == top and share[i] > its_share):
            top, its_share = value[i], share[i]
    return top, its_share


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _middle_of_three(a, b, c):  # type: ignore[no-untyped-def]
    return max(min(a, b), min(max(a, b), c))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _from_sorted(value, share, count, half, below, low, at_low):  # type: ignore[no-untyped-def]
    """The median among few values, known to lie there or between `low` and the smallest of them."""
    for i in range(1, count):
        v, s = value[i], share[i]
        j = i
        while j > 0 and (value[j - 1] > v or (value[j - 1] == v and share[j - 1] > s)):
            value[j], share[j] = value[j - 1], share[j - 1]
            j -= 1
        value[j], share[j] = v, s
    for i in range(count):
        middle = below + 0.5 * share[i]
        if middle >= half:
            if np.isnan(low):
                return value[i]
            return low + (half - at_low) / (middle - at_low) * (value[i] - low)
        below += share[i]
        low, at_low = value[i], middle
    return value[count - 1]
