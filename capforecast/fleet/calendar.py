"""Which days are special: weekday, period ends, public holidays, declared events.

One function serves train, test and future, so that a model never meets a day it was taught under another rule.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import ConfigError
from capforecast.settings import CalendarSettings

COLUMNS = ("day_of_week", "hour", "month_end", "quarter_end", "year_end", "holiday", "event")
PERIOD_END_DAYS = 3  # month ends and quarter ends: closing work fills the last days, not only the very last
YEAR_END_FROM = 20  # December; freeze, closing and shopping run from here to the 31st
SATURDAY = 5  # as date.weekday() counts

HOLIDAY = "holiday"
_MARGIN = timedelta(days=31)  # longer than any period end: an occurrence that is cut off is looked at whole

Days = npt.NDArray[np.datetime64]


def calendar_features(timestamps: pd.DatetimeIndex, settings: CalendarSettings) -> pd.DataFrame:
    """What is special about each moment [T], indexed like `timestamps` (days are UTC days).

    day_of_week: 0 = Monday to 6.  hour: 0 to 23 (0 for daily input).
    month_end: last 3 days of a month.  quarter_end: last 3 days of March, June, September, December.
    year_end: 20 to 31 December.  holiday: public holiday of settings.country and subdivision, observed days included.
    event: inside a declared event, first and last day included.
    Raises ConfigError for a country or subdivision the `holidays` library does not know.
    """
    month_end = timestamps.days_in_month - timestamps.day < PERIOD_END_DAYS
    days = timestamps.tz_localize(None).to_numpy().astype("datetime64[D]")
    return pd.DataFrame(
        {
            "day_of_week": timestamps.day_of_week.astype(np.int8),
            "hour": timestamps.hour.astype(np.int8),
            "month_end": month_end,
            "quarter_end": month_end & (timestamps.month % 3 == 0),
            "year_end": (timestamps.month == 12) & (timestamps.day >= YEAR_END_FROM),
            "holiday": _is_holiday(days, timestamps.year, settings),
            "event": _in_event(days, settings),
        },
        index=timestamps,
    )


def holiday_dates(settings: CalendarSettings, years: tuple[int, ...]) -> dict[date, str]:
    """Public holidays of `years` and their names; none without a country. Raises ConfigError."""
    if settings.country is None:
        return {}
    country, subdivision = settings.country.strip().upper(), settings.subdivision
    _check_place(country, subdivision)
    found: dict[date, str] = {}
    for year in years:
        found.update(_holidays_of(country, subdivision, year))
    return found


def is_business_day(day: date, settings: CalendarSettings) -> bool:
    """Neither Saturday, Sunday nor a public holiday of settings.country and subdivision. Raises ConfigError."""
    return day.weekday() < SATURDAY and day not in holiday_dates(settings, (day.year,))


def last_business_day(day: date, settings: CalendarSettings) -> date:
    """`day` where it is a business day, else the last one before it. Raises ConfigError."""
    while not is_business_day(day, settings):
        day -= timedelta(days=1)
    return day


class Occurrence(NamedTuple):
    """One of the known peaks: `month_end`, `quarter_end`, `year_end`, `holiday`, or `event: <name>`."""

    peak: str
    first: date
    last: date  # inclusive


def occurrences(first: date, last: date, settings: CalendarSettings) -> list[Occurrence]:
    """Known peaks with a day in first..last (both included), each whole, by name and date.

    Public holidays are one peak, each day an occurrence; so are declared events of one name, each its own period.
    """
    days = pd.date_range(first - _MARGIN, last + _MARGIN, freq="D")
    features = calendar_features(days, settings)
    found = [
        Occurrence(name, days[start].date(), days[end].date())
        for name in ("month_end", "quarter_end", "year_end")
        for start, end in _runs(features[name].to_numpy())
    ]
    found += [Occurrence(HOLIDAY, day.date(), day.date()) for day in days[features["holiday"].to_numpy()]]
    found += [
        Occurrence(f"event: {event.name}", date.fromisoformat(event.start), date.fromisoformat(event.end))
        for event in settings.events
    ]
    return sorted(each for each in set(found) if each.first <= last and each.last >= first)


def _runs(special: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last row of each run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], special, [False])).astype(np.int8)))
    return [(int(start), int(stop) - 1) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def _is_holiday(days: Days, years: pd.Index, settings: CalendarSettings) -> npt.NDArray[np.bool_]:
    known = holiday_dates(settings, tuple(int(year) for year in sorted(set(years))))
    return np.isin(days, np.array(sorted(known), dtype="datetime64[D]"))


def _in_event(days: Days, settings: CalendarSettings) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(days), dtype=np.bool_)
    for event in settings.events:
        inside |= (days >= np.datetime64(event.start)) & (days <= np.datetime64(event.end))
    return inside


@lru_cache(maxsize=512)
def _holidays_of(country: str, subdivision: str | None, year: int) -> dict[date, str]:
    import holidays  # slow to import, and only needed here

    return dict(holidays.country_holidays(country, subdiv=subdivision, years=year))


@lru_cache(maxsize=64)
def _check_place(country: str, subdivision: str | None) -> None:
    import holidays

    known = holidays.list_supported_countries(include_aliases=True)
    if country not in known:
        raise ConfigError(
            f"calendar.country: {country!r} is not an ISO country code the `holidays` library knows; "
            f"{_nearest(country, _country_names(known))} (null = no holidays)"
        )
    try:
        holidays.country_holidays(country, subdiv=subdivision)
    except NotImplementedError:
        places = {place.upper(): place for place in known[country]}
        raise ConfigError(
            f"calendar.subdivision: {subdivision!r} is not part of {country}; {_nearest(str(subdivision), places)}"
        ) from None


def _country_names(codes: Iterable[str]) -> dict[str, str]:
    """What a user may write for a country, in capitals -> its code: the code itself, or the English name."""
    from holidays.registry import COUNTRIES

    names = {name.replace("_", " ").upper(): f"{entry[1]} ({entry[0]})" for name, entry in COUNTRIES.items()}
    return names | {code: code for code in codes}


def _nearest(name: str, known: Mapping[str, str]) -> str:
    """Advice: which of `known` (spelling in capitals -> what to write) may have been meant."""
    if not known:
        return "it has none: use null"
    near = difflib.get_close_matches(name.upper(), list(known), n=3, cutoff=0.5)
    if near:
        return f"nearest: {', '.join(known[key] for key in near)}"
    return f"known: {', '.join(sorted(set(known.values()))[:12])} ..."
