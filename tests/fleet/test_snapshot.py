"""A panel survives the lake unchanged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capforecast.errors import LakeError
from capforecast.fleet.snapshot import from_tables, to_tables
from capforecast.lake.datasets import parse_table, to_parquet
from capforecast.schema import Cadence, Panel


def a_panel(count: int = 4, length: int = 9) -> Panel:
    rng = np.random.default_rng(3)
    values = rng.normal(50, 10, (length, count)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = np.nan
    values[0] = np.nan  # the grid is longer than what was seen
    names = [(f"s{i // 2}", "cpu" if i % 2 == 0 else "mem") for i in range(count)]
    series = pd.DataFrame(names, columns=["server_id", "metric"]).assign(statistic="p95", verdict="ok", reason="")
    series["capacity"] = np.where(np.arange(count) % 2 == 0, 4.0, np.nan)
    series["unseen_peaks"] = ["", "quarter_end, year_end"] * (count // 2)
    stamps = pd.date_range("2026-01-01", periods=length, freq="D", tz="UTC").as_unit("us")
    return Panel(values, stamps, series, Cadence.DAILY)


def test_round_trip_through_parquet_is_exact() -> None:
    panel = a_panel()
    tables = [parse_table(to_parquet(table), "x") for table in to_tables(panel)]
    back = from_tables(*tables)
    np.testing.assert_array_equal(back.values, panel.values)
    assert back.timestamps.equals(panel.timestamps)
    pd.testing.assert_frame_equal(back.series, panel.series)
    assert back.cadence is Cadence.DAILY


def test_a_series_never_seen_keeps_its_place() -> None:
    panel = a_panel()
    panel.values[:, 1] = np.nan
    back = from_tables(*to_tables(panel))
    assert len(back.series) == 4
    assert np.isnan(back.values[:, 1]).all()


def test_an_empty_panel_survives() -> None:
    panel = a_panel().take(np.zeros(4, dtype=bool))
    back = from_tables(*to_tables(panel))
    assert back.values.shape == (9, 0)


def test_a_foreign_table_is_refused() -> None:
    with pytest.raises(LakeError, match="validate again"):
        from_tables(pa.table({"server_id": ["a"]}), pa.table({"server_id": ["a"]}))


def test_tables_that_do_not_belong_together_are_refused() -> None:
    processed, _ = to_tables(a_panel().take(np.array([True, False, True, False])))
    _, quality = to_tables(a_panel())
    with pytest.raises(LakeError, match="mem_p95"):
        from_tables(processed, quality)
