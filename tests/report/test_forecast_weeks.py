"""Forecasts by week."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import LakeError
from capforecast.forecast import frames
from capforecast.report.forecast_weeks import forecast_weeks, stretches
from capforecast.schema import Cadence, Forecast


def forecast(days: int = 20, cadence: Cadence = Cadence.DAILY) -> Forecast:
    """Two series: one rises by a unit a step, one falls; the 90 % value lies 10 above the median."""
    series = pd.DataFrame({"server_id": ["a", "b"], "metric": "cpu", "origin": pd.Timestamp("2026-12-23", tz="UTC"),
                           "model": "fleet", "model_version": "v"})  # fmt: skip
    times = pd.date_range("2026-12-24", periods=days, freq="D" if cadence is Cadence.DAILY else "h", tz="UTC")
    median = np.stack([np.arange(days), 100 - np.arange(days)], axis=1)
    quantiles = np.stack([median + add for add in (-20, -10, 0, 10, 20, 0)]).astype(np.float32)
    return Forecast(quantiles, times, series, cadence)


def test_a_week_shows_its_largest_daily_values_across_the_turn_of_the_year() -> None:
    weeks = forecast_weeks(frames.to_table(forecast()), "retail")
    assert list(weeks.columns[:3]) == ["server_id", "metric", "business_unit"]
    # Thursday 24 December to Tuesday 12 January: a part of week 52, week 53 of 2026, week 1, a part of week 2
    assert list(weeks.columns[3:7]) == [f"q50:{week}" for week in ("2026-W52", "2026-W53", "2027-W01", "2027-W02")]
    assert weeks.loc[0, "q50:2026-W52":"q50:2027-W02"].tolist() == [3, 10, 17, 19]
    assert weeks.loc[1, "q90:2026-W52":"q90:2027-W02"].tolist() == [110, 106, 99, 92]
    assert set(weeks["business_unit"]) == {"retail"}


def test_columns_say_which_days_they_cover_median_first() -> None:
    found = stretches(forecast_weeks(frames.to_table(forecast()), "retail"))
    assert [each.quantile for each in found] == ["q50"] * 4 + ["q90"] * 4
    assert (found[1].first, found[1].last) == (dt.date(2026, 12, 28), dt.date(2027, 1, 3))


def test_hourly_forecasts_go_by_day() -> None:
    weeks = forecast_weeks(frames.to_table(forecast(30, Cadence.HOURLY)), "retail")
    assert list(weeks.columns[3:5]) == ["q50:2026-12-24", "q50:2026-12-25"]
    assert weeks.loc[0, "q50:2026-12-24"] == 23
    assert stretches(weeks)[1].last == dt.date(2026, 12, 25)


def test_no_series_leave_columns_and_missing_rows_are_an_error() -> None:
    table = frames.to_table(forecast())
    names = list(forecast_weeks(table, "retail").columns)
    assert list(forecast_weeks(table.slice(0, 0), "retail").columns) == names[:3]
    with pytest.raises(LakeError, match="not whole"):
        forecast_weeks(table.slice(0, 27), "retail")
