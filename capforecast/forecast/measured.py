"""Intervals of a model that only knows points: from its own errors at past origins, by horizon bucket.

The forecasts behind the errors must not have seen the outcomes (the seasonal naive never does; a fitted model needs
one more fit, on what lies before the oldest of the origins).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.fleet.bounds import physical_range
from capforecast.forecast import backtest, intervals, paths
from capforecast.forecast.base import Array, Index
from capforecast.forecast.blocks import fill, first_rows, group_numbers, recent
from capforecast.forecast.kinds import ahead, checked_columns, forecast_series, places, reading
from capforecast.forecast.model import settings_text
from capforecast.schema import METRIC, SERVER_ID, Cadence, Forecast, Panel
from capforecast.settings import Settings

FORMAT = "1"
_UNMEASURED = np.array([1.6, 2.5])  # half-widths in sizes of error to expect, where no past forecast was possible
_COLUMNS = {"calibration": (SERVER_ID, METRIC, "half_80", "half_95"), "metadata": ("key", "value")}


@dataclass(frozen=True)
class Past:
    """A panel as models of points see it: series by server and metric, the recent history, gaps filled causally.

    values: float64 [T, N], NaN = not observed.  filled: the same without gaps.  birth: first observation [N].
    """

    values: Array
    filled: Array
    birth: Index
    series: pd.DataFrame
    cadence: Cadence

    @property
    def total(self) -> int:
        return len(self.values)


def past_of(panel: Panel, settings: Settings, place: Index | None = None) -> Past:
    """The panel made ready; `place` [N] orders the series, by default that of server and metric."""
    cut = recent(panel, settings.forecast)
    series = cut.series.reset_index(drop=True)
    order = series.sort_values([SERVER_ID, METRIC], kind="stable").index if place is None else np.argsort(place)
    values = cut.values[:, order].astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    birth = first_rows(values)
    return Past(values, fill(values, birth, cut.cadence), birth, series.iloc[order], cut.cadence)


@dataclass(frozen=True)
class Measured:
    """Half-widths of every series' intervals. series: [N] server_id, metric.

    widths: float64 [2, B, N], 80 and 95 %, by bucket of a forecast `replayed` periods ahead, in the metric's unit.
    """

    series: pd.DataFrame
    widths: Array
    replayed: int
    horizon: int
    cadence: Cadence
    settings: Settings

    def place(self, panel: Panel) -> Index:
        """Number of each of the panel's series, [N]; raises ModelError."""
        return places(self.series, self.cadence, panel)

    def forecast(self, panel: Panel, point: Array, name: str, version: str) -> Forecast:
        """Intervals around `point` [H, N], columns in the panel's order, clipped to what is physically possible."""
        half = intervals.spread(self.widths[:, :, self.place(panel)], self.replayed, self.horizon, self.cadence)
        low, high = (limit.astype(np.float64) for limit in physical_range(panel, self.settings))
        quantiles = intervals.quantile_levels(point, half, point, low, high).astype(np.float32)
        return Forecast(quantiles, ahead(panel, self.horizon), forecast_series(panel, name, version), self.cadence)

    @property
    def content(self) -> tuple[bytes | str, ...]:
        """What a content hash is made of."""
        names = "\n".join([*self.series[SERVER_ID], *self.series[METRIC]])
        text = f"{self.cadence}|{self.horizon}|{self.replayed}|{settings_text(self.settings)}"
        return names, text, np.ascontiguousarray(self.widths).tobytes()

    def tables(self, **more: str) -> dict[str, pa.Table]:
        """`calibration` and `metadata`, with `more` metadata; `read_measured` is the inverse."""
        metadata = {
            "format": FORMAT, "cadence": str(self.cadence), "horizon": str(self.horizon),
            "replayed": str(self.replayed), "settings": settings_text(self.settings), **more,
        }  # fmt: skip
        halves = [pa.array(list(np.ascontiguousarray(half.T)), pa.list_(pa.float64())) for half in self.widths]
        names = [pa.array(self.series[name].to_list(), pa.string()) for name in (SERVER_ID, METRIC)]
        return {
            "calibration": pa.table(dict(zip(_COLUMNS["calibration"], [*names, *halves], strict=True))),
            "metadata": pa.table({"key": list(metadata), "value": list(metadata.values())}),
        }


def read_measured(tables: Mapping[str, pa.Table]) -> tuple[Measured, dict[str, str]]:
    """The widths of a stored model, and its metadata.

    Raises:
        ModelError: something is missing or of another format.
    """
    checked_columns(tables, _COLUMNS)
    known = dict(zip(tables["metadata"]["key"].to_pylist(), tables["metadata"]["value"].to_pylist(), strict=True))
    if known.get("format") != FORMAT:
        raise ModelError(f"the stored model has format {known.get('format')}, not {FORMAT}; train it again")
    with reading():
        return _measured(tables["calibration"], known), known


def _measured(table: pa.Table, known: Mapping[str, str]) -> Measured:
    cadence, replayed = Cadence(known["cadence"]), int(known["replayed"])
    shape = (table.num_rows, len(backtest.buckets(cadence, replayed)))
    halves = [np.array(table[name].to_pylist(), dtype=np.float64).reshape(shape).T for name in ("half_80", "half_95")]
    series = pd.DataFrame({name: pd.array(table[name].to_pylist(), dtype="str") for name in (SERVER_ID, METRIC)})
    settings = Settings.model_validate(json.loads(known["settings"]))
    return Measured(series, np.stack(halves), replayed, int(known["horizon"]), cadence, settings)


def replay_plan(past: Past, horizon: int, settings: Settings) -> tuple[backtest.Plan | None, tuple[int, ...]]:
    """How the past is replayed for the longest of the histories, and at which origins, newest first."""
    age = int((past.total - past.birth).max(initial=0))
    plan = backtest.plan_for(age, horizon, past.cadence)
    wanted = settings.forecast.origins_daily if past.cadence is Cadence.DAILY else settings.forecast.origins_hourly
    if plan is None:
        return None, ()
    return plan, tuple(origin + past.total - age for origin in plan.origins(age, wanted))


def measure(
    past: Past, plan: backtest.Plan | None, origins: tuple[int, ...], forecasts: Array, horizon: int, settings: Settings
) -> Measured:
    """Widths from `forecasts` [O, H', N] made at past `origins` (counts of points seen, newest first)."""
    reach = plan.horizon if plan is not None and origins else min(horizon, 7 * past.cadence.per_day)
    gap = plan.gap if plan is not None else 1
    errors = np.full((len(origins), reach, past.values.shape[1]), np.nan)
    for o, origin in enumerate(origins):
        old_enough = origin - past.birth >= (plan.least if plan else 0)
        errors[o] = np.where(old_enough, past.values[origin : origin + reach] - forecasts[o], np.nan)
    group = group_numbers(past.series)
    scale = expected_sizes(past, origins, errors, group, gap)
    settled = np.asarray(np.isfinite(scale[:-1]).any(axis=1))
    found = intervals.Errors(errors, scale[:-1], gap, past.cadence, np.ones(len(origins), dtype=bool), settled)
    pooled = intervals.group_widths(found, group, int(group.max(initial=0)) + 1)[-1][:, :, group]
    widths = intervals.widths(found, found.now, scale[-1], pooled)
    widths = np.where(np.isfinite(widths), widths, scale[-1] * _UNMEASURED[:, None, None])
    series = past.series[[SERVER_ID, METRIC]].reset_index(drop=True)
    return Measured(series, widths, reach, horizon, past.cadence, settings)


def expected_sizes(past: Past, origins: tuple[int, ...], errors: Array, group: Index, gap: int) -> Array:
    """Size of error to expect at each origin and now, [O + 1, N], from past `errors` [O, H, N]; see paths.Sizes."""
    groups = int(group.max(initial=0)) + 1
    naive = paths.naive_scales(past.values, (*origins, past.total), past.cadence.season)
    sizes = paths.Sizes(paths.mean_sizes(errors), naive, np.ones(len(origins), dtype=bool), gap)
    scale = paths.expected(sizes, paths.typical_ratios(sizes, group, groups)[:, group])
    scale = np.maximum(scale, paths.floors(scale, group, groups)[:, group])
    return np.where(sizes.settled(errors.shape[2])[:, None], scale, np.nan)
