"""The batched fleet engine: train on all usable series of a business unit at once, replay the past, forecast.

Series that can be replayed alike are replayed together; calibration looks at all of them. Series are taken in order
of server and metric in padded blocks, so neither the order of the panel nor the size of blocks changes a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from capforecast.forecast import backtest
from capforecast.forecast.base import Array, Index, Trained
from capforecast.forecast.blocks import calendar_of, first_rows, group_numbers, recent
from capforecast.forecast.calibration import Outcome, calibrate
from capforecast.forecast.candidates import candidate_names
from capforecast.forecast.error_tables import stored_errors
from capforecast.forecast.experience import Effects
from capforecast.forecast.model import FleetModel
from capforecast.forecast.replay import Data, Replay, replay
from capforecast.forecast.situation import ASPECTS
from capforecast.forecast.threads import one_blas_thread
from capforecast.schema import BACKTEST_COLUMNS, METRIC, SERVER_ID, ErrorPaths, FloatArray, Panel
from capforecast.settings import ForecastSettings, Settings


@one_blas_thread()
def train(panel: Panel, horizon: int, settings: Settings) -> Trained[FleetModel]:
    """Train the fleet engine on the usable series of one business unit, all metrics together.

    Args:
        panel: float32 [T, N]; every series has a verdict ok (`Panel.usable`), daily or hourly.
        horizon: periods to forecast.
        settings: `forecast`, `calendar` and `metrics` are used, and kept in the model.

    Returns:
        The model, backtest rows (`origins` and `points` say what was replayed; a history too short for the horizon is
        replayed over a shorter one), error paths and the choice of candidates, all in the order of `panel.series`.
    """
    data, order = _prepare(panel, horizon, settings)
    names = candidate_names(panel.cadence)
    plans = _plans(data, horizon, settings.forecast)
    replays = [replay(data, plan, members, names, settings.forecast) for plan, members in plans]
    ledger = _Ledger.empty(data, replays, horizon)
    calibrate(data, replays, ledger.put, settings.forecast.threads)
    model = ledger.model(data, replays, names, horizon, settings)
    errors, choice = model.evidence(panel)
    return Trained(model, ledger.table(order), errors, choice)


def _prepare(panel: Panel, horizon: int, settings: Settings) -> tuple[Data, Index]:
    cut = recent(panel, settings.forecast)
    order = cut.series.sort_values([SERVER_ID, METRIC], kind="stable").index.to_numpy()
    place = np.asarray(cut.series.index.get_indexer(order), dtype=np.int64)
    series = cut.series.loc[order].reset_index(drop=True)
    sorted_already = bool((place == np.arange(len(place))).all())
    values = cut.values if sorted_already else cut.values[:, place]
    cut = Panel(values, cut.timestamps, series, cut.cadence)
    calendar = calendar_of(cut, horizon, settings.calendar)
    return Data(cut, first_rows(values), group_numbers(series), calendar), place


def _plans(data: Data, horizon: int, setup: ForecastSettings) -> list[tuple[backtest.Plan | None, Index]]:
    """Series that are replayed alike, numbers of the series of each plan."""
    cadence, ages = data.panel.cadence, data.total - data.birth
    known, kind = np.unique(ages, return_inverse=True)
    plans = [backtest.plan_for(int(age), horizon, cadence) for age in known]
    distinct = list(dict.fromkeys(plans[i] for i in dict.fromkeys(kind.tolist())))
    number = np.array([distinct.index(plan) for plan in plans], dtype=np.int64)[kind]
    alike = [(plan, np.flatnonzero(number == i).astype(np.int64)) for i, plan in enumerate(distinct)]
    most = backtest.origins_wanted(cadence, setup.origins_daily, setup.origins_hourly)
    final = backtest.densified([(plan, ages[members]) for plan, members in alike], most)
    return [(plan, members) for plan, (_, members) in zip(final, alike, strict=True)]


@dataclass
class _Ledger:
    """Where the pieces of the calibration come together, in the order of the sorted panel."""

    row: dict[int, int]  # origin -> its row, newest first
    errors: FloatArray  # [O, H, N]
    scale: FloatArray  # [O, N]
    scale_now: FloatArray  # [N]
    states: FloatArray  # [O, N, 2]
    widths: Array  # [2, B, N], NaN beyond the buckets a series was replayed over
    replayed: Index  # [N]
    tables: list[pd.DataFrame] = field(default_factory=list)

    @staticmethod
    def empty(data: Data, replays: list[Replay], horizon: int) -> _Ledger:
        """Room for every series."""
        width, cadence = len(data.birth), data.panel.cadence
        lattice = sorted({origin for past in replays for origin in past.origins}, reverse=True)
        longest = max([horizon, 7 * cadence.per_day])
        return _Ledger(
            {origin: o for o, origin in enumerate(lattice)},
            np.full((len(lattice), horizon, width), np.nan, dtype=np.float32),
            np.full((len(lattice), width), np.nan, dtype=np.float32),
            np.empty(width, dtype=np.float32),
            np.full((len(lattice), width, 2), np.nan, dtype=np.float32),
            np.full((2, len(backtest.buckets(cadence, longest)), width), np.nan),
            np.zeros(width, dtype=np.int64),
        )

    def put(self, outcome: Outcome) -> None:
        """Take in one piece; pieces of several threads touch different columns."""
        members = outcome.members
        self.replayed[members] = outcome.replayed
        self.scale_now[members] = outcome.scale_now
        self.widths[:, : outcome.widths.shape[1], members] = outcome.widths
        for o, origin in enumerate(outcome.origins):
            row = self.row[origin]
            self.errors[row, : outcome.errors.shape[1], members] = outcome.errors[o].T
            self.scale[row, members], self.states[row, members] = outcome.scale[o], outcome.states[o]
        self.tables.append(outcome.table)

    def model(
        self, data: Data, replays: list[Replay], names: tuple[str, ...], horizon: int, settings: Settings
    ) -> FleetModel:
        """The model of all series."""
        width, cadence = len(data.birth), data.panel.cadence
        score, lesson = np.zeros((len(names), width)), np.zeros(width, dtype=np.int64)
        sharpness = np.ones(width)
        for number, past in enumerate(replays):
            score[:, past.members], sharpness[past.members] = past.score, past.sharpness
            lesson[past.members] = number * data.groups + data.group[past.members]
        effects = Effects.joined(
            [Effects.none(0, len(ASPECTS[cadence]), len(names)), *(past.effects for past in replays)]
        )
        series = data.panel.series[[SERVER_ID, METRIC]].reset_index(drop=True)
        stamps = pd.DatetimeIndex(data.panel.timestamps[np.array(list(self.row), dtype=np.int64) - 1])
        none_yet = np.zeros((width, 2), dtype=np.float32)
        errors = stored_errors(self.errors)
        score = score.astype(np.float32).astype(np.float64)  # as they are kept
        history = ErrorPaths(errors, stamps, self.scale, self.scale_now, self.states, none_yet, series, cadence)
        return FleetModel(
            series, names, score, effects, lesson, sharpness,
            self.widths, self.replayed, history, horizon, cadence, settings,
        )  # fmt: skip

    def table(self, order: Index) -> pd.DataFrame:
        """Backtest rows in the order the panel came in: `order` holds its place of each sorted series."""
        kept = [table for table in self.tables if len(table)]
        if not kept:
            return pd.DataFrame(columns=list(BACKTEST_COLUMNS))
        rows = pd.concat(kept, ignore_index=True)
        return rows.iloc[np.argsort(order[rows["member"]], kind="stable")].drop(columns="member").reset_index(drop=True)
