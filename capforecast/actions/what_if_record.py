"""An outcome as plain data: for JSON, and for whoever prints it."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from capforecast.actions.what_if import Outcome
from capforecast.lake.datasets import as_of_segment
from capforecast.schema import TIER_ORDER

_RANK = {str(tier): place for place, tier in enumerate(TIER_ORDER)}


def record(outcome: Outcome, *, every: bool = False) -> dict[str, Any]:
    """Scenario, run, totals, servers and notes; null for what is not known.

    servers: those that the scenario is about and whose figures differ, worst first; with `every` all of them.
    """
    base = outcome.baseline
    return {
        "scenario": json.loads(outcome.scenario.to_json()), "id": outcome.scenario.id,
        "cadence": str(base.cadence), "as_of": as_of_segment(base.as_of), "run": base.run,
        "totals": plain(outcome.totals), "notes": list(outcome.notes),
        "servers": plain(outcome.servers if every else differing(outcome)),
    }  # fmt: skip


def differing(outcome: Outcome) -> pd.DataFrame:
    """Servers (SERVER_COLUMNS) whose figures differ from those published: other tiers first, worst tier first."""
    table = outcome.servers
    other = table["tier"].astype("str") != table["tier_before"].astype("str")
    moved = other | (table["change"].isin(["new", "retired", "resized"]))
    for name in ("probability_high", "capacity_remaining", "monthly", "safe_monthly"):
        was, then = table[f"{name}_before"], table[name]
        moved |= (was != then) & ~(was.isna() & then.isna())
    rank = table["tier"].astype("str").map(_RANK).fillna(len(_RANK))
    order = table.assign(same=~other, rank=rank, most=-(table["probability_high"].fillna(0.0)))[moved]
    kept = order.sort_values(["same", "rank", "most", "server_id"], kind="stable").index
    return table.loc[kept].reset_index(drop=True)


def plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON holds them."""
    times = [name for name in frame if pd.api.types.is_datetime64_any_dtype(frame[name])]
    dates = {name: frame[name].dt.strftime("%Y-%m-%d") for name in times}
    texts = frame.assign(**dates)
    found: list[dict[str, Any]] = json.loads(texts.to_json(orient="records", double_precision=6))
    return found
