"""What a report reads from the lake."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.forecast import frames
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.report.assemble import series_by_model
from capforecast.schema import Cadence, Forecast


def test_series_are_counted_by_the_model_that_forecast_them(tmp_path):
    series = pd.DataFrame({"server_id": ["a", "a", "b"], "metric": ["cpu", "mem", "cpu"],
                           "origin": pd.Timestamp("2026-01-04", tz="UTC"), "model": ["trees", "fleet", "trees"],
                           "model_version": "v"})  # fmt: skip
    times = pd.date_range("2026-01-05", periods=30, tz="UTC")
    forecast = Forecast(np.ones((6, 30, 3), np.float32), times, series, Cadence.DAILY)
    store = Store(str(tmp_path))
    references = {"forecasts": write_table(store, "forecasts/part-0.parquet", frames.to_table(forecast))}
    assert series_by_model(store, references) == {"trees": 2, "fleet": 1}
    assert series_by_model(store, {}) == {}
