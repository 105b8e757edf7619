"""Rows take their place on the daily or hourly grid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import InputError
from capforecast.schema import Cadence
from capforecast.sources.grid import cadence_of, snap, spacing


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def days_of(*texts: str) -> list[str]:
    times = stamps(*texts)
    grid, fits = snap(times, times, Cadence.DAILY)
    return [str(day)[:10] if fit else "off" for day, fit in zip(grid, fits, strict=True)]


def test_gaps_do_not_change_the_spacing_and_servers_are_not_mixed() -> None:
    days = pd.date_range("2024-01-01", periods=30, freq="D").to_numpy().astype("datetime64[us]")
    times = np.concatenate([days[[0, 1, 2, 9, 10, 20, 21, 22]], days + np.timedelta64(7, "h")])
    assert spacing(np.repeat([0, 1], [8, 30]), times) == np.timedelta64(1, "D")
    assert spacing(np.array([0, 1]), days[:2]) is None


def test_clock_changes_keep_daily_rows_daily() -> None:
    local = pd.date_range("2024-03-29", periods=6, freq="D", tz="Europe/Berlin").tz_convert("UTC").tz_localize(None)
    gap = spacing(np.zeros(6, dtype=np.int64), local.to_numpy().astype("datetime64[us]"))
    assert cadence_of(gap, stamps("2024-01-01"), "f", "auto") is Cadence.DAILY


def test_a_nightly_job_marks_the_day_it_ran_on() -> None:
    assert days_of("2024-01-01T02:03", "2024-01-02T02:10", "2024-01-03T03:05", "2024-01-03T17:00") == [
        "2024-01-01", "2024-01-02", "2024-01-03", "off",
    ]  # fmt: skip


def test_the_last_second_of_a_day_belongs_to_it_unless_rows_scatter_around_midnight() -> None:
    assert days_of("2024-01-01T23:59:59", "2024-01-02T23:59:59") == ["2024-01-01", "2024-01-02"]
    assert days_of("2024-01-01T23:59:58", "2024-01-03T00:00:03", "2024-01-04T00:00:01") == [
        "2024-01-02", "2024-01-03", "2024-01-04",
    ]  # fmt: skip


def test_half_hour_zones_are_on_an_hourly_grid_of_their_own() -> None:
    times = stamps("2024-01-01T10:30", "2024-01-01T11:30", "2024-01-01T12:29:57", "2024-01-01T13:00")
    grid, fits = snap(times, times, Cadence.HOURLY)
    assert fits.tolist() == [True, True, True, False]
    assert [str(hour)[11:16] for hour in grid[fits]] == ["10:00", "11:00", "12:00"]


def test_a_cadence_that_contradicts_the_rows_is_refused() -> None:
    with pytest.raises(InputError, match=r"source\.cadence says daily, but its rows are 1 hour apart"):
        cadence_of(np.timedelta64(1, "h"), stamps("2024-01-01"), "f.csv", "daily")
    assert cadence_of(np.timedelta64(3, "D"), stamps("2024-01-01"), "f.csv", "daily") is Cadence.DAILY
    assert cadence_of(None, stamps("2024-01-01T05:00"), "f.csv", "auto") is Cadence.HOURLY
