"""The batched fleet engine: train on all usable series of a business unit at once, replay the past, forecast.

Series that can be replayed alike are replayed together; calibration looks at all of them. Series are taken in order
of server and metric in padded blocks, so neither the order of the panel nor the size of blocks changes a number.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.forecast import backtest
from capforecast.forecast.base import Array, Index, Trained
from capforecast.forecast.blocks import calendar_of, fill, first_rows, group_numbers, recent
from capforecast.forecast.calibration import calibrate
from capforecast.forecast.candidates import candidate_names
from capforecast.forecast.model import FleetModel
from capforecast.forecast.replay import Data, Replay, replay
from capforecast.forecast.threads import one_blas_thread
from capforecast.schema import BACKTEST_COLUMNS, METRIC, SERVER_ID, ErrorPaths, Panel
from capforecast.settings import ForecastSettings, Settings


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
    plans = _plans(data, horizon, settings.forecast)
    replays = [replay(data, plan, members, names, settings.forecast) for plan, members in plans]
    model, table = _conclude(data, replays, names, horizon, settings)
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    rows = table.groupby([SERVER_ID, METRIC], sort=False, observed=True).indices if len(table) else {}
    keys = zip(panel.series[SERVER_ID], panel.series[METRIC], strict=True)
    picked = np.concatenate([np.asarray(rows[key]) for key in keys]) if rows else np.empty(0, dtype=np.int64)
    return Trained(model, table.iloc[picked].reset_index(drop=True), model.error_paths(panel))


def _prepare(panel: Panel, horizon: int, settings: Settings) -> tuple[Data, Index]:
    cut = recent(panel, settings.forecast)
    order = cut.series.sort_values([SERVER_ID, METRIC], kind="stable").index.to_numpy()
    place = cut.series.index.get_indexer(order)
    series = cut.series.loc[order].reset_index(drop=True)
    cut = Panel(cut.values[:, place], cut.timestamps, series, cut.cadence)
    values = cut.values.astype(np.float64)
    birth = first_rows(values)
    group = group_numbers(series)
    calendar = calendar_of(cut, horizon, settings.calendar)
    return Data(values, fill(values, birth, cut.cadence), birth, group, calendar, cut), np.asarray(place)


def _plans(data: Data, horizon: int, setup: ForecastSettings) -> list[tuple[backtest.Plan | None, Index]]:
    """Series that are replayed alike, numbers of the series of each plan."""
    cadence, ages = data.panel.cadence, data.total - data.birth
    plans = {int(age): backtest.plan_for(int(age), horizon, cadence) for age in np.unique(ages)}
    mine = [plans[int(age)] for age in ages]
    alike = [(plan, np.flatnonzero([other == plan for other in mine]).astype(np.int64)) for plan in dict.fromkeys(mine)]
    most = backtest.origins_wanted(cadence, setup.origins_daily, setup.origins_hourly)
    final = backtest.densified([(plan, ages[members]) for plan, members in alike], most)
    return [(plan, members) for plan, (_, members) in zip(final, alike, strict=True)]


def _conclude(
    data: Data, replays: list[Replay], names: tuple[str, ...], horizon: int, settings: Settings
) -> tuple[FleetModel, pd.DataFrame]:
    """Calibrate each replay and lay all of them into one model and one table."""
    width, cadence = data.values.shape[1], data.panel.cadence
    lattice = sorted({origin for past in replays for origin in past.origins}, reverse=True)
    row = {origin: o for o, origin in enumerate(lattice)}
    score, replayed = np.zeros((len(names), width)), np.zeros(width, dtype=np.int64)
    errors = np.full((len(lattice), horizon, width), np.nan, dtype=np.float32)
    scale, scale_now = np.full((len(lattice), width), np.nan, dtype=np.float32), np.empty(width, dtype=np.float32)
    states = np.full((len(lattice), width, 2), np.nan, dtype=np.float32)
    widths: list[Array] = [np.empty(0)] * width
    tables = []
    for past, outcome in zip(replays, calibrate(data, replays), strict=True):
        members = past.members
        score[:, members] = past.score
        replayed[members] = outcome.replayed
        scale_now[members] = outcome.scale_now
        for i, member in enumerate(members):
            widths[member] = outcome.widths[:, :, i]
        for o, origin in enumerate(past.origins):
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
