"""Error paths as they are kept: half precision in a unit of each series' own, once per origin for all series.

A model in memory holds the same rounded numbers (`stored_errors`), so that it says to the last bit what it says when it
is read again. Half precision keeps 11 bits (IEEE 754-2008 binary16), a twentieth of a percent of each error.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from capforecast.schema import METRIC, SERVER_ID, Cadence, ErrorPaths, FloatArray

Halves = npt.NDArray[np.float16]
_LARGEST = 14  # exponent that a series' largest error gets: below float16's 15, above where it loses precision
_LEAST = -100  # exponent below which errors are as good as zero


def packed(errors: FloatArray) -> tuple[Halves, FloatArray]:
    """Errors [O, H, N] in half precision and the unit of each series, float32 [N], a power of two.

    Packing what was unpacked changes nothing.
    """
    width = errors.shape[2]
    largest = np.zeros(width, dtype=np.float32)
    for path in errors:
        np.fmax(largest, np.fmax.reduce(np.abs(path), axis=0, initial=0.0), out=largest)
    part, exponent = np.frexp(largest)
    exponent = np.where(part.astype(np.float16) >= 1.0, exponent + 1, exponent)  # rounded up to the next power of two
    unit = np.ldexp(np.float32(1), np.maximum(exponent, _LEAST) - _LARGEST).astype(np.float32)
    halves = np.empty(errors.shape, dtype=np.float16)
    for half, path in zip(halves, errors, strict=True):
        half[:] = path / unit
    return halves, unit


def unpacked(halves: Halves, unit: FloatArray) -> FloatArray:
    """Errors float32 [O, H, N] from what `packed` gave."""
    errors = halves.astype(np.float32)
    errors *= unit
    return errors


def stored_errors(errors: FloatArray) -> FloatArray:
    """Errors [O, H, N] as they will be when the model is read again."""
    return unpacked(*packed(errors))


def error_tables(errors: ErrorPaths) -> tuple[pa.Table, pa.Table]:
    """Tables (errors, calibration).

    errors: one row per origin, newest first; lists run through the series in the model's order, paths time by time.
    calibration: one row per series, with the unit its errors are in.
    """
    halves, unit = packed(errors.errors)
    rows, width = len(halves), len(unit)
    stamps = errors.origins.tz_convert("UTC") if errors.origins.tz else errors.origins.tz_localize("UTC")
    calibration = {
        SERVER_ID: pa.array(errors.series[SERVER_ID].to_list(), pa.string()),
        METRIC: pa.array(errors.series[METRIC].to_list(), pa.string()),
        "scale_now": pa.array(errors.scale_now, pa.float32()),
        "states_now": lists(errors.states_now, pa.float32()),
        "unit": pa.array(unit, pa.float32()),
    }
    paths = {
        "origin": pa.array(stamps.as_unit("us").asi8, pa.timestamp("us", "UTC")),
        "scale": lists(errors.scale, pa.float32()),
        "states": lists(errors.states.reshape(rows, width * errors.states.shape[2]), pa.float32()),
        "path": lists(halves.reshape(rows, width * halves.shape[1]), pa.float16()),
    }
    return pa.table(paths), pa.table(calibration)


def read_errors(
    table: pa.Table, calibration: pa.Table, series: pd.DataFrame, horizon: int, states: int, cadence: Cadence
) -> ErrorPaths:
    """The error paths behind `error_tables`, of `series` in their order; `states`: numbers of a state.

    Raises ValueError where the tables do not fit each other.
    """
    width, origins = len(series), table.num_rows
    for name in (SERVER_ID, METRIC):
        if calibration[name].to_pylist() != series[name].to_list():
            raise ValueError("table `calibration` lists other series than `weights`")
    halves = matrix(table["path"], horizon * width).reshape(origins, horizon, width)
    return ErrorPaths(
        errors=unpacked(halves, calibration["unit"].to_numpy().astype(np.float32)),
        origins=pd.DatetimeIndex(table["origin"].to_numpy()).tz_localize("UTC").as_unit("us"),
        scale=matrix(table["scale"], width).copy(),
        scale_now=calibration["scale_now"].to_numpy().astype(np.float32),
        states=matrix(table["states"], width * states).reshape(origins, width, states).copy(),
        states_now=matrix(calibration["states_now"], states),
        series=series.copy(),
        cadence=cadence,
    )


def lists(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Rows of a matrix as lists."""
    rows, width = values.shape
    flat = pa.array(np.ascontiguousarray(values).reshape(-1), kind, from_pandas=False)
    ends = np.arange(rows + 1, dtype=np.int64) * width
    if ends[-1] < 2**31:
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat)
    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), flat)


def matrix(column: pa.ChunkedArray, width: int) -> Any:
    """A list column as a matrix [rows, width]."""
    rows = column.combine_chunks()
    if isinstance(rows, pa.ChunkedArray):  # newer pyarrow keeps an empty column chunked
        rows = pa.concat_arrays(rows.chunks) if rows.num_chunks else pa.array([], column.type)
    return rows.flatten().to_numpy(zero_copy_only=False).reshape(len(column), width)
