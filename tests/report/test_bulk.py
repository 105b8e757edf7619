"""Sheets written column by column: the same cells as XlsxWriter writes one by one."""

from __future__ import annotations

import io

import numpy as np
import openpyxl
import pandas as pd
import pytest
import xlsxwriter

from capforecast.report import bulk
from capforecast.report.bulk import BulkSheet
from capforecast.report.cells import MAX_TEXT, cell_text, cells_of
from capforecast.report.columns import Column

TEXTS = ["a", None, "=1+1", " led by a blank", "<b>&amp;", "\N{GRINNING FACE}", "a", "line\nbreak", "00123", ""]
NUMBERS = [0.0, np.nan, -1.5, 1e-9, 1e305, np.inf, 123456789.12, 0.1, 7.0, -0.0]
COLUMNS = (Column("text", "Text", ""), Column("number", "Number", "", "score"), Column("tier", "Tier", "", "tier"),
           Column("flag", "Flag", "", "flag"), Column("day", "Day", "", "date"))  # fmt: skip


def frame() -> pd.DataFrame:
    days = pd.date_range("2026-01-01", periods=10, tz="UTC").to_series(index=range(10)).where(lambda d: d.dt.day != 3)
    return pd.DataFrame({"text": TEXTS, "number": NUMBERS, "tier": ["high", "ok", None, "odd", "high"] * 2,
                         "flag": [True, False] * 5, "day": days})  # fmt: skip


def written() -> openpyxl.worksheet.worksheet.Worksheet:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer)
    sheet = book.add_worksheet("S", BulkSheet)
    formats: dict[str, object] = {}

    def form(name: str) -> object:
        return formats.setdefault(name, book.add_format({"bold": name == "tier_high"}))

    data = frame()
    sheet.write_string(0, 0, "Text")
    sheet.fill(1, len(data), [cells_of(column, data[column.key], form) for column in COLUMNS])
    sheet.write_string(12, 1, "below")
    book.close()
    return openpyxl.load_workbook(buffer)["S"]


@pytest.mark.parametrize("block", [3, 8_192])
def test_cells_hold_what_the_frame_holds(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(bulk, "_BLOCK", block)
    sheet = written()
    assert sheet.dimensions == "A1:E13"
    assert [cell.value for cell in sheet["A"][1:11]] == [
        "a", None, "=1+1", " led by a blank", "<b>&amp;", "\N{GRINNING FACE}", "a", "line break", "00123", None,
    ]  # fmt: skip
    assert sheet["A4"].data_type == "s"
    assert [cell.value for cell in sheet["B"][1:11]] == [0, None, -1.5, 0, 1e305, None, 123456789.12, 0.1, 7, 0]
    assert [cell.value for cell in sheet["D"][1:5]] == ["yes", None, "yes", None]
    assert (sheet["A1"].value, sheet["B13"].value) == ("Text", "below")
    assert [sheet[f"C{row}"].font.bold for row in (2, 3, 5, 6)] == [True, False, False, True]
    assert [sheet[f"E{row}"].value for row in (2, 4)] == [46023, None]


def test_short_floats_keep_their_own_digits() -> None:
    cells = cells_of(Column("x", "X", "", "figure"), pd.Series([45.3, 0.1], dtype="float32"), lambda _: None)
    assert str(cells.values.type) == "float"


def test_a_long_text_is_cut_as_excel_counts_it() -> None:
    assert len(cell_text("x" * 40_000)) == MAX_TEXT
    faces = cell_text("\N{GRINNING FACE}" * 20_000)
    assert len(faces.encode("utf-16-le")) // 2 == MAX_TEXT - 1
