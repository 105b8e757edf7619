"""Files as the world makes them, and worse: made from a seed, read, and every row looked for.

`check_seed(seed, folder)` is one example: a folder of one to six files. The suite runs some thousands
(test_files_fuzz.py), `make fuzz` 100,000.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import logging
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.errors import InputError
from capforecast.settings import Settings
from capforecast.sources import tally
from capforecast.sources.files import read_files

SERVERS = [
    "a",
    "b",
    "007",
    " a ",
    "",
    "NA",
    "=1+1",
    "../x",
    "A/B",
    "日本",
    "é",
    "x" * 300,
    "1.0",
    "\ufeff",
    'q"q',
    "a,b",
]
TIMES = [
    "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04T00:00:00Z", "2024/01/05", "1704067200", "2024-01-04 00:01",
    "2024-03-31 02:30", "2024-10-27 02:00", "2024-01-01T05:00:00+05:00", "2024-01-01 13:00", "1704067200000",
]  # fmt: skip
NO_TIMES = [
    "",
    "NaT",
    "yesterday",
    "2024-13-45",
    "0001-01-01",
    "9" * 20,
    "2024-01-01T25:00",
    "-1",
    "1e400",
    "31.12.2024",
]
NUMBERS = ["0", "1", "55.5", "99.9", "45 %", "1e2", "-0", "+3", "100", "007", "3"]
NO_NUMBERS = [
    "",
    "NA",
    "x",
    "inf",
    "-inf",
    "1e300",
    "1e9",
    "-5",
    "1,5",
    "nan",
    "0x10",
    "true",
    "1_000",
    "--1",
    "1.2.3",
    "²",
]
WIDE = ["cpu_p95", "mem_mean", "disk_max", "net_p95", "odd_p50", "CPU_P95", "cpu_avg", "x_p95"]
OTHER = [
    "business_unit",
    "region",
    "vcpus",
    "note",
    "rack",
    "day",
    "ingested_at",
    "statistic",
    "server",
    "",
    "value",
    "é",
]
METRICS = ["cpu", "cpu_p95", "mem_mean", "disk", "", "odd thing", "p95", "_p95", "cpu_p42"]
SETTINGS = [
    Settings.model_validate({"source": source})
    for source in (
        {"max_rejected_share": 1.0}, {"max_rejected_share": 1.0, "timezone": "Europe/Berlin"}, {},
        {"max_rejected_share": 1.0, "cadence": "daily"}, {"max_rejected_share": 1.0, "cadence": "hourly"},
        {"max_rejected_share": 1.0, "max_metrics": 2, "max_labels": 1},
        {"max_rejected_share": 1.0, "columns": {"x_p95": "cpu_p95", "server": "server_id"}, "scale": {"cpu_p95": 100}},
        {"max_rejected_share": 1.0, "stop_on_refused_file": True, "labels": ["cpu_p95"]},
    )
]  # fmt: skip


def check_seed(seed: int, folder: Path) -> tuple[int, int]:
    """Make and read the files of a seed; (files made, files read). Raises AssertionError, or what must not be."""
    rng = random.Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    known = {}
    for number in range(rng.choice([1, 2, 4, 6])):
        path, rows = _make_file(rng, folder, number)
        known[str(path)] = rows
    logging.disable(logging.CRITICAL)
    try:
        batch = read_files(str(folder), rng.choice(SETTINGS))
    except InputError as error:
        if str(folder) not in str(error):
            raise AssertionError(f"the error names no file: {error}") from error
        return len(known), 0
    finally:
        logging.disable(logging.NOTSET)
    tally.check(batch.tallies, batch.rejects)
    assert batch.rows_read == batch.rows_used + batch.rows_rejected + batch.duplicates
    assert len(batch.observations) <= batch.rows_used
    for each in batch.tallies:
        rows = known[each.file]
        assert rows is None or (each.refused and not each.rows_read) or each.rows_read == rows, (each, rows)
    metrics = batch.observations.drop(columns=["server_id", "timestamp", "ingested_at"], errors="ignore")
    values = metrics.to_numpy()
    assert values.dtype == np.float32
    assert not np.isinf(values).any()
    assert not batch.observations["server_id"].isin(["", "nan"]).any()
    assert batch.observations["timestamp"].notna().all()
    assert set(batch.observations["server_id"]) <= set(batch.inventory["server_id"])
    return len(known), sum(not each.refused for each in batch.tallies)


def _make_file(rng: random.Random, folder: Path, number: int) -> tuple[Path, int | None]:
    """(path, rows it holds, None where nobody can say)."""
    name = "inventory" if number == 5 else f"f{number}"
    if rng.random() < 0.3:
        data, rows, suffix = _parquet(rng)
    else:
        data, rows, suffix = _csv(rng, inventory=number == 5)
    if rng.random() < 0.15:
        data, suffix = gzip.compress(data, 1), f"{suffix}.gz" if suffix == ".csv" else suffix
    if rng.random() < 0.15:
        data, rows = rng.choice(BREAKS)(rng, data), None
    if rng.random() < 0.03:
        suffix = rng.choice([".csv", ".parquet", ".tsv.gz"])
        rows = None
    path = folder / (name + suffix)
    path.write_bytes(data)
    return path, rows


def _flip(rng: random.Random, data: bytes) -> bytes:
    spoilt = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        if spoilt:
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt)


BREAKS: list[Callable[[random.Random, bytes], bytes]] = [
    lambda rng, data: data[: rng.randint(0, len(data))],
    _flip,
    lambda rng, data: data + rng.randbytes(rng.randint(1, 40)),
    lambda rng, data: data[rng.randint(0, len(data)) :],
    lambda rng, data: data * 2,
    lambda rng, data: data.replace(b"\n", b"\r", rng.randint(0, 4)),
    lambda rng, data: data.replace(b",", b'"', 1),
]


def _cell(rng: random.Random, column: str, good: float) -> str:
    fine = rng.random() < good
    if column in ("server_id", "server"):
        return rng.choice(SERVERS[:4] if fine else SERVERS)
    if column in ("timestamp", "ingested_at"):
        return rng.choice(TIMES[:4] if fine else TIMES + NO_TIMES)
    if column == "metric":
        return rng.choice(METRICS[:4] if fine else METRICS)
    if column in WIDE or column in ("value", "vcpus"):
        return rng.choice(NUMBERS if fine else NUMBERS + NO_NUMBERS)
    return rng.choice(["red", "blue", "", "7", "é", "p95", "a b"])


def _columns(rng: random.Random) -> list[str]:
    columns = ["server_id", "timestamp"]
    columns += ["metric", "value"] if rng.random() < 0.3 else rng.sample(WIDE, rng.randint(1, 3))
    columns += rng.sample(OTHER, rng.choice([0, 0, 1, 2]))
    if rng.random() < 0.05:
        rng.shuffle(columns)
        columns = columns[: rng.randint(1, len(columns))]
    if rng.random() < 0.02:
        columns.append(columns[0])
    return columns


def _csv(rng: random.Random, inventory: bool) -> tuple[bytes, int | None, str]:
    columns = ["server_id", "business_unit", "vcpus", "valid_from", "renamed_from"] if inventory else _columns(rng)
    good, count = rng.choice([1.0, 0.95, 0.7, 0.0]), rng.choice([0, 1, 3, 8, 20])
    delimiter = rng.choice([",", ",", ",", ";", "\t", "|"])
    rows: list[list[str]] = [[_cell(rng, column, good) for column in columns] for _ in range(count)]
    plain = delimiter == "," and all(rows_have_text(row) for row in rows) and len(columns) > 1
    if rng.random() < 0.1 and rows:  # another number of fields
        place = rng.randrange(len(rows))
        rows[place] = rows[place] + ["more"] if rng.random() < 0.5 else rows[place][:-1]
        plain = plain and rows_have_text(rows[place])
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=rng.choice(["\n", "\n", "\r\n"]))
    writer.writerow(columns)
    for row in rows:
        if rng.random() < 0.02:
            text.write("\n")
        writer.writerow(row)
    encoding = rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
    data = text.getvalue().encode(encoding, errors="replace")
    return data, len(rows) if plain and encoding != "utf-16-le" else None, ".csv"


def rows_have_text(row: list[str]) -> bool:
    """Is a row more than blanks and nulls, which a CSV cannot tell from an empty line?"""
    return any(cell.strip() and cell not in ("NA", "nan", "NaT", "\ufeff") for cell in row)


CELLS: dict[str, Callable[[random.Random], Any]] = {
    "text": lambda rng: rng.choice([*SERVERS[:6], *TIMES[:4], *NUMBERS[:4], None]),
    "whole": lambda rng: rng.choice([None, 0, 5, 50, -3, 1704067200, 2**40]),
    "real": lambda rng: rng.choice([None, 0.0, 5.5, 99.9, -1.0, float("inf"), float("nan"), 1e300]),
    "truth": lambda rng: rng.choice([None, True, False]),
    "moment": lambda rng: rng.choice([None, dt.datetime(2024, 1, rng.randint(1, 9)), dt.datetime(1900, 1, 1)]),
    "day": lambda rng: rng.choice([None, dt.date(2024, 1, rng.randint(1, 9))]),
    "bytes": lambda rng: rng.choice([None, b"a", b"\xff", b"5"]),
    "list": lambda rng: rng.choice([None, [], [1, 2]]),
    "nothing": lambda rng: None,
    "span": lambda rng: dt.timedelta(rng.randint(0, 9)),
    "struct": lambda rng: {"x": rng.randint(0, 9)},
}
USUAL = {"server_id": "text", "timestamp": "moment", "metric": "text", "ingested_at": "moment"}


def _parquet(rng: random.Random) -> tuple[bytes, int | None, str]:
    columns, count, odd = list(dict.fromkeys(_columns(rng))), rng.choice([0, 1, 3, 8, 20]), rng.random() < 0.4
    table = {}
    for column in columns:
        kind = rng.choice(sorted(CELLS)) if odd and rng.random() < 0.5 else USUAL.get(column, "real")
        if column == "server_id" and kind == "text":
            cells = [rng.choice(SERVERS[:5]) for _ in range(count)]
        else:
            cells = [CELLS[kind](rng) for _ in range(count)]
        array = pa.array(cells)
        if rng.random() < 0.1 and pa.types.is_string(array.type):
            array = array.dictionary_encode()
        elif rng.random() < 0.1 and pa.types.is_timestamp(array.type):
            array = array.cast(pa.timestamp("us", tz=rng.choice(["UTC", "Asia/Tokyo"])))
        table[column] = array
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink, row_group_size=max(count // 2, 1))
    return sink.getvalue(), count, ".parquet"
