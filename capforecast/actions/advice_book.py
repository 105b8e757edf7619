"""What a run advises, as it lies in the lake, with what people have decided since."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from capforecast.actions import decisions
from capforecast.actions.decisions import Numbered
from capforecast.errors import LakeError, UsageError
from capforecast.lake.datasets import as_of_segment, cut_off_of, parse_table
from capforecast.lake.store import Store
from capforecast.schema import ACTION_COLUMNS, BUSINESS_UNIT, SERVER_ID, Cadence, Reference

Row = dict[str, Any]


def near(name: str, known: Iterable[str]) -> str:
    """Names like this one, in words."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"; did you mean {', '.join(close)}?" if close else ""


@dataclass(frozen=True)
class AdviceBook:
    """The actions of one run: a row per server (ACTION_COLUMNS), and all decisions that can be read, oldest first."""

    store: Store
    cadence: Cadence
    as_of: pd.Timestamp
    table: pd.DataFrame
    decided: list[Numbered]
    broken: list[str]  # why the other decisions cannot be read
    seen: int | None = None  # number of the last of all of them; None = nobody looked

    def row(self, server: str) -> Row:
        """What is advised for a server; raises UsageError with the names that are like it."""
        known = self.table[SERVER_ID]
        rows = self.table[known == server]
        if rows.empty:
            raise UsageError(f"{self._unknown(server)}{near(server, known)}")
        return {str(name): value for name, value in rows.to_dict("records")[0].items()}

    def _unknown(self, server: str) -> str:
        others = {as_of: _table(self.store, keys) for as_of, keys in _periods(self.store, self.cadence).items()}
        there = [as_of for as_of, table in sorted(others.items()) if (table[SERVER_ID] == server).any()]
        units = ", ".join(sorted(self.table[BUSINESS_UNIT].unique()))
        where = f"no server is called {server!r} in the run as of {as_of_segment(self.as_of)} ({units})"
        return f"{where}; there is one as of {there[-1]}: give --as-of {there[-1]}" if there else where

    def last(self, server: str) -> Numbered | None:
        """The newest decision on a server."""
        return next((entry for entry in reversed(self.decided) if entry.record.server_id == server), None)

    def since(self) -> pd.DataFrame:
        """The newest decision of each server on this run's advice, or on earlier advice but made since."""
        about = [entry for entry in self.decided if self._is_news(entry)]
        return decisions.newest(about)

    def _is_news(self, entry: Numbered) -> bool:
        advised, at = pd.Timestamp(entry.record.advised), pd.Timestamp(entry.record.at)
        return bool(advised == self.as_of or at >= self.as_of >= advised)

    def standing(self) -> pd.DataFrame:
        """The table with the states of today: decisions made since the run stand in place of what it knew."""
        news = self.since().set_index(SERVER_ID)
        table = self.table.astype({"state": object, "state_note": object}).set_index(SERVER_ID)
        table["state_since"] = pd.to_datetime(table["state_since"], utc=True)
        here = news.index.intersection(table.index)
        table.loc[here, "state"] = news.loc[here, "state"]
        table.loc[here, "state_since"] = news.loc[here, "at"]
        table.loc[here, "state_note"] = [f"by {row.by}" + (f": {row.note}" if row.note else "") for row in
                                         news.loc[here].itertuples()]  # fmt: skip
        return table.reset_index()


def open_book(store: Store, cadence: Cadence = Cadence.DAILY, as_of: pd.Timestamp | None = None) -> AdviceBook:
    """The advice of the run with this cut-off (UTC), None = the newest there is.

    Decisions that cannot be read are named in `broken`, and count as not made. Raises UsageError where there is no such
    advice, with the cut-offs there are; LakeError where it was written by another version.
    """
    periods = _periods(store, cadence)
    wanted = max(periods, default="") if as_of is None else as_of_segment(as_of)
    if wanted not in periods:
        there = ", ".join(sorted(periods)[-5:])
        told = f"the newest there are: {there}" if there else _elsewhere(store, cadence)
        about = "" if as_of is None else f" as of {as_of_segment(as_of)}"
        raise UsageError(f"no {cadence} actions{about} in {store.url}; {told}")
    found, broken = decisions.readable(store)
    moment = cut_off_of(Reference(uri=periods[wanted][0], sha256="", rows=0)).as_unit("us")
    table = _table(store, periods[wanted])
    seen = max([entry.number for entry in found] + list(broken), default=0)
    return AdviceBook(store, cadence, moment, table, found, [str(error) for error in broken.values()], seen)


def _elsewhere(store: Store, step: Cadence) -> str:
    """What to do where there is no advice of this cadence."""
    others = [str(other) for other in Cadence if other is not step and _periods(store, other)]
    return f"there are {others[0]} ones: give --cadence {others[0]}" if others else "`capforecast run` makes them"


def _periods(store: Store, cadence: Cadence) -> dict[str, list[str]]:
    """Keys of actions by their `as_of`; of runs of some business units only, too; last written first."""
    found: dict[str, list[str]] = {}
    listed = sorted(store.listed(f"actions/cadence={cadence}"), key=lambda item: (item.modified, item.key))
    for item in reversed(listed):
        if item.key.endswith("/part-0.parquet"):
            found.setdefault(item.key.split("/")[2].removeprefix("as_of="), []).append(item.key)
    return found


def _table(store: Store, keys: list[str]) -> pd.DataFrame:
    """The rows of several partitions of one moment; of a server in several, what was written last."""
    frames = []
    for key in keys:
        frame = parse_table(store.read(key), key).to_pandas()
        missing = [name for name in ACTION_COLUMNS if name not in frame]
        if missing:
            raise LakeError(
                f"{key} in {store.url} was written by another version of capforecast (no {missing[0]}): run again"
            )
        frames.append(frame)
    whole = pd.concat(frames, ignore_index=True).drop_duplicates(SERVER_ID)
    return whole.sort_values(SERVER_ID, ignore_index=True)[list(ACTION_COLUMNS)]
