"""The batched fleet engine: train on all usable series of a business unit at once, replay the past, forecast.

Pass 1 computes every candidate at every origin, block by block, and keeps their errors; pooled statistics need all
series, so choice and calibration come in a second pass. Series are taken in order of server and metric in padded
blocks, so neither the order of the panel nor the size of blocks changes a number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.forecast import backtest, intervals, paths
from capforecast.forecast.base import Array, Block, Index, Trained
from capforecast.forecast.baselines import seasonal_naive
from capforecast.forecast.blocks import blocks, calendar_of, fill, first_rows, group_numbers, recent
from capforecast.forecast.candidates import Cube, candidate_cube, candidate_names, usable, with_shared
from capforecast.forecast.ensemble import (
    candidate_errors,
    combined_score,
    log_relative,
    pooled,
    weighted_median,
    weights,
)
from capforecast.forecast.model import FleetModel
from capforecast.forecast.threads import one_blas_thread
from capforecast.schema import BACKTEST_COLUMNS, METRIC, SERVER_ID, Cadence, ErrorPaths, Panel
from capforecast.settings import ForecastSettings, Settings

log = logging.getLogger(__name__)

_FEWEST_CHOSEN = 3  # origins with learnt weights that make the others dispensable
_KEEP_BYTES = 1_500_000_000  # candidates kept between the passes; beyond it they are computed again, to the same bits


@dataclass(frozen=True)
class _Data:
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
class _Replay:
    """The past of some series, replayed after one plan; None = no origin fits, only the in-sample error is known."""

    plan: backtest.Plan | None
    members: Index
    origins: tuple[int, ...]
    forecasts: Array  # [O, H', N']
    score: Array  # [K, N'], for a forecast made now


@one_blas_thread()
def train(panel: Panel, horizon: int, settings: Settings) -> Trained:
    """Train the fleet engine on the usable series of one business unit, all metrics together.

    Args:
        panel: float32 [T, N]; every series has a verdict ok (`Panel.usable`), daily or hourly.
        horizon: periods to forecast.
        settings: `forecast`, `calendar` and `metrics` are used, and kept in the model.

    Returns:
        The model, backtest rows (`origins` and `points` say what was replayed; a history too short for the horizon is
        replayed over a shorter one) and error paths, all in the order of `panel.series`.
    """
    data, order = _prepare(panel, horizon, settings)
    names = candidate_names(panel.cadence)
    replays = [
        _replay(data, plan, members, names, settings.forecast) for plan, members in _plans(data, horizon, panel.cadence)
    ]
    model, table = _conclude(data, replays, names, horizon, settings)
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    rows = table.groupby([SERVER_ID, METRIC], sort=False, observed=True).indices if len(table) else {}
    keys = zip(panel.series[SERVER_ID], panel.series[METRIC], strict=True)
    picked = np.concatenate([np.asarray(rows[key]) for key in keys]) if rows else np.empty(0, dtype=np.int64)
    return Trained(model, table.iloc[picked].reset_index(drop=True), model.error_paths(panel))


def _prepare(panel: Panel, horizon: int, settings: Settings) -> tuple[_Data, Index]:
    cut = recent(panel, settings.forecast)
    order = cut.series.sort_values([SERVER_ID, METRIC], kind="stable").index.to_numpy()
    place = cut.series.index.get_indexer(order)
    series = cut.series.loc[order].reset_index(drop=True)
    cut = Panel(cut.values[:, place], cut.timestamps, series, cut.cadence)
    values = cut.values.astype(np.float64)
    birth = first_rows(values)
    group = group_numbers(series)
    calendar = calendar_of(cut, horizon, settings.calendar)
    return _Data(values, fill(values, birth, cut.cadence), birth, group, calendar, cut), np.asarray(place)


def _plans(data: _Data, horizon: int, cadence: Cadence) -> list[tuple[backtest.Plan | None, Index]]:
    """Series that are replayed alike."""
    ages = data.total - data.birth
    plans = {int(age): backtest.plan_for(int(age), horizon, cadence) for age in np.unique(ages)}
    mine = [plans[int(age)] for age in ages]
    return [(plan, np.flatnonzero([other == plan for other in mine]).astype(np.int64)) for plan in dict.fromkeys(mine)]


def _replay(
    data: _Data, plan: backtest.Plan | None, members: Index, names: tuple[str, ...], setup: ForecastSettings
) -> _Replay:
    """Both passes over series that share a plan."""
    if plan is None:
        empty = np.empty((0, 0, len(members)))
        return _Replay(None, members, (), empty, np.zeros((len(names), len(members))))
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

    past = [score(np.arange(o + plan.gap, len(origins))) for o in range(len(origins))]
    forecasts = np.full((len(origins), plan.horizon, len(members)), np.nan)
    for rows, cube in cubes.both_passes():
        for o in range(len(origins)):
            vote = weights(past[o][:, rows], usable(cube[o]), setup.temperature)
            forecasts[o][:, rows] = weighted_median(cube[o], vote)
    forecasts[np.broadcast_to(young[:, None], forecasts.shape)] = np.nan
    return _Replay(plan, members, origins, forecasts, score(np.arange(len(origins))))


class _Cubes:
    """Candidates of all blocks, kept between the passes while memory allows, else computed again."""

    def __init__(
        self,
        data: _Data,
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


def _conclude(
    data: _Data, replays: list[_Replay], names: tuple[str, ...], horizon: int, settings: Settings
) -> tuple[FleetModel, pd.DataFrame]:
    """Calibrate each replay and lay all of them into one model and one table."""
    width, cadence = data.values.shape[1], data.panel.cadence
    lattice = sorted({origin for replay in replays for origin in replay.origins}, reverse=True)
    row = {origin: o for o, origin in enumerate(lattice)}
    score, replayed = np.zeros((len(names), width)), np.zeros(width, dtype=np.int64)
    errors = np.full((len(lattice), horizon, width), np.nan, dtype=np.float32)
    scale, scale_now = np.full((len(lattice), width), np.nan, dtype=np.float32), np.empty(width, dtype=np.float32)
    states = np.full((len(lattice), width, 2), np.nan, dtype=np.float32)
    widths: list[Array] = [np.empty(0)] * width
    tables = []
    for replay in replays:
        outcome = _calibrate(data, replay)
        members = replay.members
        score[:, members] = replay.score
        replayed[members] = replay.plan.horizon if replay.plan else 7 * cadence.per_day
        scale_now[members] = outcome.scale_now
        for i, member in enumerate(members):
            widths[member] = outcome.widths[:, :, i]
        for o, origin in enumerate(replay.origins):
            errors[row[origin], : outcome.errors.shape[1], members] = outcome.errors[o].T
            scale[row[origin], members], states[row[origin], members] = outcome.scale[o], outcome.states[o]
        tables.append(outcome.table)
    series = data.panel.series[[SERVER_ID, METRIC]].reset_index(drop=True)
    stamps = pd.DatetimeIndex(data.panel.timestamps[np.array(lattice, dtype=np.int64) - 1])
    none_yet = np.zeros((width, 2), dtype=np.float32)
    history = ErrorPaths(errors, stamps, scale, scale_now, states, none_yet, series, cadence)
    model = FleetModel(series, names, score, tuple(widths), replayed, history, horizon, cadence, settings)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(BACKTEST_COLUMNS))
    return model, table


@dataclass(frozen=True)
class _Outcome:
    """Calibration of one replay, columns in the order of its members."""

    errors: Array
    scale: Array
    scale_now: Array
    states: Array
    widths: Array
    table: pd.DataFrame


def _calibrate(data: _Data, replay: _Replay) -> _Outcome:
    cadence, members, plan = data.panel.cadence, replay.members, replay.plan
    values, filled, group = data.values[:, members], data.filled[:, members], data.group[members]
    series = data.panel.series.iloc[members]
    naive = paths.naive_scales(values, (*replay.origins, data.total), cadence.season)
    if plan is None:
        nothing = np.empty((0, 0, len(members)))
        _, now = paths.scales(nothing, naive[:0], naive[0], paths.Group(group, 1))
        widths = intervals.naive_widths(values, 7 * cadence.per_day)
        widths = np.where(np.isfinite(widths), widths, now)
        table = backtest.evidence(series, nothing, np.empty((5, 0, 0, len(members))), nothing, naive[0], cadence)
        return _Outcome(nothing, np.empty((0, len(members))), now, np.empty((0, len(members), 2)), widths, table)
    actual = np.stack([values[origin : origin + plan.horizon] for origin in replay.origins])
    errors = actual - replay.forecasts
    past, now = paths.scales(errors, naive[:-1], naive[-1], paths.Group(group, plan.gap))
    chosen = np.arange(len(errors)) + plan.gap < len(errors)  # the oldest origins had no choice: all candidates alike
    calibrating = errors if chosen.sum() < _FEWEST_CHOSEN else np.where(chosen[:, None, None], errors, np.nan)
    scored = intervals.Errors(calibrating, past, group, plan.gap, cadence)
    widths = intervals.widths_now(scored, now)
    fallback = np.where(np.isfinite(widths), widths, now * np.array([1.6, 2.5])[:, None, None])
    table = _evidence(replay, scored, replay.forecasts + calibrating, filled, series, naive[-1])
    states = np.stack(
        [
            paths.states(filled[:origin], replay.forecasts[o], past[o], cadence.per_day)
            for o, origin in enumerate(replay.origins)
        ]
    )
    return _Outcome(errors, past, now, states, fallback, table)


def _evidence(
    replay: _Replay, scored: intervals.Errors, actual: Array, filled: Array, series: pd.DataFrame, scale: Array
) -> pd.DataFrame:
    """Backtest rows of one replay; intervals of an origin are calibrated on the others."""
    horizon = actual.shape[1]
    halves = np.stack(
        [
            intervals.spread(intervals.widths_then(scored, o), horizon, horizon, scored.cadence)
            for o in range(len(replay.origins))
        ],
        axis=1,
    )
    point = replay.forecasts
    quantiles = np.stack([point - halves[1], point - halves[0], point, point + halves[0], point + halves[1]])
    naive = np.stack([seasonal_naive(filled[:origin], horizon, scored.cadence.season) for origin in replay.origins])
    return backtest.evidence(series, actual, quantiles, naive, scale, scored.cadence)
