"""What is advised over the fleet: segments, the rule's test, money, and what people decided on earlier advice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from capforecast.actions import advice, bounds, decisions, lifecycle, prices, savings
from capforecast.actions import segments as groups
from capforecast.actions.rightsize import Action
from capforecast.configuration import config_hash
from capforecast.errors import StageError
from capforecast.exchange import Ingested, Unit
from capforecast.fingerprint import code_fingerprint
from capforecast.fleet import inventory as inventories
from capforecast.forecast.pointers import version_of
from capforecast.lake.datasets import read_frame, selection_key, unit_key, write_table
from capforecast.lake.store import Store
from capforecast.schema import ACTION_COLUMNS, BUSINESS_UNIT, SERVER_ID, Reference
from capforecast.settings import Settings
from capforecast.stages.units import References

log = logging.getLogger(__name__)
MADE_FROM = ("inventory", "processed", "quality", "forecasts", "servers", "shapes", "prices")  # named in the record
_SHORT = 12  # digits of a hash that a record names


def decided(store: Store, ingested: Ingested) -> Reference:
    """What people had decided on earlier advice by the cut-off, as a table; by the names that servers had then."""
    table = decisions.state_table(store, ingested.cut_off)
    if len(table):
        renamed = inventories.renames(inventories.normalise(read_frame(store, ingested.inventory)), ingested.cut_off)
        names = dict(renamed[[inventories.OLD_ID, SERVER_ID]].to_numpy())
        table[SERVER_ID] = table[SERVER_ID].replace(names)
        table = table.drop_duplicates(SERVER_ID, keep="last")
    return write_table(store, unit_key("lifecycle", ingested.cadence, ingested.cut_off), table)


def actions(
    store: Store,
    settings: Settings,
    ingested: Ingested,
    units: list[Unit],
    covered: list[str],
    decided: Reference,
) -> References:
    """Advice for every server of the finished units, with its evidence and its money.

    covered: all business units of the run; a run of some units only is kept below their names.  decided: what people
    decided on earlier advice. Adds `actions`, `savings`, `bounds`, `segments`, `segment_sizes`, `realised`. Raises
    StageError where a server is lost or stands there twice, or the money does not add up.
    """
    tables = {name: _stacked(store, units, name) for name in ("sizing", "replays", "features", "features_before")}
    paths = [read_frame(store, unit.references["path_costs"]) for unit in units]
    listed = prices.from_table(read_frame(store, units[0].references["prices"]), settings.prices.currency)
    found = groups.segment(tables["features"], settings)
    segments = found.table(tables["features"])
    now, before = segments.set_index(SERVER_ID)["name"].astype("str"), found.assigned(tables["features_before"])
    of_cases, stratum = bounds.strata(tables["replays"], before, now, settings.sizing)
    limits = bounds.bounds(tables["replays"], of_cases, settings.sizing)
    known = tables["sizing"].assign(segment=tables["sizing"][SERVER_ID].map(now))
    table = advice.tested(known, stratum, bounds.verdicts(limits), settings.sizing.exceedance_limit)
    table = savings.priced(table, known["hourly_cost"], listed, settings.prices)
    states = read_frame(store, decided)
    table = lifecycle.apply(table, states, ingested.cut_off, settings.lifecycle)
    table = savings.with_ranges(table, paths)
    _check(table, units)
    made = {
        "actions": _recorded(table, units, settings),
        "savings": savings.sums(table, paths),
        "bounds": limits,
        "segments": segments,
        "segment_sizes": found.size_table(),
        "realised": _realised(store, table, states, ingested, listed),
    }
    _told(made["savings"], table)
    place = ingested.cadence, ingested.cut_off, covered, ingested.business_units
    return {name: write_table(store, selection_key(name, *place), each) for name, each in made.items()}


def _stacked(store: Store, units: Sequence[Unit], name: str) -> pd.DataFrame:
    frames = [read_frame(store, unit.references[name]) for unit in units]
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    return pd.concat(filled, ignore_index=True)


def _recorded(table: pd.DataFrame, units: Sequence[Unit], settings: Settings) -> pd.DataFrame:
    """ACTION_COLUMNS: the table with what each row was made from."""
    rows = {}
    for unit in units:
        hashes = [f"{name} {unit.references[name].sha256[:_SHORT]}" for name in MADE_FROM if name in unit.references]
        model = unit.references.get("model")
        rows[unit.business_unit] = (version_of(model) if model else "", ", ".join(hashes))
    versions, inputs = (table[BUSINESS_UNIT].map({unit: row[i] for unit, row in rows.items()}) for i in range(2))
    whole = config_hash(settings, actions=True)[:_SHORT]
    out = table.assign(model_version=versions, inputs=inputs, config=whole, code=code_fingerprint()[:_SHORT])
    return out.reindex(columns=list(ACTION_COLUMNS))


def _realised(
    store: Store, table: pd.DataFrame, states: pd.DataFrame, ingested: Ingested, listed: prices.PriceList
) -> pd.DataFrame:
    """Advice that was followed: what it promised and what it brought."""
    followed = states.loc[states["state"].isin(["accepted", "applied"]), SERVER_ID]
    if not len(followed):
        return lifecycle.realised(table, states, _dated(pd.DataFrame(), listed))
    rows = inventories.normalise(read_frame(store, ingested.inventory))
    rows = rows[rows[SERVER_ID].isin(followed)]
    return lifecycle.realised(table, states, _dated(rows[~(rows["valid_from"] >= ingested.cut_off)], listed))


def _dated(rows: pd.DataFrame, listed: prices.PriceList) -> pd.DataFrame:
    rows = inventories.normalise(rows) if not len(rows) else rows.reset_index(drop=True)
    return rows.assign(hourly=prices.costs(rows, listed)["hourly"].to_numpy())


def _check(table: pd.DataFrame, units: Sequence[Unit]) -> None:
    """Every server of every unit stands there once, and nothing is recommended for what is unknown."""
    expected = sum(unit.servers for unit in units)
    if table[SERVER_ID].duplicated().any() or len(table) != expected:
        raise StageError(f"actions: {expected} servers went in, {table[SERVER_ID].nunique()} came out")
    wrong = table[(table["tier"] == "unknown") & (table["action"] != Action.NONE)]
    if len(wrong):
        raise StageError(f"actions: {wrong[SERVER_ID].iloc[0]} is unknown and must not be advised anything")


def _told(sums: pd.DataFrame, table: pd.DataFrame) -> None:
    for row in sums[sums["scope"] == "fleet"].itertuples():
        change = "no prices" if np.isnan(row.monthly_change) else f"{row.monthly_change:+,.2f} {row.currency} a month"
        log.info("%s: %d servers, %s", row.kind, row.servers, change)
    withheld = int((table["action"] == Action.WITHHELD).sum())
    if withheld:
        log.info("withheld: %d servers", withheld)


def actions_overview(store: Store, sums: Reference) -> list[dict[str, Any]]:
    """Money of the fleet's advice by kind: what people look at first."""
    table = read_frame(store, sums)
    shown = ["kind", "servers", "priced", "monthly_change", "change_q10", "change_q90", "currency"]
    rows: list[dict[str, Any]] = table.loc[table["scope"] == "fleet", shown].astype(object).to_dict("records")
    return [{key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
            for row in rows]  # fmt: skip
