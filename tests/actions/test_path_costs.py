"""Costs by path: the cheapest size that would do on each, the dearest where none does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.actions.path_costs import COLUMNS, path_costs
from capforecast.actions.size_choice import Needs
from capforecast.actions.sizes import Sizes
from capforecast.settings import SizingSettings

RULES = SizingSettings()
HOURLY = {"m5.large": 0.1, "m5.xlarge": 0.2, "m5.2xlarge": 0.4}


def sizes() -> Sizes:
    catalogue = pd.DataFrame(
        [(name, "m5", "x86_64", 2.0 * 2**i, 8.0 * 2**i, False) for i, name in enumerate(HOURLY)],
        columns=["instance_type", "family", "architecture", "vcpus", "memory_gib", "burstable"],
    ).astype({"burstable": "boolean"})
    prices = pd.DataFrame(
        {"instance_type": list(HOURLY), "region": "eu", "os": "linux", "hourly": list(HOURLY.values())}
    )
    return Sizes.of(catalogue, prices)


def needs(cpu: list[list[float]], memory: float = 0.1, types: tuple[str, ...] = ("m5.xlarge",)) -> Needs:
    """Peaks by path and server, as shares of an m5.xlarge."""
    peaks = np.array(cpu, dtype=np.float32)
    servers = pd.DataFrame(
        {
            "server_id": [f"srv-{i}" for i in range(len(types))], "business_unit": "retail", "region": "eu",
            "tier": "ok", "instance_type": list(types), "vcpus": 4.0, "memory_gib": 16.0, "history_days": 400,
            "horizon_days": 90.0, "peaks_unseen": "",
            "cpu_statistic": "p95", "memory_statistic": "max", "basis": "",
        }
    )  # fmt: skip
    origins = pd.date_range("2026-01-01", periods=len(peaks), tz="UTC")
    return Needs(servers, peaks, np.full_like(peaks, memory), origins, np.zeros(len(peaks), np.int64))


def test_each_path_has_its_own_cheapest_size() -> None:
    found = path_costs(needs([[0.3], [0.5], [1.2], [9.0]]), np.array([True]), sizes(), RULES)
    assert tuple(found.columns) == COLUMNS
    assert [cost[0] for cost in found["hourly"]] == [0.1, 0.2, 0.4, 0.4], "0.5 of 4 vCPU needs 2.5 with headroom"
    assert found["servers"].iloc[0] == ["srv-0"]


def test_memory_counts_and_so_does_only_what_moves_and_has_a_price() -> None:
    tight = path_costs(needs([[0.3]], memory=0.9), np.array([True]), sizes(), RULES)
    assert tight["hourly"].iloc[0][0] == 0.4
    two = needs([[0.3, 0.3, 0.3]], types=("m5.xlarge", "x9.large", "m5.xlarge"))
    found = path_costs(two, np.array([True, True, False]), sizes(), RULES)
    assert found["servers"].iloc[0] == ["srv-0"]
    nobody = path_costs(two, np.zeros(3, dtype=bool), sizes(), RULES)
    assert nobody["servers"].iloc[0] == []


def test_a_memory_that_is_not_forecast_does_not_bind() -> None:
    found = path_costs(needs([[0.3]], memory=np.nan), np.array([True]), sizes(), RULES)
    assert found["hourly"].iloc[0][0] == pytest.approx(0.1)
