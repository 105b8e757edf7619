"""Advice with today's decisions, as the pages Money and Server show and change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from capforecast.actions import deciding
from capforecast.actions.advice_book import AdviceBook, open_book
from capforecast.actions.deciding import Decision
from capforecast.actions.lifecycle import ADVICE, State, size_text
from capforecast.dashboard.reading import OpenRun
from capforecast.errors import UsageError
from capforecast.lake.datasets import as_of_segment
from capforecast.report.advice_words import plain, record_of, sections
from capforecast.report.data import text_column
from capforecast.report.words import NONE, plural
from capforecast.schema import BUSINESS_UNIT, SERVER_ID, TIER_ORDER

_KINDS = {"upsize": 0, "stop": 1, "downsize": 2}


@dataclass(frozen=True)
class Book:
    """The advice of a run and what people said to it.

    standing: a row per server with the state of today.  shown: of those with something to do, as people read them:
    upsizes of the worst tiers first, then by what is saved.
    """

    book: AdviceBook
    standing: pd.DataFrame
    shown: pd.DataFrame


def open_advice(opened: OpenRun) -> Book | None:
    """The advice of a run, None where it has none. Decisions are read anew where any has been added."""
    reference = opened.made.extras.get("actions")
    if reference is None:
        return None
    newest = max(opened.lake.store.keys("lifecycle/records"), default="")
    key = ("advice", reference.sha256, opened.run.folder, newest)
    return opened.lake.memory.get(key, lambda: _opened(opened))


def _opened(opened: OpenRun) -> Book:
    book = open_book(opened.lake.store, opened.run.cadence, opened.run.as_of)
    standing = book.standing()
    return Book(book, standing, _as_table(_ordered(standing[standing["action"].isin(ADVICE)])))


def open_count(found: Book) -> dict[str, int]:
    """Servers with something to do, by action."""
    counts = text_column(found.standing, "action").value_counts()
    return {kind: int(counts.get(kind, 0)) for kind in _KINDS}


def listed(found: Book, kinds: Sequence[str], units: Sequence[str], states: Sequence[str]) -> pd.DataFrame:
    """The advice to decide on, as people read it; of each choice any value will do, an empty one asks for nothing."""
    table = found.shown
    keep = pd.Series(True, index=table.index)
    for name, wanted in (("Action", kinds), ("Business unit", units), ("State", states)):
        if wanted:
            keep &= table[name].isin(list(wanted))
    return table[keep].reset_index(drop=True)


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Upsizes first, of them the worst tiers; then by what is saved."""
    tiers = {str(tier): place for place, tier in enumerate(TIER_ORDER)}
    action = text_column(rows, "action")
    order = pd.DataFrame(
        {
            "kind": action.map(_KINDS).fillna(len(_KINDS)),
            "tier": text_column(rows, "tier").map(tiers).where(action == "upsize", 0),
            "change": rows["monthly_change"].fillna(0.0),
            SERVER_ID: rows[SERVER_ID],
        }
    )
    return rows.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)


def _as_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Advice as people read it, a row each, in the same order."""
    records = rows[["instance_type", "vcpus", "memory_gib", *deciding.TO]].to_dict("records")
    return pd.DataFrame(
        {
            "Server": text_column(rows, SERVER_ID),
            "Action": text_column(rows, "action"),
            "State": text_column(rows, "state").replace("", NONE),
            "Tier": text_column(rows, "tier"),
            "Business unit": text_column(rows, BUSINESS_UNIT),
            "From": [size_text(row, "") or NONE for row in records],
            "To": [size_text(row) or NONE for row in records],
            "A month": rows["monthly_change"].astype(float),
            "Currency": text_column(rows, "currency"),
            "Why": text_column(rows, "reason"),
            "Note": text_column(rows, "state_note"),
        }
    )


def decide(found: Book, state: str, servers: Sequence[str], by: str, note: str) -> str:
    """Record a decision on servers, all or none; what was done, in words. Raises UsageError and ConflictError."""
    if not by.strip():
        raise UsageError("Say who decides: Your name is empty.")
    if not servers:
        raise UsageError("Select the servers first: no row is selected.")
    done = deciding.decide(found.book, Decision(State(state), list(servers), by.strip(), note.strip()))
    new = sum(is_new for _, is_new in done)
    same = len(done) - new
    said = f"{state} for {plural(new, 'server')}" if new else "nothing new"
    return f"Recorded: {said}." + (f" Of {plural(same, 'server')} the same was said before." if same else "")


def record(found: Book, server: str) -> list[tuple[str, pd.DataFrame]]:
    """Everything behind the advice for a server, part by part; empty where there is none."""
    table = found.standing[found.standing[SERVER_ID] == server]
    if not len(table):
        return []
    (row,) = plain(table)
    said = [entry.record.model_dump() for entry in found.book.decided if entry.record.server_id == server]
    about = {SERVER_ID: server, "cadence": str(found.book.cadence), "as_of": as_of_segment(found.book.as_of)}
    told = sections(record_of(row, about, said[::-1], found.book.broken))
    return [(title, pd.DataFrame(lines, columns=["", "what the run says"])) for title, lines in told]


def history(found: Book) -> pd.DataFrame:
    """Who decided what, newest first."""
    rows = [entry.record for entry in reversed(found.book.decided)]
    return pd.DataFrame(
        [
            {
                "At (UTC)": row.at[:16].replace("T", " "),
                "Server": row.server_id,
                "State": row.state,
                "Action": row.action,
                "To": size_text(row.model_dump()) or NONE,
                "By": row.by,
                "Note": row.note,
            }
            for row in rows
        ]
    )


def units(found: Book) -> list[str]:
    """Business units that have advice."""
    return sorted(set(text_column(found.standing, BUSINESS_UNIT)) - {""})


def in_short(found: Book, server: str) -> str:
    """The advice for a server in a sentence."""
    row = found.standing[found.standing[SERVER_ID] == server].to_dict("records")[0]
    held = str(row["action"]) == "withheld"
    size = "" if held else size_text(row)
    what = f"{row['action']}{f' to {size}' if size else ''}"
    state = str(row["state"] or "")
    return f"{what}: {row['reason']}" + (f" ({state})" if state else "")
