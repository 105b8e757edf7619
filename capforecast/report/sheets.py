"""Sheets of the workbook: formats, page set-up and tables, on XlsxWriter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from capforecast.errors import CapforecastError
from capforecast.report import style
from capforecast.report.columns import Column
from capforecast.report.words import quoted
from capforecast.schema import TIER_ORDER

MAX_ROWS = 1_048_576  # of a sheet, heading included
MAX_COLUMNS = 16_384
MAX_TEXT = 32_767  # characters in a cell
_NUMBERS = {
    "figure": "#,##0.0",
    "score": "#,##0.00",
    "count": "#,##0",
    "share": "0%",
    "rate": "0.0%",
    "fine": "0.000",
    "probability": "0%",
    "percent": "0.0",
    "date": "yyyy-mm-dd",
}
_EPOCH = pd.Timestamp("1899-12-30")  # day 0 of Excel's calendar


class Sheets:
    """Writer of uniform sheets into one XlsxWriter workbook."""

    def __init__(self, book: Any, page_size: str, footer: str) -> None:
        self._book = book
        self._paper = 9 if page_size == "A4" else 1  # Excel's paper codes
        self._footer = style.shorten(style.printable(footer), 100).replace("&", "&&")
        self._formats: dict[str, Any] = {}
        self._columns: dict[str, Column] = {}

    @property
    def explained(self) -> list[Column]:
        """Every column written so far, once."""
        return list(self._columns.values())

    def page(self, name: str, widths: Sequence[float], repeat_row: int | None) -> tuple[Any, Callable[[str], Any]]:
        """A new sheet that prints on as many pages as it needs, one page wide; and the source of formats."""
        sheet = self._book.add_worksheet(name)
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.set_paper(self._paper)
        sheet.set_margins(left=0.5, right=0.5, top=0.5, bottom=0.7)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{self._footer}&C&A&RPage &P of &N")
        if repeat_row is not None:
            sheet.repeat_rows(repeat_row)
        for i, width in enumerate(widths):
            sheet.set_column(i, i, width)
        return sheet, self.format

    def format(self, name: str) -> Any:
        """A cell format by name: a column kind, `tier_<tier>`, or one of the headings."""
        if name not in self._formats:
            self._formats[name] = self._book.add_format(_look(name))
        return self._formats[name]

    def table(self, name: str, frame: pd.DataFrame, columns: Sequence[Column], empty: str, printed: int = 0) -> None:
        """A sheet with one table: frozen heading with notes, filter, widths, bars on probabilities, colours on tiers.

        Only the first `printed` columns go to paper (0 = all); a line across one page would be too small to read.

        Raises:
            CapforecastError: more columns than a sheet can hold.
        """
        if len(columns) > MAX_COLUMNS:
            raise CapforecastError(
                f"the workbook's sheet {name} would have {len(columns):,} columns, Excel allows {MAX_COLUMNS:,}; "
                "drop label columns from the inventory or the observations"
            )
        room = MAX_ROWS - 1
        parts = range(0, max(len(frame), 1), room)
        for number, start in enumerate(parts, 1):
            part = frame.iloc[start : start + room]
            self._sheet(
                name if len(parts) == 1 else f"{name} ({number})", part, columns, empty, printed or len(columns)
            )
        for column in columns:  # by heading: a key may mean another thing on another sheet
            self._columns.setdefault(column.title, column)

    def _sheet(self, name: str, frame: pd.DataFrame, columns: Sequence[Column], empty: str, printed: int) -> None:
        sheet, form = self.page(name, [column.width for column in columns], repeat_row=0)
        sheet.set_row(0, 42 if any(len(c.title) > c.width for c in columns) else 20)
        for i, column in enumerate(columns):
            head = "head_number" if column.kind in _NUMBERS else f"head{_after(columns, i)}"
            sheet.write_string(0, i, _cell_text(column.title), form(head))
            sheet.write_comment(0, i, quoted(column.note), {"x_scale": 1.6, "y_scale": 0.9, "author": ""})
        sheet.freeze_panes(1, 1)
        last = len(frame)
        if not last:
            sheet.write_string(1, 0, empty, form("muted"))
            return
        for i, column in enumerate(columns):
            self._column(sheet, i, column, frame[column.key], _after(columns, i))
            if column.kind == "probability":
                sheet.conditional_format(1, i, last, i, _BAR)
        sheet.autofilter(0, 0, last, len(columns) - 1)
        sheet.print_area(0, 0, last, printed - 1)

    def _column(self, sheet: Any, at: int, column: Column, values: pd.Series, after: str) -> None:
        """Write one column below its heading; a missing value leaves its cell empty. after: as `_after` has it."""
        form = self.format(f"text{after}" if column.kind == "text" else column.kind)
        if column.kind in _NUMBERS:
            for row, number in _numbers(column, values):
                sheet.write_number(row, at, number, form)
            return
        present = values.notna().to_numpy(dtype=bool)
        for row, (value, there) in enumerate(zip(values.tolist(), present, strict=True), 1):
            if not there:
                continue
            if column.kind == "flag":
                sheet.write_string(row, at, "yes" if value else "", form)
            else:
                text = _cell_text(str(value))
                is_tier = column.kind == "tier" and text in set(TIER_ORDER)
                sheet.write_string(row, at, text, self.format(f"tier_{text}") if is_tier else form)

    def tier_chart(self, sheet: Any, name: str, head: int, rows: int, at: int) -> int:
        """A native chart of critical, high and watch by business unit; returns the first row below it."""
        chart = self._book.add_chart({"type": "bar", "subtype": "stacked"})
        for column, tier in enumerate(TIER_ORDER[:3], 2):
            chart.add_series(
                {"name": [name, head, column], "categories": [name, head + 1, 0, head + rows, 0],
                 "values": [name, head + 1, column, head + rows, column], "gap": 50,
                 "fill": {"color": style.TIER_FILL[tier]}}
            )  # fmt: skip
        font = {"name": "Calibri", "size": 9}
        chart.set_title({"name": "Servers to look at, by business unit", "name_font": {**font, "size": 11},
                         "overlay": False})  # fmt: skip
        chart.set_y_axis({"reverse": True, "num_font": font, "major_gridlines": {"visible": False}})
        chart.set_x_axis({"num_font": font, "num_format": "#,##0", "major_gridlines": {"visible": True, "line": {
            "color": style.RULE}}, "label_position": "high"})  # fmt: skip
        chart.set_legend({"position": "bottom", "font": font})
        height = 110 + 22 * min(rows, 40)
        chart.set_size({"width": 820, "height": height})
        sheet.insert_chart(at, 0, chart, {"description": "Stacked bars: servers critical, high and on watch"})
        return at + height // 20 + 2


_BAR = {
    "type": "data_bar", "bar_color": style.BAND_95, "bar_solid": True, "data_bar_2010": True,
    "min_type": "num", "min_value": 0, "max_type": "num", "max_value": 1,
}  # fmt: skip


def _numbers(column: Column, values: pd.Series) -> list[tuple[int, float]]:
    """(row, number) of every finite value; dates as days of Excel's calendar."""
    if column.kind == "date":
        moments = pd.to_datetime(values, errors="coerce", utc=True).dt.tz_localize(None)
        figures = ((moments - _EPOCH) / pd.Timedelta(days=1)).to_numpy(dtype="float64")
    else:
        figures = pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    rows = np.flatnonzero(np.isfinite(figures))
    return list(zip((rows + 1).tolist(), figures[rows].tolist(), strict=True))


def _after(columns: Sequence[Column], at: int) -> str:
    """Suffix of the format of a text column: indented where it follows a number, which it would touch."""
    return "_after" if at and columns[at].kind == "text" and columns[at - 1].kind in _NUMBERS else ""


def _cell_text(text: str) -> str:
    return style.printable(text)[:MAX_TEXT]


def _look(name: str) -> dict[str, Any]:
    """Properties of a cell format."""
    base: dict[str, Any] = {"font_name": "Calibri", "font_size": 10, "font_color": style.INK, "valign": "top"}
    if name in _NUMBERS:
        return base | {"num_format": _NUMBERS[name]}
    if name.startswith("tier_"):
        tier = name.removeprefix("tier_")
        tier, side = tier.removesuffix("_head"), "right" if tier.endswith("_head") else "center"
        colours = {"bg_color": style.TIER_FILL[tier], "font_color": style.TIER_TEXT[tier]}  # type: ignore[index]
        return base | colours | {"bold": True, "align": side, "valign": "bottom" if side == "right" else "top"}
    if name.endswith("_after"):
        return _look(name.removesuffix("_after")) | {"indent": 1}
    special: dict[str, dict[str, Any]] = {
        "head": {"bold": True, "text_wrap": True, "valign": "bottom", "bottom": 1, "bg_color": style.FAINT},
        "head_number": {
            "bold": True,
            "text_wrap": True,
            "align": "right",
            "valign": "bottom",
            "bottom": 1,
            "bg_color": style.FAINT,
        },
        "title": {"bold": True, "font_size": 18},
        "headline": {"bold": True, "font_size": 13},
        "muted": {"font_color": style.MUTED},
        "text": {},
        "tier": {"align": "center"},
        "flag": {"align": "center"},
        "alarm": {"bold": True, "font_color": style.TIER_FILL[TIER_ORDER[0]]},
        "total_text": {"bold": True, "top": 1},
        "total_count": {"bold": True, "top": 1, "num_format": _NUMBERS["count"]},
    }
    return base | special[name]
