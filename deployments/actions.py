"""`capforecast actions`: what is advised, and what a person says to it."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pydantic import ValidationError

from capforecast.actions import decisions
from capforecast.actions.decisions import Numbered, Record
from capforecast.actions.lifecycle import ADVICE, REJECTED_ON, SIZES, State, size_text
from capforecast.actions.rightsize import Action
from capforecast.errors import UsageError
from capforecast.lake.datasets import as_of_segment
from capforecast.lake.records import first_problem
from capforecast.lake.store import Store
from capforecast.report.words import NONE, is_missing, number
from capforecast.schema import BUSINESS_UNIT, SERVER_ID, TIER_ORDER
from deployments.advice import Advice, Row, near
from deployments.leaderboard import plain

TO = ("to_type", *(f"to_{name}" for pair in SIZES.items() for name in pair))


@dataclass(frozen=True)
class Decision:
    """What a person says: to which servers' advice, who, why, and when (None = now)."""

    state: State
    servers: list[str]
    by: str | None
    note: str
    at: str | None


def listed(advice: Advice, action: str | None, units: list[str] | None) -> dict[str, Any]:
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


def money(row: Row, name: str) -> str:
    """A change of cost with its sign and currency; a dash where there is no price."""
    value = row[name]
    return NONE if is_missing(value) else f"{'+' if value > 0 else ''}{number(value, 2)} {row['currency']}".rstrip()


def decide(advice: Advice, said: Decision) -> list[dict[str, Any]]:
    """Record a decision on each server, all or none; a row each, `number` None where it was said before.

    Raises UsageError for a server that is not there, or that has no open advice.
    """
    about, wrong, at = {}, [], _moment(said.at)
    by = said.by or _user()
    for server in dict.fromkeys(said.servers):
        row, last = advice.row(server), advice.last(server)
        found = _subject(advice, row, last, said.state)
        if found is None:
            wrong.append(f"{server} has no open advice ({row['action']}: {row['reason']})")
        elif last and at < pd.Timestamp(last.record.at):
            wrong.append(
                f"{server}: its last decision, `{last.record.state}`, is of {last.record.at}: give a later --at"
            )
        else:
            about[server] = found
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UsageError(f"nothing was recorded: {'; '.join(wrong[:3])}{more}")
    old = {server: last for server in about if (last := advice.last(server)) and _is_said(last, about[server], said)}
    stamp = at.isoformat(timespec="seconds")
    new = [_record(about[server], said, by, stamp) for server in about if server not in old]
    written = {entry.record.server_id: entry for entry in decisions.append(advice.store, *new)}
    return [_told(written.get(server) or old[server], server in written) for server in about]


def _subject(advice: Advice, row: Row, last: Numbered | None, state: State) -> Row | None:
    """The advice that is meant; None where none is open.

    What was accepted is what is applied, whatever is advised by now. What is withheld only because somebody rejected
    it may be taken up after all.
    """
    run = advice.as_of.isoformat()
    before = last.record.model_dump(include=set(_SUBJECT)) if last else None
    accepted = last is not None and last.record.state == State.ACCEPTED
    if state == State.APPLIED and accepted:
        return before
    if row["action"] not in ADVICE:
        refused = row["withheld_action"] in ADVICE and str(row["reason"]).startswith(REJECTED_ON)
        return before | {"advised": run} if before and refused else before if accepted else None
    figures = {name: None if is_missing(row[name]) else row[name] for name in TO}
    promised = None if is_missing(row["monthly_change"]) else row["monthly_change"]
    about = {
        SERVER_ID: row[SERVER_ID],
        "action": row["action"],
        "promised": promised,
        "currency": row["currency"] or "",
    }
    return about | figures | {"to_type": figures["to_type"] or "", "advised": run}


_SUBJECT = (SERVER_ID, "action", *TO, "promised", "currency", "advised")


def _is_said(last: Numbered, about: Row, said: Decision) -> bool:
    """Was the very same said before?"""
    told = last.record.model_dump(include=set(_SUBJECT))
    return last.record.state == said.state and told == about


def _record(about: Row, said: Decision, by: str, at: str) -> Record:
    try:
        return Record.model_validate({**about, "state": str(said.state), "by": by, "note": said.note, "at": at})
    except ValidationError as error:
        raise UsageError(f"{about[SERVER_ID]}: the decision cannot be recorded ({first_problem(error)})") from None


def _moment(text: str | None) -> pd.Timestamp:
    """When it was decided."""
    now = pd.Timestamp.now("UTC")
    if text is None:
        return now
    from capforecast.stages.intake import parse_known_at

    at = parse_known_at(text)
    if at > now:
        raise UsageError(f"--at {text} has not come yet; leave it out for now")
    return at


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise UsageError("nobody knows who you are here; say it with --by") from None


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
