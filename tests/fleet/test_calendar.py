"""Special days are the same for train, test and future."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from capforecast.errors import ConfigError
from capforecast.fleet.calendar import calendar_features, is_business_day, last_business_day, occurrences
from capforecast.settings import CalendarSettings, Event

GERMANY = CalendarSettings(
    country="DE", subdivision="BY", events=(Event(name="sale", start="2024-11-29", end="2024-12-02"),)
)


def days(start: str, end: str, freq: str = "D") -> pd.DatetimeIndex:
    return pd.date_range(start, end, freq=freq, tz="UTC", unit="us")


def special(column: str, start: str, end: str) -> list[str]:
    features = calendar_features(days(start, end), GERMANY)
    return features.index[features[column]].strftime("%m-%d").tolist()


def test_period_ends_holidays_and_events_fall_on_their_days() -> None:
    assert special("month_end", "2024-02-20", "2024-04-01") == ["02-27", "02-28", "02-29", "03-29", "03-30", "03-31"]
    assert special("quarter_end", "2024-02-20", "2024-04-01") == ["03-29", "03-30", "03-31"]
    assert special("year_end", "2024-12-01", "2025-01-05") == [f"12-{day}" for day in range(20, 32)]
    assert special("holiday", "2024-12-20", "2025-01-10") == ["12-25", "12-26", "01-01", "01-06"]
    assert special("event", "2024-11-01", "2024-12-31") == ["11-29", "11-30", "12-01", "12-02"]


def test_a_day_has_the_same_features_whatever_else_is_asked_for() -> None:
    whole = calendar_features(days("2023-06-01", "2025-06-01", "h"), GERMANY)
    part = calendar_features(days("2024-12-24", "2025-01-02", "h"), GERMANY)
    pd.testing.assert_frame_equal(whole.loc[part.index], part)
    assert part.loc["2024-12-25", "holiday"].all()
    assert part["hour"].tolist()[:25] == [*range(24), 0]
    assert calendar_features(whole.index[:0], GERMANY).dtypes.equals(part.dtypes)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2024-12-23", "2024-12-23"),  # a Monday
        ("2024-12-22", "2024-12-20"),  # a Sunday
        ("2024-12-26", "2024-12-24"),  # two holidays
        ("2025-01-06", "2025-01-03"),  # a holiday of Bavaria after a weekend
        ("2025-01-01", "2024-12-31"),  # back over the turn of the year
        ("2024-04-01", "2024-03-28"),  # Easter Monday, back over Good Friday
    ],
)
def test_the_last_business_day_is_neither_weekend_nor_holiday(day: str, expected: str) -> None:
    assert last_business_day(date.fromisoformat(day), GERMANY) == date.fromisoformat(expected)


def test_without_a_country_only_weekends_are_no_business_days() -> None:
    anywhere = CalendarSettings(country=None)
    assert is_business_day(date(2024, 12, 25), anywhere)
    assert last_business_day(date(2024, 12, 29), anywhere) == date(2024, 12, 27)


def test_no_country_means_no_holidays() -> None:
    assert not calendar_features(days("2024-01-01", "2024-12-31"), CalendarSettings(country=None))["holiday"].any()


@pytest.mark.parametrize(
    ("country", "subdivision", "message"),
    [
        ("GERMANY", None, r"calendar\.country: 'GERMANY'.*nearest: DE \(Germany\)"),
        ("DE", "BYX", "subdivision: 'BYX'.*BY"),
    ],
)
def test_an_unknown_place_is_refused_with_the_nearest(country: str, subdivision: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        calendar_features(days("2024-01-01", "2024-01-02"), CalendarSettings(country=country, subdivision=subdivision))


def test_known_peaks_are_told_whole_by_name_and_date() -> None:
    found = occurrences(date(2024, 11, 30), date(2024, 12, 25), GERMANY)
    assert [(each.peak, f"{each.first:%m-%d}", f"{each.last:%m-%d}") for each in found] == [
        ("event: sale", "11-29", "12-02"),
        ("holiday", "12-25", "12-25"),
        ("month_end", "11-28", "11-30"),
        ("year_end", "12-20", "12-31"),
    ]
    later = occurrences(date(2024, 12, 26), date(2025, 3, 29), GERMANY)
    assert [each.peak for each in later].count("month_end") == 4
    assert [each.first for each in later if each.peak == "quarter_end"] == [date(2024, 12, 29), date(2025, 3, 29)]
    assert not [each for each in later if each.peak.startswith("event")]
