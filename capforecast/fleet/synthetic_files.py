"""A synthetic fleet as files, written block by block, so that its size is bounded by the disk only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.fleet.synthetic import Block, Fleet
from capforecast.fleet.synthetic_rows import COLUMNS, alive
from capforecast.schema import INGESTED_AT, SERVER_ID, TIMESTAMP

OBSERVATIONS, INVENTORY = "observations.parquet", "inventory.csv"
TRUTH = ("truth_mean", "truth_breaches", "truth_servers", "truth_events")
_TIME = pa.timestamp("us", tz="UTC")
_MEANS = tuple(name for name in COLUMNS if name != "cpu_mean")


@dataclass(frozen=True)
class Written:
    """Files of a fleet (name -> path), and how many rows of observations they hold."""

    files: dict[str, Path]
    rows: int


def write(fleet: Fleet, folder: Path, with_truth: bool = False) -> Written:
    """Write observations.parquet and inventory.csv into `folder`, and with_truth the tables TRUTH into its `truth`.

    Nothing appears under its name before all is written; the truth of an earlier fleet is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    makers: dict[str, Callable[[Block], pa.Table]] = {OBSERVATIONS: _observations}
    if with_truth:
        (folder / "_truth").mkdir(exist_ok=True)
        frames = (_means, _framed(Block.breaches), _framed(Block.described), _framed(Block.events))
        makers |= {f"_truth/{name}.parquet": maker for name, maker in zip(TRUTH, frames, strict=True)}
    with _published(folder, [*makers, INVENTORY]) as parts:
        fleet.inventory().to_csv(parts[INVENTORY], index=False, lineterminator="\n")
        rows = _stream(fleet, makers, parts)
    for name in TRUTH if not with_truth else ():
        (folder / "_truth" / f"{name}.parquet").unlink(missing_ok=True)
    return Written({name: folder / name for name in [OBSERVATIONS, INVENTORY, *list(makers)[1:]]}, rows)


def _stream(fleet: Fleet, makers: dict[str, Callable[[Block], pa.Table]], parts: dict[str, Path]) -> int:
    """Write every block to every table: one thread writes while the next block is made. Rows of the first table."""
    writers: dict[str, pq.ParquetWriter] = {}
    rows = 0
    pending: list[Future[None]] = []
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:  # the pool ends before the writers are closed
        for block in fleet.blocks():
            tables = {name: make(block) for name, make in makers.items()}
            rows += tables[OBSERVATIONS].num_rows
            for done in pending:
                done.result()
            for name, table in tables.items():
                if name not in writers:
                    writers[name] = stack.enter_context(_writer(parts[name], table.schema))
            pending = [pool.submit(writers[name].write_table, table) for name, table in tables.items()]
        for done in pending:
            done.result()
    return rows


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A dictionary for text and times; measured values hardly repeat."""
    repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repeating)


@contextmanager
def _published(folder: Path, names: list[str]) -> Iterator[dict[str, Path]]:
    """Temporary paths for `names` in `folder`, renamed when all is well and removed when not."""
    parts: dict[str, Path] = {}
    try:
        for name in names:
            target = folder / name
            handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            os.close(handle)
            parts[name] = Path(part)
        yield parts
        for name, part_path in parts.items():
            part_path.chmod(0o644)
            os.replace(part_path, folder / name)
    finally:
        for part_path in parts.values():
            part_path.unlink(missing_ok=True)


def _names(block: Block, place: np.ndarray) -> pa.Array:
    known = pa.array(block.servers.server_id.tolist(), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(place.astype(np.int32)), known).cast(pa.string())


def _stamps(block: Block, place: np.ndarray) -> pa.Array:
    known = block.fleet.clock.timestamps.tz_localize(None).to_numpy().astype("M8[us]")
    return pa.array(known[place]).cast(_TIME)


def _number(values: np.ndarray) -> pa.Array:
    return pa.array(values, pa.float32(), from_pandas=True)  # NaN becomes null


def _observations(block: Block) -> pa.Table:
    rows = block.rows()
    columns = {SERVER_ID: _names(block, rows.server), TIMESTAMP: _stamps(block, rows.time)}
    columns |= {name: _number(values) for name, values in rows.values.items()}
    if rows.ingested_at is not None:
        columns[INGESTED_AT] = pa.array(rows.ingested_at).cast(_TIME)
    return pa.table(columns)


def _means(block: Block) -> pa.Table:
    there = alive(block.servers, block.fleet.clock)
    server, time = np.nonzero(there)
    columns = {SERVER_ID: _names(block, server), TIMESTAMP: _stamps(block, time)}
    for name in _MEANS:
        mean = block.lives.means[name.removesuffix("_p95")]
        columns[name] = _number(np.round(mean[there], 4).astype(np.float32))
    return pa.table(columns)


def _framed(make: Callable[[Block], pd.DataFrame]) -> Callable[[Block], pa.Table]:
    def table(block: Block) -> pa.Table:
        made = pa.Table.from_pandas(make(block), preserve_index=False).replace_schema_metadata(None)
        plain = [
            pa.field(field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
            for field in made.schema
        ]
        fields = [pa.field(f.name, _TIME) if pa.types.is_timestamp(f.type) else f for f in plain]
        return made.cast(pa.schema(fields))

    return table
