"""Past error paths that can be used whole: observed well enough, over a time that enough of them support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from capforecast.schema import BoolArray, ErrorPaths, FloatArray

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

FEWEST_PATHS = 10  # with fewer nothing is said
FEWEST_ORIGINS = 3  # a shorter horizon is preferred to fewer
_LATEST = 24  # origins drawn from
_PRESENT = 0.25  # share of the fullest origin's paths that an origin must have
_OBSERVED, _END = 0.8, 0.05  # share of a path that must be observed, and that may be missing at its end


@dataclass(frozen=True)
class PathPlan:
    """Rows of the error paths drawn from [O], which of their paths can be used [O, N], and how far they reach."""

    origins: Index
    usable: BoolArray
    length: int


def plan_paths(errors: ErrorPaths, horizon: int) -> PathPlan | None:
    """The longest reach with enough paths of FEWEST_ORIGINS origins, else of fewer."""
    recent = errors.errors[:_LATEST]
    reaches = np.stack([_reach(part) for part in recent]) if len(recent) else np.zeros((0, 0), np.int64)
    lengths: Sequence[int] = [horizon, *np.unique(reaches[(reaches > 0) & (reaches < horizon)])[::-1].tolist()]
    for fewest in (FEWEST_ORIGINS, 1):
        for length in lengths:
            usable = np.zeros(reaches.shape, np.bool_)
            for o, part in enumerate(recent):
                usable[o] = _complete(part, length) & np.isfinite(errors.scale[o]) & (errors.scale[o] > 0)
            count = usable.sum(axis=1)
            kept = (count > 0) & (count >= _PRESENT * count.max(initial=0))
            if kept.sum() >= fewest and count[kept].sum() >= FEWEST_PATHS:
                return PathPlan(np.flatnonzero(kept), usable[kept], length)
    return None


def _complete(path: FloatArray, length: int) -> BoolArray:
    """Paths [N] of [H, N] that are observed well enough over `length` periods."""
    late = length - int(_END * length)
    seen: BoolArray = _seen(path, length) >= _OBSERVED * length
    return seen & (_reach(path) >= late)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _reach(path: FloatArray) -> Index:
    """Periods up to the last observed one, [N] of [H, N]."""
    periods, count = path.shape
    reach = np.zeros(count, np.int64)
    for h in range(periods):
        for i in range(count):
            if np.isfinite(path[h, i]):
                reach[i] = h + 1
    return reach


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _seen(path: FloatArray, length: int) -> Index:
    """Periods observed among the first `length`, [N] of [H, N]."""
    seen = np.zeros(path.shape[1], np.int64)
    for h in range(length):
        for i in range(path.shape[1]):
            seen[i] += np.isfinite(path[h, i])
    return seen


@numba.njit(cache=True, nogil=True, error_model="numpy")
def scaled_paths(path: FloatArray, scale: Array, usable: BoolArray, length: int, season: int) -> FloatArray:
    """Usable paths in units of the size of error expected, float32 [N, L], gaps filled; others are left 0.

    A gap takes the error one season earlier, else one season later, else the mean of the path.
    """
    out = np.zeros((path.shape[1], length), np.float32)
    for i in range(path.shape[1]):
        if not usable[i]:
            continue
        total, seen = 0.0, 0
        for h in range(length):
            value = path[h, i] / scale[i]
            if not np.isfinite(value) and h >= season:
                value = out[i, h - season]
            out[i, h] = value
            if np.isfinite(value):
                total, seen = total + value, seen + 1
        for back in range(length):
            h = length - 1 - back
            if not np.isfinite(out[i, h]):
                later = out[i, h + season] if h + season < length else np.nan
                out[i, h] = later if np.isfinite(later) else total / seen
    return out
