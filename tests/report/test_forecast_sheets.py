"""The sheet Forecasts, and the sparklines that draw from it."""

from __future__ import annotations

import io
import re
import zipfile

import openpyxl
import pytest
from report_samples import report_data, servers_frame
from test_excel import SETTINGS, opened, rows, with_weeks

from capforecast.report.data import ReportData
from capforecast.report.excel import render_workbook

pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning:openpyxl")
LINE = re.compile(r"<xm:f>Forecasts!([A-Z]+)(\d+):([A-Z]+)(\d+)</xm:f><xm:sqref>([A-Z]+)(\d+)</xm:sqref>")


@pytest.fixture(scope="module")
def data() -> ReportData:
    return with_weeks(report_data(servers_frame(60), fans=0))


@pytest.fixture(scope="module")
def book(data: ReportData) -> openpyxl.Workbook:
    return opened(data)


def sheet_xml(data: ReportData, name: str) -> str:
    content = render_workbook(data, SETTINGS)
    at = opened(data).sheetnames.index(name) + 1
    return zipfile.ZipFile(io.BytesIO(content)).read(f"xl/worksheets/sheet{at}.xml").decode()


def test_every_series_has_a_row_and_its_weeks_unknown_ones_a_reason(data: ReportData, book: openpyxl.Workbook) -> None:
    listed = {row["Server"]: row for row in rows(book["Forecasts"])}
    assert len(listed) == len(data.risks)
    for risk in data.risks.itertuples():
        row = listed[risk.server_id]
        if risk.tier == "unknown":
            assert (row["2026-W02 median"], row["2026-W05 90 %"], row["Reason"]) == (None, None, risk.reason)
        else:
            assert row["2026-W05 median"] == pytest.approx(risk.last_value + 30, rel=1e-6)
            assert row["2026-W02 90 %"] == pytest.approx(risk.last_value + 5, rel=1e-6)


@pytest.mark.parametrize("name", ["Forecasts", "Risks", "Servers"])
def test_each_sparkline_draws_the_medians_of_its_own_series(data: ReportData, name: str) -> None:
    book = opened(data)
    forecasts, sheet = book["Forecasts"], book[name]
    heads = {cell.column_letter: cell.value for cell in forecasts[1]}
    own = {cell.column_letter: cell.value for cell in sheet[1]}
    lines = LINE.findall(sheet_xml(data, name))
    known = int((data.risks["tier"] != "unknown").sum())
    assert len(lines) == known * (2 if name == "Forecasts" else 1)
    for first, row, last, _, at, place in lines:
        assert forecasts[f"A{row}"].value == sheet[f"A{place}"].value
        kind = "90 %" if own[at].endswith("90 %") else "median"
        assert (heads[first], heads[last]) == (f"2026-W02 {kind}", f"2026-W05 {kind}")


def test_weeks_above_a_threshold_are_filled_the_graver_first(data: ReportData, book: openpyxl.Workbook) -> None:
    letters = {cell.value: cell.column_letter for cell in book["Forecasts"][1]}
    first, high, graver = (letters[name] for name in ("2026-W02 median", "Threshold high", "Threshold very high"))
    rules = {str(r.sqref): [rule.formula[0] for rule in r.rules] for r in book["Forecasts"].conditional_formatting}
    area = f"{first}2:{letters['2026-W05 median']}{len(data.risks) + 1}"
    assert rules[area] == [f"AND(ISNUMBER({first}2),ISNUMBER(${at}2),{first}2>${at}2)" for at in (graver, high)]


def test_percent_is_drawn_from_0_to_100_and_other_units_to_their_own_largest(data: ReportData) -> None:
    frame = data.risks.assign(unit=["percent", "Mbit/s"] * 30)
    xml = sheet_xml(ReportData(data.summary, data.servers, frame, data.backtests,
                               forecast_weeks=data.forecast_weeks), "Risks")  # fmt: skip
    groups = sorted(re.findall(r"<x14:sparklineGroup [^>]*>", xml))  # that with a manualMax first
    assert len(groups) == 2
    assert 'manualMax="100" manualMin="0"' in groups[0]
    assert "manualMax" not in groups[1]
    assert 'manualMin="0"' in groups[1]


def test_without_a_forecast_the_sheet_says_so_and_no_sparkline_is_drawn() -> None:
    book = opened(report_data(servers_frame(4), fans=0))
    assert book["Forecasts"]["A2"].value == "No series could be forecast."
    assert "Outlook" not in {cell.value for cell in book["Risks"][1]}
