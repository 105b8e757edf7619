"""What `capforecast query` and `capforecast ddl` do."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd

from capforecast.errors import UsageError
from capforecast.lake import sql_files
from capforecast.lake.athena_ddl import ddl, drop, tables
from capforecast.lake.query import Answer, open_engine
from capforecast.lake.segments import unit_segment
from capforecast.lake.sql_files import Query
from capforecast.lake.store import Store
from capforecast.settings import Settings
from deployments import console

FORMS = ("table", "csv", "json")
MIDNIGHT = "T00:00:00"


def checked_form(form: str) -> str:
    """The format, if it is one. Raises UsageError."""
    if form not in FORMS:
        raise UsageError(f"--format {form!r}: write one of {', '.join(FORMS)}")
    return form


def wanted(name: str | None, file: Path | None) -> Query:
    """The query that NAME or --file means. Raises UsageError."""
    if name is not None and file is not None:
        raise UsageError("give the name of a query or --file, not both")
    return sql_files.read(file) if file is not None else sql_files.load(str(name))


def given(pairs: Sequence[str]) -> dict[str, str]:
    """Parameters of `--param name=value`. Raises UsageError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"--param {pair!r}: write name=value")
        if name in found:
            raise UsageError(f"--param {name} is given twice")
        found[name] = value
    return found


def refuse_loose(pairs: Sequence[str]) -> None:
    """Raises UsageError for parameters of no query."""
    if pairs:
        raise UsageError(f"--param {pairs[0]}: of which query? Name one; without a name the queries are listed")


def show_list(form: str) -> None:
    """The queries there are."""
    rows = [
        {"query": each.name, "answers": each.meaning.splitlines()[0], "parameters": _short(each)}
        for each in map(sql_files.load, sql_files.names())
    ]
    if form == "json":
        console.show_json(rows)
    elif form == "csv":
        _csv(list(rows[0]), [list(row.values()) for row in rows])
    else:
        console.show_table(rows)
        console.show_text("\ncapforecast query NAME --describe says more of one.")


def _short(query: Query) -> str:
    return " ".join(f"{each.name}={each.default or '?'}" for each in query.parameters)


def describe(query: Query) -> None:
    """What a query means, takes and returns, and its text."""
    console.show_text(f"{query.name}\n{query.meaning}")
    takes = [(each.name, f"{each.takes}, {_default(each.default)}: {each.meaning}") for each in query.parameters]
    console.show_lines("parameters", takes)
    console.show_lines("returns", [(each.name, f"{each.type}: {each.meaning}") for each in query.returns])
    console.show_text(f"\n{query.sql}")


def _default(default: str | None) -> str:
    return "must be given" if default is None else f"default {default}"


def answer(query: Query, values: dict[str, str], engine: str, settings: Settings, form: str) -> None:
    """Run a query and print its rows, and on standard error what it took."""
    result = open_engine(engine, settings).run(query, values)
    rows = [[_plain(value) for value in row] for row in result.frame.itertuples(index=False, name=None)]
    names = list(result.frame.columns)
    if form == "json":
        console.show_json([dict(zip(names, row, strict=True)) for row in rows])
    elif form == "csv":
        _csv(names, rows)
    else:
        console.show_answer(names, rows)
    console.err.print(took(result), soft_wrap=True)


def took(result: Answer) -> str:
    """One line on how an answer came about."""
    count = len(result.frame)
    said = f"{result.engine}: {count} {'row' if count == 1 else 'rows'} in {result.seconds:.2f} s"
    if result.scanned_bytes is not None and result.cost_usd is not None:
        said += f"; {result.scanned_bytes / 1e6:.1f} MB read, about {result.cost_usd:.6f} USD; query {result.query_id}"
    return said


def show_ddl(
    settings: Settings, units: Sequence[str], names: Sequence[str], database: str | None, *, replace: bool = False
) -> None:
    """Print CREATE TABLE statements. Raises UsageError where the store is no bucket, or a name is not known.

    replace: with DROP before each, since CREATE leaves a table that is there as it is: without new units and columns.
    """
    if not settings.store.startswith("s3://"):
        raise UsageError(f"Athena reads buckets only, not {settings.store!r}; give --store s3://bucket/prefix")
    units = list(units) or _units(Store(settings.store, settings.storage))
    made = {each.name: each for each in tables(settings.store, units, settings)}
    for name in names:
        if name not in made:
            raise UsageError(f"no table is called {name!r}; there are: {', '.join(made)}")
    place = database or settings.athena.database
    for at, name in enumerate(names or made):
        dropped = f"{drop(made[name], place)};\n" if replace else ""
        print(("\n" if at else "") + f"{dropped}{ddl(made[name], place)};")


def _units(store: Store) -> list[str]:
    """Business units that the lake has rows of. Raises UsageError where it has none."""
    segments = {
        key.split("/business_unit=")[1].split("/")[0] for key in store.keys("servers") if "business_unit=" in key
    }
    found = [unquote(each) for each in sorted(segments)]
    if not found:
        raise UsageError(f"{store.url} holds no run yet; give --business-unit, once for each")
    hashed = [name for name, each in zip(found, sorted(segments), strict=True) if unit_segment(name) != each]
    if hashed:
        raise UsageError(f"the names of some business units are too long to be read from the lake: {hashed}; give all")
    return found


def _plain(value: Any) -> Any:
    """A value as JSON and CSV show it: null for what is missing or no number, days and times as ISO 8601."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat().removesuffix(MIDNIGHT)
    return value.item() if hasattr(value, "item") else value


def _csv(names: list[str], rows: list[list[Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
