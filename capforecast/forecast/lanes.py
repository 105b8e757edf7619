"""What the hourly kernels share: they take series in lanes of 16, and medians by sorting networks over whole lanes.

A kernel works on `LANES` neighbouring columns at once and never mixes them, so the same few operations serve all of
them as vector instructions and a series' numbers do not depend on its neighbours. Blocks are padded to whole tiles of
`TILE` series, a multiple of `LANES`. Arrays called lanes are float64 [.., LANES].

numba caches a kernel by the file it stands in: after a change here, touch the files that use it, or delete their
`__pycache__`.
"""

from __future__ import annotations

import numba
import numpy as np

from capforecast.forecast.base import Array
from capforecast.forecast.logarithms import offset_of

LANES = 16


@numba.njit(cache=True, nogil=True, error_model="numpy")
def insert(ordered, count, carry):  # type: ignore[no-untyped-def]
    """Insert a row of lanes into rows sorted lane by lane, ordered [>= count + 1, LANES]; `carry` is used up."""
    for i in range(count):
        for j in range(LANES):
            low = min(ordered[i, j], carry[j])
            carry[j] = max(ordered[i, j], carry[j])
            ordered[i, j] = low
    for j in range(LANES):
        ordered[count, j] = carry[j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def group_medians(recent, group, looks, ordered, counts, medians):  # type: ignore[no-untyped-def]
    """Medians of each group over the last `looks[i]` rows, written to medians [L, G, LANES]; NaN for an empty group.

    recent: [P, LANES], newest row first.  group: [P], of each row.  looks: ascending, those beyond P are left out.
    ordered [G, most rows of a group, LANES] and counts [G] are working space.
    """
    counts[:] = 0
    carry = np.empty(LANES)
    done = 0
    for back in range(len(recent)):
        if done == len(looks):
            break
        g = group[back]
        carry[:] = recent[back]
        insert(ordered[g], counts[g], carry)
        counts[g] += 1
        if back + 1 == looks[done]:
            for which in range(len(counts)):
                _middle(ordered[which], counts[which], medians[done, which])
            done += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _middle(ordered, count, median):  # type: ignore[no-untyped-def]
    for j in range(LANES):
        median[j] = 0.5 * (ordered[(count - 1) // 2, j] + ordered[count // 2, j]) if count > 0 else np.nan


def row_medians(rows: Array) -> Array:
    """Median of each row of contiguous [N, P], [N]; partitioning is several times faster than numpy's median."""
    half = rows.shape[1] // 2
    parted = np.partition(rows, half, axis=1)
    upper = parted[:, half]
    return np.asarray(upper if rows.shape[1] % 2 else 0.5 * (parted[:, :half].max(axis=1) + upper))


def log_offsets(values: Array, origins: tuple[int, ...]) -> Array:
    """`log_offset` of the history before each origin of values [T, N], [O, N]."""
    columns = np.ascontiguousarray(values[: max(origins)].T)
    offsets = np.empty((len(origins), len(columns)))
    for o, origin in enumerate(origins):
        seen = values[:origin]
        size = 0.5 * row_medians(columns[:, :origin]) + 0.5 * seen.mean(axis=0)
        largest = np.maximum(seen.max(axis=0), -seen.min(axis=0))
        offsets[o] = offset_of(size, largest)
    return offsets
