"""Queries by DuckDB, in this process, over a lake in a folder or a bucket."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.errors import LakeError, UsageError
from capforecast.lake.athena_ddl import Table
from capforecast.lake.column_types import NUMBER, SINGLE, TEXT, TIME, WHOLE, YES_NO
from capforecast.lake.partitions import wanted
from capforecast.lake.query import (
    DTYPES,
    Answer,
    holds,
    known_tables,
    parsed,
    place_cut_offs,
    refuse_nested,
    refuse_repeated,
    tables_of,
)
from capforecast.lake.sql_files import Query, Value
from capforecast.lake.store import Store
from capforecast.settings import Settings

_DUCKDB = {TEXT: "VARCHAR", NUMBER: "DOUBLE", SINGLE: "FLOAT", WHOLE: "BIGINT", YES_NO: "BOOLEAN", TIME: "TIMESTAMP"}
_PARTITION = re.compile(r"(?<=/)([a-z_]+)=([^/]*)(?=/)")
_GLOB = set("*?[")  # DuckDB would look for other files below such a path
_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": "false",
    "TimeZone": "UTC",
    "integer_division": "true",  # 7 / 2 is 3, as in Athena
}


class DuckDbEngine:
    """The lake's tables as views of a database in memory, made anew for each query from the files it may need."""

    def __init__(self, store: Store, settings: Settings | None = None) -> None:
        self._store = store
        self._known = known_tables(settings or Settings())

    def run(self, query: Query, given: Mapping[str, str] | None = None) -> Answer:
        """As Engine.run."""
        import duckdb

        began = time.perf_counter()
        values = query.values(given or {})
        sql, read = self.text(query), tables_of(query.sql, self._known)
        values = place_cut_offs(query, values, read, self._store, hours=True)
        with duckdb.connect(config=_CONFIG) as database:
            self._add_all(database, read, query, values)
            rows = _rows(database, query.name, sql, values)
        refuse_repeated(rows.schema.names)
        refuse_nested([field.name for field in rows.schema if pa.types.is_nested(field.type)])
        types = {field.name: _word(field.type) for field in rows.schema}
        frame = rows.to_pandas(types_mapper=_nullable).astype({name: DTYPES[kind] for name, kind in types.items()})
        return Answer(frame, types, "duckdb", time.perf_counter() - began)

    def text(self, query: Query) -> str:
        """As Engine.text: the query in DuckDB's dialect, parameters as `$name`."""
        return _in_duckdb(query.sql)

    def _add_all(self, database: Any, read: list[Table], query: Query, values: Mapping[str, Value]) -> None:
        """Make the views of some tables, in a database that can read nothing else."""
        keys = {table.name: self._keys(table, query, values) for table in read}
        if self._store.folder:
            paths = [self._path(key) for each in keys.values() for key in each]
            database.execute("SET allowed_paths = $1", [paths])
        database.execute("SET enable_progress_bar = false")  # it would stand among the rows
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        for table in read:
            needed = _needed(query.sql, table)
            parts = []
            for number, key in enumerate(keys[table.name]):
                source, schema = self._source(database, f"{table.name}_{number}", key, needed)
                parts.append(_select(table, needed, schema, source, dict(_PARTITION.findall(key))))
            if not parts:
                parts = [f"{_select(table, needed, pa.schema([]), '(SELECT 1)', {})} WHERE false"]
            database.execute(f'CREATE VIEW "{table.name}" AS {" UNION ALL ".join(parts)}')

    def _path(self, key: str) -> str:
        """File of an object in a folder; what links lead to."""
        return str(Path(self._store.address(key)).resolve())

    def _keys(self, table: Table, query: Query, values: Mapping[str, Value]) -> list[str]:
        """Keys of the objects that a query with these values can need of a table."""
        asked = {key.name: wanted(query.sql, table.name, key.name, values) for key in table.partitions}
        found = []
        for key in self._store.keys(table.dataset):
            part = dict(_PARTITION.findall(key))
            wants = all(only is None or part.get(name) in only for name, only in asked.items())
            if wants and key.endswith(".parquet") and holds(table, key):
                found.append(key)
        return found

    def _source(self, database: Any, name: str, key: str, needed: list[str]) -> tuple[str, pa.Schema]:
        """What DuckDB reads an object from: the file itself, or what is needed of it in memory; and its schema."""
        path = self._path(key) if self._store.folder else ""
        try:
            if path and not _GLOB & set(path):
                quoted = path.replace("'", "''")
                return f"read_parquet('{quoted}', hive_partitioning=false)", pq.read_schema(path)
            file = pq.ParquetFile(self._store.opened(key), pre_buffer=True)
            rows = file.read(columns=[each for each in needed if each in file.schema_arrow.names])
        except (pa.ArrowInvalid, OSError) as error:
            raise LakeError(f"{key} in the lake cannot be read ({str(error).splitlines()[0]}): run again") from None
        database.register(name, rows)
        return f'"{name}"', rows.schema


def _rows(database: Any, name: str, sql: str, values: Mapping[str, Value]) -> pa.Table:
    """What DuckDB gives; its errors in our words, and Ctrl-C as what it is."""
    import duckdb

    try:
        return _plain(database.sql(sql, params=dict(values)).to_arrow_table())
    except (RuntimeError, duckdb.InterruptException) as error:
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from None
    except pa.ArrowInvalid as error:
        raise LakeError(f"query {name}: a figure is too large ({error}); CAST it to double") from None
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
        raise UsageError(f"query {name}: {str(error).splitlines()[0]}") from None
    except duckdb.Error as error:
        raise LakeError(f"query {name}: DuckDB says {str(error).splitlines()[0]}") from None


@lru_cache(maxsize=64)
def _in_duckdb(sql: str) -> str:
    text: str = parsed(sql).sql(dialect="duckdb")
    return text


@lru_cache(maxsize=64)
def _needed(sql: str, table: Table) -> list[str]:
    """Columns of a table whose names stand in a query; all of them where it says `*`."""
    from sqlglot import exp

    named = {each.name.lower() for each in parsed(sql).find_all(exp.Column)}
    starred = any(not isinstance(each.parent, exp.Count) for each in parsed(sql).find_all(exp.Star))
    return [each.name for each in table.columns if starred or each.name in named]


def _select(table: Table, needed: list[str], schema: pa.Schema, source: str, partition: Mapping[str, str]) -> str:
    """One object as rows of a table: columns in their types, null where it lacks one, and its partition."""
    columns = [each for each in table.columns if each.name in needed]
    shown = [f'{_column(each.name, each.type, schema)} AS "{each.name}"' for each in columns]
    shown += [f"'{partition.get(each.name, '')}' AS \"{each.name}\"" for each in table.partitions]
    return f"SELECT {', '.join(shown) or '1'} FROM {source}"


def _column(name: str, kind: str, schema: pa.Schema) -> str:
    at = schema.get_field_index(name)
    wanted = _DUCKDB[kind]
    if at < 0:
        return f"CAST(NULL AS {wanted})"
    held = schema.field(at).type
    if pa.types.is_timestamp(held) and held.tz:
        return f"timezone('UTC', \"{name}\")"  # as Athena shows it: without a zone, in UTC
    return f'CAST("{name}" AS {wanted})'


def _plain(rows: pa.Table) -> pa.Table:
    """Rows without decimals (DuckDB's sums of whole numbers are of 38 digits), times in UTC without a zone, and
    float32 as it is written."""
    for at, field in enumerate(rows.schema):
        kind = None
        if pa.types.is_float32(field.type):
            rows = rows.set_column(at, pa.field(field.name, pa.float64()), _as_written(rows.column(at)))
        if pa.types.is_decimal(field.type):
            kind = pa.int64() if field.type.scale == 0 else pa.float64()
        elif pa.types.is_timestamp(field.type) and field.type.tz:
            kind = pa.timestamp("us")
        if kind is not None:
            rows = rows.set_column(at, pa.field(field.name, kind), rows.column(at).cast(kind))
    return rows


def _as_written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """float32 as the float64 that is written alike, as Athena hands it over: not 99.30000305175781."""
    return column.cast(pa.string()).cast(pa.float64())


def _word(kind: pa.DataType) -> str:
    """The word of query.DTYPES for a type of Arrow."""
    if pa.types.is_boolean(kind):
        return "yes/no"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "number"
    return "time" if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else "text"


def _nullable(kind: pa.DataType) -> Any:
    import pandas as pd

    if pa.types.is_boolean(kind):
        return pd.BooleanDtype()
    return pd.Int64Dtype() if _word(kind) == "integer" else None
