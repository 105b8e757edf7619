"""An incident of a few days is no news about the level or the trend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.forecast.engine import train
from capforecast.schema import Cadence, Panel
from capforecast.settings import Settings

DAYS, SERIES, HEIGHT = 730, 12, 40.0


def median_forecast(values: np.ndarray) -> np.ndarray:
    """The engine's 90-day median forecast [90, N] of daily values [T, N]."""
    stamps = pd.date_range("2024-01-01", periods=DAYS, freq="D", tz="UTC", unit="us")
    series = pd.DataFrame({"server_id": [f"s{i:02d}" for i in range(SERIES)], "metric": "cpu", "business_unit": "b"})
    series = series.assign(statistic="p95", region="r", criticality="c", verdict="ok", reason="", flags="")
    panel = Panel(values.astype(np.float32), stamps, series, Cadence.DAILY)
    return train(panel, 90, Settings()).model.predict(panel).median


@pytest.mark.parametrize(("ago", "share"), [(3, 0.05), (20, 0.02)])  # one that has only just ended may be a new level
def test_a_three_day_spike_leaves_level_and_trend_of_a_flat_series_alone(ago: int, share: float) -> None:
    flat = 50 + 3 * np.random.default_rng(5).standard_normal((DAYS, SERIES))
    struck = flat.copy()
    struck[DAYS - ago : DAYS - ago + 3] += HEIGHT
    change = median_forecast(struck) - median_forecast(flat)
    assert np.abs(change[7:].mean(axis=0)).max() < share * HEIGHT
    assert np.abs(change[-14:].mean(axis=0) - change[7:21].mean(axis=0)).max() < share * HEIGHT
