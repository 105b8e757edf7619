"""Daily regression with effects held towards what the group of similar series has in common (empirical Bayes).

One server's weekday, quarter-end or yearly effect is noisy; the group's mean effect and the spread of effects around it
say how far to trust it (James & Stein 1961; Efron & Morris 1975). Where effects truly differ, nothing is held back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.forecast.base import Array, Block, Family, Mask, register
from capforecast.forecast.smoothing import smooth
from capforecast.forecast.structural import (
    Design,
    from_log,
    log_offset,
    normal_equations,
    starts,
    tiles_product,
    to_log,
)
from capforecast.schema import Cadence

_DESIGNS = (
    Design("line", hinges=0, season=0.1, slope=0.1, calendar=0.5, least=90),
    Design("year", hinges=0, season=0.1, slope=0.1, pairs=2, year=0.5, calendar=0.5, least=400),
)
_PRIOR_SERIES = 4.0  # series without any effect that a group's mean counts besides its own
_SLOW = (1, 3)  # of the smoothing grid: gains 0.05 and 0.2, on the history less its effects
_PER_FIT = 1 + len(_SLOW)
_MEMBERS = tuple(
    f"{design.name}_{kind}_{line}"
    for design in _DESIGNS
    for kind in ("level", "log")
    for line in ("line", "slow", "fast")
)


@dataclass(frozen=True)
class _Fit:
    """One design at one origin: standardised effects [P, N], their sampling variance [P, N], spread and mean [N]."""

    effects: Array
    variance: Array
    spread: Array
    mean: Array
    columns: Array  # centred columns, slope first, [seen + H, P]
    history: Array  # [seen, N]


def _fit(block: Block, design: Design, origin: int, values: Array) -> list[tuple[Mask, _Fit]]:
    """Ridge on centred columns for each group of series that start alike: (which series, fit)."""
    fits = []
    for start, which in starts(block, origin, design.least).items():
        columns, ridge = normal_equations(block, design, start, origin)
        seen = origin - start
        columns, ridge = columns[:, 1:] - columns[:seen, 1:].mean(axis=0), ridge[1:]
        past = columns[:seen]
        inverse = np.linalg.inv(past.T @ past + np.diag(ridge))
        history = values[start:origin]
        mean = history.mean(axis=0)
        effects = tiles_product(inverse @ past.T, history - mean)
        rest = history - mean - tiles_product(past, effects)
        spread = np.sqrt((rest**2).mean(axis=0)) + 1e-9 * (1.0 + np.abs(mean))
        variance = np.repeat(np.diag(inverse)[:, None], block.width, axis=1)
        fits.append((which, _Fit(effects / spread, variance, spread, mean, columns, history)))
    return fits


def _all_fits(block: Block, origin: int) -> list[list[tuple[Mask, _Fit]]]:
    """Fits of every member at an origin."""
    seen = block.clean[:origin]
    logs = to_log(seen, log_offset(seen))
    return [_fit(block, design, origin, values) for design in _DESIGNS for values in (seen, logs)]


def _summarise(block: Block) -> Array:
    """Standardised effects, their squares and their sampling variances, [O, S, N]."""
    rows = []
    for origin in block.origins:
        parts = []
        for member, fits in enumerate(_all_fits(block, origin)):
            effects = _effect_count(block, _DESIGNS[member // 2])
            part = np.full((3 * effects, block.width), np.nan)
            for which, fit in fits:
                part[:, which] = np.concatenate([fit.effects, fit.effects**2, fit.variance])[:, which]
            parts.append(part)
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def _effect_count(block: Block, design: Design) -> int:
    return int(normal_equations(block, design, 0, min(block.origins))[0].shape[1]) - 1


def _forecast(block: Block) -> Array:
    out = block.empty(len(_MEMBERS))
    shared = block.shared["pooled"]
    for o, origin in enumerate(block.origins):
        offset = log_offset(block.clean[:origin])
        row = 0
        count = shared[o, -1]
        for member, fits in enumerate(_all_fits(block, origin)):
            effects = _effect_count(block, _DESIGNS[member // 2])
            mean, square, variance = shared[o, row : row + 3 * effects].reshape(3, effects, -1)
            row += 3 * effects
            for which, fit in fits:
                held = _held(fit, mean, square, variance, count)
                ahead = _ahead(fit, held * fit.spread)
                if member % 2:
                    ahead = np.where(block.nonnegative(origin), from_log(ahead, offset), np.nan)
                out[o, member * _PER_FIT : (member + 1) * _PER_FIT][:, :, which] = ahead[:, :, which]
    return out


def _ahead(fit: _Fit, effects: Array) -> Array:
    """The fitted line with its effects, and the effects on a smoothed level, [1 + 2, H, N]."""
    seen = len(fit.history)
    seasonal = tiles_product(fit.columns[:, 1:], effects[1:])
    line = fit.mean + seasonal[seen:] + tiles_product(fit.columns[seen:, :1], effects[:1])
    level = smooth(fit.history - seasonal[:seen], len(line))[list(_SLOW)]
    return np.concatenate([line[None], level + seasonal[seen:]])


def _held(fit: _Fit, mean: Array, square: Array, variance: Array, count: Array) -> Array:
    """Effects held towards the group's mean, [P, N], by the share of their spread that is sampling noise."""
    common = mean * count / (count + _PRIOR_SERIES)
    between = np.maximum(square - 2 * common * mean + common**2 - variance, 0.0)
    trust = between / (between + fit.variance)
    return np.asarray(common + trust * (fit.effects - common))


register(Family("pooled", Cadence.DAILY, _MEMBERS, _forecast, _summarise))
