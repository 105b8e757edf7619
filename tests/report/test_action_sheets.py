"""Sheets on what to do."""

from __future__ import annotations

import pandas as pd
import pytest
from action_samples import PRICES, action_row, actions_frame, realised_frame, savings_frame, with_actions
from report_samples import report_data, servers_frame
from test_excel import opened, rows

from capforecast.report import action_sheets
from capforecast.report.action_words import change
from capforecast.report.data import ReportData
from capforecast.report.page_actions import actions_page

pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning:openpyxl")
SHEETS = ["Actions", "Savings", "Bounds", "Segments", "Consolidation", "Packing", "Realised"]


@pytest.fixture(scope="module")
def base() -> ReportData:
    return report_data(servers_frame(40), fans=0)


def test_every_server_stands_once_in_actions_what_moves_first(base: ReportData) -> None:
    book = opened(with_actions(base))
    assert [name for name in book.sheetnames if name in SHEETS] == SHEETS
    table = rows(book["Actions"])
    assert sorted(row["Server"] for row in table) == sorted(base.servers["server_id"])
    seen = list(dict.fromkeys("move" if row["Action"] in ("downsize", "stop") else row["Action"] for row in table))
    assert seen == ["upsize", "move", "withheld", "keep", "none"]
    larger = table[0]
    assert (larger["Type now"], larger["Type advised"]) == ("m6i.xlarge", "m6i.2xlarge")
    assert (larger["Change a month"], larger["Price from"]) == (140.16, PRICES)
    assert (larger["Exceedance bound"], larger["Promised"]) == (0.0061, 0.01)
    assert larger["Seen from"] == pd.Timestamp("2026-01-05")


def test_kinds_of_saving_add_up_on_the_sheet_too(base: ReportData) -> None:
    table = rows(opened(with_actions(base))["Savings"])
    fleet = {row["Kind of action"]: row for row in table if row["Sums of"] == "fleet"}
    total = fleet.pop("All together")["Change a month"]
    assert round(sum(row["Change a month"] for row in fleet.values()), 2) == total
    regions = [row["Change a month"] for row in table if row["Sums of"] == "region" and row["Kind of action"] ==
               "All together"]  # fmt: skip
    assert round(sum(regions), 2) == total
    assert [row["Kind of action"] for row in table[:4]] == ["Larger sizes", "Smaller sizes", "Stopped servers",
                                                           "All together"]  # fmt: skip
    assert table[0]["Of"] == "(fleet)"


def test_servers_sums_and_print_say_the_same_to_the_cent(base: ReportData) -> None:
    data = with_actions(base)
    book = opened(data)
    moved = [row for row in rows(book["Actions"]) if row["Action"] in ("upsize", "downsize", "stop")]
    cents = sum(round(100 * row["Change a month"]) for row in moved)
    total = next(row for row in rows(book["Savings"]) if row["Kind of action"] == "All together")
    assert (round(100 * total["Change a month"]), total["Servers moved"]) == (cents, len(moved))
    assert data.summary.actions is not None
    assert round(100 * (data.summary.actions.savings[3].monthly_change or 0)) == cents
    found = actions_page(data.summary)
    assert found is not None
    assert found["money"][3]["change"] == change(cents / 100)


def test_without_prices_there_is_no_money_anywhere(base: ReportData) -> None:
    bare = actions_frame(base.servers, priced=False)
    book = opened(with_actions(base, bare, savings=savings_frame(bare)))
    assert book["Savings"]["A2"].value == action_sheets.NO_MONEY == "No money: no prices: sizes only."
    assert {row["Change a month"] for row in rows(book["Actions"])} == {None}
    assert rows(book["Actions"])[0]["Why no price"] == "instance type m6i.xlarge is in no price file"


def test_part_of_a_kind_without_a_price_is_empty_not_nothing(base: ReportData) -> None:
    mixed = pd.DataFrame([action_row("a", "downsize", priced=False), action_row("b", "stop")])
    table = rows(opened(with_actions(base, mixed, savings=savings_frame(mixed)))["Savings"])
    fleet = {row["Kind of action"]: row for row in table if row["Sums of"] == "fleet"}
    assert (fleet["Smaller sizes"]["Change a month"], fleet["Smaller sizes"]["Priced"]) == (None, 0)
    assert fleet["All together"]["Change a month"] == -140.16
    nothing = savings_frame(mixed).assign(monthly=0.0, monthly_change=0.0)
    table = rows(opened(with_actions(base, mixed, savings=nothing))["Savings"])
    assert next(row for row in table if row["Kind of action"] == "Smaller sizes")["Cost now"] is None


def test_bounds_segments_and_packing_in_full(base: ReportData) -> None:
    book = opened(with_actions(base))
    bounds = rows(book["Bounds"])
    assert [(row["Tested together"], row["Test"], row["Promise kept"]) for row in bounds] == [
        ("all servers", "of needs", "yes"), ("all servers", "of needs", "yes"), ("smaller segments", "of needs", "no"),
        ("steady", "of needs", "yes"), ("steady", "of sizes", "yes"),
    ]  # fmt: skip
    segments = rows(book["Segments"])
    assert [row["Segment"] for row in segments] == ["idle", "steady", "hot", "unknown"]
    assert (segments[0]["CPU, weekdays"], segments[1]["disk, quarter end"], segments[3]["CPU, peak"]) == (
        -7,
        None,
        None,
    )
    assert [row["Freed"] for row in rows(book["Consolidation"])] == [7, 3, None]
    packed = book["Packing"]["A2"]
    assert (packed.value, packed.data_type) == ("=1+1", "s"), "never a formula"


def test_sheets_without_rows_say_why_and_an_old_run_has_none(base: ReportData) -> None:
    nothing = dict.fromkeys(("savings", "bounds", "consolidation", "packing", "segment_sizes"), pd.DataFrame())
    book = opened(with_actions(base, **nothing))
    assert "Segments" not in book.sheetnames
    for name, text in (("Savings", action_sheets.NO_MONEY), ("Bounds", action_sheets.NO_BOUND),
                       ("Consolidation", action_sheets.NO_GROUP), ("Packing", action_sheets.NO_PACKING),
                       ("Realised", action_sheets.NO_REALISED)):  # fmt: skip
        assert book[name]["A2"].value == text
    came = rows(opened(with_actions(base, realised=realised_frame()))["Realised"])
    assert [(row["Promised a month"], row["Achieved a month"]) for row in came] == [(-100, -91), (None, -5)]
    assert not set(SHEETS) & set(opened(base).sheetnames)


def test_terms_are_defined_where_they_are_used(base: ReportData) -> None:
    names = {row["Name"]: row["Meaning"] for row in rows(opened(with_actions(base))["Definitions"])}
    assert {"headroom", "exceedance bound", "savings range", "idle", "segment", "consolidation"} <= set(names)
    assert PRICES in names["prices"]
    assert "20 %" in names["headroom"]
    assert "at most 1 %" in names["exceedance bound"]
    assert not {"headroom", "prices"} & set(base.summary.definitions)
