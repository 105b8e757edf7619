"""The frozen model: scores of candidates, calibration and error paths of every series; predicts without refit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.fleet.bounds import physical_range
from capforecast.forecast import intervals, paths
from capforecast.forecast.backtest import buckets
from capforecast.forecast.base import Array, Index
from capforecast.forecast.blocks import (
    calendar_of,
    fill,
    first_rows,
    group_numbers,
    observations,
    recent,
    tiles,
)
from capforecast.forecast.candidates import group_means
from capforecast.forecast.choice import Leaders
from capforecast.forecast.executor import in_blocks
from capforecast.forecast.experience import Effects
from capforecast.forecast.kinds import nothing_unknown, places
from capforecast.forecast.now import Now, Voters, vote_now
from capforecast.forecast.sampling import spokesmen
from capforecast.forecast.threads import one_blas_thread
from capforecast.schema import METRIC, SERVER_ID, Cadence, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings

NAME = "fleet"


@dataclass(frozen=True)
class FleetModel:
    """Everything a forecast needs besides the panel. Series are sorted by server and metric.

    series: [N] server_id, metric.  candidates: [K] names.  score: float64 [K, N], lower is better.
    effects: what the situation a forecast is made in adds to the scores.  lesson: [N], each series' row of them.
    sharpness: [N], multiple of the softmax temperature its group votes with.
    widths: half-widths [2, B, N] by bucket, in the metric's unit, NaN beyond the buckets of `replayed`.
    replayed: [N] horizon the widths were measured on.
    errors: past error paths in the order of `series`, with scales.
    """

    series: pd.DataFrame
    candidates: tuple[str, ...]
    score: Array
    effects: Effects
    lesson: Index
    sharpness: Array
    widths: Array
    replayed: Index
    errors: ErrorPaths
    horizon: int
    cadence: Cadence
    settings: Settings

    @property
    def version(self) -> str:
        """Content hash: equal models have equal versions."""
        digest = hashlib.sha256("\n".join(self.candidates).encode())
        effects = self.effects
        for part in (
            self.score, effects.size, effects.usual, effects.spread, self.lesson, self.sharpness,
            self.replayed, self.widths,
        ):  # fmt: skip
            digest.update(np.ascontiguousarray(part).tobytes())
        digest.update("\n".join([*self.series[SERVER_ID], *self.series[METRIC]]).encode())
        digest.update(f"{self.cadence}|{self.horizon}|{settings_text(self.settings)}".encode())
        return digest.hexdigest()[:16]

    @property
    def unknown(self) -> pd.DataFrame:
        """Series without a forecast: none, the engine forecasts whatever it is trained on."""
        return nothing_unknown()

    @one_blas_thread()
    def predict(self, panel: Panel) -> Forecast:
        """Forecast what follows the panel's last timestamp; scores, effects and calibration stay as trained.

        Raises:
            ModelError: the panel has another cadence or a series the model was not trained on.
        """
        place = self._place(panel)
        point, mean, _ = self._points(panel, place)
        half = self._half_widths(place)
        low, high = (limit.astype(np.float64) for limit in physical_range(panel, self.settings))
        quantiles = intervals.quantile_levels(point, half, mean, low, high).astype(np.float32)
        step = self.cadence.step
        ahead = pd.date_range(panel.timestamps[-1] + step, periods=self.horizon, freq=step)
        series = panel.series[[SERVER_ID, METRIC]].reset_index(drop=True)
        series = series.assign(origin=panel.timestamps[-1], model=NAME, model_version=self.version)
        return Forecast(quantiles, ahead, series, self.cadence)

    @one_blas_thread()
    def error_paths(self, panel: Panel, predicted: Forecast | None = None) -> ErrorPaths:
        """The stored error paths for the panel's series, in its order, with the states they are in at its end.

        predicted: what `predict` gave for this panel, where it is at hand: then nothing is forecast again.

        Raises:
            ModelError: as `predict`.
        """
        if predicted is None:
            return self.evidence(panel)[0]
        place, point = self._place(panel), predicted.median.astype(np.float64)
        return self._errors(panel, place, point)

    @one_blas_thread()
    def evidence(self, panel: Panel) -> tuple[ErrorPaths, pd.DataFrame]:
        """The error paths, as above, and which candidates carry each forecast: rows of CHOICE_COLUMNS.

        Raises:
            ModelError: as `predict`.
        """
        place = self._place(panel)
        point, _, leaders = self._points(panel, place)
        errors = self._errors(panel, place, point)
        return errors, leaders.table(errors.series, self.candidates)

    def _errors(self, panel: Panel, place: Index, point: Array) -> ErrorPaths:
        """The stored errors of series at `place`, and their states at the panel's end by forecasts [H, N]."""
        stored, series = self.errors, panel.series[[SERVER_ID, METRIC]].reset_index(drop=True)
        scale_now = stored.scale_now[place]
        now = np.empty((len(place), stored.states.shape[2]), dtype=np.float32)
        for columns in tiles(np.arange(len(place)), self.settings.forecast.block_size):
            values = observations(recent(panel, self.settings.forecast), columns)
            filled = fill(values, first_rows(values), self.cadence)
            expected = scale_now[columns].astype(np.float64)
            now[columns] = paths.states(filled, point[:, columns], expected, self.cadence.per_day)
        whole = np.array_equal(place, np.arange(len(self.series)))
        kept = slice(None) if whole else place  # a slice copies nothing
        return replace(
            stored, errors=stored.errors[:, :, kept], scale=stored.scale[:, kept], scale_now=scale_now,
            states=stored.states[:, kept], states_now=now, series=series,
        )  # fmt: skip

    def tables(self) -> dict[str, pa.Table]:
        """The model as plain columns: weights, errors, calibration, metadata. `from_tables` is the inverse."""
        from capforecast.forecast.tables import to_tables

        return to_tables(self)

    @staticmethod
    def from_tables(tables: Mapping[str, pa.Table]) -> FleetModel:
        """Rebuild a model.

        Raises:
            ModelError: a table or column is missing, or they do not fit together.
        """
        from capforecast.forecast.tables import read_tables

        return read_tables(tables)

    def _place(self, panel: Panel) -> Index:
        """Row of each of the panel's series in the model."""
        return places(self.series, self.cadence, panel)

    def _points(self, panel: Panel, place: Index) -> tuple[Array, Array, Leaders]:
        """Weighted median and weighted mean of the candidates, [H, N] each, in the panel's order; who carries them."""
        cut, setup = recent(panel, self.settings.forecast), self.settings.forecast
        point, mean = np.empty((2, self.horizon, len(place)))
        leaders = Leaders.empty(len(place))
        order = np.argsort(place, kind="stable")
        calendar = calendar_of(cut, self.horizon, self.settings.calendar)
        now = Now(cut, order, group_numbers(panel.series)[order], calendar, self.horizon)
        parts = [(places, now.block(places)) for places in tiles(spokesmen(now.group), setup.block_size)]
        shared = group_means(parts, now.group, self.candidates)
        voters = Voters(self.candidates, self.score, self.effects, self.lesson, self.sharpness, setup.temperature)

        def put(places: Index, made: tuple[Array, Array, Array, Array]) -> None:
            columns = order[places]
            point[:, columns], mean[:, columns] = made[:2]
            leaders.put(columns, *made[2:])

        items = tiles(np.arange(len(place)), setup.block_size)
        in_blocks(vote_now, (now, voters, shared, place), items, put, setup.threads, "forecast")
        return point, mean, leaders

    def _half_widths(self, place: Index) -> Array:
        """Half-widths [2, H, N]."""
        out = np.empty((len(intervals.LEVELS), self.horizon, len(place)))
        replayed = self.replayed[place]
        for length in np.unique(replayed):
            which = np.flatnonzero(replayed == length)
            known = len(buckets(self.cadence, int(length)))
            widths = self.widths[:, :known, place[which]]
            out[:, :, which] = intervals.spread(widths, int(length), self.horizon, self.cadence)
        return out


def settings_text(settings: Settings) -> str:
    """The settings a prediction depends on, as canonical JSON."""
    kept = settings.model_dump(mode="json", include={"forecast", "calendar", "metrics"})
    for only_speed in ("block_size", "threads"):
        del kept["forecast"][only_speed]
    return json.dumps(kept, sort_keys=True)
