"""From when on a change counts, in the spans of days that levels are kept for.

The breach rule needs k days above a threshold, so a change shows from its k-th day on. A span counts as changed where
at least half of it, or half of the days that the change shows, lie in it: dates are off by half a span at the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.baseline import Baseline

Array = npt.NDArray[np.float64]
DAYS_PER_MONTH = 365.25 / 12
QUARTER_MONTHS = 3


@dataclass(frozen=True)
class Clock:
    """The spans of a run.  starts, ends: [W], days from the origin; the first day of the forecast is day 1."""

    origin: pd.Timestamp
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    @classmethod
    def of(cls, baseline: Baseline) -> Clock:
        """That of a run."""
        return cls(baseline.origin, baseline.starts, baseline.ends)

    def day(self, when: date | None) -> int:
        """Number of a day; 1 or less = it holds from the first day on."""
        if when is None:
            return 1
        return int(np.ceil((pd.Timestamp(when, tz="UTC") - self.origin) / pd.Timedelta(days=1)))

    @property
    def middle(self) -> Array:
        """Middle day of each span, [W]."""
        return np.asarray((self.starts + 1 + self.ends) / 2)

    def since(self, first: int, least: int, last: int | None = None) -> Array:
        """Share of a change from day `first` to `last` that each span shows, [W] of 0 and 1; `least`: k of the rule."""
        begin = first + least - 1 if first > 1 else 1
        end = np.iinfo(np.int64).max if last is None else last
        shown = np.minimum(self.ends, end) - np.maximum(self.starts, begin - 1)
        needed = np.minimum(self.ends - self.starts, end - begin + 1) / 2
        return np.asarray(((shown > 0) & (shown >= needed)).astype(np.float64))

    def ramp(self, first: int, least: int, days: int) -> Array:
        """Share of a change that comes evenly within so many days, [W], 0..1."""
        if days == 0:
            return self.since(first, least)
        return np.clip((self.middle - first + 1) / days, 0.0, 1.0)

    def growth(self, first: int, per_month: float) -> Array:
        """Factor of compound growth from a day on, [W]: as three quarters into a span (a quarter, where it shrinks).

        A level is the largest of a span, so it lies late where the load grows; measured in benchmarks/what_if.py.
        """
        day = (self.middle + (self.ends if per_month > 0 else self.starts + 1)) / 2
        months = np.maximum(day - max(first, 1) + 1, 0.0) / DAYS_PER_MONTH
        return np.asarray((1.0 + per_month) ** months)

    def quarter_ends(self, days: int, least: int) -> Array:
        """Does a span show the last days of a quarter, [W] of 0 and 1."""
        shown = np.zeros(len(self.ends))
        for last in self.quarters(days):
            shown = np.maximum(shown, self.since(last - days + 1, least, last))
        return shown

    def quarters(self, days: int) -> list[int]:
        """Last day of each quarter whose last `days` touch the forecast."""
        first_day = self.origin + pd.Timedelta(days=1)
        reach = first_day + pd.Timedelta(days=int(self.ends[-1]) + days)
        ends = pd.date_range(first_day.normalize(), reach, freq=pd.offsets.QuarterEnd(startingMonth=QUARTER_MONTHS))
        return [self.day(end.date()) for end in ends]
