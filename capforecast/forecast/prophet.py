"""Stock Prophet, one model per series, in a pool of processes: what most teams forecast capacity with.

It is here to be compared with. A series it cannot fit is `unknown` with a reason; the others are not held up by it.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.fleet.bounds import physical_range
from capforecast.fleet.calendar import calendar_features
from capforecast.forecast.blocks import recent
from capforecast.forecast.kinds import (
    UNKNOWN_COLUMNS,
    Kind,
    ahead,
    checked_columns,
    content_hash,
    forecast_series,
    places,
    reading,
)
from capforecast.forecast.model import settings_text
from capforecast.forecast.prophet_worker import Ask, History, fit_one, predict_one, run_all
from capforecast.schema import METRIC, QUANTILE_LEVELS, SERVER_ID, Cadence, Forecast, Panel
from capforecast.settings import CalendarSettings, Settings

log = logging.getLogger(__name__)

NAME = "prophet"
_FORMAT = "1"
_REGRESSORS = ["month_end", "quarter_end", "year_end", "holiday", "event"]  # weekday and hour it has seasons for
_COLUMNS = {"models": (SERVER_ID, METRIC, "model", "reason"), "metadata": ("key", "value")}


@dataclass(frozen=True)
class ProphetModel:
    """Fitted models as Prophet's JSON, `models` [N]; "" where `reasons` [N] says why there is none."""

    series: pd.DataFrame
    models: tuple[str, ...]
    reasons: tuple[str, ...]
    horizon: int
    cadence: Cadence
    settings: Settings

    @property
    def version(self) -> str:
        """Content hash."""
        names = "\n".join([*self.series[SERVER_ID], *self.series[METRIC]])
        about = f"{self.cadence}|{self.horizon}|{settings_text(self.settings)}"
        return content_hash(NAME, names, about, *self.models, *self.reasons)

    @property
    def unknown(self) -> pd.DataFrame:
        """Series that could not be fitted."""
        listed = self.series.assign(reason=pd.array(list(self.reasons), dtype="str"))
        return listed.loc[listed["reason"] != "", list(UNKNOWN_COLUMNS)].reset_index(drop=True)

    def predict(self, panel: Panel) -> Forecast:
        """See Model.predict. A series whose forecast fails is left out too, with a warning."""
        place = places(self.series, self.cadence, panel)
        future = _calendar(ahead(panel, self.horizon), self.settings.calendar)
        there = [column for column, row in enumerate(place) if self.models[row]]
        asks = [Ask(self.models[place[column]], future, self._seed(place[column])) for column in there]
        quantiles = np.full((len(QUANTILE_LEVELS) + 1, self.horizon, len(place)), np.nan)
        for number, result, reason in run_all(predict_one, asks, "prophet predicts"):
            if reason:
                row = self.series.iloc[place[there[number]]]
                log.warning("prophet: no forecast of %s %s: %s", row[SERVER_ID], row[METRIC], reason)
            else:
                quantiles[:, :, there[number]] = result
        low, high = physical_range(panel, self.settings)
        with np.errstate(over="ignore"):
            bounded = np.clip(quantiles, low, high).astype(np.float32)
        kept = np.isfinite(bounded).all(axis=(0, 1))
        series = forecast_series(panel, NAME, self.version)[kept].reset_index(drop=True)
        return Forecast(bounded[:, :, kept], ahead(panel, self.horizon), series, self.cadence)

    def _seed(self, row: int) -> int:
        """Of a series' samples: the same wherever it stands."""
        return zlib.crc32("|".join(self.series.iloc[row][[SERVER_ID, METRIC]]).encode())

    def tables(self) -> dict[str, pa.Table]:
        """See Model.tables: `models`, a row per series, and `metadata`."""
        metadata = {
            "kind": NAME, "format": _FORMAT, "cadence": str(self.cadence), "horizon": str(self.horizon),
            "settings": settings_text(self.settings), "version": self.version,
        }  # fmt: skip
        columns = [*(self.series[name].to_list() for name in (SERVER_ID, METRIC)), self.models, self.reasons]
        models = {
            name: pa.array(list(column), pa.large_string())
            for name, column in zip(_COLUMNS["models"], columns, strict=True)
        }
        metadata_table = pa.table({"key": list(metadata), "value": list(metadata.values())})
        return {"models": pa.table(models), "metadata": metadata_table}


def fit(panel: Panel, horizon: int, settings: Settings) -> ProphetModel:
    """Fit each series on what was observed of it."""
    cut = recent(panel, settings.forecast)
    series = cut.series[[SERVER_ID, METRIC]].reset_index(drop=True)
    calendar = _calendar(cut.timestamps, settings.calendar)
    seen = np.isfinite(cut.values)
    tasks = [
        History(calendar.index[seen[:, i]], cut.values[seen[:, i], i].astype(np.float64), calendar[seen[:, i]])
        for i in range(len(series))
    ]
    models, reasons = [""] * len(series), [""] * len(series)
    for number, fitted, reason in run_all(fit_one, tasks, "prophet fits"):
        models[number], reasons[number] = fitted or "", reason
    model = ProphetModel(series, tuple(models), tuple(reasons), horizon, cut.cadence, settings)
    for row in model.unknown.itertuples():
        log.warning("prophet: %s %s is unknown: %s", row.server_id, row.metric, row.reason)
    return model


def _calendar(times: pd.DatetimeIndex, settings: CalendarSettings) -> pd.DataFrame:
    """Our calendar as regressors 0 and 1; Prophet wants times without a zone."""
    features = calendar_features(times, settings)[_REGRESSORS].astype(np.float64)
    return features.set_axis(times.tz_localize(None), axis=0)


def from_tables(tables: Mapping[str, pa.Table]) -> ProphetModel:
    """The inverse of `tables`; raises ModelError."""
    checked_columns(tables, _COLUMNS)
    known = dict(zip(tables["metadata"]["key"].to_pylist(), tables["metadata"]["value"].to_pylist(), strict=True))
    if known.get("kind") != NAME or known.get("format") != _FORMAT:
        raise ModelError(f"this is no stored prophet model of format {_FORMAT}: {known.get('kind')}; train it again")
    with reading():
        columns = {name: tables["models"][name].to_pylist() for name in _COLUMNS["models"]}
        series = pd.DataFrame({name: pd.array(columns[name], dtype="str") for name in (SERVER_ID, METRIC)})
        settings = Settings.model_validate(json.loads(known["settings"]))
        model = ProphetModel(
            series, tuple(columns["model"]), tuple(columns["reason"]), int(known["horizon"]), Cadence(known["cadence"]),
            settings,
        )  # fmt: skip
        intact = model.version == known["version"]
    if not intact:
        raise ModelError("the stored prophet model is corrupt: its content hashes to another version; train it again")
    return model


PROPHET = Kind(NAME, "stock Prophet, one model per series, our calendar as regressors", fit, from_tables)
