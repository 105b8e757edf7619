"""Joint sample paths of many series, summed by pool: what the servers of a pool may ask for together.

Peaks and errors of servers come together (a busy season, a slow week, a release), so paths drawn for each server by
itself understate the spread of their sum. Here a draw belongs to one past origin, the same for every series: each takes
an error path of that origin, in a quarter of the draws its own, else that of a like series: the nearest in state of
1 / nearest_share series drawn at random (tournament selection from nearest neighbours). What all series shared at that
origin is kept; what is a server's own is drawn anew in every repeat.

A handful of independent origins says little about how far the shared part can go: with nu of them, errors scaled by a
known spread are Student-t with nu degrees of freedom. A t variable is a normal one times sqrt(nu / chi2(nu)), so the
repeats of an origin are stretched by the quantiles of that factor (Gelman et al., Bayesian Data Analysis, 3.2).

Demand is kept on a grid of 2^-20 units. Sums of such numbers are exact, so they do not depend on order, blocks or
threads, and totals of pools add up to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2

from capforecast.forecast.threads import in_threads
from capforecast.schema import METRIC, SERVER_ID, BoolArray, ErrorPaths, FloatArray

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

REPEATS = 16  # draws of one origin
GRID = 2.0**20  # steps in a unit
FEWEST_PATHS = 10  # with fewer nothing is said
FEWEST_ORIGINS = 3  # a shorter horizon is preferred to fewer
_LATEST = 24  # origins drawn from
_PRESENT = 0.25  # share of the fullest origin's paths that an origin must have
_OBSERVED, _END = 0.8, 0.05  # share of a path that must be observed, and that may be missing at its end
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
class _Plan:
    """Rows of the error paths drawn from [O], which of their paths can be used [O, N], and how far they reach."""

    origins: Index
    usable: BoolArray
    length: int


def joint_sums(errors: ErrorPaths, load: Load, nearest_share: float, threads: int = 1) -> Draws | None:
    """Sums by pool of joint sample paths of the series of `errors`; None where fewer than FEWEST_PATHS can be drawn.

    A path is the median plus the error of a past origin in units of the size expected then, times the size expected
    now, within the physical range. L is the horizon of the median, or the longest that past errors support.
    """
    plan = _plan(errors, min(len(load.median), errors.errors.shape[1]))
    if plan is None:
        return None
    keys, spread = series_keys(errors.series), _spread(errors, plan)
    order = np.argsort(keys, kind="stable")  # candidates by name, so that the order of the panel does not matter
    now = np.nan_to_num(errors.states_now.astype(np.float64)) / spread
    median = np.ascontiguousarray(load.median[: plan.length].T)
    scale = np.nan_to_num(errors.scale_now.astype(np.float64))
    stretch = stretches(errors.origins[plan.origins], plan.length, errors.cadence.step)
    seeds = (errors.origins[plan.origins] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)
    tries, season = max(1, round(1 / nearest_share)), errors.cadence.season
    total = np.zeros((len(plan.origins), REPEATS, load.pools, plan.length))

    def work(k: int) -> None:
        o, usable = plan.origins[k], plan.usable[k]
        paths = _scaled(errors.errors[o], errors.scale[o].astype(np.float64), usable, plan.length, season)
        then = np.nan_to_num(errors.states[o].astype(np.float64)) / spread
        _add(
            total[k], paths, order[usable[order]], usable, then, now, median, scale, load.low, load.high,
            load.units * GRID, load.pool, keys, np.uint64(seeds[k]), stretch, tries,
        )  # fmt: skip

    in_threads(work, range(len(plan.origins)), threads, "joint paths")
    values = total.reshape(-1, load.pools, plan.length).transpose(0, 2, 1) / GRID
    repeat = np.tile(np.arange(REPEATS), len(plan.origins))
    return Draws(values, errors.origins[plan.origins].repeat(REPEATS), repeat)


def stretches(origins: pd.DatetimeIndex, length: int, step: pd.Timedelta) -> Array:
    """Factors of the repeats of an origin [REPEATS], largest first: quantiles of sqrt(nu / chi2(nu)).

    nu: how many outcomes, `length` steps long, that do not overlap fit where those of the origins lie; at least 3.
    """
    span = (origins.max() - origins.min()) / step
    freedom = max(1.0 + span / length, _LEAST_FREEDOM)
    shares = (np.arange(REPEATS) + 0.5) / REPEATS
    factors: Array = np.sqrt(freedom / chi2.ppf(shares, freedom))
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


def _plan(errors: ErrorPaths, horizon: int) -> _Plan | None:
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
                return _Plan(np.flatnonzero(kept), usable[kept], length)
    return None


def _spread(errors: ErrorPaths, plan: _Plan) -> Array:
    """Standard deviation of the states of usable paths, [S]; 1 where there is none."""
    states = np.nan_to_num(errors.states[plan.origins][plan.usable].astype(np.float64))
    spread: Array = states.std(axis=0)
    return np.where(spread > 0, spread, 1.0)


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
def _scaled(path: FloatArray, scale: Array, usable: BoolArray, length: int, season: int) -> FloatArray:
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


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _mix(x: np.uint64) -> np.uint64:
    """The next number of a stream that looks random (SplitMix64; Steele, Lea & Flood 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add(
    total: Array, paths: FloatArray, candidates: Index, usable: BoolArray, then: Array, now: Array, median: FloatArray,
    scale: Array, low: FloatArray, high: FloatArray, units: Array, pool: Index, keys: Keys, seed: np.uint64,
    stretch: Array, tries: int,
) -> None:  # fmt: skip
    """Add the draws of one origin to total [R, P, L], in steps of the grid."""
    for i in range(len(units)):
        if units[i] == 0.0:
            continue
        for r in range(len(stretch)):
            chance = _mix(keys[i] ^ _mix(seed * np.uint64(64) + np.uint64(r)))
            pick, nearest = i, np.inf
            if not usable[i] or chance % _OWN != np.uint64(0):
                for _ in range(tries):
                    chance = _mix(chance)
                    one = candidates[int(((chance >> np.uint64(32)) * np.uint64(len(candidates))) >> np.uint64(32))]
                    distance = 0.0
                    for s in range(now.shape[1]):
                        distance += (then[one, s] - now[i, s]) ** 2
                    if distance < nearest:
                        pick, nearest = one, distance
            size, row = stretch[r] * scale[i], total[r, pool[i]]
            for h in range(len(row)):
                value = min(max(median[i, h] + size * paths[pick, h], low[i]), high[i])
                row[h] += np.floor(value * units[i] + 0.5)
