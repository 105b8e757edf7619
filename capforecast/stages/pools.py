"""The pools of a business unit, and their sums over the fleet."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import pandas as pd

from capforecast.exchange import Ingested, Unit
from capforecast.forecast import frames, registry
from capforecast.lake.datasets import read_frame, read_table, unit_key, write_table
from capforecast.lake.store import Store
from capforecast.risk.pool_figures import demand_table, pool_table
from capforecast.risk.pool_totals import path_table, read_paths, totals
from capforecast.risk.pools import pool_paths
from capforecast.schema import Reference
from capforecast.settings import Settings
from capforecast.stages.units import read_panel

log = logging.getLogger(__name__)
References = dict[str, Reference]


def pools(store: Store, settings: Settings, unit: Unit) -> References:
    """Demand of the unit's pools against their supply: `pools`, by day `demand`, and the draws behind, `pool_paths`.

    A pool of which something cannot be said has a row all the same, with the reason.
    """
    panel, servers = read_panel(store, unit), read_frame(store, unit.references["inventory"])
    predicted = errors = None
    if "forecasts" in unit.references:
        predicted = frames.from_table(read_table(store, unit.references["forecasts"]))
        model, _ = registry.load(store, unit.references["model"])
        errors = model.error_paths(panel.usable(), predicted)
    paths = pool_paths(panel, predicted, errors, servers, settings)
    table = pool_table(paths, settings.risk)
    for row in table[table["reason"] != ""].itertuples():
        log.info("%s %s %s: no figures (%s)", row.business_unit, row.region, row.resource, row.reason)
    return {
        "pools": write_table(store, unit.key("pools"), table),
        "demand": write_table(store, unit.key("demand"), demand_table(paths)),
        "pool_paths": write_table(store, unit.key("pool_paths"), path_table(paths)),
    }


def fleet_pools(store: Store, settings: Settings, ingested: Ingested, units: Sequence[Unit]) -> References:
    """Sums of the pools of all units, draw by draw, in the fleet's partition; nothing where a unit is missing."""
    missing = sorted(set(ingested.business_units) - {unit.business_unit for unit in units})
    if missing:
        log.info("no sums of pools over the fleet: %d business units are missing", len(missing))
        return {}
    parts = []
    for unit in units:
        table, paths = (read_frame(store, unit.references[name]) for name in ("pools", "pool_paths"))
        parts += read_paths(table, paths, unit.cut_off)
    sums = totals(parts)
    return {
        name: write_table(store, unit_key(name, ingested.cadence, ingested.cut_off), table)
        for name, table in (("pools", pool_table(sums, settings.risk)), ("demand", demand_table(sums)))
    }


def pool_overview(store: Store, pools: Reference, rows: int = 100) -> list[dict[str, Any]]:
    """Pools at a glance, those that run out first at the top."""
    table = read_frame(store, pools)
    table = table.assign(buy_by=table["buy_by"].dt.strftime("%Y-%m-%d"))
    order = pd.DataFrame({"soon": table["days_q10"].fillna(float("inf")), "likely": -table["p_90d"].fillna(-1.0)})
    shown = [
        "region", "resource", "servers", "usable", "demand_now", "peak_q50", "peak_q90", "p_30d", "p_90d", "days_q10",
        "days_q50", "buy_q50", "buy_q90", "buy_by", "unsized", "unobserved", "unforecast", "reason",
    ]  # fmt: skip
    if table["business_unit"].nunique() > 1:
        shown = ["business_unit", *shown]
    first = table.loc[order.sort_values(["soon", "likely"], kind="stable").index, shown].head(rows)
    found: list[dict[str, Any]] = json.loads(first.round(3).to_json(orient="records"))
    return found
