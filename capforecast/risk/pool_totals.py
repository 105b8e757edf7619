"""Sums of pools, draw by draw: each business unit over its regions, each region over its units, the whole fleet.

Capacity of one pool does not serve another, so what is added is the pools' demand by day, not that of their hours. All
demand is on a grid (capforecast/risk/joint.py), so parts add up to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from capforecast.risk.joint import Array, Draws, Index
from capforecast.risk.pools import POOL, RESOURCES, PoolPaths
from capforecast.schema import ALL_REGIONS, BUSINESS_UNIT, FLEET, REGION, PoolReason

COUNTS = ("servers", "unsized", "unobserved", "unforecast")
PATH_COLUMNS = (*POOL, "resource", "origin", "repeat", "path")
_ORDER = ["", PoolReason.NO_EVIDENCE, PoolReason.NO_FORECAST, PoolReason.NO_OBSERVATIONS, PoolReason.NO_SIZES]


def path_table(paths: Sequence[PoolPaths]) -> pd.DataFrame:
    """Paths as rows, PATH_COLUMNS: one per pool, resource and draw, and one for the days observed (no origin)."""
    rows = []
    for part in paths:
        for p, reason in enumerate(part.reasons):
            name = part.names.iloc[p].to_dict() | {"resource": part.resource}
            rows.append(name | {"origin": pd.NaT, "repeat": -1, "path": part.recent[p]})
            if reason or part.draws is None:
                continue
            draws = zip(part.draws.origins, part.draws.repeat, part.draws.values[:, :, p], strict=True)
            rows += [name | {"origin": origin, "repeat": int(r), "path": path} for origin, r, path in draws]
    table = pd.DataFrame(rows, columns=list(PATH_COLUMNS))
    return table.assign(origin=pd.to_datetime(table["origin"], utc=True).astype("datetime64[us, UTC]"))


def read_paths(pools: pd.DataFrame, paths: pd.DataFrame, first: pd.Timestamp) -> list[PoolPaths]:
    """One pool each, from rows of `pool_table` and `path_table`.  first: first day forecast."""
    keys = [*POOL, "resource"]
    own = dict(list(paths.groupby(keys, sort=False)))
    return [_one(row, own[tuple(row[key] for key in keys)], first) for row in pools.to_dict("records")]


def _one(row: dict[str, object], paths: pd.DataFrame, first: pd.Timestamp) -> PoolPaths:
    told = paths["origin"].notna().to_numpy(dtype=bool)
    drawn, seen = paths[told], paths["path"][~told].iloc[0]
    draws = None
    if len(drawn):
        values = np.stack(drawn["path"].to_list()).astype(np.float64)[:, :, None]
        draws = Draws(values, pd.DatetimeIndex(drawn["origin"]), drawn["repeat"].to_numpy(dtype=np.int64))
    days = 0 if draws is None else draws.values.shape[1]
    counts = {name: np.array([row[name]], np.int64) for name in COUNTS}
    supply, usable = (np.array([row[name]], np.float64) for name in ("supply", "usable"))
    return PoolPaths(
        str(row["resource"]), pd.DataFrame([[row[name] for name in POOL]], columns=POOL), **counts, supply=supply,
        usable=usable, recent=np.asarray(seen, np.float64)[None], dates=pd.date_range(first, periods=days, freq="D"),
        draws=draws, horizon_days=float(str(row["horizon_days"])), reasons=[str(row["reason"])],
    )  # fmt: skip


def totals(pools: Sequence[PoolPaths]) -> list[PoolPaths]:
    """Sums of single pools, one entry per resource: units over regions, the fleet by region, the fleet."""
    found = []
    for resource in RESOURCES:
        mine = [part for part in pools if part.resource == resource.name]
        groups: dict[tuple[str, str], list[PoolPaths]] = {}
        for part in mine:
            unit, region = part.names.iloc[0][BUSINESS_UNIT], part.names.iloc[0][REGION]
            for key in ((unit, ALL_REGIONS), (FLEET, region), (FLEET, ALL_REGIONS)):
                groups.setdefault(key, []).append(part)
        found += [add_up(groups[key], *key) for key in sorted(groups)]
    return found


def add_up(pools: Sequence[PoolPaths], business_unit: str, region: str) -> PoolPaths:
    """The sum of single pools of one resource.

    It reaches as far as suits most of the supply. A pool that reaches less far, or of which nothing can be said, counts
    for its demand on the last day, and its servers as `unforecast`. A pool without some origin takes, in its draws,
    that of its own nearest in time.
    """
    days = _reach(pools)
    drawn = [part for part in pools if part.draws is not None and days and part.draws.values.shape[1] >= days]
    steady = [part for part in pools if not any(part is other for other in drawn)]
    counts = {name: _sum(pools, name) for name in COUNTS}
    for part in steady:
        counts["unforecast"] = counts["unforecast"] + _forecast(part)
    constant = sum(float(part.recent[0, -1]) for part in steady)
    leader = max(drawn, key=lambda part: float(part.supply[0]), default=None)
    draws = None
    if leader is not None and leader.draws is not None:
        values = sum(_aligned(part, leader.draws, days) for part in drawn) + constant
        draws = replace(leader.draws, values=np.asarray(values))
    reason = "" if draws is not None else min((part.reasons[0] for part in pools), key=_ORDER.index)
    return PoolPaths(
        pools[0].resource, pd.DataFrame([[business_unit, region]], columns=POOL), **counts,
        supply=_sum(pools, "supply"), usable=_sum(pools, "usable"), recent=_sum(pools, "recent"),
        dates=leader.dates[:days] if leader else pools[0].dates[:0],
        draws=draws, horizon_days=min((part.horizon_days for part in drawn), default=np.nan), reasons=[reason],
    )  # fmt: skip


def _sum(pools: Sequence[PoolPaths], name: str) -> Any:
    return np.sum([getattr(part, name) for part in pools], axis=0)


def _reach(pools: Sequence[PoolPaths]) -> int:
    """The number of days for which days x supply reached is largest; 0 where no pool has draws."""
    reach = {part.draws.values.shape[1] for part in pools if part.draws is not None}
    supply = {days: sum(float(part.supply[0]) for part in pools if len(part.dates) >= days) for days in reach}
    return max(sorted(reach), key=lambda days: days * supply[days], default=0)


def _forecast(part: PoolPaths) -> Index:
    """Servers whose demand is forecast."""
    if part.draws is None:
        return np.zeros(1, np.int64)
    counted: Index = part.servers - part.unsized - part.unobserved - part.unforecast
    return counted


def _aligned(part: PoolPaths, leader: Draws, days: int) -> Array:
    """A pool's draws [J, days, 1] of the origins and repeats of another's."""
    assert part.draws is not None
    mine, order = np.unique(part.draws.origins.asi8, return_inverse=True)
    row = {(int(o), int(r)): j for j, (o, r) in enumerate(zip(order, part.draws.repeat, strict=True))}
    nearest = np.abs(mine[None] - leader.origins.asi8[:, None]).argmin(axis=1)
    chosen = [row[int(o), int(r)] for o, r in zip(nearest, leader.repeat, strict=True)]
    values: Array = part.draws.values[chosen, :days]
    return values
