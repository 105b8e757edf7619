"""Which past error paths stand for the future of a series: whole, scaled, pooled, and alike in state at the origin.

Method (analogue or nearest-neighbour resampling of whole residual paths, as in weather analogue ensembles): every
past origin of every series left an error path E of the forecast of that day. Divided by the error expected then they
form one pool per metric. A series draws those whose state at their origin was most like its own now. Whole paths
keep the autocorrelation that a k-of-n rule needs; independent or AR(1) errors understate persistence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from capforecast.schema import BoolArray, ErrorPaths, FloatArray

MIN_POOL = 60  # paths a pool should hold; below it other metrics' paths are used, and a pool is not narrowed further
MAX_NEAREST = 500
MIN_PATHS = 10  # with fewer, a probability of 10 % cannot be told from none
MIN_OBSERVED = 0.8  # share of a path that must have been observed
END_TOLERANCE = 0.05  # share of a path that may be missing at its end (an outage just before the cut-off)


@dataclass(frozen=True)
class Pool:
    """Scaled error paths to draw from.

    paths: float32 [P, L], in units of the error expected; no NaN.  states: [P, S], divided by `spread` [S].
    """

    paths: FloatArray
    states: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]

    @property
    def length(self) -> int:
        """Periods every path covers."""
        return int(self.paths.shape[1])

    def is_full(self, horizon: int) -> bool:
        """Does it hold enough paths over the whole horizon?"""
        return len(self.paths) >= MIN_POOL and self.length >= horizon

    def neighbours(self, share: float) -> int:
        """How many paths stand for one series: the share asked for, at least MIN_POOL, at most MAX_NEAREST."""
        wanted = min(max(int(np.ceil(share * len(self.paths))), MIN_POOL), MAX_NEAREST)
        return min(wanted, len(self.paths))

    def nearest(self, states: npt.ArrayLike, share: float) -> npt.NDArray[np.int64]:
        """Paths whose state was most alike, Euclidean in units of spread: states [M, S] -> positions [M, K].

        An unknown state counts as 0: the series stands where its forecast expects it. Without any states every
        series draws the same paths, spread evenly over the pool.
        """
        known = np.nan_to_num(np.asarray(states, np.float64), nan=0.0)
        count = self.neighbours(share)
        if self.states.shape[1] == 0:
            wide = min(len(self.paths), MAX_NEAREST)
            every = np.linspace(0, len(self.paths) - 1, wide).round().astype(np.int64)
            return np.broadcast_to(every, (len(known), wide))
        if count == len(self.paths):
            return np.broadcast_to(np.arange(count), (len(known), count))
        _, found = cKDTree(self.states).query(known / self.spread, k=count)
        return np.sort(np.asarray(found, np.int64).reshape(len(known), count), axis=1)


def build_pool(errors: ErrorPaths, members: BoolArray, horizon: int) -> Pool | None:
    """Pool of the past error paths of the series where `members` [N] is true; None below MIN_PATHS paths.

    Its length is `horizon` where at least MIN_POOL paths (half of them, if there are few) reach so far, else the
    longest length that many paths support. Paths run from the newest origin to the oldest, series in panel order.
    """
    raw = errors.errors[:, :horizon][:, :, members]
    scale = errors.scale[:, members]
    rows = np.moveaxis(raw, 1, 2).reshape(-1, raw.shape[1])
    scale = scale.reshape(-1)
    states = errors.states[:, members].reshape(len(rows), errors.states.shape[2]).astype(np.float64)
    states = np.nan_to_num(states, nan=0.0)
    finite = np.isfinite(rows)
    reach = np.where(finite.any(axis=1), rows.shape[1] - finite[:, ::-1].argmax(axis=1), 0)
    usable = (reach > 0) & (finite.sum(axis=1) >= MIN_OBSERVED * reach) & np.isfinite(scale) & (scale > 0)
    if usable.sum() < MIN_PATHS:
        return None
    length = _supported_length(reach[usable], horizon)
    usable &= reach >= length - _end_tolerance(length)
    usable &= finite[:, :length].sum(axis=1) >= MIN_OBSERVED * length
    if usable.sum() < MIN_PATHS:
        return None
    paths = rows[usable, :length] / scale[usable, None]
    _fill_gaps(paths, errors.cadence.season)
    spread = states[usable].std(axis=0)
    spread[spread == 0] = 1.0
    return Pool(paths.astype(np.float32), states[usable] / spread, spread)


def choose_pool(own: Pool | None, every: Pool | None) -> Pool | None:
    """The metric's own pool; the pool of all metrics where that is larger than a too small one, or reaches further."""
    if own is None or every is None:
        return own or every
    too_small = len(own.paths) < MIN_POOL < len(every.paths)
    return every if too_small or every.length > own.length else own


def _end_tolerance(length: int) -> int:
    return int(END_TOLERANCE * length)


def _supported_length(reach: npt.NDArray[np.int64], horizon: int) -> int:
    """The length that MIN_POOL paths reach; of fewer than twice as many, half of them, so that young servers do not
    shorten what old ones support."""
    enough = min(MIN_POOL, max(MIN_PATHS, len(reach) // 2))
    far = int(np.sort(reach)[::-1][enough - 1])
    return horizon if far >= horizon - _end_tolerance(horizon) else far


def _fill_gaps(paths: FloatArray, season: int) -> None:
    """Fill what was not observed, in place: the error one season earlier, else later, else the path's mean."""
    length = paths.shape[1]
    starts = range(season, length, season)
    for start in starts:
        here = paths[:, start : start + season]
        np.copyto(here, paths[:, start - season :][:, : here.shape[1]], where=np.isnan(here))
    for start in reversed(starts):
        later = paths[:, start : start + season]
        here = paths[:, start - season :][:, : later.shape[1]]
        np.copyto(here, later, where=np.isnan(here))
    gaps = np.isnan(paths)
    if gaps.any():
        mean = np.nanmean(paths, axis=1, keepdims=True)
        np.copyto(paths, mean, where=gaps)
