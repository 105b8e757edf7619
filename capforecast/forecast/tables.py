"""A fleet model as a few columnar tables, and back: no pickle, the same predictions to the last bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import ModelError
from capforecast.forecast.experience import Effects
from capforecast.forecast.kinds import checked_columns, reading
from capforecast.forecast.situation import ASPECTS
from capforecast.schema import METRIC, SERVER_ID, Cadence, ErrorPaths
from capforecast.settings import Settings

if TYPE_CHECKING:
    from capforecast.forecast.model import FleetModel

FORMAT = 4
_COLUMNS = {
    "weights": (SERVER_ID, METRIC, "score", "lesson", "sharpness"),
    "effects": ("size", "usual", "spread"),
    "errors": (SERVER_ID, METRIC, "origin", "scale", "states", "path"),
    "calibration": (SERVER_ID, METRIC, "scale_now", "states_now", "replayed", "half_80", "half_95"),
    "metadata": ("key", "value"),
}


def to_tables(model: FleetModel) -> dict[str, pa.Table]:
    """Scores of candidates and how sharply they choose (weights), what situations add to them (effects), and the rest.

    effects: one row per lesson; errors: one row per series and origin; calibration: per series.
    """
    from capforecast.forecast.model import settings_text

    server, metric = (pa.array(model.series[name].to_list(), pa.string()) for name in (SERVER_ID, METRIC))
    errors = model.errors
    metadata = {
        "format": str(FORMAT),
        "cadence": str(model.cadence),
        "horizon": str(model.horizon),
        "candidates": json.dumps(model.candidates),
        "settings": settings_text(model.settings),
        "version": model.version,
        "states": str(errors.states.shape[2]),
    }
    calibration = {
        SERVER_ID: server,
        METRIC: metric,
        "scale_now": pa.array(errors.scale_now, pa.float32()),
        "states_now": lists(errors.states_now, pa.float32()),
        "replayed": pa.array(model.replayed, pa.int64()),
        "half_80": lists(model.widths[0].T, pa.float64()),
        "half_95": lists(model.widths[1].T, pa.float64()),
    }
    return {
        "weights": pa.table(
            {
                SERVER_ID: server,
                METRIC: metric,
                "score": lists(model.score.T, pa.float64()),
                "lesson": model.lesson,
                "sharpness": model.sharpness,
            }
        ),
        "effects": _effect_table(model.effects),
        "errors": error_table(errors, server, metric),
        "calibration": pa.table(calibration),
        "metadata": pa.table({"key": list(metadata), "value": list(metadata.values())}),
    }


def lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Rows of a matrix as lists."""
    rows, width = values.shape
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), kind, from_pandas=False)
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1) * width, pa.int32()), flat)


def _effect_table(effects: Effects) -> pa.Table:
    """One row per lesson; `size` runs through the candidates of the first aspect, then of the second, and so on."""
    size = effects.size.reshape(len(effects.size), -1)
    columns = {"size": size, "usual": effects.usual, "spread": effects.spread}
    return pa.table({name: lists(values, pa.float64()) for name, values in columns.items()})


def _read_effects(table: pa.Table, aspects: int, candidates: int) -> Effects:
    size = matrix(table["size"], aspects * candidates).reshape(table.num_rows, aspects, candidates)
    return Effects(size, matrix(table["usual"], aspects), matrix(table["spread"], aspects))


def error_table(errors: ErrorPaths, server: pa.Array, metric: pa.Array) -> pa.Table:
    """One row per series and origin, by series, newest origin first."""
    origins, horizon, width = errors.errors.shape
    row = np.repeat(np.arange(width), origins)
    stamps = (
        pd.DatetimeIndex(errors.origins).tz_convert("UTC") if errors.origins.tz else errors.origins.tz_localize("UTC")
    )
    return pa.table(
        {
            SERVER_ID: server.take(pa.array(row)),
            METRIC: metric.take(pa.array(row)),
            "origin": pa.array(np.tile(stamps.as_unit("us").asi8, width), pa.timestamp("us", "UTC")),
            "scale": pa.array(errors.scale.T.reshape(-1), pa.float32()),
            "states": lists(errors.states.swapaxes(0, 1).reshape(row.size, errors.states.shape[2]), pa.float32()),
            "path": lists(errors.errors.transpose(2, 0, 1).reshape(row.size, horizon), pa.float32()),
        }
    )


def read_tables(tables: Mapping[str, pa.Table]) -> FleetModel:
    """Rebuild a model from its tables.

    Raises:
        ModelError: a table or column is missing, unreadable, or does not fit the others.
    """
    checked_columns(tables, _COLUMNS)
    with reading():
        model, version = _read(tables)
    if model.version != version:
        raise ModelError(
            f"the stored model is corrupt: its content hashes to {model.version}, its metadata say {version}; "
            "train it again"
        )
    return model


def _read(tables: Mapping[str, pa.Table]) -> tuple[FleetModel, str]:
    from capforecast.forecast.model import FleetModel

    known = dict(zip(tables["metadata"]["key"].to_pylist(), tables["metadata"]["value"].to_pylist(), strict=True))
    if known["format"] != str(FORMAT):
        raise ModelError(f"the stored model has format {known['format']}, this version reads {FORMAT}; train it again")
    weights, calibration = tables["weights"], tables["calibration"]
    series = pd.DataFrame({name: pd.array(weights[name].to_pylist(), dtype="str") for name in (SERVER_ID, METRIC)})
    candidates = tuple(json.loads(known["candidates"]))
    horizon, cadence = int(known["horizon"]), Cadence(known["cadence"])
    wide = len(calibration["half_80"].combine_chunks().flatten()) // max(len(series), 1)
    halves = [matrix(calibration[name], wide).T for name in ("half_80", "half_95")]
    model = FleetModel(
        series=series,
        candidates=candidates,
        score=np.ascontiguousarray(matrix(weights["score"], len(candidates)).T),
        effects=_read_effects(tables["effects"], len(ASPECTS[cadence]), len(candidates)),
        lesson=weights["lesson"].to_numpy().astype(np.int64),
        sharpness=weights["sharpness"].to_numpy().astype(np.float64),
        widths=np.ascontiguousarray(np.stack(halves)),
        replayed=calibration["replayed"].to_numpy().astype(np.int64),
        errors=read_errors(tables["errors"], calibration, series, horizon, cadence, int(known["states"])),
        horizon=horizon,
        cadence=cadence,
        settings=Settings.model_validate(json.loads(known["settings"])),
    )
    return model, known["version"]


def matrix(column: pa.ChunkedArray, width: int) -> Any:
    """A list column as a matrix [rows, width]."""
    rows = column.combine_chunks()
    if isinstance(rows, pa.ChunkedArray):  # newer pyarrow keeps an empty column chunked
        rows = pa.concat_arrays(rows.chunks) if rows.num_chunks else pa.array([], column.type)
    return rows.flatten().to_numpy(zero_copy_only=False).reshape(len(column), width)


def read_errors(
    table: pa.Table, calibration: pa.Table, series: pd.DataFrame, horizon: int, cadence: Cadence, states: int
) -> ErrorPaths:
    width = len(series)
    origins = table.num_rows // max(width, 1)
    if origins * width != table.num_rows:
        raise ValueError(f"table `errors` has {table.num_rows} rows for {width} series")
    for name in (SERVER_ID, METRIC):
        if calibration[name].to_pylist() != series[name].to_list():
            raise ValueError("table `calibration` lists other series than the model")
        expected = series[name].repeat(origins).to_list()
        if table[name].to_pylist() != expected:
            raise ValueError("table `errors` lists other series than `weights`")
    stamps = pd.DatetimeIndex(table["origin"].to_numpy()[:origins]).tz_localize("UTC").as_unit("us")
    return ErrorPaths(
        errors=np.ascontiguousarray(matrix(table["path"], horizon).reshape(width, origins, horizon).transpose(1, 2, 0)),
        origins=stamps,
        scale=np.ascontiguousarray(table["scale"].to_numpy().reshape(width, origins).T),
        scale_now=calibration["scale_now"].to_numpy().astype(np.float32),
        states=np.ascontiguousarray(matrix(table["states"], states).reshape(width, origins, states).swapaxes(0, 1)),
        states_now=matrix(calibration["states_now"], states),
        series=series.copy(),
        cadence=cadence,
    )
