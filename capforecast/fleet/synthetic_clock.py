"""The time a synthetic fleet lives through, and what is special about it: [T] arrays shared by all servers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from capforecast.fleet.synthetic_draws import Floats
from capforecast.schema import BoolArray, Cadence

QUARTER_RAMP = 10  # days before a quarter ends in which closing work grows
SEASON = ((11, 15), (1, 6))  # first day of the shopping season; day after its last
_SEASON_RAMP = 10.0  # days in which the season comes and goes
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Clock:
    """A regular grid of `days` before `end` (exclusive, midnight UTC)."""

    end: pd.Timestamp
    days: int
    cadence: Cadence

    @cached_property
    def timestamps(self) -> pd.DatetimeIndex:
        """Start of each period [T]."""
        return pd.date_range(self.start, self.end, freq=self.cadence.frequency, inclusive="left", unit="us")

    @property
    def start(self) -> pd.Timestamp:
        """Start of the first period."""
        return (self.end - self.days * _DAY).as_unit("us")

    @cached_property
    def age(self) -> Floats:
        """Days before the end [T]: `days` at the start, never 0."""
        return np.asarray((self.end - self.timestamps) / _DAY, dtype=np.float64)

    @cached_property
    def hour(self) -> Floats:
        """Hour of the day [T]."""
        return np.asarray(self.timestamps.hour, dtype=np.float64)

    @cached_property
    def quiet(self) -> BoolArray:
        """Weekends and public holidays [T]."""
        days = self.timestamps.tz_localize(None).to_numpy().astype("datetime64[D]")
        years = range(self.start.year, self.end.year + 1)
        holidays = np.array([day for year in years for day in public_holidays(year)], dtype="datetime64[D]")
        return np.asarray((self.timestamps.day_of_week >= 5) | np.isin(days, holidays), dtype=np.bool_)

    @cached_property
    def closing(self) -> Floats:
        """Closing work of a quarter's last days: 0, rising to 1 on the last day [T]."""
        days = self.timestamps.tz_localize(None)
        left = np.asarray((days.to_period("Q").end_time.normalize() - days.normalize()) / _DAY, dtype=np.float64)
        closing: Floats = np.clip(1.0 - left / QUARTER_RAMP, 0.0, 1.0)
        return closing

    @cached_property
    def season(self) -> Floats:
        """The shopping season: 0, ten days up, 1, ten days down [T]."""
        inside = np.zeros(len(self.timestamps))
        for first, last in self.seasons:
            since, left = (self.timestamps - first) / _DAY, (last - self.timestamps) / _DAY
            inside += np.clip(np.minimum(since, left) / _SEASON_RAMP, 0.0, 1.0)
        return inside

    @property
    def seasons(self) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
        """Start and end (exclusive) of each shopping season that may touch the grid."""
        years = range(self.start.year - 1, self.end.year + 1)
        return [
            (pd.Timestamp(year, *SEASON[0], tz="UTC"), pd.Timestamp(year + 1, *SEASON[1], tz="UTC")) for year in years
        ]

    @property
    def quarters(self) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
        """Start and end (exclusive) of each closing ramp that touches the grid."""
        ends = pd.date_range(self.start, self.end + (QUARTER_RAMP - 1) * _DAY, freq="QE", normalize=True) + _DAY
        return [(end - QUARTER_RAMP * _DAY, end) for end in ends]

    def at(self, age: Floats) -> pd.DatetimeIndex:
        """The moments so many days before the end, as they came: [K] to [K]."""
        return pd.DatetimeIndex(self.end - pd.to_timedelta(age, unit="D")).as_unit("us")


def public_holidays(year: int) -> list[date]:
    """Federal holidays of the United States in a year, with the days they are observed on.

    Written out, so that a fleet does not change with the version of a library.
    """
    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    fixed += [date(year, 6, 19)] if year >= 2021 else []
    days = fixed + [_observed(day) for day in [*fixed, date(year + 1, 1, 1)]]
    nth = [(1, 0, 3), (2, 0, 3), (9, 0, 1), (10, 0, 2), (11, 3, 4)]  # month, weekday (0 = Monday), which
    days += [_nth_weekday(year, month, weekday, which) for month, weekday, which in nth]
    days.append(_nth_weekday(year, 6, 0, 1) - timedelta(days=7))  # last Monday of May
    return sorted({day for day in days if day.year == year})


def _observed(day: date) -> date:
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def _nth_weekday(year: int, month: int, weekday: int, which: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))
