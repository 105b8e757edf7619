"""Hourly candidates: one causal Holt-Winters-like pass per grid, after Holt (1957) and Winters (1960).

The pass keeps a level, a damped trend and seasonal states of 24 and 168 hours for every series and grid point at once;
at each origin it writes its forecast from the state it has, so that more origins cost only their forecasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numba
import numpy as np

from capforecast.forecast.base import Array, Array32, Block, Family, Mask, register
from capforecast.forecast.lanes import LANES, log_offsets
from capforecast.forecast.logarithms import to_log
from capforecast.forecast.smoothing import damped_sum
from capforecast.schema import Cadence

_GAINS = (0.01, 0.03, 0.1, 0.3, 0.7)
_CLIP = 3.0  # errors beyond this many running mean absolute errors are cut
_SETTLED = 60  # points after which the running error itself takes in cut errors only
_FIRST = {24: 0.7, 168: 0.3}  # gain of a season's first cycle
_LEAST = 168  # points a series must have


@dataclass(frozen=True)
class Grid:
    """Smoothers that share their seasons. Columns: level gain, trend share, damping, daily gain, weekly gain."""

    name: str
    seasons: tuple[int, ...]
    points: tuple[tuple[float, float, float, float, float], ...]

    @property
    def gains(self) -> Array:
        """Gain of each season, [K, seasons]."""
        return np.array([[point[3 if season == 24 else 4] for season in self.seasons] for point in self.points])

    @property
    def repeats(self) -> Array:
        """Hours after which a point's forecast repeats itself, [K]; 0 = never, for it has a trend."""
        return np.array([0 if point[1] else max(self.seasons) for point in self.points])

    def floors(self, ages: int) -> Array:
        """Least gain of each season by age, [seasons, ages]: early cycles count for more."""
        age = np.arange(ages)
        return np.stack([np.where(age < m, _FIRST[m], 1.0 / (age // m + 1.0)) for m in self.seasons])


_GRIDS = (
    Grid(
        "day",
        (24,),
        (
            *((alpha, 0.0, 1.0, gamma, 0.0) for alpha, gamma in product(_GAINS, (0.05, 0.3))),
            (0.03, 0.02, 0.99, 0.1, 0.0),
            (0.2, 0.02, 0.98, 0.1, 0.0),
        ),
    ),
    Grid(
        "both",
        (24, 168),
        tuple(
            (*trend, *gammas)
            for trend, gammas in product(
                ((0.03, 0.02, 0.99), (0.01, 0.03, 0.998), (0.08, 0.02, 0.98)), ((0.03, 0.1), (0.1, 0.2))
            )
        ),
    ),
)

# Rows of the working spaces `lane` and `state` below.
_VALUE, _SEEN, _PACE, _REACH, _TURN, _CUT, _CALM, _FLOOR = range(8)  # floors of all seasons follow the first
_LEVEL, _TREND, _SIZE = range(3)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _observe(values, observed, birth, t, first, warm, floors, lane):  # type: ignore[no-untyped-def]
    """What all grid points need to know of row t: observation, its weight, and what depends on the series' age."""
    for j in range(LANES):
        age = max(t - birth[first + j], 0)
        lane[_VALUE, j] = values[t, first + j]
        lane[_SEEN, j] = 1.0 if observed[t, first + j] else 0.0
        lane[_REACH, j] = 1.0 / (age + 1.0)
        # the first observation sets the level: its distance from zero is neither an error nor a trend
        lane[_PACE, j] = lane[_SEEN, j] * max(0.02, 1.0 / age) if age > 0 else 0.0
        lane[_TURN, j] = 1.0 if age > 0 else 0.0
        lane[_CUT, j] = 1.0 if age > warm else 0.0
        lane[_CALM, j] = 1.0 if age > max(warm, _SETTLED) else 0.0
        for s in range(len(floors)):
            lane[_FLOOR + s, j] = floors[s, age]


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _advance(k, j, alpha, beta, phi, lane, state, seasonal):  # type: ignore[no-untyped-def]
    """Level, trend and running error of series j at grid point k after a row; returns what is left for its seasons."""
    expected = state[k, _LEVEL, j] + phi * state[k, _TREND, j]
    error = lane[_SEEN, j] * (lane[_VALUE, j] - (expected + seasonal))
    limit = _CLIP * state[k, _SIZE, j] if lane[_CUT, j] > 0.0 else np.inf
    most = _CLIP * limit if lane[_CALM, j] > 0.0 else np.inf
    state[k, _SIZE, j] += lane[_PACE, j] * (min(abs(error), most) - state[k, _SIZE, j])
    error = min(max(error, -limit), limit)
    gain = max(alpha, lane[_REACH, j])
    state[k, _LEVEL, j] = expected + gain * error
    state[k, _TREND, j] = phi * state[k, _TREND, j] + lane[_TURN, j] * gain * beta * error
    return (1.0 - gain) * error


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _update_one(points, gains, lane, state, season):  # type: ignore[no-untyped-def]
    """Take in a row at all grid points: state [K, 3, LANES], season [K, LANES] of the hour."""
    for k in range(len(points)):
        alpha, beta, phi, least = points[k, 0], points[k, 1], points[k, 2], gains[k, 0]
        for j in range(LANES):
            rest = _advance(k, j, alpha, beta, phi, lane, state, season[k, j])
            season[k, j] += max(least, lane[_FLOOR, j]) * rest


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _update_two(points, gains, lane, state, season, other):  # type: ignore[no-untyped-def]
    """The same with two seasons; the second takes what the first left."""
    for k in range(len(points)):
        alpha, beta, phi, least, other_least = points[k, 0], points[k, 1], points[k, 2], gains[k, 0], gains[k, 1]
        for j in range(LANES):
            rest = _advance(k, j, alpha, beta, phi, lane, state, season[k, j] + other[k, j])
            gain = max(least, lane[_FLOOR, j])
            season[k, j] += gain * rest
            other[k, j] += max(other_least, lane[_FLOOR + 1, j]) * ((1.0 - gain) * rest)


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _ahead(state, season, other, k, row, damped, line):  # type: ignore[no-untyped-def]
    """Forecast of one grid point for a row, `damped` trends from now, into line [LANES]."""
    now, also = season[row % len(season)], other[row % len(other)]
    for j in range(LANES):
        line[j] = state[k, _LEVEL, j] + damped * state[k, _TREND, j] + now[k, j] + also[k, j]


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _write(line, offset, in_logs, exists, out):  # type: ignore[no-untyped-def]
    """Write a forecast [LANES] where it exists, out of logarithms."""
    for j in range(LANES):
        if in_logs and exists[j]:
            line[j] = math.exp(min(line[j], 300.0)) - offset[j]
        out[j] = line[j] if exists[j] else np.nan


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _forecast(state, season, other, origin, damped, repeats, offset, in_logs, exists, out):  # type: ignore[no-untyped-def]
    """Forecasts of all grid points at an origin: out [K, H, LANES]."""
    line = np.empty(LANES)
    for k in range(out.shape[0]):
        for h in range(out.shape[1]):
            if 0 < repeats[k] <= h:
                out[k, h] = out[k, h - repeats[k]]
                continue
            _ahead(state, season, other, k, origin + h, damped[k, h], line)
            _write(line, offset, in_logs, exists, out[k, h])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _pass(  # type: ignore[no-untyped-def]
    values, observed, birth, origins, exists, offset, in_logs, points, gains, seasons, floors, repeats, damped, out
):
    """Pass one grid over values [T, N]; writes out [O, K, H, N], NaN unless exists [O, N].

    damped: sums of damping [K, H].  gains, repeats, floors: see `Grid`.  offset [N] is taken off after logarithms.
    """
    lane, count, longest = np.zeros((_FLOOR + len(seasons), LANES)), len(points), seasons[-1]
    for first in range(0, values.shape[1], LANES):
        state, season = np.zeros((count, 3, LANES)), np.zeros((seasons[0], count, LANES))
        other = np.zeros((longest if len(seasons) == 2 else 1, count, LANES))
        lanes, done = slice(first, first + LANES), 0
        if not exists[:, lanes].any():
            continue
        for o in np.argsort(origins):
            for t in range(done, origins[o]):
                _observe(values, observed, birth, t, first, 2 * longest, floors, lane)
                if len(seasons) == 1:
                    _update_one(points, gains, lane, state, season[t % seasons[0]])
                else:
                    _update_two(points, gains, lane, state, season[t % seasons[0]], other[t % longest])
            done = origins[o]
            if exists[o, lanes].any():
                _forecast(
                    state, season, other, done, damped, repeats,
                    offset[lanes], in_logs, exists[o, lanes], out[o, :, :, lanes],
                )  # fmt: skip


def _run(grid: Grid, block: Block, values: Array, exists: Mask, offset: Array, in_logs: bool, out: Array32) -> None:
    """Pass one grid over values [T, N]; writes its members [O, K, H, N]."""
    points = np.array(grid.points)
    _pass(
        values, block.observed, block.birth, np.array(block.origins), exists, offset, in_logs,
        points[:, :3].copy(), grid.gains, np.array(grid.seasons), grid.floors(max(block.origins)), grid.repeats,
        damped_sum(points[:, 2], block.horizon), out,
    )  # fmt: skip


def _holt_winters(block: Block, out: Array32) -> None:
    exists = np.stack([block.age(origin) >= _LEAST for origin in block.origins])
    positive = np.stack([block.nonnegative(origin) for origin in block.origins])
    offset = log_offsets(block.values, (min(block.origins),))[0]
    logs = to_log(block.values[: max(block.origins)], offset)
    k = 0
    for values, in_logs in ((block.values, False), (logs, True)):  # levels only for who has no logarithms
        for grid in _GRIDS:
            members = slice(k, k + len(grid.points))
            _run(grid, block, values, exists & (positive == in_logs), offset, in_logs, out[:, members])
            k += len(grid.points)


_HW_MEMBERS = tuple(
    f"{grid.name}_{kind}_{'_'.join(f'{value:g}' for value in point)}"
    for kind in ("level", "log")
    for grid in _GRIDS
    for point in grid.points
)
register(Family("holt_winters", Cadence.HOURLY, _HW_MEMBERS, _holt_winters))
