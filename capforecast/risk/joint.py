"""Joint sample paths of many series, summed by pool: what the servers of a pool may ask for together.

Peaks and errors of servers come together (a busy season, a slow week, a release), so paths drawn for each server by
itself understate the spread of their sum. Here a draw belongs to one past origin, the same for every series: each takes
an error path of that origin, in a quarter of the draws its own, else that of a like series: the nearest in state of
1 / nearest_share series drawn at random (tournament selection from nearest neighbours). What all series shared at that
origin is kept; what is a server's own is drawn anew in every repeat.

A handful of independent origins says little about how far the shared part, the mean scaled error of an origin, can go:
with nu of them its predictive distribution is Student-t with about nu degrees of freedom. A t variable is a normal one
times sqrt(nu / chi2(nu)), so in the repeats of an origin the shared part is stretched by the quantiles of that factor
(Gelman et al., Bayesian Data Analysis, 3.2). Of what is a server's own there are many samples: it stays as it is.

Demand is kept on a grid of 2^-20 units. Sums of such numbers are exact, so they do not depend on order, blocks or
threads, and totals of pools add up to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaincinv

from capforecast.forecast.threads import in_threads
from capforecast.risk.whole_paths import PathPlan, plan_paths, scaled_paths
from capforecast.schema import METRIC, SERVER_ID, BoolArray, ErrorPaths, FloatArray

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

REPEATS = 16  # draws of one origin
GRID = 2.0**20  # steps in a unit
_LEAST_FREEDOM = 3.0  # degrees of freedom; a t variable with fewer has no variance
_OWN = np.uint64(4)  # one draw in so many takes the series' own path


@dataclass(frozen=True)
class Load:
    """Series of one metric, in the order of their error paths, and what they count for.

    median: float32 [H, N], forecast in the metric's unit.  low, high: [N], physical range.  units: float64 [N], units
    of capacity per unit of the metric, 0 = not counted (but its errors may stand for others).
    pool: [N], number of the pool each belongs to, 0 .. pools - 1.
    """

    median: FloatArray
    low: FloatArray
    high: FloatArray
    units: Array
    pool: Index
    pools: int


@dataclass(frozen=True)
class Draws:
    """Joint sample paths of pools: values float64 [J, L, P], in units of capacity, multiples of 1 / GRID.

    origins: UTC [J], the past origin of each draw, and repeat [J], its number among those of the origin: draws of other
    pools or business units with the same two are of the same draw, and may be added.
    """

    values: Array
    origins: pd.DatetimeIndex
    repeat: Index


@dataclass(frozen=True)
class Drawing:
    """What the draws of all origins share: how whole paths are used, and by what a path is picked."""

    errors: ErrorPaths
    plan: PathPlan
    order: Index  # [N], series by name, so that the order of the panel does not matter
    keys: Keys
    spread: Array  # [S], of states
    now: Array  # [N, S], states now, in units of `spread`
    scale: Array  # [N], size of error expected now
    stretch: Array  # [REPEATS]
    seeds: npt.NDArray[np.int64]  # by origin
    tries: int

    @staticmethod
    def prepared(errors: ErrorPaths, horizon: int, nearest_share: float) -> Drawing | None:
        """None where fewer than FEWEST_PATHS can be drawn over `horizon` periods, or the longest errors support."""
        plan = plan_paths(errors, min(horizon, errors.errors.shape[1]))
        if plan is None:
            return None
        keys = series_keys(errors.series)
        order = np.argsort(keys, kind="stable")
        spread = _spread(errors, plan, order)
        return Drawing(
            errors, plan, order, keys, spread,
            np.nan_to_num(errors.states_now.astype(np.float64)) / spread,
            np.nan_to_num(errors.scale_now.astype(np.float64)),
            stretches(errors.origins[plan.origins], plan.length, errors.cadence.step),
            np.asarray((errors.origins[plan.origins] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)),
            max(1, round(1 / nearest_share)),
        )  # fmt: skip

    def of_origin(self, k: int) -> tuple[FloatArray, Array, Index, BoolArray, Array]:
        """Scaled paths [N, L], their common part [L], candidates, usable series and their states, of origin k."""
        errors, o, usable = self.errors, self.plan.origins[k], self.plan.usable[k]
        scale, season = errors.scale[o].astype(np.float64), errors.cadence.season
        paths = scaled_paths(errors.errors[o], scale, usable, self.plan.length, season)
        candidates = self.order[usable[self.order]]
        common = paths[candidates].mean(axis=0, dtype=np.float64)
        return paths, common, candidates, usable, np.nan_to_num(errors.states[o].astype(np.float64)) / self.spread

    @property
    def draws(self) -> tuple[pd.DatetimeIndex, Index]:
        """Origin and repeat of each draw, [J]."""
        count = len(self.plan.origins)
        return self.errors.origins[self.plan.origins].repeat(REPEATS), np.tile(np.arange(REPEATS), count)


def joint_sums(errors: ErrorPaths, load: Load, nearest_share: float, threads: int = 1) -> Draws | None:
    """Sums by pool of joint sample paths of the series of `errors`; None where fewer than FEWEST_PATHS can be drawn.

    A path is the median plus the error of a past origin in units of the size expected then, times the size expected
    now, within the physical range. L is the horizon of the median, or the longest that past errors support.
    """
    drawing = Drawing.prepared(errors, len(load.median), nearest_share)
    if drawing is None:
        return None
    length, origins = drawing.plan.length, len(drawing.plan.origins)
    median = np.ascontiguousarray(load.median[:length].T)
    total = np.zeros((origins, REPEATS, load.pools, length))

    def work(k: int) -> None:
        paths, common, candidates, usable, then = drawing.of_origin(k)
        _add(
            total[k], paths, common, candidates, usable, then, drawing.now, median, drawing.scale, load.low, load.high,
            load.units * GRID, load.pool, drawing.keys, np.uint64(drawing.seeds[k]), drawing.stretch, drawing.tries,
        )  # fmt: skip

    in_threads(work, range(origins), threads, "joint paths")
    values = total.reshape(-1, load.pools, length).transpose(0, 2, 1) / GRID
    return Draws(values, *drawing.draws)


def stretches(origins: pd.DatetimeIndex, length: int, step: pd.Timedelta) -> Array:
    """Factors of the shared part in the repeats of an origin [REPEATS], largest first: those of Student's t.

    Quantiles of sqrt(nu / chi2(nu)). nu: how many outcomes of `length` steps that do not overlap fit where those of the
    origins lie, at least 3.
    """
    span = (origins.max() - origins.min()) / step
    freedom = max(1.0 + span / length, _LEAST_FREEDOM)
    shares = (np.arange(REPEATS) + 0.5) / REPEATS
    quantiles = 2.0 * gammaincinv(freedom / 2.0, shares)  # of chi2; scipy.stats takes half a second to import
    factors: Array = np.sqrt(freedom / quantiles)
    return factors


def to_grid(values: npt.ArrayLike) -> Array:
    """Demand rounded to the grid on which sums are exact."""
    rounded: Array = np.floor(np.asarray(values, np.float64) * GRID + 0.5) / GRID
    return rounded


def series_keys(series: pd.DataFrame) -> Keys:
    """A number for each series that depends on its name alone, [N]."""
    names = series[SERVER_ID].astype(str) + "\n" + series[METRIC].astype(str)
    keys: Keys = pd.util.hash_array(names.to_numpy(dtype=object), categorize=False)
    return keys


def _spread(errors: ErrorPaths, plan: PathPlan, order: Index) -> Array:
    """Standard deviation of the states of usable paths, [S]; 1 where there is none."""
    states = np.nan_to_num(errors.states[plan.origins][:, order][plan.usable[:, order]].astype(np.float64))
    spread: Array = states.std(axis=0)
    return np.where(spread > 0, spread, 1.0)


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _mix(x: np.uint64) -> np.uint64:
    """The next number of a stream that looks random (SplitMix64; Steele, Lea & Flood 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add(
    total: Array, paths: FloatArray, common: Array, candidates: Index, usable: BoolArray, then: Array, now: Array,
    median: FloatArray, scale: Array, low: FloatArray, high: FloatArray, units: Array, pool: Index, keys: Keys,
    seed: np.uint64, stretch: Array, tries: int,
) -> None:  # fmt: skip
    """Add the draws of one origin to total [R, P, L], in steps of the grid."""
    for i in range(len(units)):
        if units[i] == 0.0:
            continue
        for r in range(len(stretch)):
            pick = _picked(i, keys[i], seed, r, candidates, usable, then, now, tries)
            size, more, row = scale[i], (stretch[r] - 1.0) * scale[i], total[r, pool[i]]
            for h in range(len(row)):
                value = median[i, h] + size * paths[pick, h] + more * common[h]
                row[h] += np.floor(min(max(value, low[i]), high[i]) * units[i] + 0.5)


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _picked(i, key, seed, repeat, candidates, usable, then, now, tries):  # type: ignore[no-untyped-def]
    """The series whose path series i takes in a repeat: its own in a quarter of them, else the nearest of some."""
    chance = _mix(key ^ _mix(seed * np.uint64(64) + np.uint64(repeat)))
    if usable[i] and chance % _OWN == np.uint64(0):
        return i
    pick, nearest = i, np.inf
    for _ in range(tries):
        chance = _mix(chance)
        one = candidates[int(((chance >> np.uint64(32)) * np.uint64(len(candidates))) >> np.uint64(32))]
        distance = 0.0
        for s in range(now.shape[1]):
            distance += (then[one, s] - now[i, s]) ** 2
        if distance < nearest:
            pick, nearest = one, distance
    return pick
