"""The past states most like a present one: exact, by distance to every state of a pool."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


def nearest(pool: Numbers, states: Numbers, count: int) -> Index:
    """Rows [M, count] of `pool` [P, S] at the least Euclidean distance from each of `states` [M, S], ascending.

    Of equally distant ones the first rows are taken, so the result does not depend on a search order. A pool is a few
    thousand states at most: distance to all of them costs less than a search tree that is asked for hundreds.
    """
    squares = np.empty((len(states), len(pool)))
    _squares(np.ascontiguousarray(pool.T), states, squares)
    limit = np.partition(squares, count - 1, axis=1)[:, count - 1]
    rows = np.empty((len(states), count), np.int64)
    _collect(squares, limit, rows)
    return rows


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _squares(pool, states, squares):  # type: ignore[no-untyped-def]
    """Writes squared distances [M, P]; pool is [S, P]."""
    for m in range(len(states)):
        for p in range(pool.shape[1]):
            squares[m, p] = 0.0
        for s in range(len(pool)):
            here = states[m, s]
            for p in range(pool.shape[1]):
                squares[m, p] += (pool[s, p] - here) * (pool[s, p] - here)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _collect(squares, limit, rows):  # type: ignore[no-untyped-def]
    """Writes the rows nearer than the limit, and as many of those at the limit as there is room for."""
    width, count = squares.shape[1], rows.shape[1]
    for m in range(len(rows)):
        ties = count
        for p in range(width):
            ties -= squares[m, p] < limit[m]
        place = 0
        for p in range(width):
            take = squares[m, p] < limit[m]
            if not take and squares[m, p] == limit[m] and ties > 0:
                ties -= 1
                take = True
            if take:
                rows[m, place] = p
                place += 1
