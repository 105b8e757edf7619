"""Observations of a business unit as one regular grid: the engine's only input."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import InputError
from capforecast.fleet import peaks, quality
from capforecast.fleet.inventory import CAPACITY_CHANGED_AT
from capforecast.fleet.shapes import capacity
from capforecast.schema import (
    DIMENSIONS,
    INGESTED_AT,
    METRIC,
    SERIES_COLUMNS,
    SERVER_ID,
    STATISTICS,
    TIMESTAMP,
    UNASSIGNED,
    Cadence,
    FloatArray,
    Panel,
    Reason,
)
from capforecast.settings import Settings

log = logging.getLogger(__name__)

CAPACITY_METRICS = ("cpu", "mem", "disk")  # percent of a capacity that a resize changes
_USUAL = 28  # last periods that say how many servers usually report
_LATE_DAYS = 2  # a shorter trail of thin periods is a delivery that is not complete yet


def build(
    observations: pd.DataFrame,
    servers: pd.DataFrame,
    cadence: Cadence,
    as_of: pd.Timestamp,
    settings: Settings,
    conflicts: pd.DataFrame | None = None,
    *,
    resizes: pd.DataFrame | None = None,
    earlier: pd.DataFrame | None = None,
) -> Panel:
    """Panel of `servers` (rows of inventory.at) up to `as_of`, exclusive: only periods that end by then.

    One statistic per metric is taken: the configured one where the observations have it, else the first of
    schema.STATISTICS they have. A server with any observation has a series for each metric it has values of and, so
    that a silent agent is not overlooked, for each metric with a threshold; one without any has none.
    The latest ingested_at with a value wins. The grid starts at the first observation, at most
    forecast.history_days (or _hours) before `as_of`.  conflicts: rejects of a batch, for the duplicate_conflict flag.
    resizes: changes of capacity (inventory.resizes): percentages before one are turned into percent of the capacity
    after it; where that is not known the series begins there. Both are flagged capacity_changed.
    earlier: last rows of servers from before the history looked at: one silent since then is `stale`.
    """
    stop = as_of.floor(cadence.frequency).as_unit("us")
    length = settings.forecast.history_days if cadence is Cadence.DAILY else settings.forecast.history_hours
    times = observations[TIMESTAMP]
    inside = (times < stop) & (times >= stop - length * cadence.step) & observations[SERVER_ID].isin(servers[SERVER_ID])
    chosen = choose_statistics(observations[inside], settings)  # by what was known then
    if earlier is not None and len(earlier):
        chosen = dict(sorted((choose_statistics(earlier, settings) | chosen).items()))
        if not set(_columns(chosen)) <= set(observations):
            observations = observations.reindex(columns=[*dict.fromkeys([*observations, *_columns(chosen)])])
    rows = _in_order_of_arrival(observations[inside])
    owners = servers.drop_duplicates(SERVER_ID).sort_values(SERVER_ID, ignore_index=True)
    start = rows[TIMESTAMP].min() if len(rows) else stop
    timestamps = pd.date_range(start, stop - cadence.step, freq=cadence.frequency, unit="us")
    cube = _cube(rows, timestamps, owners, chosen)
    silent = _silent(rows, earlier, owners, chosen)
    wanted = _wanted(rows, owners, chosen, cube, settings) | silent
    server, metric = np.nonzero(wanted)
    values = np.ascontiguousarray(cube.reshape(len(timestamps), wanted.size)[:, wanted.ravel()])
    names = np.array(list(chosen), dtype=object)
    series = owners.reindex(columns=[SERVER_ID, *DIMENSIONS]).iloc[server].reset_index(drop=True)
    series[list(DIMENSIONS)] = series[list(DIMENSIONS)].fillna(UNASSIGNED)
    series[METRIC] = pd.Series(names[metric], dtype="str")
    series["statistic"] = series[METRIC].map(chosen).astype("str")
    resized = _convert(values, timestamps, series, resizes)
    low, high = _range(series[METRIC], settings)
    judged = quality.judge(values, timestamps, cadence, as_of, settings.quality, low, high)
    series = pd.concat([series, judged], axis=1)
    series = _told_stale(series, silent[server, metric], earlier)
    series["capacity"] = capacity(series, owners)
    horizon = settings.horizon(cadence)
    series["unseen_peaks"] = peaks.unseen_peaks(values, timestamps, cadence, as_of, horizon, settings.calendar)
    series["flags"] = _more_flags(series, owners, server, conflicts, resized, resizes)
    return Panel(values, timestamps, series[list(SERIES_COLUMNS)], cadence)


def _columns(chosen: dict[str, str]) -> list[str]:
    return [f"{metric}_{statistic}" for metric, statistic in chosen.items()]


def _silent(
    rows: pd.DataFrame, earlier: pd.DataFrame | None, owners: pd.DataFrame, chosen: dict[str, str]
) -> npt.NDArray[np.bool_]:
    """Series [servers, metrics] of servers without any row in the history, as their last rows before it name them."""
    silent = np.zeros((len(owners), len(chosen)), dtype=np.bool_)
    if earlier is None or not len(earlier):
        return silent
    last = earlier[~earlier[SERVER_ID].isin(rows[SERVER_ID])]
    place = pd.Index(owners[SERVER_ID]).get_indexer(last[SERVER_ID])
    given = last.reindex(columns=_columns(chosen)).notna().to_numpy()
    silent[place[place >= 0]] = given[place >= 0]
    silent[place[place >= 0], 0] |= ~given[place >= 0].any(axis=1)
    return silent


def _told_stale(series: pd.DataFrame, silent: npt.NDArray[np.bool_], earlier: pd.DataFrame | None) -> pd.DataFrame:
    """`series` in which those that are silent [N] read `stale`, with the day they were last seen."""
    if earlier is None or not silent.any():
        return series
    last = series[SERVER_ID].map(earlier.set_index(SERVER_ID)[TIMESTAMP]).astype(series["last_seen"].dtype)
    return series.assign(
        reason=series["reason"].where(~silent, str(Reason.STALE)), last_seen=series["last_seen"].where(~silent, last)
    )


def _convert(
    values: FloatArray, timestamps: pd.DatetimeIndex, series: pd.DataFrame, resizes: pd.DataFrame | None
) -> npt.NDArray[np.bool_]:
    """Turn percentages before a resize into percent of the capacity after it, in place; which series [N] had one."""
    resized = np.zeros(len(series), dtype=np.bool_)
    if resizes is None or not len(resizes) or not len(timestamps):
        return resized
    resizes = resizes[resizes["factor"] != 1]  # of this metric nothing changed
    keys = pd.MultiIndex.from_frame(series[[SERVER_ID, METRIC]])
    column = keys.get_indexer(pd.MultiIndex.from_frame(resizes[[SERVER_ID, METRIC]]))
    first = timestamps.searchsorted(pd.DatetimeIndex(resizes["at"]))  # first period at or after the change
    seen = ~np.isnan(values)
    inside = (column >= 0) & (first > 0)
    inside[inside] = seen.argmax(axis=0)[column[inside]] < first[inside]
    column, first, factor = column[inside], first[inside], resizes["factor"].to_numpy()[inside]
    columns, place = np.unique(column, return_inverse=True)
    factors = np.ones((len(timestamps), len(columns)))
    np.multiply.at(factors, (first - 1, place), factor)
    values[:, columns] *= np.cumprod(factors[::-1], axis=0)[::-1]
    resized[columns] = seen[:, columns].any(axis=0)
    return resized


def choose_statistics(observations: pd.DataFrame, settings: Settings) -> dict[str, str]:
    """Metric -> statistic to forecast, sorted by metric; a column without any value counts only where no other is."""
    there: dict[str, list[str]] = {}
    for column in observations.columns:
        metric, _, statistic = str(column).rpartition("_")
        if metric and statistic in STATISTICS:
            there.setdefault(metric, []).append(statistic)
    chosen = {}
    for metric in sorted(there):
        known = sorted(there[metric], key=STATISTICS.index)
        filled = [name for name in known if observations[f"{metric}_{name}"].notna().any()] or known
        wanted = settings.metric(metric).statistic
        chosen[metric] = wanted if wanted in filled else filled[0]
    return chosen


def default_as_of(observations: pd.DataFrame, cadence: Cadence) -> pd.Timestamp:
    """End of the last complete period of a source, in UTC.

    A period (a day, or an hour of hourly input: a day that is only partly there still counts up to its last hour) is
    incomplete when fewer than half as many servers report in it as in the median of the source's last 28 periods or of
    all its periods, whichever is more (one server with a wrong clock may fill 28 periods by itself).
    Such periods at the end are passed over: deliveries that are not finished, or a server whose clock runs ahead.
    A trail of them that follows without a gap for more than 2 days is a smaller fleet, and counts.
    """
    if observations.empty:
        raise InputError("there are no observations, so there is no last period; name the cut-off (--as-of)")
    times = pd.DatetimeIndex(observations[TIMESTAMP]).floor(cadence.frequency).as_unit("us")
    periods, counts = np.unique(times.asi8, return_counts=True)
    enough = counts * 2 >= max(np.median(counts[-_USUAL:]), np.median(counts))
    last = int(np.flatnonzero(enough)[-1])
    step = int(cadence.step / pd.Timedelta(microseconds=1))
    gapless = bool((np.diff(periods[last:]) == step).all())
    if gapless and len(periods) - 1 - last > _LATE_DAYS * cadence.per_day:
        last = len(periods) - 1
    end = pd.Timestamp(int(periods[last]), unit="us", tz="UTC").as_unit("us") + cadence.step
    if last < len(periods) - 1:
        log.warning(
            "cut-off %s: %d later periods hold few servers and are left out (say --as-of to use them)",
            end.isoformat(), len(periods) - 1 - last,
        )  # fmt: skip
    return end


def _in_order_of_arrival(rows: pd.DataFrame) -> pd.DataFrame:
    if INGESTED_AT in rows:
        return rows.sort_values(INGESTED_AT, kind="stable", na_position="first", ignore_index=True)
    return rows.reset_index(drop=True)


def _cube(rows: pd.DataFrame, timestamps: pd.DatetimeIndex, owners: pd.DataFrame, chosen: dict[str, str]) -> FloatArray:
    """Values [T, servers, metrics]; of several rows for one place the last with a value stays."""
    cube = np.full((len(timestamps), len(owners), len(chosen)), np.nan, dtype=np.float32)
    time = timestamps.get_indexer(pd.DatetimeIndex(rows[TIMESTAMP]))
    server = pd.Index(owners[SERVER_ID]).get_indexer(rows[SERVER_ID])
    if (time < 0).any():
        where = rows[time < 0].iloc[0]
        raise InputError(
            f"{where[TIMESTAMP]} of server {where[SERVER_ID]} is not on the grid; read it by sources.files"
        )
    for place, (metric, statistic) in enumerate(chosen.items()):
        value = rows[f"{metric}_{statistic}"].to_numpy(dtype=np.float32)
        given = ~np.isnan(value)
        cube[time[given], server[given], place] = value[given]
    return cube


def _wanted(
    rows: pd.DataFrame, owners: pd.DataFrame, chosen: dict[str, str], cube: FloatArray, settings: Settings
) -> npt.NDArray[np.bool_]:
    """Which series [servers, metrics] stand in the panel."""
    wanted: npt.NDArray[np.bool_] = np.any(~np.isnan(cube), axis=0)
    known = pd.Index(owners[SERVER_ID])
    names = {metric: [f"{metric}_{name}" for name in STATISTICS if f"{metric}_{name}" in rows] for metric in chosen}
    for place, (metric, columns) in enumerate(names.items()):
        has_other = rows[SERVER_ID][rows[columns].notna().any(axis=1)].unique()
        lost = known.isin(has_other) & ~wanted[:, place]
        if lost.any():
            log.warning("%s: %d servers have no %s, only another statistic", metric, lost.sum(), chosen[metric])
        wanted[:, place] |= lost
    observed = known.isin(rows[SERVER_ID].unique())
    for place, metric in enumerate(chosen):
        if settings.metric(metric).high is not None:
            wanted[:, place] |= observed
    wanted[observed & ~wanted.any(axis=1)] = True
    return wanted


def _range(metrics: pd.Series, settings: Settings) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Smallest and largest plausible value [N]; NaN = none. 100 for a percentage, which may exceed it for a reason."""
    known = {name: settings.metric(name) for name in metrics.unique()}
    low = {name: np.nan if each.minimum is None else each.minimum for name, each in known.items()}
    high = {name: 100.0 if each.unit == "percent" else each.maximum or np.nan for name, each in known.items()}
    return metrics.map(low).to_numpy(dtype=np.float64), metrics.map(high).to_numpy(dtype=np.float64)


def _more_flags(
    series: pd.DataFrame,
    owners: pd.DataFrame,
    server: npt.NDArray[np.int64],
    conflicts: pd.DataFrame | None,
    resized: npt.NDArray[np.bool_],
    resizes: pd.DataFrame | None,
) -> pd.Series:
    """Flags of `judge` and those that need more than values: a resize in the history, contradicting duplicates.

    Without `resizes` (what changed, and by how much) any change of capacity flags all metrics that may depend on it.
    """
    flags = {name: series["flags"].str.contains(name).to_numpy(dtype=np.bool_) for name in _JUDGED}
    flags[quality.CAPACITY_CHANGED] = resized
    flags[peaks.PEAKS_UNSEEN] = (series["unseen_peaks"] != "").to_numpy(dtype=np.bool_)
    if resizes is None and CAPACITY_CHANGED_AT in owners:
        changed = owners[CAPACITY_CHANGED_AT].iloc[server].reset_index(drop=True)
        flags[quality.CAPACITY_CHANGED] = resized | (
            (changed > series["first_seen"]) & series[METRIC].isin(CAPACITY_METRICS)
        ).to_numpy(dtype=np.bool_)
    if conflicts is not None:
        rows = conflicts[conflicts["reason"] == quality.DUPLICATE_CONFLICT]
        hit = pd.MultiIndex.from_arrays([rows[SERVER_ID], rows["column"].astype("str").str.rsplit("_", n=1).str[0]])
        flags[quality.DUPLICATE_CONFLICT] = pd.MultiIndex.from_frame(series[[SERVER_ID, METRIC]]).isin(hit)
    return quality.join_flags(flags)


_JUDGED = (quality.CONSTANT, quality.LEVEL_SHIFT, quality.OUT_OF_RANGE)
