"""A peak ahead that the history does not hold is named; one it holds is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.fleet.peaks import unseen_peaks
from capforecast.schema import Cadence
from capforecast.settings import CalendarSettings, Event

PLAIN = CalendarSettings(country=None)


def unseen(
    days: int, as_of: str, horizon: int = 90, settings: CalendarSettings = PLAIN, missing: tuple[str, str] | None = None
) -> str:
    """Unseen peaks of a daily series of `days` days before `as_of`, in a grid that began three years before."""
    end = pd.Timestamp(as_of, tz="UTC")
    stamps = pd.date_range(end - pd.Timedelta(days=1100), end - pd.Timedelta(days=1), freq="D")
    values = np.full((len(stamps), 1), np.nan, dtype=np.float32)
    values[len(stamps) - days :] = 50
    if missing:
        values[(stamps >= pd.Timestamp(missing[0], tz="UTC")) & (stamps <= pd.Timestamp(missing[1], tz="UTC"))] = np.nan
    return str(unseen_peaks(values, stamps, Cadence.DAILY, end, horizon, settings)[0])


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (800, ""),
        (397, ""),
        (396, "year_end"),  # 13 months, and not more
        (184, "year_end"),
        (183, "quarter_end, year_end"),  # it saw the end of June and of September, but is only 6 months long
        (20, "month_end, quarter_end, year_end"),
        (0, "month_end, quarter_end, year_end"),
    ],
)
def test_period_ends_need_history_of_their_length(days: int, expected: str) -> None:
    assert unseen(days, "2025-10-20") == expected


def test_only_what_lies_ahead_within_the_horizon_counts() -> None:
    assert unseen(20, "2025-10-20", horizon=7) == ""
    assert unseen(20, "2025-10-20", horizon=9) == ""  # up to the 28th, the month end begins on the 29th
    assert unseen(20, "2025-10-20", horizon=10) == "month_end"
    assert unseen(150, "2025-12-25", horizon=1) == "year_end"  # in the middle of it


def test_a_peak_that_was_missed_was_not_seen() -> None:
    assert unseen(500, "2025-10-20", missing=("2024-12-22", "2024-12-31")) == "year_end"
    assert unseen(500, "2025-10-20", missing=("2024-12-27", "2024-12-31")) == ""  # most of it is there


def test_holidays_are_one_group() -> None:
    germany = CalendarSettings(country="DE")
    assert unseen(25, "2024-12-20", horizon=7, settings=germany) == "holiday, year_end"
    assert unseen(400, "2024-12-20", horizon=7, settings=germany) == ""


def test_an_event_was_seen_where_one_of_its_name_was() -> None:
    sale = [Event(name="sale", start=f"{year}-11-28", end=f"{year}-12-01") for year in (2024, 2025)]
    fair = Event(name="fair", start="2025-11-01", end="2025-11-02")
    settings = CalendarSettings(country=None, events=(*sale, fair))
    assert unseen(1000, "2025-11-20", horizon=7, settings=settings) == ""
    assert unseen(1000, "2025-11-20", horizon=9, settings=settings) == ""
    assert unseen(300, "2025-11-20", horizon=9, settings=settings) == "event: sale"
    assert unseen(300, "2025-10-30", horizon=9, settings=settings) == "event: fair"


def test_hours_are_counted_as_days() -> None:
    stamps = pd.date_range("2025-07-20", "2025-08-24 23:00", freq="h", tz="UTC")
    values = np.ones((len(stamps), 2), dtype=np.float32)
    values[:, 1][stamps < "2025-07-31 12:00"] = np.nan  # a sixth of the month end is left
    found = unseen_peaks(values, stamps, Cadence.HOURLY, pd.Timestamp("2025-08-25", tz="UTC"), 168, PLAIN)
    assert found.tolist() == ["", "month_end"]


def test_an_empty_history_has_seen_nothing() -> None:
    stamps = pd.DatetimeIndex([], tz="UTC", freq="D")
    values = np.empty((0, 1), dtype=np.float32)
    found = unseen_peaks(values, stamps, Cadence.DAILY, pd.Timestamp("2025-10-20", tz="UTC"), 20, PLAIN)
    assert found.tolist() == ["month_end"]
