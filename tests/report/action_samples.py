"""Made-up tables of actions, as the stages leave them; money, counts and sizes hang together as in a real run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from capforecast.lake.column_types import TEXT, column_type
from capforecast.report.action_terms import action_terms
from capforecast.report.actions_part import actions_summary, segment_summaries
from capforecast.report.data import ReportData
from capforecast.schema import (
    ACTION_COLUMNS,
    BOUND_COLUMNS,
    CONSOLIDATION_COLUMNS,
    DIMENSIONS,
    PACKING_COLUMNS,
    SAVING_COLUMNS,
)
from capforecast.settings import Settings

PRICES = "ec2_on_demand.csv of 2026-01-02"
TYPES = {"m6i.large": (2.0, 8.0, 70.08), "m6i.xlarge": (4.0, 16.0, 140.16), "m6i.2xlarge": (8.0, 32.0, 280.32)}
MONEY = (
    "monthly",
    "to_monthly",
    "monthly_change",
    "monthly_change_discounted",
    "change_q10",
    "change_q50",
    "change_q90",
)
CYCLE = ("upsize", "downsize", "keep", "withheld", "stop", "keep", "downsize", "withheld", "none", "keep")
REASONS = {
    "upsize": "it is at risk, and this is the least size that holds its peaks",
    "none": "its risk is unknown: see its reason",
    "downsize": "a smaller size holds its peaks", "stop": "it has been idle", "keep": "the size fits",
    "withheld": "a known peak lies ahead that its history does not hold: year end",
}  # fmt: skip
TO = {"upsize": "m6i.2xlarge", "downsize": "m6i.large"}


def unstated(dataset: str, columns: Iterable[str]) -> dict[str, Any]:
    """A row that says nothing: no text, no figure."""
    return {name: "" if column_type(dataset, name) == TEXT else None for name in columns}


def action_row(server: str, action: str, *, priced: bool = True, **changes: Any) -> dict[str, Any]:
    """A row of `actions`, of a server on an m6i.xlarge."""
    vcpus, memory, now = TYPES["m6i.xlarge"]
    to = TO.get(action, "")
    to_vcpus, to_memory, then = TYPES[to] if to else (np.nan, np.nan, np.nan)
    then = 0.0 if action == "stop" else then
    change = round(then - now, 2)
    row = unstated("actions", ACTION_COLUMNS) | {
        "server_id": server, "business_unit": "Logistics", "region": "eu-west-1", "criticality": "gold",
        "tier": "critical" if action == "upsize" else "unknown" if action == "none" else "ok", "segment": "steady",
        "owner": "team-1", "action": action,
        "risk_basis": "CPU above 90 % now" if action == "upsize" else "", "reason": REASONS[action],
        "withheld_action": "downsize" if action == "withheld" else "", "instance_type": "m6i.xlarge", "vcpus": vcpus,
        "memory_gib": memory, "to_type": to, "to_vcpus": to_vcpus, "to_memory_gib": to_memory,
        "to_cpu_share": to_vcpus / vcpus, "to_memory_share": to_memory / memory, "need_vcpus": 0.4 * vcpus,
        "need_memory_gib": 0.45 * memory, "need_cpu_share": 0.4, "need_memory_share": 0.45, "fits": 0.97,
        "alternatives": "r6i.large: safe too, but larger or dearer", "monthly": now, "to_monthly": then,
        "monthly_change": change, "monthly_change_discounted": round(0.72 * change, 2),
        "change_q10": round(1.2 * change, 2) if change < 0 else round(0.7 * change, 2), "change_q50": change,
        "change_q90": round(0.7 * change, 2) if change < 0 else round(1.2 * change, 2), "price_source": PRICES,
        "currency": "USD", "idle": action == "stop", "zombie": False,
        "idle_basis": "14 of 14 days: CPU mean at most 2.1 %, network at most 0.4 MB a day; disk activity not measured"
        if action == "stop" else "",
        "stratum": "steady", "bound_servers": 140, "bound_periods": 12_600, "bound_over": 21, "bound_rate": 0.00167,
        "bound_upper": 0.0061, "promised": 0.01, "history_days": 540, "paths": 240, "horizon_days": 90,
        "model_version": "2026-01-05-f00dcafe1234", "window_first": pd.Timestamp("2026-01-05", tz="UTC"),
        "window_last": pd.Timestamp("2026-04-04", tz="UTC"), "inputs": "aa11", "config": "bb22", "code": "cc33",
    }  # fmt: skip
    if not priced:
        reason = "instance type m6i.xlarge is in no price file"
        row |= dict.fromkeys(MONEY, np.nan) | {"price_source": "", "price_reason": reason}
    return row | changes


def actions_frame(servers: pd.DataFrame, *, priced: bool = True) -> pd.DataFrame:
    """A row for each server, of every kind of action in turn."""
    rows = []
    for i, server in enumerate(servers.to_dict("records")):
        action = "none" if server["tier"] == "unknown" else CYCLE[i % len(CYCLE)]
        place = {name: server[name] for name in (*DIMENSIONS, "tier")}
        rows.append(action_row(server["server_id"], action, priced=priced, **place))
    return pd.DataFrame(rows, columns=list(ACTION_COLUMNS))


def savings_frame(actions: pd.DataFrame) -> pd.DataFrame:
    """Sums by scope and kind, as the stage adds them up."""
    moved = actions[actions["action"].isin(["downsize", "stop", "upsize"])]
    rows = []
    for scope in ("fleet", "business_unit", "region", "segment"):
        for name, part in [("", moved)] if scope == "fleet" else moved.groupby(scope):
            for kind in ("downsize", "stop", "upsize", "all"):
                mine = part if kind == "all" else part[part["action"] == kind]
                known = mine[mine["monthly_change"].notna()]
                sums = {key: round(known[key].sum(), 2) if len(known) else np.nan for key in MONEY}
                rows.append({"scope": scope, "name": name, "kind": kind, "servers": len(mine), "priced": len(known),
                             "currency": "USD"} | sums)  # fmt: skip
    return pd.DataFrame(rows, columns=list(SAVING_COLUMNS))


def bounds_frame() -> pd.DataFrame:
    """Two strata, one of which does not keep the promise; and all servers together."""
    rows = [
        ("vcpu", "steady", "need", 1680, 140, 12_600, 21, 0.00167, 0.0061, 0.01, True),
        ("vcpu", "steady", "size", 400, 40, 3_600, 33, 0.0092, 0.0131, 0.01, True),
        ("vcpu", "smaller segments", "need", 720, 60, 5_400, 61, 0.0113, 0.0188, 0.01, False),
        ("vcpu", "all servers", "need", 4800, 400, 36_000, 180, 0.005, 0.0081, 0.01, True),
        ("memory_gib", "all servers", "need", 4800, 400, 36_000, 0, 0.0, 0.0009, 0.01, True),
    ]
    return pd.DataFrame(rows, columns=list(BOUND_COLUMNS))


def consolidation_row(unit: str, **changes: Any) -> dict[str, Any]:
    """A group whose 20 hosts could be 13, one of them spare."""
    return unstated("consolidation", CONSOLIDATION_COLUMNS) | {
        "business_unit": unit, "region": "eu-west-1", "criticality": "gold", "statistic": "mean", "servers": 61,
        "packed": 60, "hosts": 20, "hosts_needed": 12, "spare": 1, "freed": 7, "onto": "hosts of the inventory",
        "vcpus": np.nan, "memory_gib": np.nan, "busiest": 0.79, "replayed_hours": 2016, "replayed_over": 3,
        "replayed_rate": 0.0015, "replayed_upper": 0.0049, "monthly": 5600.0, "to_monthly": 3640.0,
        "monthly_change": -1960.0, "currency": "USD", "price_source": PRICES,
    } | changes  # fmt: skip


def consolidation_frame() -> pd.DataFrame:
    """A group that frees hosts, one onto instances without prices, and one of which nothing can be said."""
    figures = ("hosts", "hosts_needed", "spare", "freed", "busiest", "replayed_hours", "replayed_over",
               "replayed_rate", "replayed_upper", "monthly", "to_monthly", "monthly_change")  # fmt: skip
    nothing = dict.fromkeys(figures, np.nan)
    rows = [
        consolidation_row("Retail Banking", **nothing | {"reason": "withheld: needs hourly mean or maximum"}),
        consolidation_row("Online Shop", onto="m6i.2xlarge", vcpus=8.0, memory_gib=32.0, freed=3, hosts=9,
                          hosts_needed=5, monthly=np.nan, to_monthly=np.nan, monthly_change=np.nan, price_source="",
                          price_reason="instance type m6i.2xlarge is in no price file"),
        consolidation_row("Logistics"),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(CONSOLIDATION_COLUMNS))


def packing_frame() -> pd.DataFrame:
    """Where two servers would go."""
    rows = [("=1+1", "Logistics", "eu-west-1", "gold", "host-07", "host-01", 1.2, 5.5),
            ("srv-0002", "Logistics", "eu-west-1", "gold", "host-08", "host-01", 0.8, 4.0)]  # fmt: skip
    return pd.DataFrame(rows, columns=list(PACKING_COLUMNS))


def segment_sizes_frame() -> pd.DataFrame:
    """Three segments and the servers without one."""
    names = ("cpu", "mem", "disk", "net_in")
    features = [f"{m}_{kind}" for m in names for kind in ("level", "p95", "spread", "weekly", "quarter_end", "trend")]
    rng = np.random.default_rng(3)
    rows = []
    for number, (name, count, action) in enumerate(
        [("idle", 30, "ask the owner, then switch off or consolidate"),
         ("steady", 140, "candidates for right-sizing and for reserved prices"),
         ("hot", 12, "add capacity or move load before the thresholds are passed; no consolidation onto these"),
         ("unknown", 8, "none: no series of theirs can be forecast; see the reasons under quality")]
    ):  # fmt: skip
        known = name != "unknown"
        base = 30.0 * number + rng.uniform(0, 5, len(features))
        scale = [0.1 if f.endswith(("weekly", "trend", "quarter_end", "spread")) else 1.0 for f in features]
        values = np.where(known, base * scale, np.nan)
        row = {"segment": number if known else -1, "name": name, "servers": count,
               "silhouette": 0.41 if known else np.nan, "action": action}  # fmt: skip
        rows.append(row | dict(zip(features, values, strict=True)))
    frame = pd.DataFrame(rows)
    frame.loc[1, "disk_quarter_end"] = np.nan
    frame.loc[0, "cpu_weekly"] = -7.0
    return frame


def segments_frame(servers: pd.DataFrame) -> pd.DataFrame:
    """Every server in one of two segments."""
    known = (servers["tier"] != "unknown").to_numpy()
    number = np.where(known, np.arange(len(servers)) % 2, -1)
    frame = servers[["server_id", "business_unit"]].reset_index(drop=True)
    names, reasons = np.array(["idle", "steady", "unknown"], dtype=object), ("", "no_forecastable_series")
    distance = np.where(known, 0.7, np.nan)
    return frame.assign(segment=number, name=names[number], distance=distance, reason=np.where(known, *reasons))


def realised_frame() -> pd.DataFrame:
    """Two servers that were made smaller; what one of them promised is not known."""
    return pd.DataFrame(
        {"server_id": ["a", "b"], "action": "downsize", "promised": [-100.0, np.nan], "achieved": [-91.0, -5.0],
         "currency": "USD", "since": pd.Timestamp("2025-12-01", tz="UTC")}
    )  # fmt: skip


def with_actions(data: ReportData, actions: pd.DataFrame | None = None, settings: Settings | None = None,
                 **tables: pd.DataFrame) -> ReportData:  # fmt: skip
    """Report data of report_samples with what to do; `tables` replace those made up here."""
    settings = settings or Settings()
    actions = actions_frame(data.servers) if actions is None else actions
    made = {"savings": savings_frame(actions) if len(actions) else pd.DataFrame(), "bounds": bounds_frame(),
            "consolidation": consolidation_frame(), "segment_sizes": segment_sizes_frame(),
            "segments": segments_frame(data.servers), "packing": packing_frame(),
            "realised": pd.DataFrame()} | tables  # fmt: skip
    evidence = (made["savings"], made["bounds"], made["consolidation"], settings, made["realised"])
    found = actions_summary(actions, *evidence)
    segments = segment_summaries(made["segment_sizes"])
    terms = action_terms(settings, found, segments)
    summary = data.summary.model_copy(
        update={"actions": found, "segments": segments, "definitions": data.summary.definitions | terms}
    )
    return dataclasses.replace(data, summary=summary, actions=actions, **made)
