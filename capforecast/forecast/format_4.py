"""Models of format 4, which kept one row per series and origin and errors in full: read as tables of format 5."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.forecast.error_tables import error_tables as new_tables
from capforecast.forecast.error_tables import matrix
from capforecast.schema import METRIC, SERVER_ID, Cadence, ErrorPaths

FORMAT = 4
COLUMNS = {
    "errors": (SERVER_ID, METRIC, "origin", "scale", "states", "path"),
    "calibration": (SERVER_ID, METRIC, "scale_now", "states_now"),
}


def upgraded(tables: Mapping[str, pa.Table], horizon: int, states: int, cadence: Cadence) -> dict[str, pa.Table]:
    """The same model's tables of format 5. Forecasts are the same to the last bit, errors are rounded as they are now.

    Raises ValueError where the tables do not fit each other.
    """
    old, calibration = tables["errors"], tables["calibration"]
    width = calibration.num_rows
    origins = old.num_rows // max(width, 1)
    if origins * width != old.num_rows:
        raise ValueError(f"table `errors` has {old.num_rows} rows for {width} series")
    for name in (SERVER_ID, METRIC):
        expected = np.repeat(np.array(calibration[name].to_pylist(), dtype=object), origins).tolist()
        if old[name].to_pylist() != expected:
            raise ValueError("table `errors` lists other series than `calibration`")
    paths = matrix(old["path"], horizon).reshape(width, origins, horizon)
    where = matrix(old["states"], states).reshape(width, origins, states)
    errors = ErrorPaths(
        errors=np.ascontiguousarray(paths.transpose(1, 2, 0)),
        origins=pd.DatetimeIndex(old["origin"].to_numpy()[:origins]).tz_localize("UTC").as_unit("us"),
        scale=np.ascontiguousarray(old["scale"].to_numpy().reshape(width, origins).T),
        scale_now=calibration["scale_now"].to_numpy().astype(np.float32),
        states=np.ascontiguousarray(where.swapaxes(0, 1)),
        states_now=matrix(calibration["states_now"], states),
        series=pd.DataFrame({name: calibration[name].to_pylist() for name in (SERVER_ID, METRIC)}),
        cadence=cadence,
    )
    paths_now, calibrated = new_tables(errors)
    return {**tables, "errors": paths_now, "calibration": calibration.append_column("unit", calibrated["unit"])}
