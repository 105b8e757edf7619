"""The frozen model: scores of candidates, calibration and error paths of every series; predicts without refit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.fleet.bounds import physical_range
from capforecast.forecast import intervals, paths
from capforecast.forecast.base import Array, Index
from capforecast.forecast.blocks import blocks, calendar_of, fill, first_rows, group_numbers, recent
from capforecast.forecast.candidates import candidate_cube, usable, with_shared
from capforecast.forecast.ensemble import weighted_median, weights
from capforecast.forecast.threads import one_blas_thread
from capforecast.schema import METRIC, SERVER_ID, Cadence, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings

NAME = "fleet"


@dataclass(frozen=True)
class FleetModel:
    """Everything a forecast needs besides the panel. Series are sorted by server and metric.

    series: [N] server_id, metric.  candidates: [K] names.  score: float64 [K, N], lower is better.
    widths: N arrays of half-widths [2, buckets], in the metric's unit.  replayed: [N] horizon they were measured on.
    errors: past error paths in the order of `series`, with scales.
    """

    series: pd.DataFrame
    candidates: tuple[str, ...]
    score: Array
    widths: tuple[Array, ...]
    replayed: Index
    errors: ErrorPaths
    horizon: int
    cadence: Cadence
    settings: Settings

    @property
    def version(self) -> str:
        """Content hash: equal models have equal versions."""
        digest = hashlib.sha256("\n".join(self.candidates).encode())
        for part in (self.score, self.replayed, *self.widths):
            digest.update(np.ascontiguousarray(part).tobytes())
        digest.update("\n".join([*self.series[SERVER_ID], *self.series[METRIC]]).encode())
        digest.update(f"{self.cadence}|{self.horizon}|{settings_text(self.settings)}".encode())
        return digest.hexdigest()[:16]

    @one_blas_thread()
    def predict(self, panel: Panel) -> Forecast:
        """Forecast what follows the panel's last timestamp; weights and calibration stay as trained.

        Raises:
            ModelError: the panel has another cadence or a series the model was not trained on.
        """
        place = self._place(panel)
        point, mean = self._points(panel, place)
        half = self._half_widths(place)
        low, high = (limit.astype(np.float64) for limit in physical_range(panel, self.settings))
        quantiles = intervals.quantile_levels(point, half, mean, low, high).astype(np.float32)
        step = self.cadence.step
        ahead = pd.date_range(panel.timestamps[-1] + step, periods=self.horizon, freq=step)
        series = panel.series[[SERVER_ID, METRIC]].reset_index(drop=True)
        series = series.assign(origin=panel.timestamps[-1], model=NAME, model_version=self.version)
        return Forecast(quantiles, ahead, series, self.cadence)

    @one_blas_thread()
    def error_paths(self, panel: Panel) -> ErrorPaths:
        """The stored error paths for the panel's series, in its order, with the states they are in at its end.

        Raises:
            ModelError: as `predict`.
        """
        place = self._place(panel)
        point, _ = self._points(panel, place)
        cut = recent(panel, self.settings.forecast)
        values = cut.values.astype(np.float64)
        filled = fill(values, first_rows(values), self.cadence)
        stored = self.errors
        scale_now = stored.scale_now[place]
        now = paths.states(filled, point, scale_now.astype(np.float64), self.cadence.per_day)
        return replace(
            stored,
            errors=stored.errors[:, :, place], scale=stored.scale[:, place], scale_now=scale_now,
            states=stored.states[:, place], states_now=now.astype(np.float32),
            series=panel.series[[SERVER_ID, METRIC]].reset_index(drop=True),
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
        if panel.cadence is not self.cadence:
            raise ModelError(f"the model is for {self.cadence} data, the panel is {panel.cadence}; train a new model")
        known = pd.MultiIndex.from_frame(self.series[[SERVER_ID, METRIC]])
        place = known.get_indexer(pd.MultiIndex.from_frame(panel.series[[SERVER_ID, METRIC]]))
        if (place < 0).any():
            first = panel.series[place < 0].iloc[0]
            raise ModelError(
                f"the model was not trained on {int((place < 0).sum())} of the panel's {len(place)} series, first "
                f"server {first[SERVER_ID]!r} metric {first[METRIC]!r}; train a new model or leave them out"
            )
        return np.asarray(place, dtype=np.int64)

    def _points(self, panel: Panel, place: Index) -> tuple[Array, Array]:
        """Weighted median and weighted mean of the candidates, [H, N] each, in the panel's order."""
        cut = recent(panel, self.settings.forecast)
        values = cut.values.astype(np.float64)
        point, mean = np.empty((2, self.horizon, values.shape[1]))
        if not values.shape[1]:
            return point, mean
        order = np.argsort(place, kind="stable")
        calendar = calendar_of(cut, self.horizon, self.settings.calendar)
        setup = self.settings.forecast
        parts = list(blocks(values[:, order], self.cadence, (len(values),), self.horizon, calendar, setup.block_size))
        for rows, block in with_shared(parts, group_numbers(panel.series)[order], self.candidates):
            columns = order[rows]
            cube = candidate_cube(block, self.candidates)[0][:, :, : len(columns)]
            vote = weights(self.score[:, place[columns]], usable(cube), setup.temperature)
            point[:, columns] = weighted_median(cube, vote)
            mean[:, columns] = np.einsum("khn,kn->hn", np.where(vote[:, None] > 0, cube, 0.0), vote)
        return point, mean

    def _half_widths(self, place: Index) -> Array:
        """Half-widths [2, H, N]."""
        out = np.empty((len(intervals.LEVELS), self.horizon, len(place)))
        replayed = self.replayed[place]
        for length in np.unique(replayed):
            which = np.flatnonzero(replayed == length)
            widths = np.stack([self.widths[place[i]] for i in which], axis=-1)
            out[:, :, which] = intervals.spread(widths, int(length), self.horizon, self.cadence)
        return out


def settings_text(settings: Settings) -> str:
    """The settings a prediction depends on, as canonical JSON."""
    kept = settings.model_dump(mode="json", include={"forecast", "calendar", "metrics"})
    return json.dumps(kept, sort_keys=True)
