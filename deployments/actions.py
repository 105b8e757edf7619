"""`capforecast actions`: what is advised, and what a person says to it."""

from __future__ import annotations

from typing import Any

from capforecast.actions import deciding, decisions
from capforecast.actions.advice_book import AdviceBook, Row, near
from capforecast.actions.deciding import Decision
from capforecast.actions.decisions import Numbered, Record
from capforecast.actions.lifecycle import ADVICE, State, size_text
from capforecast.actions.rightsize import Action
from capforecast.errors import UsageError
from capforecast.lake.datasets import as_of_segment
from capforecast.lake.store import Store
from capforecast.report.advice_words import money, plain
from capforecast.report.words import NONE
from capforecast.schema import BUSINESS_UNIT, SERVER_ID, TIER_ORDER
from capforecast.stages.intake import parse_known_at


def listed(advice: AdviceBook, action: str | None, units: list[str] | None) -> dict[str, Any]:
    """The servers with something to do, or with one action: upsizes first, worst tier first, then by what is saved."""
    table = advice.standing()
    names = [str(kind) for kind in Action]
    if action is not None and action not in names:
        raise UsageError(f"--action {action!r}: use {', '.join(names)}")
    known = sorted(table[BUSINESS_UNIT].unique())
    for unit in units or []:
        if unit not in known:
            raise UsageError(
                f"no business unit {unit!r} as of {as_of_segment(advice.as_of)}; there are: {', '.join(known)}"
            )
    table = table[table[BUSINESS_UNIT].isin(units)] if units else table
    counts = {name: int((table["action"] == name).sum()) for name in names}
    chosen = table[table["action"].isin([action] if action else ADVICE)]
    rank = chosen["tier"].map({str(tier): place for place, tier in enumerate(TIER_ORDER)})
    rank = rank.where(chosen["action"] == Action.UPSIZE, len(TIER_ORDER))
    order = chosen.assign(rank=rank).sort_values(["rank", "monthly_change", SERVER_ID], na_position="last")
    return {
        "cadence": str(advice.cadence), "as_of": as_of_segment(advice.as_of), "counts": counts,
        "actions": plain(order.drop(columns="rank")), "problems": advice.broken,
    }  # fmt: skip


def listed_rows(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows as people read them."""
    return [
        {
            "server": row[SERVER_ID], "business unit": row[BUSINESS_UNIT], "action": _action(row),
            "from": size_text(row, "") or NONE, "to": size_text(row) or NONE, "a month": money(row, "monthly_change"),
            "state": row["state"] or NONE, "why": row["reason"],
        }
        for row in result["actions"]
    ]  # fmt: skip


def _action(row: dict[str, Any]) -> str:
    return f"{row['action']} ({row['withheld_action']})" if row["withheld_action"] else str(row["action"])


def decide(advice: AdviceBook, state: str, servers: list[str], by: str | None, note: str, at: str | None) -> list[Row]:
    """Record a decision on each server, all or none; a row each, `number` None where it was said before.

    Raises UsageError for a server that is not there, or that has no open advice.
    """
    moment = None if at is None else parse_known_at(at)
    done = deciding.decide(advice, Decision(State(state), servers, by, note, moment))
    return [_told(entry, new) for entry, new in done]


def _told(entry: Numbered, new: bool) -> dict[str, Any]:
    row = entry.record.model_dump()
    return {
        "server": row[SERVER_ID], "state": row["state"], "action": row["action"], "to": size_text(row) or NONE,
        "a month": money(row, "promised"), "by": row["by"], "at": row["at"][:16].replace("T", " "), "note": row["note"],
        "number": entry.number if new else None,
    }  # fmt: skip


def told(store: Store, servers: list[str] | None) -> list[dict[str, Any]]:
    """All decisions, or those on some servers, newest first; one that cannot be read says so as its state.

    Raises UsageError where there is none on a server, with the names that are like it.
    """
    found, broken = decisions.readable(store)
    names = {entry.record.server_id for entry in found}
    for server in servers or []:
        if server not in names:
            raise UsageError(f"there is no decision on {server!r} in {store.url}{near(server, names)}")
    rows: dict[int, dict[str, Any]] = {
        entry.number: {"number": entry.number} | entry.record.model_dump() | {"problem": ""}
        for entry in found
        if not servers or entry.record.server_id in servers
    }
    if not servers:
        blank = dict.fromkeys(Record.model_fields)
        rows |= {
            number: {"number": number} | blank | {"state": "cannot be read", "problem": str(error)}
            for number, error in broken.items()
        }
    return [row for _, row in sorted(rows.items(), reverse=True)]


def told_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The decisions as people read them."""
    return [
        {
            "number": row["number"], "at": (row["at"] or "")[:16].replace("T", " "), "server": row[SERVER_ID] or NONE,
            "state": row["state"], "action": row["action"] or NONE, "to": size_text(row) or NONE,
            "a month": money(row, "promised"), "by": row["by"] or NONE, "note": row["note"] or row["problem"],
            "advice of": (row["advised"] or "")[:10],
        }
        for row in rows
    ]  # fmt: skip
