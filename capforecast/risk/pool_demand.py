"""What servers ask for of one resource, in units, added up by pool: on the last days, and on joint sample paths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.errors import StageError
from capforecast.fleet.bounds import physical_range
from capforecast.risk.joint import Array, Draws, Index, Load, joint_sums, to_grid
from capforecast.risk.rule import DAILY_PEAK, HOURS_PER_DAY, daily_peaks
from capforecast.schema import METRIC, SERVER_ID, BoolArray, Cadence, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings

KEYS = [SERVER_ID, METRIC]


@dataclass(frozen=True)
class Servers:
    """Observed series of one metric in percent, one per server [N].

    panel: their values.  units: [N], units of capacity in a percent.  pool: [N], number of the pool, 0 .. pools - 1.
    """

    panel: Panel
    units: Array
    pool: Index
    pools: int


@dataclass(frozen=True)
class Demand:
    """Demand of P pools: recent [P, days], the last one the origin's; draws by day [J, D, P], None = unknown.

    forecast: bool [N], series that have a forecast; the others count for their last known demand all along.
    horizon_days: how far the draws reach; an hourly horizon may be shorter than a day.
    """

    recent: Array
    draws: Draws | None
    forecast: BoolArray
    horizon_days: float


def pool_demand(
    servers: Servers, forecast: Forecast | None, errors: ErrorPaths | None, days: int, settings: Settings
) -> Demand:
    """Demand of the pools on the last `days` days and, by day, on joint sample paths.

    Raises StageError when forecast and error paths are not of the same series.
    """
    covered, draws = np.zeros(len(servers.pool), np.bool_), None
    if forecast is not None and errors is not None and len(servers.pool):
        covered, draws = _draws(servers, forecast, errors, settings)
    last = to_grid(_last(servers.panel) * servers.units)
    constant = by_pool(np.where(covered, 0.0, last)[None], servers.pool, servers.pools)[:, 0]
    daily, horizon = _by_day(draws, constant, servers.panel.cadence)
    return Demand(_recent(servers, covered, last, days), daily, covered, horizon)


def by_pool(demand: Array, pool: Index, pools: int) -> Array:
    """Sums [P, T] of demand [T, N]. Exact, whatever the order, as demand is on the grid."""
    sums = np.zeros((pools, len(demand)))
    for t, row in enumerate(demand):
        sums[:, t] = np.bincount(pool, weights=row, minlength=pools)
    return sums


def _draws(
    servers: Servers, forecast: Forecast, errors: ErrorPaths, settings: Settings
) -> tuple[BoolArray, Draws | None]:
    """Which servers are forecast, and draws of their pools. Errors of series not counted may stand for others."""
    if not forecast.series[KEYS].astype(str).equals(errors.series[KEYS].astype(str)):
        raise StageError("forecast and error paths are of other series, or in another order; train and forecast again")
    metric = servers.panel.series[METRIC].iloc[0]
    members = np.flatnonzero(errors.series[METRIC] == metric)
    theirs = errors if len(members) == len(errors.series) else errors.take(members)
    median = forecast.median[:, members]
    sound = np.isfinite(median).all(axis=0) & np.isfinite(theirs.scale_now)
    names = servers.panel.series[SERVER_ID].astype(str)
    place = theirs.series.set_index(theirs.series[SERVER_ID].astype(str)).index.get_indexer(names)
    covered = place >= 0
    covered[covered] = sound[place[covered]]
    if not covered.any():
        return covered, None
    to, (low, high) = place[covered], physical_range(servers.panel, settings)
    limits = np.full((2, len(members)), np.inf, np.float32)
    limits[0, to], limits[1, to] = low[covered], high[covered]
    units, pool = np.zeros(len(members)), np.zeros(len(members), np.int64)
    units[to], pool[to] = servers.units[covered], servers.pool[covered]
    load = Load(np.nan_to_num(median), limits[0], limits[1], units, pool, servers.pools)
    return covered, joint_sums(theirs, load, settings.risk.nearest_share, settings.forecast.threads)


def _last(panel: Panel) -> Array:
    """Last known value of each series [N]; hourly: P95 of the 24 hours up to it."""
    values, span = panel.values, panel.cadence.per_day
    if not values.size:
        return np.zeros(values.shape[1])
    newest = len(values) - 1 - np.isfinite(values[::-1]).argmax(axis=0)
    rows = np.maximum(newest - np.arange(span)[:, None], 0)
    window = values[rows, np.arange(values.shape[1])].astype(np.float64)
    found: Array = window[0] if span == 1 else np.nanquantile(window, DAILY_PEAK, axis=0)
    return found


def _recent(servers: Servers, covered: BoolArray, last: Array, days: int) -> Array:
    """Demand of the last days, [P, days]; what was not observed takes the value before, else the one after."""
    span = days * servers.panel.cadence.per_day
    tail = np.full((span, len(last)), np.nan)
    have = servers.panel.values[-span:]
    tail[span - len(have) :] = have
    demand = to_grid(_filled(tail) * servers.units)
    demand = np.where(covered & np.isfinite(demand), demand, last)
    sums = by_pool(demand, servers.pool, servers.pools)
    return sums if servers.panel.cadence is Cadence.DAILY else _peaks(sums)


def _peaks(hours: Array) -> Array:
    """P95 of each 24 hours along the last axis, on the grid."""
    return to_grid(daily_peaks(hours))  # type: ignore[arg-type]  # keeps the precision it is given


def _filled(values: Array) -> Array:
    """Gaps of [T, N] filled, in place, with the value before, else the one after."""
    for ordered in (values, values[::-1]):
        row = np.where(np.isfinite(ordered), np.arange(len(ordered))[:, None], -1)
        before = np.maximum.accumulate(row, axis=0)
        found = np.take_along_axis(ordered, np.maximum(before, 0), axis=0)
        np.copyto(ordered, found, where=(row < 0) & (before >= 0))
    return values


def _by_day(draws: Draws | None, constant: Array, cadence: Cadence) -> tuple[Draws | None, float]:
    """Draws by day, [J, D, P], with the demand that stays as it is, and the days they reach."""
    if draws is None:
        return None, np.nan
    values = draws.values + constant
    if cadence is Cadence.DAILY:
        return Draws(values, draws.origins, draws.repeat), float(values.shape[1])
    peaks = _peaks(values.transpose(0, 2, 1)).transpose(0, 2, 1)
    days = min(float(peaks.shape[1]), values.shape[1] / HOURS_PER_DAY)
    return Draws(peaks, draws.origins, draws.repeat), days
