"""Pools in the summary: demand against what is usable, when that runs out, and what to order by when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from capforecast.report.accuracy import figure
from capforecast.report.odds import Outlook, outlook_words
from capforecast.report.summary import PoolSummary
from capforecast.report.words import NBSP, date_text, number, place, plural
from capforecast.schema import ALL_REGIONS, BUSINESS_UNIT, FLEET, REGION, PoolReason

RESOURCE_UNITS = {"vcpu": "vCPU", "memory_gib": "GiB"}
RESOURCE_NAMES = {"vcpu": "CPU", "memory_gib": "memory"}
POOL_REASONS: dict[str, str] = {
    PoolReason.NO_SIZES: "not known: the inventory gives the size of no server here",
    PoolReason.NO_OBSERVATIONS: "not known: none of its servers was observed",
    PoolReason.NO_FORECAST: "nothing here could be forecast: only the last demand is known",
    PoolReason.NO_EVIDENCE: "too few past forecasts can be checked to state a chance",
}
_FIGURES = (
    "supply", "usable", "demand_now", "peak_q50", "peak_q90", "p_30d", "p_90d", "days_q10", "days_q50", "days_q90",
    "horizon_days", "buy_q50", "buy_q90",
)  # fmt: skip


def pool_summaries(pools: pd.DataFrame, origin: pd.Timestamp) -> list[PoolSummary]:
    """Every pool and resource, tightest first: the likelier to run out, then the fuller at its 90 % peak.

    pools: rows of POOL_COLUMNS.  origin: last moment seen (naive, UTC).
    """
    found = [_pool(row, origin) for row in pools[~is_sum(pools)].to_dict("records")] if len(pools) else []
    return sorted(found, key=_tightness)


def pool_sums(pools: pd.DataFrame, origin: pd.Timestamp) -> list[PoolSummary]:
    """Sums of pools, along joint paths: of the fleet, then of each region, then of each business unit."""
    found = [_pool(row, origin) for row in pools[is_sum(pools)].to_dict("records")] if len(pools) else []
    return sorted(found, key=lambda p: (p.business_unit != FLEET, p.business_unit, p.region, p.resource))


def pool_place(pool: PoolSummary) -> str:
    """Where a pool, or a sum of pools, stands."""
    return _place(pool.business_unit, pool.region)


def _place(business_unit: str, region: str) -> str:
    if business_unit == FLEET:
        return "Fleet" if region == ALL_REGIONS else region
    return business_unit if region == ALL_REGIONS else place(business_unit, region)


def is_sum(pools: pd.DataFrame) -> pd.Series:
    """Which rows are sums of pools, as bool."""
    return (pools[REGION] == ALL_REGIONS) | (pools[BUSINESS_UNIT] == FLEET)


def resource_unit(resource: str) -> str:
    """Unit of a resource as it is printed."""
    return RESOURCE_UNITS.get(resource, resource.replace("_", " "))


def units_text(value: float | None, resource: str) -> str:
    """An amount of a resource with its unit."""
    whole = value is None or abs(value) >= 10 or float(round(value, 1)).is_integer()
    return f"{number(value, 0 if whole else 1)}{NBSP}{resource_unit(resource)}"


def is_short(pool: PoolSummary) -> bool:
    """Must something be ordered for its 90 % peak?"""
    return bool(pool.buy_q90)


def _tightness(pool: PoolSummary) -> tuple[float, float, str, str, str]:
    chance = pool.p_90d if pool.p_90d is not None else pool.p_30d
    fill = pool.peak_q90 / pool.usable if pool.peak_q90 is not None and pool.usable else -1.0
    return (1.0 if chance is None else -chance, -fill, pool.business_unit, pool.region, pool.resource)


def _pool(row: Mapping[Any, Any], origin: pd.Timestamp) -> PoolSummary:
    order = row["buy_by"]
    unit, region, resource = (str(row[name]) for name in (BUSINESS_UNIT, REGION, "resource"))
    pool = PoolSummary(
        name=f"{_place(unit, region)}, {RESOURCE_NAMES.get(resource, resource)}",
        business_unit=unit,
        region=region,
        resource=resource,
        servers=int(row["servers"]),
        unsized=int(row["unsized"]),
        unobserved=int(row["unobserved"]),
        unforecast=int(row["unforecast"]),
        reason=str(row["reason"]),
        **{name: figure(row[name]) for name in _FIGURES},
        buy_by=None if pd.isna(order) else f"{pd.Timestamp(order):%Y-%m-%d}",
        sentence="",
    )
    return pool.model_copy(update={"sentence": _sentence(pool, int(row["paths"]), origin)})


def _sentence(pool: PoolSummary, paths: int, origin: pd.Timestamp) -> str:
    """`Retail · eu, CPU: 7 in 10 chance of running out by 3 Mar, 1 in 10 by 20 Jan; order 120 vCPU by 3 Feb`."""
    subject = pool.name
    unsized = f"{plural(pool.unsized, 'server')} of unknown size left out" if pool.unsized else ""
    if pool.usable is None or pool.demand_now is None:
        return f"{subject}: {POOL_REASONS.get(pool.reason, 'not known')}"
    parts = []
    if pool.demand_now > pool.usable:
        parts.append(f"short now: {units_text(pool.demand_now, pool.resource)} are wanted, "
                     f"{units_text(pool.usable, pool.resource)} usable")  # fmt: skip
    chance, most = (pool.p_90d, 90.0) if pool.p_90d is not None else (pool.p_30d, 30.0)
    days = min(most, pool.horizon_days or most)  # a shorter horizon stands in
    if chance is not None and not parts:
        parts.append(outlook_words(Outlook(origin, chance, days, paths, pool.days_q10, pool.days_q50), "running out"))
    if pool.buy_q90:
        when = date_text(pd.Timestamp(pool.buy_by)) if pool.buy_by else ""
        passed = bool(pool.buy_by) and pd.Timestamp(pool.buy_by) <= origin
        by = " now" if passed else f" by {when}" if when else ""
        parts.append(
            f"order {units_text(math.ceil(pool.buy_q90), pool.resource)}{by} to fit its 90 % peak with headroom"
        )
    if unsized:
        parts.append(unsized)
    if not parts and pool.reason:
        parts.append(POOL_REASONS.get(pool.reason, pool.reason))
    return f"{subject}: " + "; ".join(parts or ["nothing to state"]).replace(NBSP, " ")
