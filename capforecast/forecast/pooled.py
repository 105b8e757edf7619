"""Daily regression with effects held towards what the group of similar series has in common (empirical Bayes).

One server's weekday, quarter-end or yearly effect is noisy; the group's mean effect and the spread of effects around it
say how far to trust it (James & Stein 1961; Efron & Morris 1975). Where effects truly differ, nothing is held back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np

from capforecast.forecast.base import TILE, Array, Array32, Block, Family, register
from capforecast.forecast.baselines import median0
from capforecast.forecast.smoothing import responses
from capforecast.forecast.structural import Design, calendar_columns, columns
from capforecast.forecast.tiles import Tile, put_lines, tiles_of
from capforecast.schema import Cadence

_DESIGNS = (
    Design("line", hinges=0, season=0.1, slope=0.1, calendar=0.5, least=90),
    Design("year", hinges=0, season=0.1, slope=0.1, pairs=2, year=0.5, calendar=0.5, least=400),
)
_PRIOR_SERIES = 4.0  # series without any effect that a group's mean counts besides its own
_SLOW = ((0.05, 0.0, 1.0), (0.2, 0.0, 1.0))  # smoothers of the history less its effects, without a trend
_PER_FIT = 1 + len(_SLOW)
_MEMBERS = tuple(
    f"{design.name}_{kind}_{line}"
    for design in _DESIGNS
    for kind in ("level", "log")
    for line in ("line", "slow", "fast")
)


@dataclass(frozen=True)
class _Regression:
    """One design over the same rows, solved for all series.

    columns: slope first, centred over the history, [seen + H, P].
    states: [P + 2, seen]; effects of a centred history, and the levels that the `_SLOW` smoothers reach on it.
    variance: sampling variance of each effect in units of the residuals', [P].
    smoothed: levels reached on each column but the slope's, [2, P - 1].  mass, start: on a history of ones, and the
    start level's share, [2].
    """

    columns: Array
    states: Array
    variance: Array
    smoothed: Array
    mass: Array
    start: Array

    @property
    def effects(self) -> int:
        """How many effects there are, P."""
        return len(self.variance)


@dataclass(frozen=True)
class _Fit:
    """One design, in levels or logs, fitted to a tile. Effects are in units of the spread around the fit."""

    member: int  # twice the number of the design, and 1 for logs
    solved: _Regression
    effects: Array32  # [P, TILE]
    levels: Array  # what the `_SLOW` smoothers reach on the history less its mean, [2, TILE]
    spread: Array  # [TILE]
    mean: Array  # [TILE]


def _solved(block: Block, design: Design, start: int, origin: int) -> _Regression:
    key = ("pooled", design, start, origin)
    if key not in block.memo:
        laid, seen = columns(block, design, start, origin), origin - start
        every = laid.every[:, 1:] - laid.every[:seen, 1:].mean(axis=0)
        past = every[:seen]
        inverse = np.linalg.inv(past.T @ past + np.diag(laid.ridge[1:]))
        impulse, begin = responses(seen, _SLOW)
        slow = impulse[0, :, ::-1]
        states = np.concatenate([inverse @ past.T, slow])
        variance = np.diag(inverse).copy()
        block.memo[key] = _Regression(every, states, variance, slow @ past[:, 1:], slow.sum(axis=1), begin[0])
    solved: _Regression = block.memo[key]
    return solved


def _fits(block: Block, tile: Tile, origin: int) -> Iterator[_Fit]:
    """Every design, in levels and logs, that a tile's rows are enough for."""
    for kind, history in enumerate(tile.values(block, tile.start, origin)):
        mean = history.mean(axis=0)
        centred = history - mean
        for number, design in enumerate(_DESIGNS):
            if len(history) >= design.least:
                solved = _solved(block, design, tile.start, origin)
                state = solved.states @ centred
                effects = state[: solved.effects]
                spread = _distance(solved.columns[: len(history)] @ effects, centred) + 1e-9 * np.where(
                    mean != 0, np.abs(mean), 1.0
                )
                units, levels = (effects / spread).astype(np.float32), state[solved.effects :].copy()
                yield _Fit(2 * number + kind, solved, units, levels, spread, mean)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _distance(fitted: Array, real: Array) -> Array:
    """Root of the mean squared difference of each column, [N]."""
    total = np.zeros(real.shape[1])
    for t in range(len(real)):
        for j in range(real.shape[1]):
            apart = real[t, j] - fitted[t, j]
            total[j] += apart * apart
    return np.sqrt(total / len(real))


def _all_fits(block: Block) -> list[list[list[_Fit]]]:
    """Fits of each tile at each origin."""
    return [[list(_fits(block, tile, origin)) for tile in tiles_of(block, origin)] for origin in block.origins]


def _rows(block: Block) -> list[slice]:
    """Rows of each member's numbers among those summarised."""
    _, _, flags = calendar_columns(block)
    counts = [3 * (7 + 2 * design.pairs + flags.shape[1]) for design in _DESIGNS for _ in ("level", "log")]
    ends = np.cumsum(counts)
    return [slice(int(end) - count, int(end)) for end, count in zip(ends, counts, strict=True)]


def _summarise(block: Block) -> Array:
    """Standardised effects, their squares and their sampling variances, [O, S, N]."""
    rows = _rows(block)
    out = np.full((len(block.origins), rows[-1].stop, block.width), np.nan)
    block.kept["pooled"] = _all_fits(block)
    for o, (origin, fitted) in enumerate(zip(block.origins, block.kept["pooled"], strict=True)):
        for tile, fits in zip(tiles_of(block, origin), fitted, strict=True):
            for fit in fits:
                able = tile.age[: tile.count] >= _DESIGNS[fit.member // 2].least
                variance = np.broadcast_to(fit.solved.variance[:, None], fit.effects.shape)
                effects = fit.effects.astype(np.float64)
                numbers = np.concatenate([effects, effects**2, variance])[:, : tile.count]
                out[o, rows[fit.member], tile.which] = np.where(able, numbers, np.nan).T
    return out


def _forecast(block: Block, out: Array32) -> None:
    rows = _rows(block)
    every = block.kept.pop("pooled", None) or _all_fits(block)  # a second time they are fitted again, to the same bits
    for o, (origin, fitted) in enumerate(zip(block.origins, every, strict=True)):
        shared = block.shared["pooled"][o]
        for tile, fits in zip(tiles_of(block, origin), fitted, strict=True):
            early = tile.values(block, tile.start, min(tile.start + 28, origin))
            for fit in fits:
                numbers = shared[rows[fit.member]][:, tile.lanes].reshape(3, fit.solved.effects, TILE)
                effects = _held(fit, numbers, shared[-1, tile.lanes]) * fit.spread
                level, trend, damp, season = _ahead(fit, effects, early[fit.member % 2], block.horizon)
                level[:, tile.age < _DESIGNS[fit.member // 2].least] = np.nan
                places = fit.member * _PER_FIT + np.arange(_PER_FIT)
                put_lines(out[o], places, tile, fit.member % 2 == 1, level, trend, damp, season[None])


def _ahead(fit: _Fit, effects: Array, early: Array, horizon: int) -> tuple[Array, Array, Array, Array]:
    """The fitted line and two smoothed levels, all with the effects: levels, trends, dampings, seasonal part.

    early: the first days of the history, [28, TILE]; smoothing starts from their median.
    """
    solved = fit.solved
    past, ahead = solved.columns[: len(early)], solved.columns[-horizon:]
    begin = median0(early - past[:, 1:] @ effects[1:])
    slow = fit.levels + solved.mass[:, None] * fit.mean - solved.smoothed @ effects[1:] + solved.start[:, None] * begin
    damp, trend = np.zeros((_PER_FIT, horizon)), np.zeros((_PER_FIT, TILE))
    damp[0], trend[0] = ahead[:, 0], effects[0]
    return np.concatenate([fit.mean[None], slow]), trend, damp, ahead[:, 1:] @ effects[1:]


def _held(fit: _Fit, numbers: Array, count: Array) -> Array:
    """Effects held towards the group's mean, [P, N], by the share of their spread that is sampling noise."""
    mean, square, variance = numbers
    common = mean * count / (count + _PRIOR_SERIES)
    between = np.maximum(square - 2 * common * mean + common**2 - variance, 0.0)
    trust = between / (between + fit.solved.variance[:, None])
    return np.asarray(common + trust * (fit.effects - common))


register(Family("pooled", Cadence.DAILY, _MEMBERS, _forecast, _summarise))
