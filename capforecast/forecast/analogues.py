"""Candidates that look for similar stretches of the past and continue as those did (nearest neighbours, L1)."""

from __future__ import annotations

import numba
import numpy as np

from capforecast.forecast.base import TILE, Array, Array32, Block, Family, Index, register
from capforecast.schema import Cadence

_MOST = 5  # neighbours averaged
_LEAST = 4  # windows there must be
_MEMBERS = ("aligned", "plain")  # moved to today's level, as they were


def _analogues(block: Block, out: Array32, length: int, step: int) -> None:
    gap = -(-block.horizon // step) * step
    for first in range(0, block.width, TILE):
        columns = slice(first, first + TILE)
        seen, along = np.ascontiguousarray(block.values[:, columns]), np.ascontiguousarray(block.values[:, columns].T)
        for o, origin in enumerate(block.origins):
            ends = np.arange(origin - gap, length - 1, -step)
            if len(ends) >= _LEAST:
                near = _nearest(seen, block.birth[columns], origin, ends, length)
                _continue(along, *near, out[o, :, :, columns])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _nearest(seen: Array, birth: Index, origin: int, ends: Index, length: int) -> tuple[Index, Index, Array]:
    """Windows most like the last one before an origin, in the past of [T, TILE].

    Returns how many windows there were, [TILE]; where the nearest end and how far they are to be moved, [2, 5, TILE].
    """
    today, level = np.empty(TILE), np.empty(TILE)
    distance, moved = np.empty((2, TILE)), np.zeros((2, TILE))
    best = np.full((2, _MOST, TILE), np.inf)
    chosen, shift = np.zeros((2, _MOST, TILE), np.int64), np.zeros((2, _MOST, TILE))
    usable = np.zeros(TILE, np.int64)
    now = seen[origin - length : origin]
    _mean(now, today)
    for end in ends:
        window = seen[end - length : end]
        _mean(window, level)
        moved[0] = today - level
        _distances(window, now, moved[0], distance[0], distance[1])
        for j in range(TILE):
            if end - length >= birth[j]:  # windows that lie after the first observation
                usable[j] += 1
                for member in range(2):
                    if distance[member, j] < best[member, _MOST - 1, j]:
                        rank = _rank(best, member, j, distance[member, j])
                        _insert(best, member, j, rank, distance[member, j])
                        _insert(chosen, member, j, rank, end)
                        _insert(shift, member, j, rank, moved[member, j])
    return usable, chosen, shift


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _continue(along: Array, usable: Index, chosen: Index, shift: Array, out: Array32) -> None:
    """Mean of what followed the nearest windows in the past [TILE, T]; writes [2, H, TILE]."""
    horizon = out.shape[1]
    total = np.empty(horizon)
    for member in range(2):
        for j in range(TILE):
            if usable[j] >= _LEAST:
                count = min(max(usable[j] // 4, 2), _MOST)
                total[:] = 0.0
                for rank in range(count):
                    end, moved = chosen[member, rank, j], shift[member, rank, j]
                    total += along[j, end : end + horizon] + moved
                for h in range(horizon):
                    out[member, h, j] = total[h] / count


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _mean(window: Array, mean: Array) -> None:
    mean[:] = 0.0
    for i in range(len(window)):
        row = window[i]
        for j in range(TILE):
            mean[j] += row[j]
    mean /= len(window)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _distances(window: Array, now: Array, moved: Array, aligned: Array, plain: Array) -> None:
    """Sums of absolute differences between two windows [length, TILE], one of them moved by so much, and as it is."""
    aligned[:] = 0.0
    plain[:] = 0.0
    for i in range(len(window)):
        row, other = window[i], now[i]
        for j in range(TILE):
            apart = row[j] - other[j]
            aligned[j] += abs(apart + moved[j])
            plain[j] += abs(apart)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _rank(best: Array, member: int, j: int, distance: float) -> int:
    """Place among the nearest; of equals the newer window, which came first, stays first."""
    rank = _MOST - 1
    while rank > 0 and distance < best[member, rank - 1, j]:
        rank -= 1
    return rank


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _insert(kept: Array | Index, member: int, j: int, rank: int, value: float) -> None:
    for later in range(_MOST - 1, rank, -1):
        kept[member, later, j] = kept[member, later - 1, j]
    kept[member, rank, j] = value


def _daily(block: Block, out: Array32) -> None:
    _analogues(block, out, length=56, step=7)


def _hourly(block: Block, out: Array32) -> None:
    _analogues(block, out, length=168, step=24)


register(Family("analogues", Cadence.DAILY, _MEMBERS, _daily))
register(Family("analogues", Cadence.HOURLY, _MEMBERS, _hourly))
