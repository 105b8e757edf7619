"""What a person says to advice: checked against what a run advises, and recorded, all or none."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

import pandas as pd
from pydantic import ValidationError

from capforecast.actions import decisions
from capforecast.actions.advice_book import AdviceBook, Row
from capforecast.actions.decisions import Numbered, Record
from capforecast.actions.lifecycle import ADVICE, REJECTED_ON, SIZES, State
from capforecast.errors import UsageError
from capforecast.lake.records import first_problem
from capforecast.schema import SERVER_ID

TO = ("to_type", *(f"to_{name}" for pair in SIZES.items() for name in pair))


@dataclass(frozen=True)
class Decision:
    """What a person says: to which servers' advice, who, why, and when (None = now)."""

    state: State
    servers: list[str]
    by: str | None
    note: str
    at: pd.Timestamp | None = None


def decide(advice: AdviceBook, said: Decision) -> list[tuple[Numbered, bool]]:
    """Record a decision on each server, all or none; each record, and whether it is new: not where it was said before.

    Raises UsageError for a server that is not there, or that has no open advice; ConflictError where somebody has
    decided on one of the servers since the advice was opened.
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
    written = {entry.record.server_id: entry for entry in decisions.append(advice.store, *new, seen=advice.seen)}
    return [(written.get(server) or old[server], server in written) for server in about]


def _subject(advice: AdviceBook, row: Row, last: Numbered | None, state: State) -> Row | None:
    """The advice that is meant; None where none is open.

    What was accepted is what is applied, whatever is advised by now. What is withheld only because somebody rejected
    it may be taken up after all.
    """
    run = advice.as_of.isoformat()
    before = last.record.model_dump(include=set(_SUBJECT)) if last else None
    accepted = last is not None and last.record.state == str(State.ACCEPTED)
    if state == State.APPLIED and accepted:
        return before
    if row["action"] not in ADVICE:
        refused = row["withheld_action"] in ADVICE and str(row["reason"]).startswith(REJECTED_ON)
        return before | {"advised": run} if before and refused else before if accepted else None
    figures = {name: None if pd.isna(row[name]) else row[name] for name in TO}
    promised = None if pd.isna(row["monthly_change"]) else row["monthly_change"]
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
    return last.record.state == str(said.state) and told == about


def _record(about: Row, said: Decision, by: str, at: str) -> Record:
    try:
        return Record.model_validate({**about, "state": str(said.state), "by": by, "note": said.note, "at": at})
    except ValidationError as error:
        raise UsageError(f"{about[SERVER_ID]}: the decision cannot be recorded ({first_problem(error)})") from None


def _moment(at: pd.Timestamp | None) -> pd.Timestamp:
    """When it was decided."""
    now = pd.Timestamp.now("UTC")
    if at is not None and at > now:
        raise UsageError(f"--at {at:%Y-%m-%d %H:%M} UTC has not come yet; leave it out for now")
    return now if at is None else at


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise UsageError("nobody knows who you are here; say it with --by") from None
