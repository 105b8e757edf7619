"""Servers packed onto bins, hour by hour: first-fit decreasing in two resources, and a packing held against new hours.

Vector first-fit decreasing (Panigrahy, Talwar, Uyeda and Wieder, "Heuristics for Vector Bin Packing", 2011) with one
dimension for each resource and hour. Every sum is taken in one order, so the same servers give the same packing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from capforecast.schema import BoolArray, FloatArray

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Bins:
    """Bins in the order in which they are filled, and those kept empty for a failure.

    names, spare_names: [B], [K].  capacity: [B, 2] vCPU and GiB.  room: [B, 2], what may be filled: less headroom, and
    no more than the least spare bin may hold, so that a spare one can take over from any other.
    """

    names: tuple[str, ...]
    capacity: Array
    room: Array
    spare_names: tuple[str, ...]


def bins_of(names: list[str], capacity: Array, spare: int, headroom: float) -> Bins:
    """Bins of given capacity [B, 2]: the largest `spare` are kept empty, the others are filled, the largest first.

    Largest: by share of all vCPUs plus share of all GiB; ties by name.
    """
    size = (capacity / capacity.sum(axis=0)).sum(axis=1) if len(capacity) else np.zeros(0)
    order = np.lexsort((np.asarray(names, dtype="str"), -size))
    kept, filled = order[:spare], order[spare:]
    limit = capacity[kept].min(axis=0, initial=np.inf)
    room = np.minimum(capacity[filled], limit) * (1.0 - headroom)
    return Bins(tuple(names[b] for b in filled), capacity[filled], room, tuple(names[b] for b in kept))


def fits_alone(load: FloatArray, bins: Bins) -> BoolArray:
    """Which servers, of a load [S, 2, T], fit into some bin of their own, [S]."""
    peak = load.max(axis=2, initial=0.0)
    room = np.unique(bins.room, axis=0)
    return np.asarray((peak[:, None, :] <= room[None]).all(axis=2).any(axis=1))


def first_fit(load: FloatArray, bins: Bins) -> Index:
    """The bin of each server, [S]; -1 = there is no room.

    load: [S, 2, T] vCPU and GiB, nothing missing.  The server whose peak is the largest share of a bin comes first, of
    equals the one that stands first; it goes into the first bin that holds it at every hour.
    """
    if not len(load) or not len(bins.names):
        return np.full(len(load), -1, dtype=np.int64)
    typical = bins.room.mean(axis=0)
    share = (load.max(axis=2) / typical).max(axis=1)
    order = np.argsort(-share, kind="stable")
    total = (load.sum(axis=0, dtype=np.float64) / typical[:, None]).max(axis=0)
    busy_first = np.argsort(-total, kind="stable")  # a bin that is full shows it there: fewer hours are looked at
    return _first_fit(np.ascontiguousarray(load[:, :, busy_first]), order, bins.room)


def loads(load: FloatArray, place: Index, count: int) -> Array:
    """Load of `count` bins, [B, 2, T]; servers whose place is -1 load nothing."""
    out = np.zeros((count, *load.shape[1:]))
    for i in np.flatnonzero(place >= 0):
        out[place[i]] += load[i]
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _first_fit(load: FloatArray, order: Index, room: Array) -> Index:
    """As first_fit: servers [S, 2, T] in `order` into bins of `room` [B, 2]."""
    place = np.full(len(load), -1, dtype=np.int64)
    held = np.empty((len(room), load.shape[1], load.shape[2]), dtype=np.float64)
    opened = 0
    for i in order:
        for b in range(len(room)):
            if b == opened:
                held[b] = 0.0
                opened += 1
            if _holds(held[b], load[i], room[b]):
                held[b] += load[i]
                place[i] = b
                break
    return place


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _holds(held: Array, load: FloatArray, room: Array) -> bool:
    """Does a bin that holds [2, T] already hold a load [2, T] too?"""
    for r in range(len(room)):
        for t in range(held.shape[1]):
            if held[r, t] + load[r, t] > room[r]:
                return False
    return True
