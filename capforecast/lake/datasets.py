"""Named, partitioned datasets of the lake: keys, and tables in and out as Parquet."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.errors import DamagedObjectError, LakeError
from capforecast.lake.column_types import LABELLED, NUMBER, SINGLE, TEXT, TIME, WHOLE, YES_NO, column_type
from capforecast.lake.segments import LONGEST_SEGMENT
from capforecast.lake.segments import unit_segment as unit_segment
from capforecast.lake.store import Store
from capforecast.schema import FLEET, Cadence, Reference

PER_UNIT = (
    "inventory", "processed", "quality", "quarantine", "validation", "forecasts", "backtests", "risks", "servers",
    "shapes", "anomalies", "path_levels", "pools", "demand", "pool_paths", "warnings", "scorecard", "reliability",
    "champions", "trained", "drift", "drift_series",
    "prices", "activity", "neighbours", "sizing", "replays", "features", "features_before", "path_costs",
    "consolidation", "packing",
    "lifecycle", "realised", "actions", "savings", "bounds", "segments", "segment_sizes",
)  # fmt: skip


def selection_segment(names: list[str]) -> str:
    """Several business units as one segment: their own segments joined by a `+`, which no name keeps unencoded."""
    joined = "+".join(unit_segment(name) for name in sorted(names))
    if len(joined) <= 2 * LONGEST_SEGMENT:
        return joined
    return f"{len(names)}-units~{hashlib.sha256(joined.encode()).hexdigest()[:16]}"


def selection_key(dataset: str, cadence: Cadence, as_of: pd.Timestamp, names: list[str], every: list[str]) -> str:
    """Key of fleet-level rows; of a run of some business units only, below their names, beside the whole fleet's."""
    whole = sorted(names) == sorted(every)
    fleet = unit_key(dataset, cadence, as_of)
    return fleet if whole else fleet.replace(f"={FLEET}/", f"={selection_segment(names)}/")


def as_of_segment(as_of: pd.Timestamp) -> str:
    """`2026-11-23`, or with the hour (`2026-11-23T14`) where the cut-off is not midnight."""
    return str(as_of.strftime("%Y-%m-%d" if as_of == as_of.normalize() else "%Y-%m-%dT%H"))


def cut_off_of(reference: Reference) -> pd.Timestamp:
    """The cut-off (UTC) of the partition that a reference names. Raises LakeError where it names none."""
    if "/as_of=" not in reference.uri:
        raise LakeError(f"{reference.uri} is no partition of a run: its key has no as_of")
    day, _, hour = reference.uri.split("/as_of=")[1].split("/")[0].partition("T")
    return pd.Timestamp(f"{day}T{hour or '00'}:00", tz="UTC")


def unit_key(dataset: str, cadence: Cadence, as_of: pd.Timestamp, business_unit: str = FLEET) -> str:
    """Key of one partition: `risks/cadence=daily/as_of=2026-11-23/business_unit=retail/part-0.parquet`."""
    if dataset not in PER_UNIT:
        raise LakeError(f"no dataset is called {dataset!r}; known: {', '.join(PER_UNIT)}")
    period = f"cadence={cadence}/as_of={as_of_segment(as_of)}"
    return f"{dataset}/{period}/business_unit={unit_segment(business_unit)}/part-0.parquet"


def earlier_key(store: Store, dataset: str, cadence: Cadence, as_of: pd.Timestamp, business_unit: str) -> str | None:
    """Key of a unit's partition with the highest cut-off before `as_of`; None where there is none."""
    wanted = unit_key(dataset, cadence, as_of, business_unit)
    tail = wanted.split("/", 3)[3]
    keys = [key for key in store.keys(f"{dataset}/cadence={cadence}") if key.endswith(f"/{tail}") and key < wanted]
    return max((key for key in keys if key.split("/")[2] != wanted.split("/")[2]), default=None)


def report_key(cadence: Cadence, as_of: pd.Timestamp, name: str) -> str:
    """Key of a published report file."""
    return f"reports/cadence={cadence}/as_of={as_of_segment(as_of)}/{name}"


def observations_key(cadence: Cadence, month: str) -> str:
    """Key of a month of raw observations (`month` = yyyy-mm)."""
    return f"raw/observations/cadence={cadence}/month={month}/part-0.parquet"


INVENTORY_KEY = "raw/inventory/part-0.parquet"


GROUP_ROWS = 131_072  # rows that are read together: of a long table sorted by server, a server's without the rest


def to_parquet(table: pa.Table, *, floats: bool = False) -> bytes:
    """Parquet bytes; the same table gives the same bytes. `floats`: most of it are lists of floats that differ all."""
    sink = io.BytesIO()
    split = [path for field in table.schema for path in _float_leaves(field)] if floats else []
    others = [field.name for field in table.schema if not _float_leaves(field)] if floats else True
    pq.write_table(
        table, sink, compression="zstd", write_statistics=not floats, use_dictionary=others,
        use_byte_stream_split=split, row_group_size=GROUP_ROWS,
    )  # fmt: skip
    return sink.getvalue()


def _float_leaves(field: pa.Field) -> list[str]:
    """Path of the floats in a column, as Parquet names it; none in columns of other kinds."""
    kind = field.type
    nested = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    floating = pa.types.is_floating(kind.value_type if nested else kind)
    return [f"{field.name}.list.element" if nested else field.name] if floating else []


def table_of(frame: pd.DataFrame) -> pa.Table:
    """Arrow table of a frame, without index or pandas metadata; timestamps in microseconds."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", tz=kind.tz)
        elif pa.types.is_large_string(kind) or pa.types.is_null(kind):
            kind = pa.string()
        fields.append(pa.field(field.name, kind))
    return table.cast(pa.schema(fields))


def write_table(store: Store, key: str, table: pa.Table | pd.DataFrame, *, floats: bool = False) -> Reference:
    """Publish a table whole under its key, its columns in the types of its dataset; `floats` as in `to_parquet`."""
    arrow = _typed(table_of(table) if isinstance(table, pd.DataFrame) else table, key)
    return store.put(key, to_parquet(arrow, floats=floats), rows=arrow.num_rows)


_ARROW = {
    TEXT: pa.string(), NUMBER: pa.float64(), SINGLE: pa.float32(), WHOLE: pa.int64(), YES_NO: pa.bool_(),
    TIME: pa.timestamp("us", tz="UTC"),
}  # fmt: skip
_ARROW |= {f"array<{name}>": pa.list_(kind) for name, kind in _ARROW.items()}


def _typed(table: pa.Table, key: str) -> pa.Table:
    """The table with every column in its one type, so that queries over several partitions find one schema.

    What the rows of a run happen to be decides otherwise: no rows read as text, counts with a gap as fractions.
    """
    dataset = key.split("/")[0]
    if dataset in LABELLED:
        return table
    for at, field in enumerate(table.schema):
        kind = _ARROW[column_type(dataset, field.name)]
        if field.type == kind or (pa.types.is_large_string(field.type) and kind == pa.string()):
            continue
        column = table.column(at)
        try:  # a column of nothing has no type of its own that could be turned
            typed = pa.nulls(len(column), kind) if column.null_count == len(column) else column.cast(kind)
            table = table.set_column(at, pa.field(field.name, kind), typed)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise LakeError(
                f"{key}: column {field.name!r} is {field.type} and cannot be kept as {kind} ({error}); "
                "capforecast/lake/column_types.py says what type it has"
            ) from None
    return table


def parse_table(data: bytes, key: str, columns: list[str] | None = None) -> pa.Table:
    """The table, or some columns of it, in the Parquet bytes of `key`; raises LakeError naming it when damaged."""
    try:
        return pq.read_table(io.BytesIO(data), columns=columns, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        remedy = "delete it and deliver its data again" if key.startswith("raw/") else "run again with --refresh"
        raise DamagedObjectError(f"{key} in the lake is damaged ({str(error).splitlines()[0]}): {remedy}") from None


def read_table(store: Store, reference: Reference, columns: list[str] | None = None) -> pa.Table:
    """The table behind a reference, or some columns of it; raises MissingObjectError or StaleReferenceError."""
    return parse_table(store.fetch(reference), reference.uri, columns)


def read_frame(store: Store, reference: Reference) -> pd.DataFrame:
    """The frame behind a reference."""
    return read_table(store, reference).to_pandas()


def to_json(content: Any) -> bytes:
    """JSON bytes with sorted keys; the same content gives the same bytes."""
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
