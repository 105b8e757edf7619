"""Worksheets of many rows: whole columns are turned into the sheet's XML by Arrow, not cell by cell by XlsxWriter.

Cell by cell, 10,000 servers (7 million cells) take 35 CPU seconds and 1.7 GiB; so 7 and a quarter of a GiB.
What is not rows (widths, notes, formats, bars, filters, print set-up) stays XlsxWriter's. This uses what XlsxWriter
keeps to itself (`_write_rows`, `_check_dimensions`, the shared strings), of the version that the lock pins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

_BLOCK = 8_192  # rows turned into text at a time: some ten MB


@dataclass(frozen=True)
class Cells:
    """Cells of a column, one per row: numbers, or `text` by number in `words`; null = an empty cell.

    formats: cell formats.  chosen: which of them a cell has, one per row; None = the first.
    """

    values: pa.Array
    formats: Sequence[Any]
    chosen: npt.NDArray[np.int64] | None = None
    words: Sequence[str] | None = None


class BulkSheet(Worksheet):  # type: ignore[misc]
    """A worksheet with one block of rows that is kept as columns; all else is written as to any worksheet."""

    def __init__(self) -> None:
        super().__init__()
        self.dim_rowmin: int | None
        self.dim_rowmax: int | None
        self._first, self._count = 0, 0
        self._heights: list[str] = []
        self._bulk: list[tuple[int, Cells, pa.Array]] = []

    def fill(self, first: int, count: int, columns: Sequence[Cells], heights: Sequence[float] = ()) -> None:
        """Set rows first .. first + count - 1 (from 0), columns from A on; once, and nothing else into these rows.

        heights: of the rows, in points; none = the default.
        """
        self._first, self._count = first, count
        self._bulk = [(at, cells, self._written(cells)) for at, cells in enumerate(columns)]
        self._heights = [f' ht="{height:g}" customHeight="1"' for height in heights] or [""] * count
        self._check_dimensions(first + count - 1, len(columns) - 1)

    def _written(self, cells: Cells) -> pa.Array:
        """What stands in the cells' <v>: a number, or the place of a text among all the workbook's."""
        if cells.words is None:
            return cells.values
        places = [self.str_table._get_shared_string_index(word) for word in cells.words]
        self.str_table.count += len(cells.values) - cells.values.null_count - len(places)
        return pc.take(pa.array(places, type=pa.int32()), cells.values)

    def _write_rows(self) -> None:
        if not self._count:
            super()._write_rows()
            return
        lowest, highest = self.dim_rowmin, self.dim_rowmax
        self.dim_rowmax = self._first - 1
        super()._write_rows()
        for text in self._blocks():
            self.fh.write(text)
        self.dim_rowmin, self.dim_rowmax = self._first + self._count, highest
        super()._write_rows()
        self.dim_rowmin = lowest

    def _blocks(self) -> Iterator[str]:
        """The rows as XML, some thousand at a time."""
        for start in range(0, self._count, _BLOCK):
            size = min(_BLOCK, self._count - start)
            numbers = np.arange(self._first + start + 1, self._first + start + size + 1)  # as Excel counts rows
            rows = pc.cast(pa.array(numbers), pa.string())
            cells = [_cells(at, each, values.slice(start, size), start, rows) for at, each, values in self._bulk]
            lines = pc.binary_join_element_wise(
                '<row r="',
                rows,
                pa.array([f'"{height}>' for height in self._heights[start : start + size]]),
                *cells,
                "</row>",
                "",
                null_handling="replace",
                null_replacement="",
            )
            end = int(np.frombuffer(lines.buffers()[1], dtype=np.int32, count=size + 1)[-1])
            yield str(memoryview(lines.buffers()[2])[:end], "ascii")


def _cells(at: int, cells: Cells, values: pa.Array, start: int, rows: pa.Array) -> pa.Array:
    """Cells of a column as XML; null where there is none."""
    styles: Any = str(cells.formats[0]._get_xf_index()) if cells.formats else "0"
    if cells.chosen is not None:
        known = pa.array([str(each._get_xf_index()) for each in cells.formats])
        styles = pc.take(known, pa.array(cells.chosen[start : start + len(values)]))
    kind = '" t="s"><v>' if cells.words is not None else '"><v>'
    return pc.binary_join_element_wise(
        f'<c r="{xl_col_to_name(at)}', rows, '" s="', styles, kind, pc.cast(values, pa.string()), "</v></c>", ""
    )
