"""What an ingest is asked and what came of it, and its record in the lake: `ingests/<id>.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from capforecast import __version__
from capforecast.errors import UsageError
from capforecast.exchange import Result
from capforecast.lake.datasets import to_json
from capforecast.lake.store import Store
from capforecast.schema import SERVER_ID, TIMESTAMP, Cadence
from capforecast.sources.remote import Answer, Missed, Window

FOLDER = "ingests"
MOST_NAMED = 20  # servers named of one span that was missed
MOST_ROWS = 500  # rows of what is missing, and of what was missed, that are kept


@dataclass(frozen=True)
class Asked:
    """What an ingest is asked.

    ingest_id: name of its record.  now: the moment it counts as, UTC.  since, until: cut-offs, UTC; None = as settings
    and marks say.  refill: ask again for periods without a value, from `since` (or the beginning) on.
    dry_run: look and estimate, write nothing.  spend: go on where it costs more than the settings allow.
    inventory: rows of the user's own, laid over what the system says.
    """

    ingest_id: str
    now: pd.Timestamp
    since: pd.Timestamp | None = None
    until: pd.Timestamp | None = None
    refill: bool = False
    dry_run: bool = False
    spend: bool = False
    inventory: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for an id that would not do as a name."""
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", self.ingest_id):
            raise UsageError(f"{self.ingest_id!r} cannot name a record: use letters, digits, `.`, `_` and `-`")


class WindowRead(Result):
    """One window that was read."""

    since: str  # UTC
    until: str  # exclusive
    series: int  # asked for
    rows: int
    values: int
    requests: int
    retries: int
    seconds: float


class MissedSpan(Result):
    """Periods that were asked for in vain; the next ingest asks again."""

    since: str
    until: str
    reason: str
    column: str  # "" = all
    servers: int  # 0 = all that were asked
    server_ids: list[str]  # some of them


class MissingSeries(Result):
    """What the system does not have, and how to get it."""

    server_id: str  # "" = of all
    column: str
    reason: str
    remedy: str


class Expected(Result):
    """What reading would take, by the source's estimate."""

    requests: int
    values: int
    cost: float | None  # USD; null = costs nothing
    priced: str  # source and date of the price
    most: float | None  # USD that may be spent without asking; null = no limit
    notes: list[str]


class Collected(Result):
    """What came of an ingest."""

    ingest_id: str
    source: str
    address: str
    cadence: Cadence
    now: str
    since: str  # of what was looked at, UTC
    until: str
    dry_run: bool
    servers: int  # found
    series: int
    columns: dict[str, int]  # servers with each column
    planned: int  # windows
    expected: Expected
    windows: tuple[WindowRead, ...] = ()
    missed: tuple[MissedSpan, ...] = ()
    missed_more: int = 0  # spans beyond those kept
    missing: tuple[MissingSeries, ...] = ()
    missing_more: int = 0  # rows of `missing` beyond those kept
    warnings: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()  # what could not be looked for, and why: series may be there that were not read
    problem: str | None = None  # why it ended early
    version: str = __version__

    @property
    def complete(self) -> bool:
        """Was there anything, and was all found out and read that was to be?"""
        return self.problem is None and not self.missed and not self.failed and self.series > 0

    @property
    def values(self) -> int:
        """Values read, those read again included."""
        return sum(window.values for window in self.windows)


@dataclass(frozen=True)
class Done:
    """A window that was read and written; without what was read, which would fill the memory."""

    read: WindowRead
    missed: tuple[Missed, ...]
    warnings: tuple[str, ...]


def done_of(window: Window, series: int, answer: Answer) -> Done:
    """A window of which so many series were asked."""
    values = answer.observations.drop(columns=[SERVER_ID, TIMESTAMP]).notna().to_numpy().sum()
    read = WindowRead(
        since=window.since.isoformat(), until=window.until.isoformat(), series=series,
        rows=len(answer.observations), values=int(values), requests=answer.requests, retries=answer.retries,
        seconds=round(answer.seconds, 3),
    )  # fmt: skip
    return Done(read, answer.missed, answer.warnings)


def told_of(planned: Collected, done: Sequence[Done], problem: Exception | None) -> Collected:
    """The result of an ingest that went as far as `done`."""
    missed = [missed_span(each) for part in done for each in part.missed]
    warnings = dict.fromkeys([*planned.warnings, *(text for part in done for text in part.warnings)])
    update: dict[str, Any] = {
        "windows": tuple(part.read for part in done),
        "missed": tuple(missed[:MOST_ROWS]),
        "missed_more": max(0, len(missed) - MOST_ROWS),
        "warnings": tuple(warnings),
        "problem": None if problem is None else str(problem),
    }
    return planned.model_copy(update=update)


def missed_span(each: Missed) -> MissedSpan:
    """A span that was missed, with the first of its servers."""
    return MissedSpan(
        since=each.window.since.isoformat(), until=each.window.until.isoformat(), reason=each.reason,
        column=each.column, servers=len(each.server_ids), server_ids=list(each.server_ids[:MOST_NAMED]),
    )  # fmt: skip


def missing_series(missing: pd.DataFrame) -> list[MissingSeries]:
    """The first rows of `Found.missing`."""
    rows = missing.head(MOST_ROWS)[["server_id", "column", "reason", "remedy"]].fillna("").astype(str)
    return [MissingSeries(**row) for row in rows.to_dict("records")]


def record_key(ingest_id: str) -> str:
    """Key of the record of an ingest."""
    return f"{FOLDER}/{ingest_id}.json"


def write_record(store: Store, result: Collected) -> None:
    """Keep what came of an ingest; that of an earlier try of the same id gives way."""
    store.put(record_key(result.ingest_id), to_json(result.model_dump(mode="json")))


def records(store: Store) -> list[Collected]:
    """Records of all ingests, oldest first."""
    found = [Collected.model_validate(json.loads(store.read(key))) for key in store.keys(FOLDER)]
    return sorted(found, key=lambda each: (each.now, each.ingest_id))
