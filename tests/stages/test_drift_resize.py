"""Drift against an earlier run is judged in what both runs mean by a percent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.forecast.drift import forecast_change
from capforecast.schema import QUANTILE_LEVELS, Cadence, Forecast
from capforecast.settings import DriftSettings
from capforecast.stages.drift import of_todays_capacity

SERVERS = [f"srv-{number}" for number in range(4)]


def flat(level: float) -> Forecast:
    """The same forecast of cpu and net_in for all servers."""
    series = pd.DataFrame(
        {"server_id": np.repeat(SERVERS, 2), "metric": ["cpu", "net_in"] * 4}
        | dict.fromkeys(("origin", "model", "model_version"), "")
    )
    spread = np.array([*(np.array(QUANTILE_LEVELS) - 0.5), 0.0], dtype=np.float32)
    quantiles = level + np.repeat(np.repeat(spread[:, None, None], 7, axis=1), 8, axis=2)
    quantiles[:, :, 1::2] = 5.0 + spread[:, None, None]
    return Forecast(
        quantiles.astype(np.float32), pd.date_range("2026-11-23", periods=7, tz="UTC"), series, Cadence.DAILY
    )


def test_a_resize_alone_is_no_drift() -> None:
    before = pd.DataFrame({"server_id": SERVERS, "vcpus": 4.0, "capacity_changed_at": pd.NaT})
    now = before.assign(vcpus=8.0, capacity_changed_at=pd.Timestamp("2026-11-20", tz="UTC"))
    old, new, limits = flat(40.0), flat(20.0), DriftSettings()
    assert forecast_change(new, old, {}, limits).rows["alarm"].any()
    same = of_todays_capacity(old, before, now)
    assert not forecast_change(new, same, {}, limits).rows["alarm"].any()
    assert (same.median[:, 1::2] == 5.0).all(), "network is not in percent of vCPUs"


def test_a_size_that_is_not_known_or_was_put_right_changes_nothing() -> None:
    at = pd.Timestamp("2026-11-20", tz="UTC")
    before = pd.DataFrame({"server_id": SERVERS, "vcpus": [4.0, np.nan, 0.0, 4.0], "capacity_changed_at": pd.NaT})
    now = pd.DataFrame({"server_id": SERVERS[:3], "vcpus": [np.nan, 8.0, 8.0], "memory_gib": 4.0})
    old, dated = flat(40.0), now.assign(capacity_changed_at=at)
    corrected = before.assign(vcpus=16.0)
    earlier = before.assign(vcpus=8.0, capacity_changed_at=at)
    for then, later in (
        (before, dated), (before[["server_id"]], dated), (before, now), (before, corrected),
        (earlier, earlier.assign(vcpus=16.0)),
    ):  # fmt: skip
        assert np.array_equal(of_todays_capacity(old, then, later).quantiles, old.quantiles)
