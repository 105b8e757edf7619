"""Sheets of the workbook: page set-up and tables, on XlsxWriter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from capforecast.errors import CapforecastError
from capforecast.report import style
from capforecast.report.columns import Column
from capforecast.report.looks import BAR, NUMBERS, look
from capforecast.report.words import quoted

MAX_ROWS = 1_048_576  # of a sheet, with heading and notes
MAX_COLUMNS = 16_384
MOST_PRINTED = 300  # rows of a table that go to paper: five pages
LINE = 13.5  # points, of a line of text


class Over(NamedTuple):
    """Cells of the columns `first`..`last` (by key) that are above their row's `limit`, a column or a number."""

    first: str
    last: str
    limit: str | float
    look: str = "over"


class Spark(NamedTuple):
    """Value of a cell of kind `spark`: the cells that its line is drawn from, and whether they are percent."""

    cells: str
    percent: bool


class Sheets:
    """Writer of uniform sheets into one XlsxWriter workbook."""

    def __init__(self, book: Any, page_size: str, footer: str, partition: str) -> None:
        """partition: of the lake's tables that the sheets show, e.g. `cadence=daily/as_of=2026-11-23`."""
        self._book = book
        self._paper = 9 if page_size == "A4" else 1  # Excel's paper codes
        self._footer = style.shorten(style.printable(footer), 70).replace("&", "&&")
        self._partition = partition
        self._formats: dict[str, Any] = {}
        self._columns: dict[str, Column] = {}
        self.shortened: list[str] = []  # what is not whole, a sentence each

    @property
    def explained(self) -> list[Column]:
        """Every column written so far, once; of weeks their sparklines only."""
        return list(self._columns.values())

    def page(self, name: str, widths: Sequence[float], repeat_row: int | None) -> tuple[Any, Callable[[str], Any]]:
        """A new sheet that prints on as many pages as it needs, one page wide; and the source of formats."""
        from capforecast.report.bulk import BulkSheet  # brings XlsxWriter, which no one else needs

        sheet = self._book.add_worksheet(name, BulkSheet)
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.set_paper(self._paper)
        sheet.set_margins(left=0.5, right=0.5, top=0.5, bottom=0.7)
        sheet.fit_to_pages(1, 0)
        self._foot(sheet)
        if repeat_row is not None:
            sheet.repeat_rows(repeat_row)
        for i, width in enumerate(widths):
            sheet.set_column(i, i, width)
        return sheet, self.format

    def format(self, name: str) -> Any:
        """A cell format by name, as `looks.look` spells them."""
        if name not in self._formats:
            self._formats[name] = self._book.add_format(look(name))
        return self._formats[name]

    def chart(self, options: dict[str, Any]) -> Any:
        """A native chart, to be placed on a sheet."""
        return self._book.add_chart(options)

    def table(
        self,
        name: str,
        frame: pd.DataFrame,
        columns: Sequence[Column],
        empty: str,
        printed: int = 0,
        *,
        dataset: str = "",
        most: int = MAX_ROWS,
        over: Sequence[Over] = (),
        on_paper: str = "",
        rows_on_paper: int = MOST_PRINTED,
    ) -> None:
        """A sheet with one table: frozen heading with notes, filter, widths, bars on probabilities, colours on tiers.

        To paper go the first `printed` columns (0 = all; a line across one page would be too small to read) and the
        first `rows_on_paper`; where `on_paper` says why not, only that. A table longer than `most`, or than a sheet
        can be, is cut: a note says so and names the `dataset` of the lake that has all of it.

        Raises:
            CapforecastError: more columns than a sheet can hold.
        """
        if len(columns) > MAX_COLUMNS:
            raise CapforecastError(
                f"the workbook's sheet {name} would have {len(columns):,} columns, Excel allows {MAX_COLUMNS:,}; "
                "drop label columns from the inventory or the observations"
            )
        kept = frame.iloc[: min(most, MAX_ROWS - 4)]
        note = self._note(name, len(kept), len(frame), dataset)
        sheet = self._headed(name, columns, note)
        if len(kept):
            self._rows(sheet, kept, columns, note)
            for rule in over:
                self._mark(sheet, len(kept), columns, rule)
            self._print(sheet, len(kept), printed or len(columns), on_paper, rows_on_paper)
        else:
            sheet.write_string(1, 0, empty, self.format("muted"))
        for column in columns:  # by heading: a key may mean another thing on another sheet
            if column.listed:
                self._columns.setdefault(column.title, column)

    def _note(self, name: str, shown: int, rows: int, dataset: str) -> str:
        """What is said of a table that is cut."""
        if shown == rows:
            return ""
        where = f"; all are in the lake, as Parquet below {dataset}/{self._partition}" if dataset else ""
        self.shortened.append(f"{name} shows the first {shown:,} of {rows:,} rows{where}")
        return f"Not all: the first {shown:,} of {rows:,} rows{where}"

    def _headed(self, name: str, columns: Sequence[Column], note: str) -> Any:
        sheet, form = self.page(name, [column.width for column in columns], repeat_row=0)
        sheet.set_row(0, 42 if any(len(c.title) > c.width for c in columns) else 20)
        for i, column in enumerate(columns):
            head = "head_number" if column.kind in NUMBERS else f"head{_after(columns, i)}"
            sheet.write_string(0, i, style.printable(column.title), form(head))
            said = f"{note}. {column.note}" if note and not i else column.note
            sheet.write_comment(0, i, quoted(said), {"x_scale": 1.6, "y_scale": 0.9, "author": ""})
        sheet.freeze_panes(1, 1)
        return sheet

    def _rows(self, sheet: Any, frame: pd.DataFrame, columns: Sequence[Column], note: str) -> None:
        from capforecast.report.cells import cells_of

        last = len(frame)
        cells = [cells_of(c, frame[c.key], self.format, _after(columns, i)) for i, c in enumerate(columns)]
        sheet.fill(1, last, cells, _heights(frame, columns))
        for i, column in enumerate(columns):
            if column.kind == "probability":
                sheet.conditional_format(1, i, last, i, BAR)
            elif column.kind == "spark":
                _sparklines(sheet, i, frame[column.key].tolist())
        sheet.autofilter(0, 0, last, len(columns) - 1)
        if note:
            sheet.write_string(last + 2, 0, note, self.format("alarm"))

    def _mark(self, sheet: Any, last: int, columns: Sequence[Column], rule: Over) -> None:
        """Fill the cells that are over their limit."""
        from xlsxwriter.utility import xl_col_to_name

        keys = [column.key for column in columns]
        first, end = keys.index(rule.first), keys.index(rule.last)
        cell = f"{xl_col_to_name(first)}2"
        limit = f"${xl_col_to_name(keys.index(rule.limit))}2" if isinstance(rule.limit, str) else f"{rule.limit:g}"
        formula = f"=AND(ISNUMBER({cell}),ISNUMBER({limit}),{cell}>{limit})"
        options = {"type": "formula", "criteria": formula, "format": self.format(rule.look), "stop_if_true": True}
        sheet.conditional_format(1, first, last, end, options)

    def _print(self, sheet: Any, rows: int, printed: int, on_paper: str, most: int) -> None:
        if on_paper:
            sheet.write_string(rows + 3, 0, on_paper, self.format("muted"))
            sheet.print_area(rows + 3, 0, rows + 3, printed - 1)
            return
        sheet.print_area(0, 0, min(rows, most), printed - 1)
        if rows > most:
            self._foot(sheet, f"; the first {most:,} of {rows:,} rows")

    def _foot(self, sheet: Any, further: str = "") -> None:
        sheet.set_footer(f"&L{self._footer}{further}&C&A&RPage &P of &N")


def _heights(frame: pd.DataFrame, columns: Sequence[Column]) -> list[float]:
    """Heights of rows that hold texts of several lines, since not every program finds them itself; else none."""
    wrapped = [column for column in columns if column.wrap]
    if not wrapped:
        return []
    lines = pd.concat([frame[c.key].astype("str").str.len() / (c.width * 1.15) for c in wrapped], axis=1).max(axis=1)
    return [LINE * max(1, math.ceil(each)) + 1.5 for each in lines.fillna(1).tolist()]


def _sparklines(sheet: Any, at: int, sparks: Sequence[object]) -> None:
    """Lines in the cells of a column: from 0 to 100 for percent, else from 0 to the row's own largest."""
    from xlsxwriter.utility import xl_rowcol_to_cell

    for percent, scale in ((True, {"min": 0, "max": 100}), (False, {"min": 0})):
        mine = [
            (row, each.cells)
            for row, each in enumerate(sparks, 1)
            if isinstance(each, Spark) and each.percent == percent
        ]
        if mine:
            places, ranges = [xl_rowcol_to_cell(row, at) for row, _ in mine], [cells for _, cells in mine]
            line = {"series_color": style.ACCENT, "weight": 1.25, "show_hidden": True, **scale}
            sheet.add_sparkline(1, at, {"location": places, "range": ranges, **line})


def _after(columns: Sequence[Column], at: int) -> str:
    """Suffix of the format of a text column, or a heading: indented where it follows a number, which it would touch."""
    return "_after" if at and columns[at].kind in ("text", "spark") and columns[at - 1].kind in NUMBERS else ""
