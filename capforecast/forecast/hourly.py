"""Hourly candidates: one causal Holt-Winters-like pass per grid, and a multi-seasonal decomposition with local trends.

The pass keeps a level, a damped trend and seasonal states of 24 and 168 hours for every series and grid point at once;
at each origin it writes its forecast from the state it has, so that more origins cost only their forecasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from capforecast.forecast.base import Array, Block, Family, Mask, register
from capforecast.forecast.baselines import median0, put
from capforecast.forecast.smoothing import damped_sum
from capforecast.forecast.structural import from_log, log_offset, to_log
from capforecast.schema import Cadence

_GAINS = (0.002, 0.01, 0.03, 0.1, 0.3, 0.7)
_CLIP = 3.0  # errors beyond this many running mean absolute errors are cut


@dataclass(frozen=True)
class Grid:
    """Smoothers that share their seasons. Columns: level gain, trend share, damping, daily gain, weekly gain."""

    name: str
    seasons: tuple[int, ...]
    points: tuple[tuple[float, float, float, float, float], ...]


_GRIDS = (
    Grid(
        "day",
        (24,),
        (
            *((alpha, 0.0, 1.0, gamma, 0.0) for alpha, gamma in product(_GAINS, (0.05, 0.15, 0.3))),
            (0.03, 0.02, 0.99, 0.1, 0.0),
            (0.2, 0.02, 0.98, 0.1, 0.0),
        ),
    ),
    Grid("week", (168,), tuple((alpha, 0.0, 1.0, 0.0, gamma) for alpha, gamma in product(_GAINS, (0.15, 0.3)))),
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


class _Pass:
    """State of one grid over a block: everything [K, N] (seasons [m, K, N])."""

    def __init__(self, grid: Grid, width: int) -> None:
        table = np.array(grid.points)[:, :, None]
        self.alpha, self.beta, self.phi = table[:, 0], table[:, 1], table[:, 2]
        gains = {24: table[:, 3], 168: table[:, 4]}
        size = (len(grid.points), width)
        self.level, self.trend, self.size = np.zeros(size), np.zeros(size), np.zeros(size)
        self.seasons = [(m, gains[m], np.zeros((m, *size)), 0.7 if m == 24 else 0.3) for m in grid.seasons]
        self.warm = 2 * max(grid.seasons)
        self.trended = bool(self.beta.any())

    def update(self, t: int, value: Array, seen: Mask, age: Array) -> None:
        """Take in the observations of row t; `age` counts points since a series' first observation."""
        expected = self.level + self.phi * self.trend if self.trended else self.level
        whole = expected
        for m, _, state, _ in self.seasons:
            whole = whole + state[t % m]
        error = np.where(seen, value - whole, 0.0)
        size = np.abs(error)
        limit = np.where(age > self.warm, _CLIP * self.size, np.inf)
        share = np.where(seen, np.maximum(0.02, 1.0 / (age + 1.0)), 0.0)
        self.size += share * (np.minimum(size, np.where(age > 60, 3.0 * limit, np.inf)) - self.size)
        error = np.clip(error, -limit, limit)
        alpha = np.maximum(self.alpha, 1.0 / (age + 1.0))
        self.level = expected + alpha * error
        if self.trended:
            self.trend = self.phi * self.trend + alpha * self.beta * error
        rest = (1.0 - alpha) * error
        for m, gamma, state, first in self.seasons:
            gain = np.where(age < m, first, np.maximum(gamma, 1.0 / (age // m + 1.0)))
            state[t % m] += gain * rest
            rest = (1.0 - gain) * rest

    def forecast(self, origin: int, horizon: int) -> Array:
        """[K, H, N] from the state as it stands."""
        rows = origin + np.arange(horizon)
        out = np.repeat(self.level[:, None], horizon, axis=1)
        if self.trended:
            out += damped_sum(self.phi[:, 0], horizon)[:, :, None] * self.trend[:, None]
        for m, _, state, _ in self.seasons:
            out += state[rows % m].swapaxes(0, 1)
        return out


def _run(grid: Grid, values: Array, block: Block, out: Array) -> None:
    """Pass one grid over values [T, N]; writes [O, K, H, N]."""
    state = _Pass(grid, block.width)
    places = {origin: o for o, origin in enumerate(block.origins)}
    for t in range(max(block.origins) + 1):
        if t in places:
            out[places[t]] = state.forecast(t, block.horizon)
        if t < max(block.origins):
            age = np.maximum(t - block.birth, 0).astype(np.float64)
            state.update(t, values[t], block.observed[t], age)


def _holt_winters(block: Block) -> Array:
    out = block.empty(len(_HW_MEMBERS))
    offset = log_offset(block.values[: min(block.origins)])
    logs = to_log(block.values, offset)
    k = 0
    for values, in_logs in ((block.values, False), (logs, True)):
        for grid in _GRIDS:
            members = slice(k, k + len(grid.points))
            _run(grid, values, block, out[:, members])
            k += len(grid.points)
            if in_logs:
                for o, origin in enumerate(block.origins):
                    put(out[o, members], from_log(out[o, members], offset), block.nonnegative(origin))
    for o, origin in enumerate(block.origins):
        out[o][:, :, block.age(origin) < 168] = np.nan
    return out


_HW_MEMBERS = tuple(
    f"{grid.name}_{kind}_{'_'.join(f'{value:g}' for value in point)}"
    for kind in ("level", "log")
    for grid in _GRIDS
    for point in grid.points
)
register(Family("holt_winters", Cadence.HOURLY, _HW_MEMBERS, _holt_winters))

_WINDOWS = (72, 168, 336)
_DAMPING = (0.99, 0.998)
_HALF_LIFE = 1008.0  # hours: six weeks
_SHRINK = 2.0  # weeks of no deviation that hour-of-week means are held back by


def seasonal_parts(values: Array, horizon: int) -> Array:
    """Daily plus shrunken weekly shape around a moving mean (after MSTL, Bandara et al. 2021), [t0 + H, N]."""
    seen = len(values)
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    rows = np.arange(seen)
    low, high = np.maximum(rows - 84, 0), np.minimum(rows + 84, seen)
    around = values - (total[high] - total[low]) / (high - low)[:, None]
    weight = 0.5 ** ((seen - 1 - rows) / _HALF_LIFE)[:, None]
    day, _ = _slot_sums(around, weight, 24, 0.0)
    week, _ = _slot_sums(around - day[rows % 24], weight, 168, _SHRINK)
    rows = np.arange(seen + horizon)
    return np.asarray(day[rows % 24] + week[rows % 168])


def _slot_sums(values: Array, weight: Array, season: int, shrink: float) -> tuple[Array, Array]:
    """Weighted mean of each slot [season, N], held back by `shrink` points of zero."""
    missing = -len(values) % season
    weighted = np.concatenate([values * weight, np.zeros((missing, values.shape[1]))])
    sums = weighted.reshape(-1, season, values.shape[1]).sum(axis=0)
    counts = np.concatenate([weight, np.zeros((missing, 1))]).reshape(-1, season).sum(axis=0)[:, None]
    return sums / np.maximum(counts + shrink, 1e-12), counts


def _decomposed(block: Block) -> Array:
    out = block.empty(len(_MS_MEMBERS))
    for o, origin in enumerate(block.origins):
        seen = block.values[:origin]
        offset = log_offset(seen)
        old = np.array([168, *(w for w in _WINDOWS[1:])])
        enough = block.age(origin) >= np.repeat(old, len(_DAMPING) + 1)[:, None]
        for kind, values in enumerate((seen, to_log(seen, offset))):
            result = _lines(values, block.horizon)
            if kind:
                result = np.where(block.nonnegative(origin), from_log(result, offset), np.nan)
            place = slice(kind * len(result), (kind + 1) * len(result))
            out[o, place] = np.where(enough[:, None], result, np.nan)
    return out


def _lines(values: Array, horizon: int) -> Array:
    """Damped and straight lines over the last hours of the deseasonalised series, season added back, [9, H, N]."""
    seasonal = seasonal_parts(values, horizon)
    rest = values - seasonal[: len(values)]
    level = median0(rest[-24:])
    steps = np.arange(1, horizon + 1)[:, None]
    lines = []
    for hours in _WINDOWS:
        window = rest[-hours:]
        x = np.arange(len(window)) - (len(window) - 1) / 2
        slope = (x[:, None] * window).sum(axis=0) / (x @ x)
        lines += [level + slope * damped_sum(np.array(phi), horizon)[:, None] for phi in _DAMPING]
        lines.append(window.mean(axis=0) + slope * ((len(window) - 1) / 2 + steps))
    return np.asarray(np.stack(lines) + seasonal[len(values) :])


_MS_MEMBERS = tuple(
    f"{kind}_{hours}h_{line}"
    for kind in ("level", "log")
    for hours in _WINDOWS
    for line in (*(f"{phi:g}" for phi in _DAMPING), "line")
)
register(Family("decomposition", Cadence.HOURLY, _MS_MEMBERS, _decomposed))
