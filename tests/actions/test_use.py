"""Use in vCPU and GiB, and growth against what was seen lately."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.actions.size_choice import Needs
from capforecast.actions.use import use_of
from capforecast.schema import Cadence, Panel

HOURS = 4 * 7 * 24


def panel(statistic: str = "mean") -> Panel:
    """CPU and memory of two servers; only the first has memory."""
    series = pd.DataFrame({"server_id": ["a", "a", "b"], "metric": ["cpu", "mem", "cpu"], "statistic": statistic})
    values = np.full((HOURS, 3), 50.0, dtype=np.float32)
    values[5, 0] = np.nan
    stamps = pd.date_range("2026-01-01", periods=HOURS, freq="h", tz="UTC")
    return Panel(values, stamps, series, Cadence.HOURLY)


def needs(peak: float) -> Needs:
    servers = pd.DataFrame({"server_id": ["b", "a"], "vcpus": [8.0, 4.0], "memory_gib": [32.0, 16.0]})
    cpu = np.full((20, 2), peak, dtype=np.float32)
    memory = np.full((20, 2), peak, dtype=np.float32)
    memory[:, 0] = np.nan
    return Needs(servers, cpu, memory, pd.date_range("2026-01-01", periods=20, tz="UTC"), np.zeros(20, np.int64))


def test_use_is_in_the_order_of_the_servers_and_in_units() -> None:
    found, grown = use_of(panel(), needs(0.6).servers, needs(0.6), 4)
    assert found.vcpus[0].tolist() == [4.0, 2.0]
    assert np.isnan(found.vcpus[5, 1]), "an hour that was not seen stays so"
    assert np.isnan(found.memory_gib[:, 0]).all()
    assert found.memory_gib[0, 1] == 8.0
    assert (found.statistic, found.cadence) == ("mean", Cadence.HOURLY)
    assert grown["growth_cpu"].tolist() == pytest.approx([1.2, 1.2])
    assert np.isnan(grown["growth_memory"][0])


def test_one_series_that_cannot_be_added_up_decides_the_statistic() -> None:
    mixed = panel()
    mixed.series.loc[1, "statistic"] = "p95"
    assert use_of(mixed, needs(0.5).servers, needs(0.5), 4)[0].statistic == "p95"
    assert use_of(panel("max"), needs(0.5).servers, needs(0.5), 4)[0].statistic == "max"
