"""One file's rows, checked cell by cell: what is good goes on as arrays, the rest is recorded with its reason."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from capforecast.errors import InputError
from capforecast.schema import INGESTED_AT, INVENTORY_NUMBERS, METRIC, SERVER_ID, TIMESTAMP
from capforecast.settings import Settings
from capforecast.sources import cells
from capforecast.sources.checks import BoolArray, Check, Codes, Values
from capforecast.sources.columns import is_number_column, layout
from capforecast.sources.rejects import Rejects
from capforecast.sources.tables import Sheet, read_sheet

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Good rows [R] of a file.

    rows_read: rows of the file, refused ones included.  server: code into names.  utc, wall: times (wall = as written,
    for days).  ingested: arrival or None.  row: number in the file.  values: column -> float32 [R] (wide form).
    long: (code into long_names, value) [R] or None.  texts: inventory column or label -> (code, names), -1 = missing.
    foreign: columns and long-form metrics as the file names them.  problem: why the file is refused, or "".
    """

    file: str
    sha256: str
    rows_read: int
    server: Codes
    names: npt.NDArray[np.object_]
    utc: npt.NDArray[np.datetime64]
    wall: npt.NDArray[np.datetime64]
    ingested: npt.NDArray[np.datetime64] | None
    row: Codes
    values: dict[str, Values]
    long: tuple[Codes, Values] | None
    long_names: list[str]
    texts: dict[str, tuple[Codes, list[str]]]
    foreign: frozenset[str]
    problem: str = ""

    def take(self, keep: BoolArray) -> Part:
        """The part of the rows where `keep` [R] is true."""
        if keep.all():
            return self
        return replace(
            self,
            server=self.server[keep],
            utc=self.utc[keep],
            wall=self.wall[keep],
            ingested=None if self.ingested is None else self.ingested[keep],
            row=self.row[keep],
            values={name: values[keep] for name, values in self.values.items()},
            long=None if self.long is None else (self.long[0][keep], self.long[1][keep]),
            texts={name: (codes[keep], names) for name, (codes, names) in self.texts.items()},
        )


def read_part(path: Path, settings: Settings, rejects: Rejects) -> Part:
    """Read and check one file; with a `problem` where too much of it is bad.

    Raises InputError where the file as a whole cannot be read.
    """
    sheet = read_sheet(path, lambda name: is_number_column(name, settings))
    found = Rejects()
    for reason, lines in (("ragged_row", sheet.ragged), ("mixed_encoding", sheet.undecodable)):
        numbers = np.array([number for number, _ in lines], dtype=np.int64)
        found.add(sheet.file, numbers, "", "", pd.Series([text for _, text in lines], dtype="object"), reason)
    try:
        part, useless = _parse(sheet, settings, found)
    except pa.ArrowException as error:
        raise InputError(f"{path}: a column has a type that cannot be used ({error}); export it as text") from error
    rejects.extend(found.frame())
    return replace(part, problem=_mostly_bad(part, useless + len(sheet.unread), settings, found))


def _parse(sheet: Sheet, settings: Settings, rejects: Rejects) -> tuple[Part, int]:
    """The part, and how many rows of the sheet gave no value because of what stands there."""
    plan = layout(sheet.file, sheet.table.column_names, settings)
    server, names = cells.texts(sheet.table[plan.known[SERVER_ID]])
    ids = np.array([*names, ""], dtype=object)
    check = Check(sheet, plan, settings, rejects, ids[server], np.ones(len(server), dtype=np.bool_))
    check.drop(plan.known[SERVER_ID], server < 0, "empty_server_id")
    times = check.moments(plan.known[TIMESTAMP])
    ingested = check.moments(plan.known[INGESTED_AT]).utc if INGESTED_AT in plan.known else None
    values: dict[str, Values] = {}
    long, long_names, labels, spoilt = None, [""][:0], {"": ""}, np.zeros_like(check.good)
    foreign = set(sheet.table.column_names)
    if plan.long:
        codes, long_names, numbers = check.long()
        long, labels = (codes, numbers), {}
        foreign |= set(cells.texts(sheet.table[plan.known[METRIC]])[1])
    else:
        values, labels, spoilt = check.wide()
    described = {**plan.inventory, **_some_labels({**plan.labels, **labels}, sheet.file, settings, rejects)}
    texts = {
        name: check.sizes(column) if name in INVENTORY_NUMBERS else cells.texts(sheet.table[column])
        for name, column in described.items()
    }
    part = Part(
        sheet.file, sheet.sha256, len(server) + len(sheet.unread), server, ids, times.utc, times.wall, ingested,
        sheet.rows, values, long, long_names, texts, frozenset(foreign),
    )  # fmt: skip
    return part.take(check.good), int((~check.good | spoilt).sum())


def _some_labels(labels: dict[str, str], file: str, settings: Settings, rejects: Rejects) -> dict[str, str]:
    """As many labels as settings allow, those they name first; the others are put on record."""
    order = sorted(labels, key=lambda name: labels[name] not in settings.source.labels)
    most = settings.source.max_labels
    if len(order) > most:
        left = pd.Series([labels[name] for name in order[most:]], dtype="str")
        rejects.add(file, np.zeros(len(left), dtype=np.int64), "", left, "", "label_left_out")
        log.warning("%s: %d label columns, the first %d are kept (source.max_labels)", file, len(order), most)
    return {name: labels[name] for name in order[:most]}


def _mostly_bad(part: Part, bad: int, settings: Settings, found: Rejects) -> str:
    """Why the file is refused when more of its rows than settings allow give nothing; else ""."""
    limit = settings.source.max_rejected_share
    if not part.rows_read or bad / part.rows_read <= limit:
        return ""
    problems = found.frame()
    problems = problems[problems["row"] > 0]
    reason = problems["reason"].value_counts().sort_index().idxmax()
    first = problems[problems["reason"] == reason].iloc[0]
    return (
        f"{part.file}: {bad} of {part.rows_read} rows cannot be used, mostly {reason} (row {first['row']}, column "
        f"{first['column'] or '-'}: {first['value']!r}); correct the file, or raise source.max_rejected_share "
        f"({limit:g})"
    )
