"""The list of a unit is that of its series, in whatever blocks it was made."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast.exchange import Unit
from capforecast.fleet.snapshot import to_tables
from capforecast.lake.datasets import read_frame, write_table
from capforecast.lake.store import Store
from capforecast.schema import ANOMALY_COLUMNS, Cadence, Panel
from capforecast.settings import Settings
from capforecast.stages import NEEDS, anomalies


def unit_of(store: Store, values: np.ndarray) -> Unit:
    """A business unit whose snapshot holds these daily values."""
    stamps = pd.date_range("2025-01-01", periods=len(values), freq="D", tz="UTC", unit="us")
    series = pd.DataFrame({"server_id": [f"s{i}" for i in range(values.shape[1])], "metric": "cpu"})
    series = series.assign(statistic="p95", business_unit="b", region="r", criticality="c", verdict="ok")
    processed, quality = to_tables(Panel(values.astype(np.float32), stamps, series, Cadence.DAILY))
    unit = Unit(cadence=Cadence.DAILY, as_of="2026-01-01T00:00:00+00:00", business_unit="b", servers=1, series=1,
                usable=1, horizon=90, references={})  # fmt: skip
    return unit.having(
        processed=write_table(store, unit.key("processed"), processed),
        quality=write_table(store, unit.key("quality"), quality),
    )


def test_the_list_is_published_and_does_not_depend_on_blocks_or_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = 50 + np.random.default_rng(1).standard_normal((200, 7))
    values[150, [1, 4]] += 30
    values[160:, 6] += 20
    store = Store(str(tmp_path))
    unit = unit_of(store, values).only(NEEDS["anomalies"])
    one = anomalies(store, Settings(), unit)["anomalies"]
    found = read_frame(store, one)
    assert list(found.columns) == list(ANOMALY_COLUMNS)
    assert found[["server_id", "kind"]].to_numpy().tolist() == [["s1", "spike"], ["s4", "spike"], ["s6", "level_shift"]]
    monkeypatch.setattr(sys.modules["capforecast.stages.anomalies"], "_BLOCK", 2)  # the function has its name
    again = anomalies(store, Settings(forecast={"threads": 3}), unit)["anomalies"]
    assert again.sha256 == one.sha256


def test_a_unit_in_which_nothing_was_observed_has_an_empty_list(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    found = read_frame(store, anomalies(store, Settings(), unit_of(store, np.empty((0, 0))))["anomalies"])
    assert found.empty
    assert list(found.columns) == list(ANOMALY_COLUMNS)
