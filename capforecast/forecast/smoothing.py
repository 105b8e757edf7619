"""Daily candidates that smooth the deseasonalised series: exponential smoothing, damped local trends, drift.

All of them are linear in the series, so their states at an origin are one matrix product: the impulse response of each
smoother (Gardner & McKenzie 1985, damped trend) against the history of every series at once.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from capforecast.forecast.base import Array, Block, Family, Mask, register
from capforecast.forecast.baselines import median0
from capforecast.forecast.structural import (
    HALF_YEAR,
    WEEK,
    YEAR,
    Design,
    fit,
    from_log,
    log_offset,
    tiles_product,
    to_log,
)
from capforecast.schema import Cadence

# level gain, trend gain as a share of it, damping
_GRID = (
    *((alpha, 0.0, 1.0) for alpha in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)),
    (0.2, 0.05, 0.97),
    (0.5, 0.05, 0.97),
)
_PARTS: tuple[tuple[Design, bool], ...] = (  # seasonal part taken out first; in logs?
    (WEEK, False), (WEEK, True), (YEAR, True), (HALF_YEAR, True), (HALF_YEAR, False),
)  # fmt: skip
_TREND_DAYS = (60, 120, 240, 480)
_DAMPING = (0.98, 0.995)
_DRIFT = (0.5, 1.0)
_YEAR_DAYS = 364


def responses(length: int) -> tuple[Array, Array]:
    """Effect on final level and trend of a point j steps back, [2, K, length], and of the start level, [2, K]."""
    impulse, start = _responses(-(-length // 512) * 512)
    return impulse[:, :, :length], start[:, :, length]


@lru_cache(maxsize=8)
def _responses(longest: int) -> tuple[Array, Array]:
    alpha, beta, phi = np.array(_GRID).T
    impulse, start = np.empty((2, len(_GRID), longest)), np.empty((2, len(_GRID), longest + 1))
    point, begin = np.stack([alpha, alpha * beta]), np.stack([np.ones_like(alpha), np.zeros_like(alpha)])
    for j in range(longest):
        impulse[:, :, j], start[:, :, j] = point, begin
        point, begin = _advance(point, alpha, beta, phi), _advance(begin, alpha, beta, phi)
    start[:, :, longest] = begin
    return impulse, start


def _advance(state: Array, alpha: Array, beta: Array, phi: Array) -> Array:
    """A state one step later when the observation is zero."""
    expected = state[0] + phi * state[1]
    return np.stack([(1 - alpha) * expected, phi * state[1] - alpha * beta * expected])


def damped_sum(phi: Array, horizon: int) -> Array:
    """phi + phi^2 + ... + phi^h for h = 1 .. H, [..., H]."""
    return np.asarray(np.cumsum(np.asarray(phi)[..., None] ** np.arange(1, horizon + 1), axis=-1))


def smooth(rest: Array, horizon: int) -> Array:
    """Forecasts [K, H, N] of a deseasonalised history [t0, N] by every smoother of the grid."""
    seen = len(rest)
    impulse, start = responses(seen)
    begin = median0(rest[:28])
    shape = (2 * len(_GRID), seen)
    state = tiles_product(impulse[:, :, ::-1].reshape(shape), rest).reshape(2, len(_GRID), -1)
    state = state + start[:, :, None] * begin
    ahead = damped_sum(np.array([phi for _, _, phi in _GRID]), horizon)
    return np.asarray(state[0][:, None] + ahead[:, :, None] * state[1][:, None])


def local_trends(rest: Array, horizon: int) -> Array:
    """Damped lines [8, H, N]: the median of the last 14 days and the slope of the last 60 .. 480, or NaN."""
    seen, width = rest.shape
    level = median0(rest[-14:])
    out = np.full((len(_TREND_DAYS) * len(_DAMPING), horizon, width), np.nan)
    ahead = damped_sum(np.array(_DAMPING), horizon)
    for i, days in enumerate(_TREND_DAYS):
        if seen >= days:
            x = np.arange(days) - (days - 1) / 2
            slope = tiles_product((x / (x @ x))[None], rest[-days:])[0]
            out[2 * i : 2 * i + 2] = level + ahead[:, :, None] * slope
    return out


def drifts(rest: Array, horizon: int) -> Array:
    """The median of the last 14 days and a share of the change since a year ago, [2, H, N]; NaN when too short."""
    out = np.full((len(_DRIFT), horizon, rest.shape[1]), np.nan)
    if len(rest) >= _YEAR_DAYS + 28:
        before = rest[-28 - _YEAR_DAYS : -_YEAR_DAYS].mean(axis=0)
        daily = (rest[-28:].mean(axis=0) - before) / _YEAR_DAYS
        steps = np.arange(1, horizon + 1)[:, None]
        for i, share in enumerate(_DRIFT):
            out[i] = median0(rest[-14:]) + share * daily * steps
    return out


_TREND_AGE = np.array([days for days in _TREND_DAYS for _ in _DAMPING] + [_YEAR_DAYS + 28] * len(_DRIFT))


def _daily(block: Block) -> Array:
    out = block.empty(len(_MEMBERS))
    for o, origin in enumerate(block.origins):
        seen = block.clean[:origin]
        offset = log_offset(seen)
        logs, positive = to_log(seen, offset), block.nonnegative(origin)
        k = 0
        for design, in_logs in _PARTS:
            members = len(_GRID) + (len(_TREND_AGE) if design is WEEK else 0)
            values = logs if in_logs else seen
            fitted = fit(block, design, origin, values)
            if fitted is not None:
                result = _smooth_part(values, fitted[1], block, origin, design is WEEK)
                if in_logs:
                    result = np.where(positive, from_log(result, offset), np.nan)
                out[o, k : k + members] = result
            k += members
    return out


def _smooth_part(values: Array, seasonal: Array, block: Block, origin: int, trends: bool) -> Array:
    """All smoothers of one seasonal part [K, H, N], the seasonal part added back."""
    rest = values - seasonal[:origin]
    parts = [smooth(rest, block.horizon)]
    if trends:
        lines = np.concatenate([local_trends(rest, block.horizon), drifts(rest, block.horizon)])
        old: Mask = block.age(origin) >= _TREND_AGE[:, None]
        parts.append(np.where(old[:, None], lines, np.nan))
    return np.asarray(np.concatenate(parts) + seasonal[origin:])


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
