"""What a server is like: a handful of numbers per metric over the latest year, by which servers are grouped."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.calendar import calendar_features
from capforecast.fleet.trend import TREND_PER_MONTH, recent_trend
from capforecast.forecast.threads import in_threads
from capforecast.schema import BUSINESS_UNIT, METRIC, SERVER_ID, Cadence, FloatArray, Panel
from capforecast.settings import Settings

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

LEVEL, PEAK, SPREAD, WEEKLY, QUARTER_END, TREND, DAILY = (
    "level", "p95", "spread", "weekly", "quarter_end", "trend", "daily",
)  # fmt: skip
KINDS = (LEVEL, PEAK, SPREAD, WEEKLY, QUARTER_END, TREND, DAILY)  # in the order of the columns of a metric
MISSING = "missing"
_BLOCK = 1024  # series worked on together
_NEAR = 14  # days on either side of a quarter end that say what is usual there
_LEAST_QUARTERS = 2  # quarter ends that must have been seen: one is any odd week
_LEAST_HOURS = 12  # observed hours that make a day
_PERCENT = 0.95


def server_features(panel: Panel, servers: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Features of the servers of a business unit, one row per row of `servers` [S], in its order.

    servers: server_id, and business_unit where it is known.
    Columns: server_id, business_unit, then `<metric>_<kind>` for each metric of the panel, float64 in the metric's
    unit, over the last settings.segments.window_days: level (median), p95 (95 % quantile), spread (standard deviation
    about the medians of the weekdays), weekly (median working day less median weekend day: negative where weekends
    are busier), quarter_end (rise in the last three days of a quarter over the four weeks around,
    of two quarter ends at the least), trend (per month;
    0 = no clear one, fleet.trend) and, of hourly input, daily (highest less lowest median of an hour of the day).
    Hours are reduced to the 95 % quantile of each UTC day for all but the last. Only series that can be forecast count.
    NaN where a figure cannot be told.  missing: metrics of the panel without such a series, space between.
    """
    usable = panel.usable()
    figures = _series_features(usable, settings)
    metrics = sorted(panel.series[METRIC].unique())
    kinds = KINDS if panel.cadence is Cadence.HOURLY else KINDS[:-1]
    ids = servers[SERVER_ID].astype("str").reset_index(drop=True)
    row = pd.Index(usable.series[SERVER_ID].astype("str"))
    columns: dict[str, object] = {SERVER_ID: ids, BUSINESS_UNIT: _units(servers)}
    missing = np.full(len(ids), "", dtype=object)
    for metric in metrics:
        of_metric = np.flatnonzero((usable.series[METRIC] == metric).to_numpy(dtype=bool))
        place = row[of_metric].get_indexer(ids)
        found = np.full((len(ids), len(kinds)), np.nan)
        found[place >= 0] = figures[of_metric[place[place >= 0]], : len(kinds)]
        columns |= {f"{metric}_{kind}": found[:, at] for at, kind in enumerate(kinds)}
        missing = missing + np.where(place >= 0, "", f"{metric} ")
    columns[MISSING] = pd.Series([text.strip() for text in missing], dtype="str")
    return pd.DataFrame(columns)


def _units(servers: pd.DataFrame) -> pd.Series:
    if BUSINESS_UNIT not in servers:
        return pd.Series([""] * len(servers), dtype="str")
    return servers[BUSINESS_UNIT].astype("str").reset_index(drop=True)


def _series_features(panel: Panel, settings: Settings) -> Floats:
    """Features [N, kinds] of each series of a panel."""
    per_day = panel.cadence.per_day
    length = min(len(panel.timestamps), settings.segments.window_days * per_day)
    first = len(panel.timestamps) - length
    while first < len(panel.timestamps) and panel.timestamps[first].hour % 24 and per_day > 1:
        first += 1  # whole days
    values, timestamps = panel.values[first:], panel.timestamps[first:]
    found = np.full((values.shape[1], len(KINDS)), np.nan)
    days = timestamps[::per_day]
    if not len(days):
        return found
    weekday = days.day_of_week.to_numpy().astype(np.int64)
    quarter = _quarters(days, settings)
    hours = np.arange(len(timestamps)) % per_day

    def work(start: int) -> None:
        block = np.ascontiguousarray(values[:, start : start + _BLOCK].T)
        out = found[start : start + _BLOCK]
        daily = block
        if per_day > 1:
            _hourly_shape(block, hours, out[:, KINDS.index(DAILY)])
            daily = _daily(block, len(days), per_day)
        _measure(daily, weekday, quarter, out)
        trend = recent_trend(values[:, start : start + _BLOCK], timestamps, panel.cadence)[TREND_PER_MONTH].to_numpy()
        out[:, KINDS.index(TREND)] = np.where(np.isnan(out[:, 0]), np.nan, np.nan_to_num(trend))

    in_threads(work, range(0, values.shape[1], _BLOCK), settings.forecast.threads, "features of servers")
    return found


def _quarters(days: pd.DatetimeIndex, settings: Settings) -> Whole:
    """Number of the quarter end that each day [T] belongs to; -1 = none."""
    inside = calendar_features(days, settings.calendar)["quarter_end"].to_numpy(dtype=bool)
    starts = inside & ~np.concatenate(([False], inside[:-1]))
    return np.where(inside, np.cumsum(starts) - 1, -1).astype(np.int64)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _daily(block: FloatArray, days: int, per_day: int) -> FloatArray:
    """95 % quantile of each day [N, days] of hours [N, T]; NaN where fewer than 12 were observed."""
    found = np.full((len(block), days), np.nan, dtype=np.float32)
    for i in range(len(block)):
        for day in range(days):
            hours = block[i, day * per_day : (day + 1) * per_day]
            seen = hours[~np.isnan(hours)]
            if len(seen) >= _LEAST_HOURS:
                found[i, day] = np.quantile(seen, _PERCENT)
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _hourly_shape(block: FloatArray, hours: Whole, out: Floats) -> None:
    """Highest less lowest median of an hour of the day, per series [N]."""
    for i in range(len(block)):
        low, high = np.inf, -np.inf
        for hour in range(24):
            column = block[i][hours == hour]
            seen = column[~np.isnan(column)]
            if len(seen):
                middle = np.median(seen)
                low, high = min(low, middle), max(high, middle)
        if high >= low:
            out[i] = high - low


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _measure(daily: FloatArray, weekday: Whole, quarter: Whole, out: Floats) -> None:
    """Level, peak, spread, weekly and quarter-end amplitude of days [N, T] into the first columns of out."""
    for i in range(len(daily)):
        row = daily[i].astype(np.float64)
        seen = row[~np.isnan(row)]
        if len(seen) == 0:
            continue
        out[i, 0], out[i, 1] = np.median(seen), np.quantile(seen, _PERCENT)
        left = row.copy()
        for day in range(7):
            of_day = row[weekday == day]
            known = of_day[~np.isnan(of_day)]
            if len(known):
                left[weekday == day] -= np.median(known)
        known = left[~np.isnan(left)]
        out[i, 2] = np.sqrt(((known - known.mean()) ** 2).mean())
        work, rest = row[(weekday < 5) & ~np.isnan(row)], row[(weekday >= 5) & ~np.isnan(row)]
        if len(work) and len(rest):
            out[i, 3] = np.median(work) - np.median(rest)
        out[i, 4] = _closing(left, quarter)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _closing(left: Floats, quarter: Whole) -> float:
    """Median over the quarter ends of the rise above the days around; NaN where fewer than two were seen."""
    count = quarter.max() + 1
    rises = np.full(max(count, 1), np.nan)
    for one in range(count):
        where = np.flatnonzero(quarter == one)
        low, high = max(where[0] - _NEAR, 0), where[-1] + _NEAR + 1
        inside = left[where]
        near = left[low:high][quarter[low:high] < 0]
        inside, near = inside[~np.isnan(inside)], near[~np.isnan(near)]
        if len(inside) and len(near) >= _NEAR:
            rises[one] = inside.mean() - np.median(near)
    known = rises[~np.isnan(rises)]
    return np.median(known) if len(known) >= _LEAST_QUARTERS else np.nan
