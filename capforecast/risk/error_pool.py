"""Which past error paths stand for the future of a series: whole, scaled, pooled, and alike in state at the origin.

Method (analogue or nearest-neighbour resampling of whole residual paths, as in weather analogue ensembles): every
past origin of every series left an error path E of the forecast of that day. Divided by the error expected then they
form one pool per metric. A series draws those whose state at their origin was most like its own now. Whole paths
keep the autocorrelation that a k-of-n rule needs; independent or AR(1) errors understate persistence.

A replay of weeks (hourly input) is too short for that as it stands: the error expected at its older origins rests on a
week or two of history, and its mean error is that of one or two regimes. Its paths are taken in units of the error
expected now, and their typical mean is taken off (docs/decisions/0019-hourly-warnings.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.forecast.sampling import spokesmen
from capforecast.risk import neighbours
from capforecast.risk.oldest import with_oldest
from capforecast.schema import METRIC, SERVER_ID, BoolArray, ErrorPaths, FloatArray, Panel

MIN_POOL = 60  # paths a pool should hold; below it other metrics' paths are used, and a pool is not narrowed further
MAX_NEAREST = 500
MIN_PATHS = 10  # with fewer, a probability of 10 % cannot be told from none
MIN_OBSERVED = 0.8  # share of a path that must have been observed
END_TOLERANCE = 0.05  # share of a path that may be missing at its end (an outage just before the cut-off)


@dataclass(frozen=True)
class Pool:
    """Scaled error paths to draw from.

    paths: float32 [P, L], in units of the error expected then or now; no NaN.  states: [P, S], divided by `spread` [S].
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
        return neighbours.nearest(self.states, known / self.spread, count)


def build_pool(
    errors: ErrorPaths,
    members: BoolArray,
    horizon: int,
    until: pd.Timestamp | None = None,
    panel: Panel | None = None,
    least_origins: int = 1,
    scale_now: FloatArray | None = None,
) -> Pool | None:
    """Pool of the past error paths of the series where `members` [N] is true; None below MIN_PATHS paths.

    Of many series of a metric, a few hundred speak for all. Its length is `horizon` where at least MIN_POOL paths
    (half of them, if there are few) reach so far, else the longest length that many paths support. Paths run from
    the newest origin to the oldest, series by server and metric.

    until: only what was observed by then is known; None = everything.  panel: history of the same series, by which
    paths whose size of error to expect was not known at their origin can be used too.  least_origins: so many origins
    must reach its length.  scale_now: [N], error expected at the moment; the paths are in units of it and
    centred, as a short replay needs. None = in units of the error expected at their own origin, as they are.
    """
    part = _spoken(errors, members, until, panel, scale_now)
    raw, scale = part.errors[:, :horizon], part.scale.reshape(-1)
    rows = np.moveaxis(raw, 1, 2).reshape(-1, raw.shape[1])
    states = np.nan_to_num(part.states.reshape(len(rows), part.states.shape[2]).astype(np.float64), nan=0.0)
    finite = np.isfinite(rows)
    reach = np.where(finite.any(axis=1), rows.shape[1] - finite[:, ::-1].argmax(axis=1), 0)
    usable = (reach > 0) & (finite.sum(axis=1) >= MIN_OBSERVED * reach) & np.isfinite(scale) & (scale > 0)
    if usable.sum() < MIN_PATHS:
        return None
    by_origin = np.sort(np.where(usable, reach, 0).reshape(len(raw), -1).max(axis=1))
    if len(by_origin) < least_origins or by_origin[-least_origins] == 0:
        return None
    length = min(_supported_length(reach[usable], horizon), _whole(int(by_origin[-least_origins]), horizon))
    usable &= reach >= length - end_tolerance(length)
    usable &= finite[:, :length].sum(axis=1) >= MIN_OBSERVED * length
    if usable.sum() < MIN_PATHS:
        return None
    paths = rows[usable, :length] / scale[usable, None]
    fill_gaps(paths, errors.cadence.season)
    if scale_now is not None:
        paths -= np.median(paths.mean(axis=1))
    spread = states[usable].std(axis=0)
    spread[spread == 0] = 1.0
    return Pool(paths.astype(np.float32), states[usable] / spread, spread)


def choose_pool(own: Pool | None, every: Pool | None) -> Pool | None:
    """The metric's own pool; the pool of all metrics where that is larger than a too small one, or reaches further."""
    if own is None or every is None:
        return own or every
    too_small = len(own.paths) < MIN_POOL < len(every.paths)
    return every if too_small or every.length > own.length else own


def _spoken(
    errors: ErrorPaths,
    members: BoolArray,
    until: pd.Timestamp | None,
    panel: Panel | None,
    scale_now: FloatArray | None,
) -> ErrorPaths:
    """Error paths of the speakers, known by a moment; where `scale_now` is given, that is their scale."""
    origins, known = _known_by(errors, until)
    who = _speakers(errors, members, origins, panel is not None)
    raw = errors.errors[:, :, who][origins]
    ahead = np.arange(raw.shape[1]) < known[:, None]
    part = ErrorPaths(
        np.where(ahead[:, :, None], raw, np.float32(np.nan)), errors.origins[origins], errors.scale[:, who][origins],
        errors.scale_now[who], errors.states[:, who][origins], errors.states_now[who],
        errors.series.iloc[who].reset_index(drop=True), errors.cadence,
    )  # fmt: skip
    if panel is not None:
        part = with_oldest(part, panel.values[:, who], panel.timestamps)
    if scale_now is None:
        return part
    return replace(part, scale=np.where(np.isfinite(part.scale), scale_now[who], np.float32(np.nan)))


def _speakers(errors: ErrorPaths, members: BoolArray, origins: BoolArray, rescaled: bool) -> npt.NDArray[np.int64]:
    """Series that give paths: at most a few hundred of each metric, of those that have any, by server and metric."""
    said = np.isfinite(errors.scale[origins]).any(axis=0)
    if rescaled:
        said |= np.isfinite(errors.errors[:, : errors.cadence.season][origins]).any(axis=(0, 1))
    able = np.flatnonzero(members & said)
    keys = errors.series[[SERVER_ID, METRIC]].iloc[able].reset_index(drop=True)
    order = keys.sort_values([SERVER_ID, METRIC], kind="stable").index.to_numpy()
    metrics = pd.factorize(keys[METRIC].iloc[order], sort=True)[0]
    chosen: npt.NDArray[np.int64] = able[order[spokesmen(metrics)]].astype(np.int64)
    return chosen


def _known_by(errors: ErrorPaths, until: pd.Timestamp | None) -> tuple[BoolArray, npt.NDArray[np.int64]]:
    """Origins [O] before a moment, and how many periods after each of these had been observed by then."""
    if until is None:
        return np.ones(len(errors.origins), np.bool_), np.full(len(errors.origins), errors.errors.shape[1])
    periods = np.asarray((until - errors.origins) // errors.cadence.step, dtype=np.int64)
    return periods > 0, periods[periods > 0]


def end_tolerance(length: int) -> int:
    """Periods that may be missing at the end of a path."""
    return int(END_TOLERANCE * length)


def _supported_length(reach: npt.NDArray[np.int64], horizon: int) -> int:
    """The length that MIN_POOL paths reach; of fewer than twice as many, half of them, so that young servers do not
    shorten what old ones support."""
    enough = min(MIN_POOL, max(MIN_PATHS, len(reach) // 2))
    far = int(np.sort(reach)[::-1][enough - 1])
    return _whole(far, horizon)


def _whole(length: int, horizon: int) -> int:
    """The horizon where next to nothing of it is missing, else the length."""
    return horizon if length >= horizon - end_tolerance(horizon) else length


def fill_gaps(paths: FloatArray, season: int) -> None:
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
        known = (~gaps).sum(axis=1, keepdims=True)
        mean = np.full_like(paths[:, :1], np.nan)  # stays that where a path has nothing at all
        np.divide(np.nansum(paths, axis=1, keepdims=True), known, out=mean, where=known > 0)
        np.copyto(paths, mean, where=gaps)
