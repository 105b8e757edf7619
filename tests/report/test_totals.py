"""Every total of a report, compared across its four formats: JSON, workbook, page (HTML) and print (PDF)."""

from __future__ import annotations

import dataclasses
import io
import json
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest
from action_samples import with_actions
from evidence_samples import with_evidence
from model_samples import champions_frame, drift_rows, drift_series_frame, with_models
from report_samples import report_data, servers_frame
from test_pdf import native_libraries, pages_of, plain

from capforecast.report.changes import SINCE, changes_part, compared
from capforecast.report.data import ReportData
from capforecast.report.excel import render_workbook
from capforecast.report.pdf import render_html, render_pdf
from capforecast.schema import TIER_ORDER
from capforecast.settings import ReportSettings

openpyxl = pytest.importorskip("openpyxl")
pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning:openpyxl")
SETTINGS = ReportSettings(table_rows=5, top_risks=1)
RESOURCES = {"vcpu": "CPU, vCPU", "memory_gib": "memory, GiB"}
KINDS = {"upsize": "Larger sizes", "downsize": "Smaller sizes", "stop": "Stopped servers", "all": "All together"}
Row = dict[str, Any]


class Page(HTMLParser):
    """Rows of the tables of an HTML report below each h2, cells by heading; small print of a cell is left out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: dict[str, list[Row]] = {}
        self._title, self._heads, self._cells, self._text = "", [""], [], None
        self._in_head, self._small = False, False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"h2", "td", "th"}:
            self._text = ""
        self._small |= tag == "small"
        if tag == "thead":
            self._heads, self._in_head = [], True
        if tag == "tr":
            self._cells = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "h2":
            self._title = plain(self._text or "").strip()
        elif tag in {"td", "th"}:
            (self._heads if self._in_head else self._cells).append(plain(self._text or "").strip())
        elif tag == "small":
            self._small = False
        elif tag == "thead":
            self._in_head = False
        elif tag == "tr" and not self._in_head:
            self.rows.setdefault(self._title, []).append(dict(zip(self._heads, self._cells, strict=False)))
        if tag in {"h2", "td", "th"}:
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None and not self._small:
            self._text += data

    def row(self, title: str, head: str, value: str) -> Row:
        """The one row below a heading whose column `head` says `value`."""
        found = [row for row in self.rows[title] if row.get(head) == value]
        assert len(found) == 1, (title, head, value)
        return found[0]


def figure(printed: str) -> float:
    """A printed figure: 1,234, −12 or +3."""
    return float(printed.replace(",", "").replace("\N{MINUS SIGN}", "-").replace("+", ""))


@pytest.fixture(scope="module")
def data() -> ReportData:
    made = with_actions(with_evidence(report_data(servers_frame(60), fans=0, failed=("Payments",))))
    checks = pd.DataFrame(drift_rows("Logistics", alarms=("input_level",)))
    made = with_models(made, champions_frame({"Logistics": "kept"}), checks, drift_series_frame("Logistics"))
    before = made.servers.assign(tier=made.servers["tier"].to_numpy()[::-1])
    table = compared(before.assign(**{SINCE: pd.Timestamp("2025-12-29", tz="UTC")}), made.servers)
    changes = changes_part(table, sorted(set(made.servers["business_unit"])))
    summary = made.summary.model_copy(update={"changes": changes})
    return dataclasses.replace(made, summary=summary, changes=table[table["change"] != ""])


@pytest.fixture(scope="module")
def summary(data: ReportData) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(data.summary.model_dump_json())
    return found


@pytest.fixture(scope="module")
def book(data: ReportData) -> dict[str, list[Row]]:
    """Rows of every sheet by heading."""
    whole = openpyxl.load_workbook(io.BytesIO(render_workbook(data, SETTINGS)), read_only=True)
    found = {}
    for sheet in whole:
        lines = list(sheet.iter_rows(values_only=True))
        found[sheet.title] = [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]
    return found


@pytest.fixture(scope="module")
def html(data: ReportData) -> str:
    return render_html(data, SETTINGS)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def tiers_in(row: Row) -> dict[str, float]:
    return {tier: figure(row[tier]) for tier in TIER_ORDER}


def test_servers_by_tier_of_the_fleet_each_unit_and_criticality(
    summary: dict[str, Any], book: dict[str, list[Row]], page: Page
) -> None:
    listed = pd.DataFrame(book["Servers"])
    assert len(listed) == summary["servers"] == figure(page.row("Business units", "Business unit", "Fleet")["Servers"])
    assert tiers_in(page.row("Business units", "Business unit", "Fleet")) == summary["tiers"]
    assert Counter(listed["Tier"]) == Counter(summary["tiers"])
    for unit in summary["business_units"]:
        if unit["status"] == "finished":
            row = page.row("Business units", "Business unit", unit["name"])
            assert tiers_in(row) == unit["tiers"]
            assert (figure(row["Servers"]), figure(row["Series"])) == (unit["servers"], unit["series"])
            assert Counter(listed[listed["Business unit"] == unit["name"]]["Tier"]) == Counter(unit["tiers"])
    for cell in summary["by_criticality"]:
        assert tiers_in(page.row("Criticality", "Criticality", cell["criticality"])) == cell["tiers"]
        assert (listed["Criticality"] == cell["criticality"]).sum() == cell["servers"]


def test_unknown_servers_by_reason(summary: dict[str, Any], book: dict[str, list[Row]], page: Page) -> None:
    reasons = summary["unknown_reasons"]
    assert sum(reasons.values()) == summary["tiers"]["unknown"] == len(book["Unknown"]) > 0
    assert Counter(row["Reason"] for row in book["Unknown"]) == Counter(reasons)
    for reason, servers in reasons.items():
        assert figure(page.row("Unknown servers", "Reason", reason.replace("_", " "))["Servers"]) == servers


def test_changes(summary: dict[str, Any], book: dict[str, list[Row]], html: str) -> None:
    changes = summary["changes"]
    kinds = Counter(row["Change"] for row in book["Changes"])
    assert kinds["newly at risk"] == changes["newly_at_risk"] > 0
    assert kinds["no longer at risk"] == changes["no_longer_at_risk"] > 0
    assert changes["tiers"] == summary["tiers"]
    assert f"{changes['newly_at_risk']} newly at risk" in html
    assert f"{changes['no_longer_at_risk']} no longer at risk" in html


def test_money_by_kind_and_unit(summary: dict[str, Any], book: dict[str, list[Row]], page: Page) -> None:
    section = "What to do about it"
    for sums in summary["actions"]["savings"]:
        fleet = sums["scope"] == "fleet"
        if not sums["servers"] or (not fleet and sums["kind"] != "all"):
            continue
        there = next(row for row in book["Savings"] if row["Kind of action"] == KINDS[sums["kind"]]
                     and row["Of"] == ("(fleet)" if fleet else sums["name"]))  # fmt: skip
        assert (there["Servers moved"], there["Priced"]) == (sums["servers"], sums["priced"])
        assert there["Change a month"] == pytest.approx(sums["monthly_change"], abs=0.005)
        printed = page.row(section, "", KINDS[sums["kind"]] if fleet else sums["name"])
        assert (figure(printed["Servers"]), figure(printed["Priced"])) == (sums["servers"], sums["priced"])
        assert figure(printed["Change"]) == pytest.approx(sums["monthly_change"], abs=0.5)
    kinds = Counter(row["Action"] for row in book["Actions"])
    assert kinds == Counter(summary["actions"]["counts"])
    assert sum(kinds.values()) == summary["servers"]
    withheld = sum(figure(row["Servers"]) for row in page.rows[section] if "Why it is withheld" in row)
    assert (
        withheld
        == summary["actions"]["counts"]["withheld"]
        == sum(w["servers"] for w in summary["actions"]["withheld"])
    )


def test_pools_and_their_sums(summary: dict[str, Any], book: dict[str, list[Row]], page: Page) -> None:
    for resource, name in RESOURCES.items():
        fleet = next(p for p in summary["pool_sums"] if (p["business_unit"], p["resource"]) == ("_fleet", resource))
        mine = [pool for pool in summary["pools"] if pool["resource"] == resource]
        there = [row for row in book["Pools"] if row["Resource"] == name]
        whole = next(row for row in book["Pool sums"] if (row["Business unit"], row["Resource"]) == ("(fleet)", name))
        for field, heading in (("servers", "Servers in pool"), ("usable", "Usable"), ("demand_now", "Demand now")):
            total = pytest.approx(fleet[field], rel=1e-5)
            assert sum(pool[field] for pool in mine) == total
            assert sum(row[heading] for row in there) == total
            assert whole[heading] == total
    printed = [row for row in page.rows["Pools"] if row["Pool, resource"] == "Fleet"]
    totals = sorted(round(p["usable"]) for p in summary["pool_sums"] if p["business_unit"] == "_fleet")
    assert sorted(figure(row["Usable"]) for row in printed) == totals


def test_warnings_segments_accuracy_and_drift(
    summary: dict[str, Any], book: dict[str, list[Row]], page: Page, html: str
) -> None:
    for score in summary["warnings"]["ours"]:
        there = next(row for row in book["Scorecard"] if (row["Scope"], row["Rule"], row["Breach within, days"])
                     == ("fleet", "this report", score["horizon_days"]))  # fmt: skip
        assert (there["Cases"], there["Events"], there["Warnings"]) == (
            score["cases"], score["events"], score["warned"],
        )  # fmt: skip
    printed = [row for row in page.rows["How good were the warnings"] if row.get("Rule") == "this report"]
    assert [(figure(row["Warnings"]), figure(row["Came true"])) for row in printed] == [
        (score["warned"], score["came_true"]) for score in summary["warnings"]["ours"]
    ]
    assert plain(summary["warnings"]["last_quarter"]["sentence"]) in plain(html)
    for segment in summary["segments"]:
        assert figure(page.row("Segments", "Segment", segment["name"])["Servers"]) == segment["servers"]
    assert {row["Segment"]: row["Servers"] for row in book["Segments"]} == {
        segment["name"]: segment["servers"] for segment in summary["segments"]
    }
    for row in summary["accuracy"]:
        there = next(line for line in book["Accuracy"] if (line["Business unit"], line["Metric"])
                     == (row["business_unit"] or "(fleet)", row["metric"]))  # fmt: skip
        for field, heading in (("series", "Series"), ("mae", "MAE"), ("rmse", "RMSE"), ("wape", "WAPE"),
                               ("mape_floored", "MAPE, floored, %"), ("mase", "MASE"), ("relative_mae", "Relative MAE"),
                               ("coverage_80", "In 80 % interval")):  # fmt: skip
            assert there[heading] == pytest.approx(row[field])
    assert sum(row["Alarm"] == "yes" for row in book["Drift"]) == sum(check["alarm"] for check in summary["drift"])


def test_rows_that_were_read(summary: dict[str, Any], book: dict[str, list[Row]], page: Page, html: str) -> None:
    quality = summary["quality"]
    there = {row["What"]: row["Number"] for row in book["Quality"]}
    assert (there["Rows read"], there["Rows rejected"], there["Duplicates set aside"]) == (
        quality["rows_read"], quality["rows_rejected"], quality["duplicates"],
    )  # fmt: skip
    assert f"{quality['rows_read']:,}" in html
    for reason, number in quality["rejected_by_reason"].items():
        assert figure(page.row("Data quality", "Rejected because", reason)["Rows"]) == number


@pytest.mark.skipif(not native_libraries(), reason="native PDF libraries are missing: make system")
def test_print_has_the_rows_of_the_page(data: ReportData, page: Page, summary: dict[str, Any]) -> None:
    fewer = {"pools": [], "pool_sums": [], "definitions": {}, "drift": [], "model_versions": [], "segments": []}
    short = data.summary.model_copy(update=fewer)  # what takes longest to lay out
    text = " ".join(pages_of(render_pdf(dataclasses.replace(data, summary=short, pools=pd.DataFrame()), SETTINGS)))
    totals = [
        page.row("Business units", "Business unit", "Fleet"),
        *(page.row("Criticality", "Criticality", cell["criticality"]) for cell in summary["by_criticality"]),
        *(page.row("What to do about it", "", kind) for kind in KINDS.values()),
    ]
    for row in totals:
        assert " ".join(cell for cell in row.values() if cell) in text
    assert plain(summary["changes"]["sentence"]) in text
    assert plain(summary["warnings"]["sentence"]) in text
    assert plain(summary["actions"]["sentence"]) in text
