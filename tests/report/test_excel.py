"""The workbook: complete, safe to open, valid when empty, the same bytes every time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
from typing import Any

import pandas as pd
import pytest
from evidence_samples import with_evidence
from model_samples import champions_frame, drift_rows, drift_series_frame, with_models
from report_samples import NASTY, accuracy_row, report_data, servers_frame

from capforecast.errors import CapforecastError
from capforecast.report import sheets
from capforecast.report.data import ReportData, ranked_servers
from capforecast.report.excel import render_workbook
from capforecast.report.summary import Quality, Tiers
from capforecast.settings import ReportSettings

openpyxl = pytest.importorskip("openpyxl")
pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning:openpyxl")
SETTINGS = ReportSettings()
CHARTS = "Pool charts"  # no table
SHEETS = [
    "Summary",
    "Servers",
    "Risks",
    "Unknown",
    "Forecasts",
    "Pools",
    CHARTS,
    "Pool sums",
    "Demand by date",
    "Demand sums by date",
    "Scorecard",
    "Reliability",
    "Anomalies",
    "Accuracy",
    "Accuracy by series",
    "Models",
    "Drift",
    "Drift by series",
    "Quality",
    "Sources",
    "Definitions",
]


WEEKS = {f"2026-W{week:02d} {name}" for week in range(2, 6) for name in ("median", "90 %")}


def with_weeks(data: ReportData) -> ReportData:
    """With forecasts of four weeks: medians rise by 10 from what was seen last, 90 % values lie 5 above."""
    known = data.risks[data.risks["tier"] != "unknown"]
    weeks = known[["server_id", "metric", "business_unit"]].copy()
    for q, add in (("q50", 0.0), ("q90", 5.0)):
        for i in range(4):
            weeks[f"{q}:2026-W{i + 2:02d}"] = (known["last_value"] + 10 * i + add).astype("float32")
    return dataclasses.replace(data, forecast_weeks=weeks)


def opened(data: ReportData, settings: ReportSettings = SETTINGS) -> Any:
    return openpyxl.load_workbook(io.BytesIO(render_workbook(data, settings)))


def rows(sheet: Any) -> list[dict[str, Any]]:
    """Rows of a sheet by heading."""
    lines = list(sheet.iter_rows(values_only=True))
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.fixture(scope="module")
def whole() -> ReportData:
    data = with_weeks(with_evidence(report_data(servers_frame(60), fans=0, failed=("Payments",))))
    checks = pd.DataFrame(drift_rows("Logistics", alarms=("input_level",)))
    return with_models(data, champions_frame({"Logistics": "kept"}), checks, drift_series_frame("Logistics"))


@pytest.fixture(scope="module")
def book(whole: ReportData) -> Any:
    return opened(whole)


def test_same_input_same_bytes_dated_as_of(whole: ReportData, book: Any) -> None:
    assert render_workbook(whole, SETTINGS) == render_workbook(whole, SETTINGS)
    assert book.properties.created == book.properties.modified == dt.datetime(2026, 1, 5)


def test_every_server_is_listed_with_its_tier_worst_first(whole: ReportData, book: Any) -> None:
    assert book.sheetnames == SHEETS
    listed = rows(book["Servers"])
    tiers = dict(zip(whole.servers["server_id"], whole.servers["tier"], strict=True))
    assert {row["Server"]: row["Tier"] for row in listed} == tiers
    order = ["critical", "high", "watch", "ok", "unknown"]
    ranks = [order.index(row["Tier"]) for row in listed]
    assert ranks == sorted(ranks)


def test_every_series_has_its_probabilities_by_horizon(whole: ReportData, book: Any) -> None:
    listed = {row["Server"]: row for row in rows(book["Risks"])}
    assert len(listed) == len(whole.risks)
    first = whole.risks[whole.risks["tier"] == "high"].iloc[0]
    for level in ("high", "very_high"):
        for days in (7, 14, 30, 60, 90):
            heading = f"P({level.replace('_', ' ')}) {days}\N{NO-BREAK SPACE}d"
            assert listed[first["server_id"]][heading] == pytest.approx(first[f"p_{level}_{days}d"], abs=1e-6)


def test_missing_figures_are_empty_cells_and_dates_are_dates(whole: ReportData, book: Any) -> None:
    listed = {row["Server"]: row for row in rows(book["Servers"])}
    unknown = whole.servers.loc[whole.servers["tier"] == "unknown", "server_id"].iloc[0]
    assert listed[unknown]["Last value"] is None
    assert listed[unknown]["50 % breached by"] is None
    at_risk = whole.servers[whole.servers["tier"] == "high"].iloc[0]
    expected = dt.datetime(2026, 1, 4) + dt.timedelta(days=int(at_risk["days_q50"]))
    assert listed[at_risk["server_id"]]["50 % breached by"] == expected


def test_unknown_servers_have_a_reason_and_a_fix(whole: ReportData, book: Any) -> None:
    listed = rows(book["Unknown"])
    assert len(listed) == whole.summary.tiers.unknown
    assert all(row["Reason"] and row["What it means"] and len(row["What to do"]) > 20 for row in listed)


def test_summary_reconciles_and_says_what_is_missing(whole: ReportData, book: Any) -> None:
    lines = [line for line in book["Summary"].iter_rows(values_only=True) if line[0]]
    by_name = {line[0]: line for line in lines}
    fleet = by_name["Fleet"]
    assert fleet[1] == 60 == sum(fleet[2:7])
    units = [by_name[u.name] for u in whole.summary.business_units if u.status != "failed"]
    assert [sum(unit[i] for unit in units) for i in range(1, 7)] == list(fleet[1:7])
    assert any("INCOMPLETE: 1 business unit(s) missing" in line[0] for line in lines)
    assert by_name["Payments"][1].startswith("LakeError")
    assert len(book["Summary"]._charts) == 1


def test_text_is_never_a_formula_link_or_number() -> None:
    frame = servers_frame(6)
    hostile = ["=1+1", '=HYPERLINK("http://x")', "+49", "@SUM(A1)", "http://example.com/", "00123"]
    frame["server_id"] = hostile
    frame["label"] = ["-2+3", "{=1}", "mailto:a@b", "\x00\x07bell", NASTY, "x" * 40_000]
    book = opened(report_data(frame, fans=0, title="=cmd|' /C calc'!A0"))
    cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line]
    assert {cell.value for cell in cells} >= set(hostile)
    assert all(cell.data_type != "f" and cell.hyperlink is None for cell in cells)
    label = {row["Server"]: row["label"] for row in rows(book["Servers"])}
    assert label["00123"] == "x" * 32_767
    assert label["http://example.com/"] == NASTY


def test_names_of_pools_and_anomalies_are_no_formulas_either() -> None:
    frame = servers_frame(6)
    frame["business_unit"], frame["region"] = "=1+1", "@SUM(A1)"
    book = opened(with_evidence(report_data(frame, fans=0)))
    for name in ("Pools", "Demand by date", "Anomalies"):
        assert {"=1+1", "@SUM(A1)"} <= {cell.value for line in book[name].iter_rows() for cell in line}
        assert all(cell.data_type != "f" for line in book[name].iter_rows() for cell in line)


def test_sheets_without_rows_say_why() -> None:
    book = opened(report_data(servers_frame(4), fans=0))
    assert book["Scorecard"]["A2"].value.startswith("No track record yet: history is too short")
    assert book["Pools"]["A2"].value == "No pool can be shown: the inventory gives no server's vCPUs or memory."
    assert book["Anomalies"]["A2"].value == "Nothing was marked in the history."


def test_pools_are_listed_tightest_first_with_dates(whole: ReportData, book: Any) -> None:
    listed = rows(book["Pools"])
    assert [(row["Business unit"], row["Region"]) for row in listed] == [
        (pool.business_unit, pool.region) for pool in whole.summary.pools
    ]
    first = whole.summary.pools[0]
    assert first.days_q10 is not None
    assert listed[0]["10 % short by"] == dt.datetime(2026, 1, 4) + dt.timedelta(days=first.days_q10)
    assert listed[0]["P(short) 90 d"] == pytest.approx(first.p_90d, rel=1e-4)


def test_labels_of_the_source_are_kept() -> None:
    frame = servers_frame(5)
    frame["cost_centre"] = ["a", "b", None, "d", "e"]
    frame["rack_units"] = [1.0, 2.0, float("nan"), 4.0, 5.0]
    listed = {row["Server"]: row for row in rows(opened(report_data(frame, fans=0))["Servers"])}
    assert [listed[f"srv-{i:04d}"]["cost centre"] for i in range(5)] == ["a", "b", None, "d", "e"]
    assert [listed[f"srv-{i:04d}"]["rack units"] for i in range(5)] == [1, 2, None, 4, 5]


def test_sheets_are_ready_to_use_and_to_print(book: Any) -> None:
    for sheet in book:
        assert sheet.sheet_properties.pageSetUpPr.fitToPage, sheet.title
        on_one = sheet.title == CHARTS
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (None, None if on_one else 0)
        assert sheet.page_setup.orientation == "landscape"
    for name in set(SHEETS[1:]) - {CHARTS}:
        sheet = book[name]
        assert sheet.freeze_panes == "B2"
        assert sheet.auto_filter.ref.startswith("A1:")
        assert sheet.print_title_rows == "$1:$1"
        assert all(cell.comment and len(cell.comment.text) > 8 for cell in sheet[1]), name
    tier = next(cell.column for cell in book["Servers"][1] if cell.value == "Tier")
    assert book["Servers"].cell(2, tier).fill.fgColor.rgb == "FF7A1022"
    bars = [rule.type for rules in book["Servers"].conditional_formatting for rule in rules.rules]
    assert set(bars) == {"dataBar"}
    assert len(bars) == 12, "one bar per probability column"
    assert book["Definitions"]["C2"].alignment.wrap_text


def test_what_is_too_long_to_print_prints_a_note_or_its_first_rows(whole: ReportData, book: Any) -> None:
    demand = book["Demand by date"]
    last = demand.max_row
    assert demand.print_area.split("!")[-1].startswith(f"$A${last}:")
    assert demand[f"A{last}"].value.startswith("Not printed, for its length: the sheet Pools")
    long = opened(report_data(servers_frame(500), fans=0))["Servers"]
    assert long.print_area.endswith(f"${sheets.MOST_PRINTED + 1}")
    assert "the first 300 of 500 rows" in long.oddFooter.left.text


def test_paper_is_what_was_asked_for() -> None:
    small = report_data(servers_frame(3), fans=0)
    assert {s.page_setup.paperSize for s in opened(small, ReportSettings(page_size="Letter"))} == {1}
    assert {s.page_setup.paperSize for s in opened(small)} == {9}


def test_print_leaves_out_what_would_not_be_readable(book: Any) -> None:
    assert book["Servers"].print_area != book["Servers"].dimensions
    headings = [cell.value for cell in book["Servers"][1]]
    last = book["Servers"].print_area.split(":")[1].replace("$", "")
    printed = openpyxl.utils.cell.coordinate_from_string(last)[0]
    assert headings[openpyxl.utils.column_index_from_string(printed) - 1] == "Capacity left, %"


def test_every_column_and_term_is_defined(whole: ReportData, book: Any) -> None:
    defined = {row["Name"]: row["Meaning"] for row in rows(book["Definitions"])}
    assert defined["breach probability"] == whole.summary.definitions["breach probability"]
    for name in set(SHEETS[1:-1]) - {CHARTS}:
        assert {cell.value for cell in book[name][1]} <= set(defined) | WEEKS


def test_accuracy_of_fleet_units_and_series(whole: ReportData, book: Any) -> None:
    listed = rows(book["Accuracy"])
    assert [(row["Business unit"], row["Metric"]) for row in listed] == [
        ("(fleet)", "cpu"), ("(fleet)", "mem"), ("(fleet)", "disk"), ("Logistics", "cpu"),
    ]  # fmt: skip
    assert listed[0]["Relative MAE"] == pytest.approx(0.82)
    assert len(rows(book["Accuracy by series"])) == len(whole.backtests)


def test_quality_counts_and_reasons(book: Any) -> None:
    listed = {row["What"]: row["Number"] for row in rows(book["Quality"])}
    assert listed["Rows read"] == 1_234_567
    assert listed["Entries in quarantine: value is not a number"] == 300


@pytest.mark.parametrize("frame", [servers_frame(4).head(0), pd.DataFrame()], ids=["no rows", "no columns"])
def test_empty_frames_make_valid_sheets(frame: pd.DataFrame) -> None:
    summary = report_data(servers_frame(4), fans=0, failed=("Payments",)).summary.model_copy(
        update={
            "servers": 0, "tiers": Tiers(), "business_units": [], "by_region": [], "by_criticality": [],
            "by_unit_and_region": [], "top_risks": [], "accuracy": [], "definitions": {}, "organisation": "",
            "quality": Quality(rows_read=0, rows_rejected=0, duplicates=0, rejected_by_reason={}),
        }
    )  # fmt: skip
    book = opened(ReportData(summary, frame, frame, frame))
    assert book.sheetnames == [name for name in SHEETS if name != CHARTS]
    assert "No series was read." in [cell.value for cell in book["Risks"]["A"]]


def test_absent_accuracy_figures_are_empty_cells() -> None:
    bare = accuracy_row("cpu").model_copy(update={"relative_mae": None, "skill": None})
    listed = rows(opened(report_data(servers_frame(4), fans=0, accuracy=[bare]))["Accuracy"])
    assert listed[0]["Relative MAE"] is None
    assert listed[0]["MAE"] is not None


def test_a_table_longer_than_a_sheet_is_cut_and_says_where_all_of_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 26)
    data = dataclasses.replace(report_data(servers_frame(60), fans=0), partition="cadence=daily/as_of=2026-01-05")
    book = opened(data)
    said = "the first 22 of 60 rows; all are in the lake, as Parquet below servers/cadence=daily/as_of=2026-01-05"
    listed = [cell.value for cell in book["Servers"]["A"]]
    assert listed[1:23] == list(ranked_servers(data)["server_id"][:22])
    assert listed[23:] == [None, f"Not all: {said}"]
    assert book["Servers"]["A1"].comment.text.startswith(f"Not all: {said}. Name of the server")
    assert f"Servers shows {said}" in book["Summary"]["A3"].value


def test_a_whole_workbook_says_nothing_of_cuts(book: Any) -> None:
    assert book["Summary"]["A3"].value is None


def test_more_columns_than_a_sheet_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_COLUMNS", 20)
    with pytest.raises(CapforecastError, match=r"sheet Servers would have .* columns, Excel allows 20; drop label"):
        render_workbook(report_data(servers_frame(3), fans=0), SETTINGS)


def test_the_workbook_says_which_model_forecast(book: Any) -> None:
    assert book["Summary"]["A2"].value.endswith("horizon 90 d, forecast by prophet; 12 series by fleet")
