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
    """Rows [R] of one or more files on the grid. matrix: float32 [R, M], NaN = missing. file: code into files.

    cells: row [R, M] of the file in which a value stood, where files in long form are among them.
    """

    server: npt.NDArray[np.object_]
    time: Times
    ingested: Times
    file: Codes
    row: Codes
    matrix: Values
    columns: list[str]
    cells: Codes | None = None


@dataclass(frozen=True)
class Merged:
    """observations as in schema.py, and what became of the rows of each part, as counts [files].

    used: gave a value that stands, or the only row of its server and time.  conflicts: gave only values that a later
    row replaces by others.  duplicates: gave nothing that another row does not say as well.
    """

    observations: pd.DataFrame
    used: Codes
    conflicts: Codes
    duplicates: Codes


def merge(parts: list[Part], grids: list[Times], rejects: Rejects) -> Merged:
    """One frame of all parts, each on its grid times [R]. Of repeated values the last one given (by file, then row)
    stays; those that differed from it are recorded as `duplicate_conflict`."""
    files = [part.file for part in parts]
    columns = sorted({name for part in parts for name in (*part.values, *part.long_names)})
    lost, pieces = np.zeros((2, len(parts)), dtype=np.int64), []  # conflicts, duplicates
    for code, (part, grid) in enumerate(zip(parts, grids, strict=True)):
        if part.long:
            piece, lost[:, code] = _long_rows(part, grid, code, columns, rejects)
        else:
            piece = _wide_rows(part, grid, code, columns)
        pieces.append(piece)
    rows = _stack(pieces, columns)
    server, names = pd.factorize(rows.server, sort=True)
    arrived = any(part.ingested is not None for part in parts)
    order = np.lexsort((rows.row, rows.file, rows.ingested.view(np.int64), rows.time.view(np.int64), server))
    rows, server = _ordered(rows, order), server[order]
    first = _new_key(server, rows.time, rows.ingested)
    lost += _fold(rows, first, [part.long is not None for part in parts], files, rejects)
    observations = pd.DataFrame(
        {SERVER_ID: pd.Index(names, dtype="str").take(server[first]), TIMESTAMP: to_index(rows.time[first])}
        | {name: rows.matrix[first, place] for place, name in enumerate(columns)}
        | ({INGESTED_AT: to_index(rows.ingested[first])} if arrived else {})
    )
    return Merged(observations, np.array([len(part.row) for part in parts]) - lost.sum(axis=0), lost[0], lost[1])


def _wide_rows(part: Part, grid: Times, code: int, columns: list[str]) -> Rows:
    count = len(part.row)
    matrix = np.full((count, len(columns)), np.nan, dtype=np.float32)
    for name, values in part.values.items():
        matrix[:, columns.index(name)] = values
    arrival = _arrival(part)
    return Rows(part.names[part.server], grid, arrival, np.full(count, code), part.row, matrix, columns)


def _arrival(part: Part) -> Times:
    return np.full(len(part.row), np.datetime64("NaT", "us")) if part.ingested is None else part.ingested


def _long_rows(
    part: Part, grid: Times, code: int, columns: list[str], rejects: Rejects
) -> tuple[Rows, tuple[int, int]]:
    """Long rows turned: one row per server, time and arrival, numbered by its last row in the file.

    With how many rows a later one of the file replaces by another value, and how many it repeats.
    """
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
    cells = np.zeros(matrix.shape, dtype=np.int64)
    cells[place[last], lookup[metric[last]]] = row[last]
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
        cells,
    )
    return rows, (int(other.sum()), int((~last & ~other).sum()))


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
        cells=_stacked_cells(pieces),
    )


def _stacked_cells(pieces: list[Rows]) -> Codes | None:
    if all(piece.cells is None for piece in pieces):
        return None
    given = [piece.row[:, None] if piece.cells is None else piece.cells for piece in pieces]
    return np.concatenate(
        [np.broadcast_to(rows, piece.matrix.shape) for rows, piece in zip(given, pieces, strict=True)]
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
        cells=None if rows.cells is None else rows.cells[order],
    )


def _fold(rows: Rows, first: npt.NDArray[np.bool_], long: list[bool], files: list[str], rejects: Rejects) -> Codes:
    """Fold rows of one key into the first of them; what is lost [conflicts and duplicates, files].

    Of a file in long form its own rows count, one per value; of a wide one a row that gives no value that stands.
    """
    group = np.cumsum(first) - 1
    several = np.flatnonzero(np.bincount(group)[group] > 1)
    lost = np.zeros((2, len(files)), dtype=np.int64)
    if not len(several):
        return lost
    matrix, file = rows.matrix[several], rows.file[several]
    starts = np.flatnonzero(first[several])
    by = np.cumsum(first[several]) - 1
    given = ~np.isnan(matrix)
    last = np.maximum.reduceat(np.where(given, np.arange(len(several))[:, None], -1), starts, axis=0)
    settled = np.where(last >= 0, np.take_along_axis(matrix, np.maximum(last, 0), axis=0), np.float32(np.nan))
    stands = given & (last[by] == np.arange(len(several))[:, None])
    differs = given & (matrix != settled[by])
    at, column = np.nonzero(differs)
    source = several[at]
    number = rows.row[source] if rows.cells is None else rows.cells[source, column]
    rejects.add(
        np.array(files, dtype=object)[rows.file[source]], number, rows.server[source],
        np.array(rows.columns, dtype=object)[column], rows.matrix[source, column], CONFLICT,
    )  # fmt: skip
    hollow: npt.NDArray[np.bool_] = np.all(last < 0, axis=1)
    only = hollow[by] & first[several]  # the one of its key that shows the server was there
    idle = ~stands.any(axis=1) & ~only
    turned = np.array(long, dtype=np.bool_)[file]
    conflicts = np.where(turned, differs.sum(axis=1), idle & differs.any(axis=1))
    repeats = np.where(turned, (given & ~stands & ~differs).sum(axis=1), idle & ~differs.any(axis=1))
    for place, count in enumerate((conflicts, repeats)):
        lost[place] = np.bincount(file, weights=count, minlength=len(files)).astype(np.int64)
    rows.matrix[several[starts]] = settled
    return lost
