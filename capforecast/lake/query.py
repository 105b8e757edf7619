"""Ask the lake in SQL: one text in Athena's dialect, run by Athena or, at home, by DuckDB.

    answer = open_engine("duckdb", settings).run(load("servers_at_risk"), {"most": "20"})
    answer.frame

Both engines take the same parameters, see the same tables (athena_ddl.tables) and give the same columns and dtypes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, get_args
from urllib.parse import unquote

import pandas as pd

from capforecast.errors import UsageError
from capforecast.lake.athena_ddl import Table, tables
from capforecast.lake.sql_files import ALL_UNITS, LATEST, PREVIOUS, Query, Value, meant
from capforecast.lake.store import Store
from capforecast.schema import FLEET
from capforecast.settings import Settings

log = logging.getLogger(__name__)
EngineName = Literal["duckdb", "athena"]
DTYPES = {"text": "str", "integer": "Int64", "number": "float64", "yes/no": "boolean", "time": "datetime64[us]"}
_CUT_OFF = re.compile(r"/as_of=([^/]+)/")
_UNIT = re.compile(r"/business_unit=([^/]*)/")
_SELECTION = re.compile(r".*\+.*|\d+-units~[0-9a-f]{16}")  # business units of a run of some only: no unit of its own
_SHOWN = 5  # cut-offs named in an error


@dataclass(frozen=True)
class Answer:
    """What a query gave.

    frame: its rows; dtypes by DTYPES.  types: word of DTYPES of each column.  scanned_bytes, cost_usd: of Athena; the
    cost is what the scanned bytes cost, by the price in the settings.  query_id: Athena's.
    """

    frame: pd.DataFrame
    types: dict[str, str]
    engine: EngineName
    seconds: float
    query_id: str | None = None
    scanned_bytes: int | None = None
    cost_usd: float | None = None


class Engine(Protocol):
    """Something that answers queries."""

    def run(self, query: Query, given: Mapping[str, str] | None = None) -> Answer:
        """The answer to a query with parameters as people write them.

        Raises UsageError for a parameter that cannot be meant, LakeError where the engine does not answer.
        """
        ...

    def text(self, query: Query) -> str:
        """The SQL that the engine is handed."""
        ...


def open_engine(name: str, settings: Settings) -> Engine:
    """An engine by its name over the lake of the settings. Raises UsageError, ConfigError."""
    if name not in get_args(EngineName):
        raise UsageError(f"no engine is called {name!r}; there are: {', '.join(get_args(EngineName))}")
    if name == "athena":
        from capforecast.lake.athena_engine import AthenaEngine, athena_client

        return AthenaEngine(athena_client(settings), settings)
    from capforecast.lake.duckdb_engine import DuckDbEngine

    if "://" not in settings.store and not Path(settings.store).expanduser().is_dir():
        raise UsageError(f"there is no lake in {settings.store}: give --store, or run `capforecast run` first")
    return DuckDbEngine(Store(settings.store, settings.storage), settings)


def typed(columns: Mapping[str, Any], types: dict[str, str]) -> pd.DataFrame:
    """The frame of columns of Python values (None = null), in the dtypes of their types."""
    return pd.DataFrame({name: pd.Series(columns[name], dtype=DTYPES[kind]) for name, kind in types.items()})


def refuse_repeated(columns: Sequence[str]) -> None:
    """Raises UsageError where two columns of an answer have one name: a row could hold only one of them."""
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise UsageError(f"the query gives several columns called {repeated[0]!r}; name them by AS")


def refuse_nested(columns: Sequence[str]) -> None:
    """Raises UsageError where columns of an answer (those named) hold lists or rows: no cell can show one whole."""
    if columns:
        raise UsageError(
            f"column {columns[0]!r} of the query holds lists or rows; take them apart by UNNEST, or join them to text"
        )


def known_tables(settings: Settings) -> dict[str, Table]:
    """The tables a query may name."""
    return {table.name: table for table in tables("", ["*"], settings)}


@lru_cache(maxsize=64)
def parsed(sql: str) -> Any:
    """The syntax tree of a query in Athena's dialect. Raises UsageError where it is not one SELECT."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        statements = sqlglot.parse(sql, read="athena")
    except SqlglotError as error:
        raise UsageError(f"the query cannot be read: {str(error).splitlines()[0]}") from None
    if len(statements) != 1 or not isinstance(statements[0], sqlglot.exp.Query):
        raise UsageError("a query file holds one SELECT (or WITH ... SELECT) and nothing else")
    return statements[0]


def tables_of(sql: str, known: Mapping[str, Table]) -> list[Table]:
    """Tables that a query reads. Raises UsageError for one that does not exist."""
    from sqlglot import exp

    tree = parsed(sql)
    own = {each.alias for each in tree.find_all(exp.CTE)}
    found = list(tree.find_all(exp.Table))
    for each in found:
        if each.db or not isinstance(each.this, exp.Identifier):
            raise UsageError(f"the query reads {each.sql('athena')}: name tables of the lake, without a database")
    named = sorted({each.name for each in found} - own)
    for name in named:
        if name not in known:
            raise UsageError(f"the query reads {name!r}, which is no table of the lake; there are: {', '.join(known)}")
    return [known[name] for name in named]


def place_cut_offs(
    query: Query, values: Mapping[str, Value], read: list[Table], store: Store, *, hours: bool
) -> dict[str, Value]:
    """The values with `latest` and `previous` turned into the cut-offs they stand for.

    These are cut-offs at which every table that the query reads has rows.  hours: cut-offs at an hour count too.
    Raises UsageError where there is none, or not the one that was given, or no such business unit in it.
    """
    asked = query.of_kind("as_of")
    if not asked:
        return dict(values)
    cadence = str(next((values[name] for name in query.of_kind("cadence")), "daily"))
    cut = [table for table in read if table.dataset.split("/")[0] != "raw"]
    found = _cut_offs(store, cut, cadence, hours=hours)
    placed = dict(values) | {name: _cut_off(str(values[name]), found, cadence, store, hours=hours) for name in asked}
    for table in [each for each in cut if not each.fleet][:1]:
        folder = f"{table.dataset}/cadence={cadence}/as_of="
        there = {name: _units(store, f"{folder}{placed[name]}") for name in asked}
        for name in query.of_kind("business_unit"):
            _refuse_unknown_unit(str(values[name]), set().union(*there.values()))
        for name in asked:
            before = [each for each in found if each < str(placed[name])][-1:]
            if values[name] == LATEST and before:
                _tell_of_missing(str(placed[name]), there[name], before[0], _units(store, f"{folder}{before[0]}"))
    return placed


def _units(store: Store, folder: str) -> set[str]:
    """Business units, as segments of keys, that have a partition in a folder."""
    units = {match[1] for key in store.keys(folder) if (match := _UNIT.search(f"/{key}"))}
    return {each for each in units - {FLEET} if not _SELECTION.fullmatch(each)}


def _refuse_unknown_unit(segment: str, there: set[str]) -> None:
    """Raises UsageError for a business unit that is not there: its answer would look like good news."""
    if segment != ALL_UNITS and segment not in there:
        names = sorted(unquote(each) for each in there)
        raise UsageError(f"the run has no business unit {unquote(segment)!r}{meant(unquote(segment), names)}")


def _tell_of_missing(latest: str, there: set[str], before: str, then: set[str]) -> None:
    """A run of some business units is the latest of the others, too, which its answer lacks."""
    missing = sorted(unquote(each) for each in then - there)
    if missing:
        told = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
        log.warning(
            "the run of %s lacks business units that the one of %s has: %s; as_of=%s asks that one",
            latest,
            before,
            told,
            before,
        )


def holds(table: Table, key: str) -> bool:
    """Is an object below a table's dataset the table's own? Sums, of the fleet or of some units, are no unit's."""
    unit = _UNIT.search(key)
    return unit is None or (table.fleet == (unit[1] == FLEET) and not _SELECTION.fullmatch(unit[1]))


def _cut_offs(store: Store, read: list[Table], cadence: str, *, hours: bool) -> list[str]:
    """Cut-offs at which each of some tables has rows, ascending."""
    found = [
        {
            match[1]
            for key in store.keys(f"{each.dataset}/cadence={cadence}")
            if (match := _CUT_OFF.search(key)) and holds(each, key)
        }
        for each in read
    ]
    common = set.intersection(*found) if found else set()
    return sorted(each for each in common if hours or "T" not in each)


def _cut_off(text: str, found: list[str], cadence: str, store: Store, *, hours: bool) -> str:
    place = {LATEST: 1, PREVIOUS: 2}.get(text)
    if place is None and text in found:
        return text
    if place is not None and len(found) >= place:
        return found[-place]
    if "T" in text and not hours:
        raise UsageError(f"Athena sees only runs whose cut-off is midnight, not {text}; ask DuckDB (--engine duckdb)")
    wanted = {LATEST: f"{cadence} run", PREVIOUS: f"earlier {cadence} run"}.get(text, f"{cadence} run of {text}")
    there = f"; there are {', '.join(found[-_SHOWN:])}" if found else ""
    raise UsageError(f"{store.url} holds no {wanted} with all that the query reads{there}")
