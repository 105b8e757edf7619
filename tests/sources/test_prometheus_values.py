"""Statistics computed here are those that Prometheus computes; what was missed is told once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.sources.prometheus_inventory import _changes, _nominal
from capforecast.sources.prometheus_values import gathered, packed, statistic_of, unpacked
from capforecast.sources.remote import Missed, Window

NAN = np.nan


@pytest.mark.parametrize("statistic", ["p95", "p99", "p50", "mean", "max", "min"])
def test_statistics_are_of_what_is_there(statistic: str) -> None:
    rng = np.random.default_rng(3)
    single = np.where(rng.random((4, 5, 12)) < 0.3, NAN, rng.normal(size=(4, 5, 12)))
    single[0, 0], single[0, 1, 1:] = NAN, NAN
    frame = pd.DataFrame(single.reshape(20, 12).T)
    truth = frame.quantile(int(statistic[1:]) / 100) if statistic[1:].isdigit() else frame.agg(statistic)
    np.testing.assert_allclose(statistic_of(statistic, single).ravel(), truth)
    assert np.isnan(statistic_of(statistic, single)[0, 0])


@pytest.mark.parametrize(
    ("seen", "bought"),
    [(0.95, 1), (1.9, 2), (3.8, 4), (7.6, 8), (15.4, 16), (16, 16), (30.9, 32), (46.9, 48), (62.8, 64), (187.3, 192),
     (251.5, 256), (503.6, 512), (1007, 1024)],
)  # fmt: skip
def test_memory_is_what_was_bought(seen: float, bought: float) -> None:
    assert _nominal(np.array([seen], dtype=np.float32))[0] == bought


def test_sizes_are_dated_where_they_change() -> None:
    days = pd.date_range("2026-01-01", periods=5, tz="UTC")
    table = np.array([[NAN, 2, NAN, 2, 4], [NAN] * 5, [8, 8, 4, 4, 8]])
    rows = _changes("vcpus", np.array(["a", "b", "c"], dtype=object), days, table)
    assert list(zip(rows["server_id"], rows["valid_from"].dt.day, rows["vcpus"], strict=True)) == [
        ("a", 2, 2), ("a", 5, 4), ("c", 1, 8), ("c", 3, 4), ("c", 5, 8)]  # fmt: skip


def test_series_are_packed_by_server_and_column() -> None:
    rows = pd.DataFrame({"server_id": ["a", "a", "a"], "column": ["x_p95", "x_p95", "y_p95"],
                         "ask": ["p/x", "q/x", "p/y"], "identity": [("1",), ("2",), ("1",)]})  # fmt: skip
    whole = packed(rows)
    assert len(whole) == 2
    pd.testing.assert_frame_equal(unpacked(whole), rows, check_dtype=False)
    assert packed(rows.head(0)).empty


def test_misses_of_one_reason_are_one() -> None:
    window = Window(pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp("2026-01-02", tz="UTC"))
    told = gathered([Missed(window, "r", ("b",), "x_p95"), Missed(window, "r", ("a",), "x_p95"),
                     Missed(window, "other", ("a",), "x_p95")])  # fmt: skip
    assert [(one.reason, one.server_ids) for one in told] == [("other", ("a",)), ("r", ("a", "b"))]
