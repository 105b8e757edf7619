"""The calendar of synthetic fleets is right without a library."""

from __future__ import annotations

import pandas as pd

from capforecast.fleet.calendar import holiday_dates
from capforecast.fleet.synthetic_clock import Clock, public_holidays
from capforecast.schema import Cadence
from capforecast.settings import CalendarSettings


def test_public_holidays_agree_with_the_calendar_the_engine_uses() -> None:
    for year in range(2018, 2032):
        assert public_holidays(year) == sorted(holiday_dates(CalendarSettings(country="US"), (year,))), year


def test_closing_work_rises_to_the_last_day_of_each_quarter() -> None:
    clock = Clock(pd.Timestamp("2026-01-05", tz="UTC"), 400, Cadence.DAILY)
    closing = pd.Series(clock.closing, index=clock.timestamps)
    assert closing["2025-06-30"] == 1
    assert closing["2025-06-20"] == 0
    assert closing["2025-07-01"] == 0
    inside = closing[closing > 0].index
    assert all(any(start <= day < end for start, end in clock.quarters) for day in inside)
    assert clock.season[clock.timestamps.get_loc(pd.Timestamp("2025-12-10", tz="UTC"))] == 1
