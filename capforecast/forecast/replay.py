"""The past of series replayed after one plan: every candidate at every origin, and the forecasts they would have made.

Pass 1 computes every candidate at every origin, block by block, and keeps their errors; pooled statistics need all
series, so the choice among candidates comes in a second pass.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.forecast import backtest
from capforecast.forecast.base import Array, Block, Index
from capforecast.forecast.blocks import blocks
from capforecast.forecast.candidates import Cube, candidate_cube, usable, with_shared
from capforecast.forecast.ensemble import (
    candidate_errors,
    combined_score,
    log_relative,
    pooled,
    weighted_median,
    weights,
)
from capforecast.schema import Cadence, Panel
from capforecast.settings import ForecastSettings

log = logging.getLogger(__name__)

_KEEP_BYTES = 1_500_000_000  # candidates kept between the passes; beyond it they are computed again, to the same bits


@dataclass(frozen=True)
class Data:
    """A panel made ready: sorted by server and metric, cut to the recent history."""

    values: Array  # [T, N]
    filled: Array  # [T, N]
    birth: Index
    group: Index  # pool: metric and statistic
    calendar: pd.DataFrame
    panel: Panel

    @property
    def total(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Replay:
    """The past of some series, replayed after one plan; None = no origin fits, only the in-sample error is known."""

    plan: backtest.Plan | None
    members: Index
    origins: tuple[int, ...]
    forecasts: Array  # [O, H', N']
    score: Array  # [K, N'], for a forecast made now


def replay(
    data: Data, plan: backtest.Plan | None, members: Index, names: tuple[str, ...], setup: ForecastSettings
) -> Replay:
    """Both passes over series that share a plan."""
    if plan is None:
        empty = np.empty((0, 0, len(members)))
        return Replay(None, members, (), empty, np.zeros((len(names), len(members))))
    cadence = data.panel.cadence
    most = backtest.origins_wanted(cadence, setup.origins_daily, setup.origins_hourly)
    origins = plan.origins(data.total, most)
    log.info("replaying %d series at %d origins, %d periods ahead", len(members), len(origins), plan.horizon)
    cubes = _Cubes(data, plan, members, origins, names, setup.block_size)
    errors = np.full((len(origins), len(names), len(members)), np.nan)
    for rows, cube in cubes.both_passes():
        for o, origin in enumerate(origins):
            errors[o][:, rows] = candidate_errors(cube[o], cubes.actual(origin, rows))
    young = np.array(origins)[:, None] - data.birth[members] < plan.least
    errors[np.broadcast_to(young[:, None], errors.shape)] = np.nan
    relative = log_relative(errors)  # weights of an origin come from older ones whose outcome it could know
    group = data.group[members]
    wanted = setup.origins_daily if cadence is Cadence.DAILY else setup.origins_hourly

    def score(chosen: Index) -> Array:
        part = relative[chosen[:wanted]]
        return combined_score(part, pooled(part, group), setup.pooled_weight)

    past = [score(np.arange(o + plan.gap, len(origins), plan.stride)) for o in range(len(origins))]
    forecasts = np.full((len(origins), plan.horizon, len(members)), np.nan)
    for rows, cube in cubes.both_passes():
        for o in range(len(origins)):
            vote = weights(past[o][:, rows], usable(cube[o]), setup.temperature)
            forecasts[o][:, rows] = weighted_median(cube[o], vote)
    forecasts[np.broadcast_to(young[:, None], forecasts.shape)] = np.nan
    return Replay(plan, members, origins, forecasts, score(np.arange(0, len(origins), plan.stride)))


class _Cubes:
    """Candidates of all blocks, kept between the passes while memory allows, else computed again."""

    def __init__(
        self,
        data: Data,
        plan: backtest.Plan,
        members: Index,
        origins: tuple[int, ...],
        names: tuple[str, ...],
        size: int,
    ) -> None:
        self._data, self._plan, self._members, self._names = data, plan, members, names
        values = data.values[: max(origins)][:, members]
        parts = list(blocks(values, data.panel.cadence, origins, plan.horizon, data.calendar, size))
        self._parts = with_shared(parts, data.group[members], names)
        needed = 4 * len(origins) * len(names) * plan.horizon * len(members)
        self._kept: dict[int, Cube] | None = {} if needed <= _KEEP_BYTES else None

    def both_passes(self) -> Iterator[tuple[slice, Cube]]:
        """(columns among the members, float32 [O, K, H, n]) of every block; called once in each pass."""
        for rows, block in self._parts:
            yield rows, self._cube(rows, block)

    def _cube(self, rows: slice, block: Block) -> Cube:
        if self._kept is not None and rows.start in self._kept:
            return self._kept[rows.start]
        cube = candidate_cube(block, self._names)[..., : rows.stop - rows.start]
        if self._kept is not None:
            self._kept[rows.start] = cube
        return cube

    def actual(self, origin: int, rows: slice) -> Array:
        """Observed values [H, n] after an origin."""
        return self._data.values[origin : origin + self._plan.horizon][:, self._members[rows]]
