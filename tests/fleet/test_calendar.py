"""Special days are the same for train, test and future."""

from __future__ import annotations

import pandas as pd
import pytest

from capforecast.errors import ConfigError
from capforecast.fleet.calendar import calendar_features, seen_peaks
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


def test_a_peak_counts_as_seen_only_when_it_lies_whole_in_the_history() -> None:
    seen = seen_peaks(days("2024-03-30", "2024-12-01"), GERMANY)
    assert (seen["quarter_end"], seen["month_end"], seen["year_end"]) == (2, 8, 0)
    assert seen["event: sale"] == 0
    assert seen_peaks(days("2024-03-29", "2025-01-01"), GERMANY)["event: sale"] == 1
    assert seen_peaks(days("2024-03-29", "2025-01-01"), GERMANY)["year_end"] == 1
