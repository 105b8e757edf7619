"""A hand-made table of actions, the decisions on it and the lake it lies in, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from capforecast.actions.decisions import Numbered, Record, append
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.schema import ACTION_COLUMNS

FIGURES = {
    "vcpus", "memory_gib", "to_vcpus", "to_memory_gib", "to_cpu_share", "to_memory_share", "need_vcpus",
    "need_memory_gib", "need_cpu_share", "need_memory_share", "fits", "monthly", "to_monthly", "monthly_change",
    "monthly_change_discounted", "change_q10", "change_q50", "change_q90", "bound_servers", "bound_periods",
    "bound_over", "bound_rate", "bound_upper", "promised", "size_periods", "size_over",
    "history_days", "paths", "horizon_days",
}  # fmt: skip
FLAGS = {"idle", "zombie"}
TIMES = {"state_since", "window_first", "window_last"}
SMALLER: dict[str, Any] = {
    "action": "downsize", "reason": "a smaller size holds its peaks", "tier": "ok", "segment": "steady low",
    "instance_type": "m5.2xlarge", "vcpus": 8.0, "memory_gib": 32.0, "to_type": "m5.xlarge", "to_vcpus": 4.0,
    "to_memory_gib": 16.0, "monthly": 280.32, "to_monthly": 140.16, "monthly_change": -140.16,
    "monthly_change_discounted": -98.11, "change_q10": -210.24, "change_q50": -140.16, "change_q90": -140.16,
    "price_source": "ec2_on_demand.csv of 2026-11-02", "currency": "USD", "need_vcpus": 3.1, "need_memory_gib": 12.5,
    "fits": 0.99, "stratum": "steady low", "bound_servers": 41.0, "bound_periods": 14_760.0, "bound_over": 12.0,
    "bound_rate": 0.0008, "bound_upper": 0.0031, "size_periods": 3600.0, "size_over": 0.0,
    "promised": 0.01, "history_days": 730.0, "paths": 2000.0,
    "horizon_days": 90.0, "alternatives": "m5.large: holds 61% of the paths, less than 95%",
    "model_version": "2026-11-23-ab",
    "window_first": pd.Timestamp("2024-11-24", tz="UTC"), "window_last": pd.Timestamp("2026-11-22", tz="UTC"),
    "inputs": "a" * 64, "config": "b" * 64, "code": "c" * 64, "business_unit": "retail", "region": "eu-west-1",
    "criticality": "medium", "owner": "ann",
}  # fmt: skip


def blank(name: str) -> Any:
    """What stands in a column of which nothing is known."""
    return np.nan if name in FIGURES else False if name in FLAGS else pd.NaT if name in TIMES else ""


def actions(**servers: dict[str, Any]) -> pd.DataFrame:
    """ACTION_COLUMNS of servers: each advised to halve its size, or what is said otherwise."""
    rows = [
        {column: blank(column) for column in ACTION_COLUMNS} | SMALLER | {"server_id": name.replace("_", "-")} | said
        for name, said in servers.items()
    ]
    frame = pd.DataFrame(rows, columns=list(ACTION_COLUMNS))
    for name in TIMES:
        frame[name] = pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]")
    return frame


def decision(server: str, state: str = "rejected", at: str = "2026-11-24T09:00:00+00:00", **said: Any) -> Record:
    """A decision on halving a server's size."""
    size = {"to_type": "m5.xlarge", "to_vcpus": 4.0, "to_memory_gib": 16.0}
    about = {"action": "downsize", **size, "promised": -140.16, "currency": "USD"}
    when = {"advised": "2026-11-23T00:00:00+00:00", "at": at, "by": "ann", "note": "quarter end"}
    return Record.model_validate({"server_id": server, "state": state} | about | when | said)


def numbered(*given: Record) -> list[Numbered]:
    """Records as they lie in a lake."""
    return [Numbered(number, record) for number, record in enumerate(given, 1)]


def publish(store: Store, table: pd.DataFrame, as_of: str = "2026-11-23", unit: str = "_fleet") -> None:
    """Write a run's actions."""
    write_table(store, f"actions/cadence=daily/as_of={as_of}/business_unit={unit}/part-0.parquet", table)


__all__ = ["actions", "append", "decision", "numbered", "publish"]
