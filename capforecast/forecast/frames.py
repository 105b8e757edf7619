"""A forecast as one plain table and back: rows of the `forecasts` dataset, one per series and time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import LakeError
from capforecast.schema import METRIC, QUANTILE_NAMES, SERVER_ID, TIMESTAMP, Cadence, Forecast

VALUES = (*QUANTILE_NAMES, "mean")
PER_SERIES = (SERVER_ID, METRIC, "origin", "model", "model_version")


def to_table(forecast: Forecast) -> pa.Table:
    """Rows sorted by series, then time."""
    _, horizon, count = forecast.quantiles.shape
    series = pa.Table.from_pandas(forecast.series[list(PER_SERIES)], preserve_index=False)
    series = series.take(pa.array(np.repeat(np.arange(count), horizon)))
    stamps = pa.array(forecast.timestamps.as_unit("us").asi8, type=pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    table = series.add_column(2, TIMESTAMP, stamps.take(pa.array(np.tile(np.arange(horizon), count))))
    for name, values in zip(VALUES, forecast.quantiles, strict=True):
        table = table.append_column(name, pa.array(values.T.reshape(-1)))
    return table.replace_schema_metadata({"cadence": str(forecast.cadence), "horizon": str(horizon)})


def from_table(table: pa.Table) -> Forecast:
    """The forecast behind a table; raises LakeError when rows are missing."""
    notes = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    horizon = int(notes.get("horizon", 0))
    if horizon < 1 or table.num_rows % horizon:
        raise LakeError(f"forecast table of {table.num_rows} rows is not whole: forecast again")
    count = table.num_rows // horizon
    series = table.select(list(PER_SERIES)).take(pa.array(np.arange(count) * horizon)).to_pandas()
    stamps = pd.DatetimeIndex(table.column(TIMESTAMP).slice(0, horizon).to_pandas())
    quantiles = np.stack(
        [table.column(name).to_numpy().astype(np.float32).reshape(count, horizon).T for name in VALUES]
    )
    return Forecast(quantiles=quantiles, timestamps=stamps, series=series, cadence=Cadence(notes["cadence"]))
