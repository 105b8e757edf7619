"""Daily candidates that smooth the deseasonalised series: exponential smoothing, damped local trends, drift.

All of them are linear in the series, so their states at an origin are one matrix product: the impulse response of each
smoother (Gardner & McKenzie 1985, damped trend) against the history of every series at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from capforecast.forecast.base import Array, Array32, Block, Family, register
from capforecast.forecast.baselines import median0
from capforecast.forecast.structural import HALF_YEAR, WEEK, YEAR, Design, columns, estimators
from capforecast.forecast.tiles import put_lines, tiles_of
from capforecast.schema import Cadence

Grid = tuple[tuple[float, float, float], ...]
# level gain, trend gain as a share of it, damping
_GRID = (
    *((alpha, 0.0, 1.0) for alpha in (0.02, 0.1, 0.2, 0.8)),
    (0.2, 0.05, 0.97),
    (0.5, 0.05, 0.97),
)
_PARTS: tuple[tuple[Design, bool], ...] = (  # seasonal part taken out first; in logs?
    (WEEK, False), (WEEK, True), (YEAR, True), (HALF_YEAR, True), (HALF_YEAR, False),
)  # fmt: skip
_TREND_DAYS = (120, 240, 480)
_DAMPING = (0.995,)
_DRIFT = (0.5, 1.0)
_YEAR_DAYS = 364


def responses(length: int, grid: Grid) -> tuple[Array, Array]:
    """Effect on final level and trend of a point j steps back, [2, K, length], and of the start level, [2, K].

    grid: level gain, trend gain as a share of it and damping of each of K smoothers.
    """
    impulse, start = _responses(-(-length // 512) * 512, grid)
    return impulse[:, :, :length], start[:, :, length]


@lru_cache(maxsize=16)
def _responses(longest: int, grid: Grid) -> tuple[Array, Array]:
    alpha, beta, phi = np.array(grid).T
    rows = [[1 - alpha, (1 - alpha) * phi], [-alpha * beta, phi - alpha * beta * phi]]
    step = np.moveaxis(np.array(rows), -1, 0)  # level and trend one step later when the observation is zero, [K, 2, 2]
    powers = np.eye(2)[None, None].repeat(len(grid), axis=1)
    while len(powers) <= longest:
        powers = np.concatenate([powers, powers @ (powers[-1] @ step)])
    impulse = np.einsum("jkab,bk->akj", powers[:longest], np.stack([alpha, alpha * beta]))
    return impulse, np.moveaxis(powers[: longest + 1, :, :, 0], 0, -1).swapaxes(0, 1)


def damped_sum(phi: Array, horizon: int) -> Array:
    """phi + phi^2 + ... + phi^h for h = 1 .. H, [..., H]."""
    return np.asarray(np.cumsum(np.asarray(phi)[..., None] ** np.arange(1, horizon + 1), axis=-1))


@dataclass(frozen=True)
class Folded:
    """Smoothing after a seasonal part is taken out, both as one product: `states` @ history.

    states: [R, origin]; levels of the grid, trends of those that have one, then of the lines (see `_line_states`), and
    last the coefficients of the seasonal part.
    season: its columns [origin + H, Q].  start: share of the start level in each level and trend, [2, K].
    """

    states: Array
    season: Array
    start: Array

    def rest(self, values: Array, coefficients: Array, rows: slice) -> Array:
        """Some rows of a history [origin, TILE] without its seasonal part."""
        return np.asarray(values[rows] - self.season[: len(values)][rows] @ coefficients)


def _fold(block: Block, design: Design, start: int, origin: int) -> Folded:
    key = ("smoothing", design, start, origin)
    if key not in block.memo:
        laid = columns(block, design, start, origin)
        solve = np.zeros((laid.season.shape[1], origin))
        solve[:, start:] = estimators(laid, np.eye(len(laid.ridge))[laid.trends :])
        early = laid.season[(np.arange(start) - start) % 7]  # before the fit: its first weeks over and over
        season = np.concatenate([early, laid.season])
        states, begin = _grid_states(origin)
        if design is WEEK:
            states = np.concatenate([states, _line_states(origin)])
        block.memo[key] = Folded(np.concatenate([states - states @ season[:origin] @ solve, solve]), season, begin)
    folded: Folded = block.memo[key]
    return folded


def _grid_states(length: int) -> tuple[Array, Array]:
    """Rows that give the grid's levels and its `_TRENDING` trends from a history, and shares of the start level."""
    impulse, start = responses(length, _GRID)
    return np.concatenate([impulse[0], impulse[1, _TRENDING]])[:, ::-1], start


def _line_states(length: int) -> Array:
    """Rows that give slopes of the last 120 .. 480 days, and the daily drift since a year ago, [4, length].

    Zero where a history is too short; lines of that length are left out by age.
    """
    rows = np.zeros((len(_TREND_DAYS) + 1, length))
    for row, days in zip(rows, _TREND_DAYS, strict=False):
        if length >= days:
            x = np.arange(days) - (days - 1) / 2
            row[-days:] = x / (x @ x)
    if length >= _YEAR_DAYS + 28:
        rows[-1, -28:] = 1 / (28 * _YEAR_DAYS)
        rows[-1, -28 - _YEAR_DAYS : -_YEAR_DAYS] = -1 / (28 * _YEAR_DAYS)
    return rows


def _daily(block: Block, out: Array32) -> None:
    damp = _dampings(block.horizon)
    for o, origin in enumerate(block.origins):
        for tile in tiles_of(block, origin):
            values = tile.values(block, 0, origin)
            place = 0
            for design, in_logs in _PARTS:
                members = len(_GRID) + (len(_LINE_AGE) if design is WEEK else 0)
                if origin - tile.start >= design.least:
                    folded = _fold(block, design, tile.start, origin)
                    level, trend, season = _smoothed(folded, values[in_logs], block.horizon, design is WEEK)
                    age = np.concatenate([np.zeros(len(_GRID)), _LINE_AGE])[:members, None]
                    level[tile.age < np.maximum(age, design.least)] = np.nan
                    places = np.arange(place, place + members)
                    put_lines(out[o], places, tile, in_logs, level, trend, damp[:members], season[None])
                place += members


def _smoothed(folded: Folded, values: Array, horizon: int, lines: bool) -> tuple[Array, Array, Array]:
    """Level and trend [members, TILE] of all smoothers of one seasonal part, and that part ahead, [H, TILE]."""
    state = folded.states @ values
    effects = state[-folded.season.shape[1] :]
    begin = median0(folded.rest(values, effects, slice(0, 28)))
    grid = len(_GRID)
    level, trend = np.zeros((2, grid + (len(_LINE_AGE) if lines else 0), values.shape[1]))
    level[:grid] = state[:grid] + folded.start[0][:, None] * begin
    trend[_TRENDING] = state[grid : grid + len(_TRENDING)] + folded.start[1, _TRENDING][:, None] * begin
    if lines:
        level[grid:] = median0(folded.rest(values, effects, slice(-14, None)))
        trend[grid:] = state[grid + len(_TRENDING) + _LINE_STATE]
    return level, trend, np.asarray(folded.season[-horizon:] @ effects)


_TRENDING = [k for k, (_, beta, _) in enumerate(_GRID) if beta > 0]
_LINE_AGE = np.array([days for days in _TREND_DAYS for _ in _DAMPING] + [_YEAR_DAYS + 28] * len(_DRIFT))
_LINE_STATE = np.array([i for i in range(len(_TREND_DAYS)) for _ in _DAMPING] + [len(_TREND_DAYS)] * len(_DRIFT))


def _dampings(horizon: int) -> Array:
    """What a trend of 1 a day has added after 1 .. H days, [members of the grid and the lines, H]."""
    grid = damped_sum(np.array([phi for _, _, phi in _GRID]), horizon)
    lines = np.tile(damped_sum(np.array(_DAMPING), horizon), (len(_TREND_DAYS), 1))
    drift = np.array(_DRIFT)[:, None] * np.arange(1, horizon + 1)
    return np.concatenate([grid, lines, drift])


def _member_names() -> tuple[str, ...]:
    names: list[str] = []
    for design, in_logs in _PARTS:
        part = f"{design.name}_{'log' if in_logs else 'level'}"
        names += [f"{part}_{alpha:g}_{beta:g}_{phi:g}" for alpha, beta, phi in _GRID]
        if design is WEEK:
            names += [f"{part}_trend_{days}d_{phi:g}" for days in _TREND_DAYS for phi in _DAMPING]
            names += [f"{part}_drift_{share:g}" for share in _DRIFT]
    return tuple(names)


_MEMBERS = _member_names()
register(Family("smoothing", Cadence.DAILY, _MEMBERS, _daily))
