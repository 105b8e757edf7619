"""What a report reads from the lake."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from action_samples import (
    actions_frame,
    bounds_frame,
    realised_frame,
    savings_frame,
    segment_sizes_frame,
    segments_frame,
)
from report_samples import servers_frame

from capforecast.forecast import frames
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.report.assemble import ADVISED, report_data, series_by_model
from capforecast.report.summary import Quality
from capforecast.schema import Cadence, Forecast
from capforecast.settings import Settings


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


def test_what_to_do_is_read_from_the_fleets_tables(tmp_path):
    servers = servers_frame(30)
    actions = actions_frame(servers)
    frames_of = dict(zip(ADVISED, (actions, savings_frame(actions), bounds_frame(), segments_frame(servers),
                                   segment_sizes_frame(), realised_frame()), strict=True))  # fmt: skip
    store = Store(str(tmp_path))
    extras = {name: write_table(store, f"{name}/part-0.parquet", pa.Table.from_pandas(frame, preserve_index=False))
              for name, frame in frames_of.items()}  # fmt: skip
    given = {"cadence": Cadence.DAILY, "as_of": pd.Timestamp("2026-01-05"), "units": {}, "problems": {},
             "quality": Quality(rows_read=0, rows_rejected=0, duplicates=0, rejected_by_reason={})}  # fmt: skip
    data = report_data(store, Settings(), extras=extras, **given)
    assert sum(data.summary.actions.counts.values()) == len(data.actions) == 30
    assert [part.name for part in data.summary.segments] == ["idle", "steady", "hot", "unknown"]
    assert len(data.segments) == 30
    assert data.summary.actions.realised.achieved == -91.0
    old = report_data(store, Settings(), **given)
    assert (old.summary.actions, old.summary.segments, len(old.actions)) == (None, [], 0)
