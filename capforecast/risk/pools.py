"""Demand of each pool (business unit x region) against its supply, in vCPU and GiB.

Percentages of servers never add; units do. A server asks for percent x size / 100, and a pool for the sum over its
servers: now, on the last days, and on joint sample paths (capforecast/risk/joint.py), day by day. Hours are added up
first and reduced to the daily P95 then, so peaks at different hours do not add. Daily P95s are added as they are: such
a sum is, as a rule, above the P95 of the sum, and reached when all servers peak at once.

Who cannot be counted is said: `unsized` servers stand for nothing, `unforecast` ones for their last known demand, and
of `unobserved` ones no demand is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from capforecast.risk.joint import Array, Draws, Index, to_grid
from capforecast.risk.pool_demand import Demand, Servers, pool_demand
from capforecast.schema import (
    BUSINESS_UNIT,
    METRIC,
    REGION,
    SERVER_ID,
    UNASSIGNED,
    BoolArray,
    ErrorPaths,
    Forecast,
    Panel,
    PoolReason,
)
from capforecast.settings import PoolSettings, Settings

POOL = [BUSINESS_UNIT, REGION]
PERCENT = 100.0


class Resource(NamedTuple):
    """What pools run short of: its name, the metric that says how much of a server's is used, the server's size."""

    name: str
    metric: str
    size: str


RESOURCES = (Resource("vcpu", "cpu", "vcpus"), Resource("memory_gib", "mem", "memory_gib"))


@dataclass(frozen=True)
class PoolPaths:
    """Demand and supply of P pools of one resource, in its units.

    names: [P] business_unit, region, sorted.  servers, unsized, unobserved, unforecast: counts [P].
    supply, usable: [P].  recent: float64 [P, n], demand of the last days observed, the origin's last.
    dates: UTC [D], days forecast.  draws: [J, D, P]; None = nothing can be said of the future.
    horizon_days: how far they reach; an hourly horizon may be shorter than a day.
    reasons: [P], PoolReason of what is missing, "" = nothing is.
    """

    resource: str
    names: pd.DataFrame
    servers: Index
    unsized: Index
    unobserved: Index
    unforecast: Index
    supply: Array
    usable: Array
    recent: Array
    dates: pd.DatetimeIndex
    draws: Draws | None
    horizon_days: float
    reasons: list[str]


class _Fleet(NamedTuple):
    """Servers of the inventory [M], the pools [P] (sorted by business_unit, region), and which each belongs to [M]."""

    servers: pd.DataFrame
    names: pd.DataFrame
    pool: Index

    def number(self, which: BoolArray) -> Index:
        """How many of some servers [M] each pool has, [P]."""
        return np.bincount(self.pool[which], minlength=len(self.names)).astype(np.int64)


def pool_paths(
    panel: Panel, forecast: Forecast | None, errors: ErrorPaths | None, servers: pd.DataFrame, settings: Settings
) -> list[PoolPaths]:
    """Demand and supply of all pools of the servers given, one entry per resource.

    panel: every series, unknown ones too; forecast, errors: of the usable ones, in the same order, None when there are
    none.  servers: one row each: server_id and, where known, business_unit, region, vcpus, memory_gib. Nothing of the
    panel after the origin of the forecast is looked at.

    Raises StageError when forecast and error paths are not of the same series.
    """
    if forecast is not None:
        panel = panel.until(forecast.timestamps[0] - panel.cadence.step)
    labels = pd.DataFrame({name: _label(servers, name) for name in POOL})
    pool, names = pd.MultiIndex.from_frame(labels).factorize(sort=True)
    fleet = _Fleet(servers, names.to_frame(index=False, name=POOL), np.asarray(pool, np.int64))
    return [_resource(resource, panel, forecast, errors, fleet, settings) for resource in RESOURCES]


def _label(servers: pd.DataFrame, name: str) -> pd.Series:
    given = servers[name] if name in servers else pd.Series(None, index=servers.index, dtype="str")
    return given.astype("str").fillna(UNASSIGNED)


def _resource(
    resource: Resource,
    panel: Panel,
    forecast: Forecast | None,
    errors: ErrorPaths | None,
    fleet: _Fleet,
    settings: Settings,
) -> PoolPaths:
    size = _sizes(fleet.servers, resource.size)
    observed, place = _observed(panel, resource, fleet, size, settings)
    counted = Servers(observed, size[place] / PERCENT, fleet.pool[place], len(fleet.names))
    demand = pool_demand(counted, forecast, errors, settings.risk.breach.n_daily, settings)
    seen, covered = np.zeros(len(size), np.bool_), np.zeros(len(size), np.bool_)
    seen[place], covered[place] = True, demand.forecast
    drawn = covered & (demand.draws is not None)
    supply, usable = _supply(size, fleet, settings.risk.pool)
    days = 0 if demand.draws is None else demand.draws.values.shape[1]
    first = panel.timestamps[-1] + panel.cadence.step if days else pd.Timestamp(0, tz="UTC")
    return PoolPaths(
        resource.name, fleet.names, fleet.number(np.ones_like(seen)), fleet.number(size == 0),
        fleet.number((size > 0) & ~seen), fleet.number(seen & ~drawn), supply, usable, demand.recent,
        pd.date_range(first, periods=days, freq="D"), demand.draws, demand.horizon_days,
        _reasons(fleet, size, seen, covered, demand),
    )  # fmt: skip


def _sizes(servers: pd.DataFrame, column: str) -> Array:
    """Sizes [M]; 0 where unknown. A machine with 0 vCPU or GiB on record is one of unknown size."""
    known = servers[column].to_numpy(dtype=np.float64) if column in servers else np.zeros(len(servers))
    return np.where(np.isfinite(known) & (known > 0), known, 0.0)


def _observed(panel: Panel, resource: Resource, fleet: _Fleet, size: Array, settings: Settings) -> tuple[Panel, Index]:
    """Series of the resource that were observed on servers of known size, and the row of each one's server."""
    percent = settings.metric(resource.metric).unit == "percent"  # else it says nothing of the server's size
    known = pd.Index(fleet.servers[SERVER_ID].astype("str"))
    place = known.get_indexer(panel.series[SERVER_ID].astype("str")).astype(np.int64)
    counted = (panel.series[METRIC] == resource.metric).to_numpy(dtype=bool) & (place >= 0) & percent
    counted[counted] = size[place[counted]] > 0
    counted[counted] = np.isfinite(panel.values[:, counted]).any(axis=0)
    return panel.take(counted), place[counted]


def _supply(size: Array, fleet: _Fleet, rules: PoolSettings) -> tuple[Array, Array]:
    """Units in each pool [P], and those that may be used: less the largest servers held back and the buffer."""
    pools = len(fleet.names)
    supply = np.bincount(fleet.pool, weights=size, minlength=pools)
    order = np.lexsort((-size, fleet.pool))
    ordered = fleet.pool[order]
    held = order[np.arange(len(size)) - np.searchsorted(ordered, ordered) < rules.reserve_servers]
    reserve = np.bincount(fleet.pool[held], weights=size[held], minlength=pools)
    return to_grid(supply), to_grid((supply - reserve) * (1.0 - rules.buffer_share))


def _reasons(fleet: _Fleet, size: Array, seen: BoolArray, covered: BoolArray, demand: Demand) -> list[str]:
    """Why figures of a pool are missing [P]: the first that holds."""
    words = [
        (fleet.number(size > 0) == 0, PoolReason.NO_SIZES),
        (fleet.number(seen) == 0, PoolReason.NO_OBSERVATIONS),
        (fleet.number(covered) == 0, PoolReason.NO_FORECAST),
        (np.full(len(fleet.names), demand.draws is None), PoolReason.NO_EVIDENCE),
    ]
    return [next((reason.value for hit, reason in words if hit[p]), "") for p in range(len(fleet.names))]
