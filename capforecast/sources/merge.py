"""Parts of many files as one frame: one row per server, time and arrival, later rows winning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import INGESTED_AT, SERVER_ID, TIMESTAMP
from capforecast.sources.checks import Codes, Values
from capforecast.sources.grid import Times, to_index
from capforecast.sources.parts import Part
from capforecast.sources.rejects import Rejects

CONFLICT = "duplicate_conflict"


@dataclass
class Rows:
    """Rows [R] of one or more files on the grid. matrix: float32 [R, M], NaN = missing. file: code into files."""

    server: npt.NDArray[np.object_]
    time: Times
    ingested: Times
    file: Codes
    row: Codes
    matrix: Values
    columns: list[str]


@dataclass(frozen=True)
class Merged:
    """observations as in schema.py; duplicates: rows (long form: values) that repeat one given before;
    completed: rows that add other metrics to a server and time given before."""

    observations: pd.DataFrame
    duplicates: int
    completed: int


def merge(parts: list[Part], grids: list[Times], rejects: Rejects) -> Merged:
    """One frame of all parts, each on its grid times [R]. Of repeated values the last one given (by file, then row)
    stays; those that differed from it are recorded as `duplicate_conflict`."""
    files = [part.file for part in parts]
    columns = sorted({name for part in parts for name in (*part.values, *part.long_names)})
    duplicates, pieces = 0, []
    for code, (part, grid) in enumerate(zip(parts, grids, strict=True)):
        piece, repeated = _long_rows(part, grid, code, columns, rejects) if part.long else (None, 0)
        pieces.append(piece if piece is not None else _wide_rows(part, grid, code, columns))
        duplicates += repeated
    rows = _stack(pieces, columns)
    server, names = pd.factorize(rows.server, sort=True)
    arrived = any(part.ingested is not None for part in parts)
    order = np.lexsort((rows.row, rows.file, rows.ingested.view(np.int64), rows.time.view(np.int64), server))
    rows, server = _ordered(rows, order), server[order]
    first = _new_key(server, rows.time, rows.ingested)
    keep, repeated, completed = _fold(rows, first, files, rejects)
    observations = pd.DataFrame(
        {SERVER_ID: pd.Index(names, dtype="str").take(server[keep]), TIMESTAMP: to_index(rows.time[keep])}
        | {name: rows.matrix[keep, place] for place, name in enumerate(columns)}
        | ({INGESTED_AT: to_index(rows.ingested[keep])} if arrived else {})
    )
    return Merged(observations, duplicates + repeated, completed)


def _wide_rows(part: Part, grid: Times, code: int, columns: list[str]) -> Rows:
    count = len(part.row)
    matrix = np.full((count, len(columns)), np.nan, dtype=np.float32)
    for name, values in part.values.items():
        matrix[:, columns.index(name)] = values
    arrival = _arrival(part)
    return Rows(part.names[part.server], grid, arrival, np.full(count, code), part.row, matrix, columns)


def _arrival(part: Part) -> Times:
    return np.full(len(part.row), np.datetime64("NaT", "us")) if part.ingested is None else part.ingested


def _long_rows(part: Part, grid: Times, code: int, columns: list[str], rejects: Rejects) -> tuple[Rows, int]:
    """Long rows turned: one row per server, time and arrival, numbered by its last row in the file."""
    assert part.long is not None
    metric, value = part.long
    arrival = _arrival(part)
    given = ~np.isnan(value)
    order = np.lexsort((part.row, given, metric, arrival.view(np.int64), grid.view(np.int64), part.server))
    server, time, metric, value = part.server[order], grid[order], metric[order], value[order]
    arrival, row, given = arrival[order], part.row[order], given[order]
    new_row = _new_key(server, time, arrival)
    new_cell = new_row | np.append(True, np.diff(metric) != 0)[: len(metric)]
    last = np.append(new_cell[1:], True)[: len(metric)]
    final = value[last][np.cumsum(new_cell) - 1]
    other = given & (value != final)
    rejects.add(
        part.file, row[other], part.names[server[other]], np.array(part.long_names, dtype=object)[metric[other]],
        value[other], CONFLICT,
    )  # fmt: skip
    place = np.cumsum(new_row) - 1
    matrix = np.full((int(new_row.sum()), len(columns)), np.nan, dtype=np.float32)
    lookup = np.array([columns.index(name) for name in part.long_names], dtype=np.int64)
    matrix[place[last], lookup[metric[last]]] = value[last]
    number = np.zeros(len(matrix), dtype=np.int64)
    np.maximum.at(number, place, row)
    rows = Rows(
        part.names[server[new_row]],
        time[new_row],
        arrival[new_row],
        np.full(len(matrix), code),
        number,
        matrix,
        columns,
    )
    return rows, int((~last).sum())


def _new_key(server: Codes, time: Times, arrival: Times) -> npt.NDArray[np.bool_]:
    """Where [R] a sorted row differs from the one before in server, time or arrival."""
    changed = np.ones(len(server), dtype=np.bool_)
    for key in (server, time.view(np.int64), arrival.view(np.int64)):
        changed[1:] &= key[1:] == key[:-1]
    changed[1:] = ~changed[1:]
    return changed


def _stack(pieces: list[Rows], columns: list[str]) -> Rows:
    if len(pieces) == 1:
        return pieces[0]
    return Rows(
        server=np.concatenate([piece.server for piece in pieces]),
        time=np.concatenate([piece.time for piece in pieces]),
        ingested=np.concatenate([piece.ingested for piece in pieces]),
        file=np.concatenate([piece.file for piece in pieces]),
        row=np.concatenate([piece.row for piece in pieces]),
        matrix=np.concatenate([piece.matrix for piece in pieces]),
        columns=columns,
    )


def _ordered(rows: Rows, order: Codes) -> Rows:
    if (np.diff(order) == 1).all():
        return rows
    return Rows(
        server=rows.server[order],
        time=rows.time[order],
        ingested=rows.ingested[order],
        file=rows.file[order],
        row=rows.row[order],
        matrix=rows.matrix[order],
        columns=rows.columns,
    )


def _fold(
    rows: Rows, first: npt.NDArray[np.bool_], files: list[str], rejects: Rejects
) -> tuple[npt.NDArray[np.bool_], int, int]:
    """Fold rows of one key into the first of them; (rows kept [R], duplicates, completed)."""
    group = np.cumsum(first) - 1
    several = np.flatnonzero(np.bincount(group)[group] > 1)
    if not len(several):
        return first, 0, 0
    values = pd.DataFrame(rows.matrix[several], columns=rows.columns)
    by = group[several]
    final = values.groupby(by).last()
    place = np.unique(by, return_inverse=True)[1]
    settled = final.to_numpy()[place]
    given = ~np.isnan(rows.matrix[several])
    at, column = np.nonzero(given & (rows.matrix[several] != settled))
    source = several[at]
    rejects.add(
        np.array(files, dtype=object)[rows.file[source]], rows.row[source], rows.server[source],
        np.array(rows.columns, dtype=object)[column], rows.matrix[source, column], CONFLICT,
    )  # fmt: skip
    counts = pd.DataFrame(given).groupby(place).sum().to_numpy()
    empty = pd.Series(~given.any(axis=1)).groupby(place).any().to_numpy()
    completes = (counts <= 1).all(axis=1) & ~empty
    extra = ~first[several]
    rows.matrix[several[first[several]]] = final.to_numpy()
    return first, int((extra & ~completes[place]).sum()), int((extra & completes[place]).sum())
