"""What is possible: a percentage ends at 100 unless more was seen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.fleet.bounds import physical_range
from capforecast.schema import Cadence, Panel
from capforecast.settings import MetricSettings, Settings


def a_panel(values: list[list[float]], metrics: list[str]) -> Panel:
    stamps = pd.date_range("2026-01-01", periods=len(values), freq="D", tz="UTC")
    array = np.array(values, dtype=np.float32).reshape(len(values), len(metrics))
    return Panel(array, stamps, pd.DataFrame({"metric": metrics}), Cadence.DAILY)


def test_a_percentage_ends_at_100_or_where_it_has_been() -> None:
    low, high = physical_range(a_panel([[50, 115, np.nan], [60, 20, np.nan]], ["cpu", "mem", "cpu"]), Settings())
    assert low.tolist() == [0, 0, 0]
    assert high.tolist() == [100, 115, 100]


def test_other_units_have_no_limit_unless_configured() -> None:
    panel = a_panel([[5000, 7]], ["net", "fan"])
    assert physical_range(panel, Settings())[1].tolist() == [np.inf, np.inf]
    known = Settings(metrics={"fan": MetricSettings(unit="rpm", maximum=9, minimum=None)})
    assert [limit.tolist()[1] for limit in physical_range(panel, known)] == [-np.inf, 9]


def test_an_empty_panel_has_limits_too() -> None:
    assert physical_range(a_panel([], ["cpu"]), Settings())[1].tolist() == [100]
