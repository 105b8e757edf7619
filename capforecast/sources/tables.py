"""One file as one Arrow table with the row numbers people see in the file. No meaning is given to columns here."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from capforecast.errors import InputError

_BOM = b"\xef\xbb\xbf"
_HEAD = 1 << 20  # bytes
_READ_TWICE = 64 << 20  # bytes
NULLS = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>"]


@dataclass(frozen=True)
class Sheet:
    """A file's rows as written. rows: int64 [R], number of each row in the file, from 1, a CSV's header included.

    ragged: (row, text) of CSV rows that have another number of fields than the header.  decimal: its decimal sign.
    undecodable: (row, text) of lines in another encoding than the rest of the file.
    """

    file: str
    sha256: str
    table: pa.Table
    rows: npt.NDArray[np.int64]
    ragged: list[tuple[int, str]]
    decimal: str = "."
    undecodable: tuple[tuple[int, str], ...] = ()

    @property
    def unread(self) -> list[tuple[int, str]]:
        """Rows of the file that are not in the table."""
        return [*self.ragged, *self.undecodable]


def read_sheet(path: Path, is_number: Callable[[str], bool]) -> Sheet:
    """Read Parquet or CSV (plain or gzip; comma, semicolon, tab or bar; UTF-8, UTF-16 or Latin-1).

    is_number(column) says which CSV columns may be read as numbers; all others stay text as written.
    Raises InputError for a file that cannot be read.
    """
    data = _content(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if not data:
        raise InputError(f"{path}: the file is empty")
    try:
        if data[:4] == b"PAR1" or path.name.lower().endswith((".parquet", ".pq")):
            table = _parquet(data)
            return Sheet(str(path), sha256, table, np.arange(1, table.num_rows + 1), [])
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        text, undecodable = _as_utf8(data)
        table, rows, ragged, decimal = _csv(text, is_number)
    except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error, ValueError) as error:
        raise InputError(f"{path}: cannot be read as {_kind(path)} ({_first_line(error)}); export it again") from error
    return Sheet(str(path), sha256, table, rows, ragged, decimal, tuple(undecodable))


def _content(path: Path) -> bytes:
    """All bytes of a file that stays as it is meanwhile; raises InputError."""
    try:
        before = path.stat()
        data = path.read_bytes()
        after = path.stat()
        same = [(s.st_size, s.st_mtime_ns, s.st_ino) for s in (before, after)]
        changed = same[0] != same[1] or len(data) != after.st_size
        if not changed and len(data) <= _READ_TWICE:  # the clock of a file is coarse: look again where that is cheap
            changed = hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(data).digest()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be read ({reason}); check that it is there and may be read") from error
    if changed:
        raise InputError(f"{path}: changed while it was read; run again when it is complete")
    return data


def read_columns(path: Path) -> list[str]:
    """Names of a file's columns, from its head (Parquet: footer) alone. Raises InputError where there are none."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if not head:
                raise InputError(f"{path}: the file is empty")
            if head[:4] == b"PAR1" or path.name.lower().endswith((".parquet", ".pq")):
                return [str(name) for name in pq.read_schema(file).names if not name.startswith("__index_level_")]
        if head[:2] == b"\x1f\x8b":
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD)
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            text = head[: len(head) // 2 * 2].decode("utf-16", errors="ignore")
        else:
            text = head.removeprefix(_BOM).decode("utf-8", errors="replace")
        text = text.lstrip("\r\n")
        if not text.strip():
            raise ValueError("no header")
        return next(csv.reader(io.StringIO(text), delimiter=_delimiter(text)))
    except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error, ValueError) as error:
        raise InputError(f"{path}: cannot be read as {_kind(path)} ({_first_line(error)}); export it again") from error


def _kind(path: Path) -> str:
    return "Parquet" if path.name.lower().endswith((".parquet", ".pq")) else "CSV"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _parquet(data: bytes) -> pa.Table:
    table = pq.read_table(pa.BufferReader(data))
    return _unique(table.select([name for name in table.column_names if not name.startswith("__index_level_")]))


def _unique(table: pa.Table) -> pa.Table:
    twice = sorted(name for name, count in Counter(table.column_names).items() if count > 1)
    if twice:
        raise ValueError(f"column {twice[0]!r} stands there twice")
    return table


def _as_utf8(data: bytes) -> tuple[bytes, list[tuple[int, str]]]:
    """Text as UTF-8 without byte order mark, and (row, text) of lines that are not in the file's encoding.

    A byte order mark decides; else what is valid UTF-8 is UTF-8, and a file in which no line uses UTF-8 beyond ASCII
    is Latin-1. Where some lines do, the others are not guessed at: they are left blank here and handed back.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16").encode(), []
    if b"\x00" in data[:4096]:
        raise ValueError("binary content, or UTF-16 without a byte order mark: save it as UTF-8")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return _not_all_utf8(data)
    return data.removeprefix(_BOM), []


def _not_all_utf8(data: bytes) -> tuple[bytes, list[tuple[int, str]]]:
    lines = data.split(b"\n")
    valid = [_is_utf8(line) for line in lines]
    if not any(good and not line.isascii() for line, good in zip(lines, valid, strict=True)):
        return data.decode("latin-1").encode(), []
    bad = [place for place, good in enumerate(valid) if not good]
    if bad[0] <= next(place for place, line in enumerate(lines) if line.strip()):
        raise ValueError("the header is in another encoding than the rest: save it as UTF-8")
    found = [(place + 1, lines[place].decode("latin-1").strip()) for place in bad]
    for place in bad:
        lines[place] = b""
    return b"\n".join(lines).removeprefix(_BOM), found


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _csv(
    data: bytes, is_number: Callable[[str], bool]
) -> tuple[pa.Table, npt.NDArray[np.int64], list[tuple[int, str]], str]:
    body = data.lstrip(b"\r\n")
    above = data[: len(data) - len(body)].count(b"\n")  # blank lines above the header
    head = body[:200_000].decode("utf-8", errors="replace")
    if not head.strip():
        raise ValueError("no header")
    delimiter = _delimiter(head)
    header = next(csv.reader(io.StringIO(head), delimiter=delimiter))
    decimal = "," if delimiter == ";" and _has_number(head, ",") and not _has_number(head, ".") else "."
    ragged: list[tuple[int, str]] = []

    def skip(row: pcsv.InvalidRow) -> str:
        ragged.append((row.number + above, row.text))
        return "skip"

    def parse(threads: bool) -> pa.Table:
        return pcsv.read_csv(
            pa.BufferReader(body),
            read_options=pcsv.ReadOptions(use_threads=threads, block_size=8 << 20),
            parse_options=pcsv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=None if threads else skip,
            ),
            convert_options=pcsv.ConvertOptions(
                column_types={name: pa.string() for name in header if not is_number(name)},
                decimal_point=decimal,
                null_values=NULLS,
                strings_can_be_null=False,
                true_values=[],
                false_values=[],
                timestamp_parsers=["%%"],  # no column is turned into time here
            ),
        )

    try:
        table = parse(True)
    except pa.ArrowInvalid:  # some row has too many or too few fields: once more, noting which
        table = parse(False)
    return (*_numbered(_unique(table), ragged, 2 + above), decimal)


def _has_number(head: str, sign: str) -> bool:
    """Is a number with this decimal sign a field of a file with semicolons?"""
    return re.search(rf"(^|;)\"?-?\d+[{sign}]\d+\"?\r?(;|$)", head, re.MULTILINE) is not None


def _delimiter(head: str) -> str:
    line = head.splitlines()[0]
    counts = {sign: line.count(sign) for sign in ",;\t|"}
    best = max(counts, key=lambda sign: counts[sign])
    return best if counts[best] else ","


def _numbered(
    table: pa.Table, ragged: list[tuple[int, str]], first: int
) -> tuple[pa.Table, npt.NDArray[np.int64], list[tuple[int, str]]]:
    """The table without blank rows, the number of each row that is left, and the ragged rows that say something."""
    skipped = np.array([number for number, _ in ragged], dtype=np.int64)
    rows = np.setdiff1d(np.arange(first, table.num_rows + len(skipped) + first, dtype=np.int64), skipped)[
        : table.num_rows
    ]
    blank = np.ones(table.num_rows, dtype=np.bool_)
    for column in table.columns:
        if not blank.any():
            break
        empty = pc.is_null(column)
        if pa.types.is_string(column.type):
            empty = pc.or_kleene(empty, pc.equal(pc.utf8_trim_whitespace(column), ""))
        blank &= empty.to_numpy()
    if blank.any():
        table, rows = table.filter(pa.array(~blank)), rows[~blank]
    return table, rows, [(number, text) for number, text in ragged if text.strip(" ,;|\t\r\n\"'")]
