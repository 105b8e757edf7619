"""Any kind of model as champion: what a run needs beside forecasts is measured by fitting it anew at past origins.

The engine replays its own past. Other kinds do not: they are refitted, on what lies before each of the rolling origins,
so that their evidence is earned like the engine's, at the price of as many fits. Series that such a model cannot
forecast are the engine's, whose model is kept beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.forecast import backtest, engine, format_4, paths
from capforecast.forecast.base import Array, Trained
from capforecast.forecast.baselines import seasonal_naive
from capforecast.forecast.blocks import group_numbers
from capforecast.forecast.error_tables import error_tables, read_errors, stored_errors
from capforecast.forecast.evidence import evidence
from capforecast.forecast.kinds import Kind, Model, checked_columns, places, reading
from capforecast.forecast.measured import Past, expected_sizes, past_of, replay_plan
from capforecast.forecast.model import NAME, FleetModel
from capforecast.forecast.models import model_kind, model_names
from capforecast.forecast.tables import check_metadata
from capforecast.schema import METRIC, QUANTILE_LEVELS, SERVER_ID, Cadence, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings

log = logging.getLogger(__name__)

_POINT = QUANTILE_LEVELS.index(0.5)
_STATES = 2  # numbers that paths.states gives
_OWN, FALL_BACK = "own_", "fleet_"  # prefixes of the two models' tables
_COLUMNS = {
    "errors": ("origin", "scale", "states", "path"),
    "calibration": (SERVER_ID, METRIC, "scale_now", "states_now", "unit"),
}


@dataclass(frozen=True)
class Challenger:
    """A model that is not the engine's, with its error paths, and the engine's for what it cannot forecast.

    Series are sorted by server and metric.
    """

    kind: str
    model: Model
    errors: ErrorPaths
    engine: FleetModel

    @property
    def series(self) -> pd.DataFrame:
        """[N] server_id, metric."""
        return self.engine.series

    @property
    def cadence(self) -> Cadence:
        """Of its input."""
        return self.engine.cadence

    def predict(self, panel: Panel) -> Forecast:
        """Forecast all the panel's series, the engine's part marked as `fleet`; raises ModelError as Model.predict."""
        mine = self.model.predict(panel)
        keys, known = (pd.MultiIndex.from_frame(part[[SERVER_ID, METRIC]]) for part in (panel.series, mine.series))
        lost = np.asarray(~keys.isin(known))
        if not lost.any():
            return mine
        theirs = self.engine.predict(panel.take(lost))
        series = pd.concat([mine.series, theirs.series], ignore_index=True)
        order = pd.MultiIndex.from_frame(series[[SERVER_ID, METRIC]]).get_indexer(keys)
        quantiles = np.concatenate([mine.quantiles, theirs.quantiles], axis=2)[:, :, order]
        return replace(mine, quantiles=quantiles, series=series.iloc[order].reset_index(drop=True))

    def error_paths(self, panel: Panel, predicted: Forecast | None = None) -> ErrorPaths:
        """As FleetModel.error_paths: of the panel's series, in its order, with the states they are in at its end."""
        place = places(self.series, self.cadence, panel)
        past, stored = past_of(panel, self.engine.settings, place), self.errors
        scale = stored.scale_now[place]
        order = np.argsort(place)
        point = (self.predict(panel) if predicted is None else predicted).median[:, order].astype(np.float64)
        now = np.empty((len(place), _STATES), dtype=np.float32)
        now[order] = paths.states(past.filled, point, scale[order].astype(np.float64), self.cadence.per_day)
        return replace(
            stored,
            errors=stored.errors[:, :, place], scale=stored.scale[:, place], scale_now=scale,
            states=stored.states[:, place], states_now=now,
            series=panel.series[[SERVER_ID, METRIC]].reset_index(drop=True),
        )  # fmt: skip

    def tables(self) -> dict[str, pa.Table]:
        """Both models' tables, and `errors` and `calibration` as the engine's."""
        own = {_OWN + name: table for name, table in self.model.tables().items()}
        theirs = {FALL_BACK + name: table for name, table in self.engine.tables().items()}
        errors, calibration = error_tables(self.errors)
        return own | theirs | {"errors": errors, "calibration": calibration}


Champion: TypeAlias = FleetModel | Challenger


def kind_of(model: Champion) -> str:
    """Name of a model's kind."""
    return model.kind if isinstance(model, Challenger) else NAME


def _check_kind(kind: str) -> None:
    if kind != NAME and kind not in model_names():
        raise ModelError(f"the stored model is of kind {kind!r}, which this version does not have; train a new one")


def check_usable(kind: str, name: str, metadata: pa.Table) -> None:
    """Raise ModelError where this version cannot use a stored model, by its kind and one table `metadata` of its."""
    _check_kind(kind)
    if not name.startswith(_OWN):  # the engine's, of the model itself or of the one beside it
        check_metadata(metadata)


def from_tables(kind: str, tables: Mapping[str, pa.Table]) -> Champion:
    """The model of a kind from what its `tables` gave; raises ModelError."""
    if kind == NAME:
        return FleetModel.from_tables(tables)
    _check_kind(kind)
    parts = [{name.removeprefix(p): t for name, t in tables.items() if name.startswith(p)} for p in (_OWN, FALL_BACK)]
    model, engine_model = model_kind(kind).from_tables(parts[0]), FleetModel.from_tables(parts[1])
    horizon, cadence = engine_model.horizon, engine_model.cadence
    if "unit" not in tables.get("calibration", pa.table({})).column_names:
        checked_columns(tables, format_4.COLUMNS)
        with reading():
            tables = format_4.upgraded(tables, horizon, _STATES, cadence)
    checked_columns(tables, _COLUMNS)
    with reading():
        errors = read_errors(tables["errors"], tables["calibration"], engine_model.series, horizon, _STATES, cadence)
    return Challenger(kind, model, errors, engine_model)


def fall_back_from(tables: Mapping[str, pa.Table]) -> FleetModel:
    """The engine's model that is kept beside one of another kind, from the latter's tables; raises ModelError."""
    model = FleetModel.from_tables({name.removeprefix(FALL_BACK): table for name, table in tables.items()})
    if not len(model.errors.origins):
        raise ModelError("the model was stored without error paths of its fall-back, the fleet engine; train again")
    return model


def train(panel: Panel, horizon: int, settings: Settings) -> Trained[Champion]:
    """Train the model that `forecast.model` names on all usable series of a business unit; see engine.train."""
    kind = model_kind(settings.forecast.model)
    trained = engine.train(panel, horizon, settings)
    if kind.name == NAME:
        return trained
    past = past_of(panel, settings)
    ordered = _ordered(panel, past)
    plan, origins = replay_plan(past, horizon, settings)
    quantiles = _replayed(kind, ordered, past, plan, origins, settings)
    errors, table = _evidence(ordered, past, plan, origins, quantiles, horizon)
    model = Challenger(kind.name, kind.fit(ordered, horizon, settings), errors, trained.model)
    wanted = pd.MultiIndex.from_frame(panel.series[[SERVER_ID, METRIC]])
    place = wanted.get_indexer(pd.MultiIndex.from_frame(table[[SERVER_ID, METRIC]]))
    table = table.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
    return Trained(model, table, model.error_paths(panel), fall_back=trained.backtest)


def _ordered(panel: Panel, past: Past) -> Panel:
    """The panel with its series in the order of `past`."""
    keys, wanted = (pd.MultiIndex.from_frame(part[[SERVER_ID, METRIC]]) for part in (panel.series, past.series))
    order = keys.get_indexer(wanted)
    return replace(panel, values=panel.values[:, order], series=past.series.reset_index(drop=True))


def _replayed(
    kind: Kind,
    panel: Panel,
    past: Past,
    plan: backtest.Plan | None,
    origins: tuple[int, ...],
    settings: Settings,
) -> Array:
    """Quantiles [Q, O, H', N] forecast at past origins, each by a model that saw nothing after; NaN = none."""
    reach = plan.horizon if plan else 0
    out = np.full((len(QUANTILE_LEVELS), len(origins), reach, len(past.birth)), np.nan)
    for o, origin in enumerate(origins):
        log.info("%s: past origin %d of %d", kind.name, o + 1, len(origins))
        old_enough = origin - past.birth >= (plan.least if plan else 0)
        end = panel.timestamps[len(panel.timestamps) - past.total + origin - 1]
        seen = panel.take(old_enough).until(end)
        forecast = kind.fit(seen, reach, settings).predict(seen)
        columns = places(panel.series, panel.cadence, replace(seen, series=forecast.series))
        out[:, o, :, columns] = forecast.quantiles[: len(QUANTILE_LEVELS)].transpose(2, 0, 1)
    return out


def _evidence(
    panel: Panel,
    past: Past,
    plan: backtest.Plan | None,
    origins: tuple[int, ...],
    quantiles: Array,
    horizon: int,
) -> tuple[ErrorPaths, pd.DataFrame]:
    """Error paths and BACKTEST_COLUMNS rows of forecasts [Q, O, H', N] made at past origins."""
    _, count, reach, width = quantiles.shape
    cadence, group = past.cadence, group_numbers(past.series)
    actual = np.full((count, reach, width), np.nan)
    naive = np.empty((count, reach, width))
    states = np.empty((count, width, _STATES), dtype=np.float32)
    for o, origin in enumerate(origins):
        actual[o] = past.values[origin : origin + reach]
        naive[o] = seasonal_naive(past.filled[:origin], reach, cadence.season)
    errors = actual - quantiles[_POINT]
    scale = expected_sizes(past, origins, errors, group, plan.gap if plan else 1)
    for o, origin in enumerate(origins):
        states[o] = paths.states(past.filled[:origin], quantiles[_POINT, o], scale[o], cadence.per_day)
    in_sample = paths.naive_scales(past.values, origins, cadence.season)
    table = evidence(panel.series, actual, quantiles, naive, in_sample, cadence)
    whole = np.full((count, horizon, width), np.nan, dtype=np.float32)
    whole[:, :reach] = errors
    stamps = panel.timestamps[np.array(origins, dtype=np.int64) + len(panel.timestamps) - past.total - 1]
    series = past.series[[SERVER_ID, METRIC]].reset_index(drop=True)
    found = ErrorPaths(
        stored_errors(whole), stamps, scale[:-1].astype(np.float32), scale[-1].astype(np.float32), states,
        np.zeros((width, _STATES), dtype=np.float32), series, cadence,
    )  # fmt: skip
    return found, table
