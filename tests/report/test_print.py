"""The PDF as reading software and a reader of paper meet it: structure, words for pictures, pages well filled."""

from __future__ import annotations

import dataclasses
import io
import re
import zipfile
from collections import Counter
from html import unescape
from typing import Any

import pytest
from action_samples import with_actions
from evidence_samples import with_evidence
from markupsafe import escape
from report_samples import accuracy_row, report_data, servers_frame

from capforecast.report.data import ReportData
from capforecast.report.excel import render_workbook
from capforecast.report.pdf import render_html, render_pdf
from capforecast.report.style import shorten
from capforecast.report.summary import RunSummary, Tiers, UnitSummary
from capforecast.report.summary_changes import Changes
from capforecast.settings import ReportSettings

pypdf = pytest.importorskip("pypdf")
try:
    import weasyprint  # noqa: F401
except OSError:
    pytest.skip("native PDF libraries are missing: make system", allow_module_level=True)

FOOT = 18 / 25.4 * 72  # margin below the text, points
SETTINGS = ReportSettings(table_rows=100)


@pytest.fixture(scope="module")
def whole() -> ReportData:
    accuracy = [accuracy_row("cpu"), accuracy_row("cpu", "Logistics", 1.2), accuracy_row("cpu", "Online Shop", 0.7)]
    return with_evidence(with_actions(report_data(servers_frame(300), fans=5, accuracy=accuracy)))


@pytest.fixture(scope="module")
def reader(whole: ReportData) -> Any:
    return pypdf.PdfReader(io.BytesIO(render_pdf(whole, SETTINGS)))


def elements(node: Any) -> list[Any]:
    """Elements of the structure tree below a node, in reading order."""
    node = node.get_object()
    if isinstance(node, list):
        return [each for child in node for each in elements(child)]
    if not isinstance(node, dict):
        return []
    return ([node] if "/S" in node else []) + (elements(node["/K"]) if "/K" in node else [])


def destinations(outline: list[Any]) -> list[Any]:
    return [found for each in outline for found in (destinations(each) if isinstance(each, list) else [each])]


def test_nothing_of_the_style_is_ignored_in_print(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="weasyprint"):
        render_pdf(report_data(servers_frame(3, 1, 1), fans=0), SETTINGS)
    assert caplog.messages == []


def test_structure_names_headings_tables_lists_and_figures(reader: Any) -> None:
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    kinds = Counter(each["/S"] for each in elements(root["/StructTreeRoot"]["/K"]))
    assert kinds["/H1"] == 1
    assert kinds["/H2"] >= 10
    assert kinds["/Table"] >= 10
    assert kinds["/TH"] > kinds["/Table"]
    assert kinds["/TD"] > kinds["/TH"]
    assert kinds["/LI"] >= 8


def test_every_figure_has_words_for_those_who_cannot_see_it(whole: ReportData, reader: Any) -> None:
    figures = [each for each in elements(reader.trailer["/Root"]["/StructTreeRoot"]["/K"]) if each["/S"] == "/Figure"]
    assert len(figures) == len(re.findall('<svg role="img"', render_html(whole, SETTINGS)))
    assert all(len(str(each.get("/Alt", ""))) > 20 for each in figures)


def test_no_heading_stands_alone_at_the_foot_of_a_page(reader: Any) -> None:
    found = destinations(reader.outline)
    assert len(found) > 20
    assert [each.title for each in found if float(each.top) < FOOT + 60] == []


def test_no_page_but_the_last_is_half_empty(reader: Any) -> None:
    """Lowest line of text above the footer, on every page but the first and the last."""
    for page in reader.pages[1:-1]:
        heights: list[float] = []

        def see(text: str, _cm: Any, matrix: Any, _font: Any, _size: Any, heights: list[float] = heights) -> None:
            if text.strip():
                heights.append(_cm[5] + _cm[3] * matrix[5])

        page.extract_text(visitor_text=see)
        tall = float(page.mediabox.height)
        body = [height for height in heights if FOOT < height < tall - 40]
        assert min(body) < 0.5 * tall, page.extract_text()[:200]


def test_units_without_room_are_summed(whole: ReportData) -> None:
    units = [unit.model_copy(update={"name": f"unit {i:03d}"}) for i, unit in enumerate(_many(whole, 210))]
    data = ReportData(whole.summary.model_copy(update={"business_units": units}), whole.servers, whole.risks,
                      whole.backtests)  # fmt: skip
    html = render_html(data, SETTINGS)
    table = html[html.index("<h2>Business units</h2>") :]
    table = table[: table.index("</table>")]
    assert table.count("<tr>") <= 42
    row = re.search(r"<td>171 others</td>(.*?)</tr>", table)
    assert row is not None
    assert f'<td class="n">{sum(unit.servers for unit in units[-171:]):,}</td>' in row[1]


def _many(data: ReportData, count: int) -> list[UnitSummary]:
    one = data.summary.business_units[0]
    return [one for _ in range(count)]


def test_accuracy_stands_there_for_each_business_unit(whole: ReportData) -> None:
    html = render_html(whole, SETTINGS)
    part = html[html.index("By business unit: relative MAE") :]
    assert part.index("Logistics") < part.index("Online Shop"), "the least accurate first"
    assert re.search(r'class="n worse">1\.20<small>79.% inside', part)
    assert "MAPE, floored" in html
    assert "RMSE" in html


def test_a_large_fleet_prints_on_few_pages() -> None:
    """Tables are cut at fixed lengths, so 50 units of 30 servers make as many pages as 50 units of 200."""
    data = _told_much(with_evidence(with_actions(report_data(servers_frame(1_500, 50, 8), fans=12))))
    pdf = render_pdf(data, SETTINGS)
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    assert len(pages) <= 40
    assert len(pdf) < 3_000_000
    first = pages[0].extract_text()
    assert "How far to trust the forecasts" in first, "page 1 holds the whole answer"
    assert "Where the risk is" not in first


def _told_much(data: ReportData) -> ReportData:
    """With all that page 1 may have to say: what has changed, in many words, metrics, a missing business unit."""
    names = ", ".join(f"payments-database-{i:03d}" for i in range(6))
    tiers, then = data.summary.tiers, "2025-12-29T00:00:00Z"
    changes = Changes(tiers_before=tiers, tiers=tiers, since=then, since_first=then, sentence=f"6 changed ({names}).")
    failed = UnitSummary(name="Lost", status="failed", problem="LakeError: the store did not answer within 30 s",
                         servers=0, series=0, tiers=Tiers(), unknown_reasons={})  # fmt: skip
    accuracy = [accuracy_row(metric) for metric in ("cpu", "mem", "disk", "net_in", "net_out")]
    update = {"changes": changes, "accuracy": accuracy, "accuracy_at_risk": accuracy_row("servers at risk"),
              "complete": False, "business_units": [*data.summary.business_units, failed]}  # fmt: skip
    return dataclasses.replace(data, summary=data.summary.model_copy(update=update))


ODD = ('=HYPERLINK("http://x","y")', "<script>alert(1)</script>", "x" * 300, "שרת-שלום", "شركة", "db-\U0001f680-1",
       "@SUM(1)")  # fmt: skip


def test_odd_names_are_text_in_every_format() -> None:
    frame = servers_frame(len(ODD), 1, 1, (1, 0, 0, 0, 0))
    frame["server_id"] = list(ODD)
    data = with_actions(report_data(frame, fans=3))
    html = render_html(data, SETTINGS)
    summary = RunSummary.model_validate_json(data.summary.model_dump_json())
    assert {risk.server_id for risk in summary.top_risks} == set(ODD)
    with zipfile.ZipFile(io.BytesIO(render_workbook(data, SETTINGS))) as book:
        cells = unescape(book.read("xl/sharedStrings.xml").decode())
        parts = [book.read(name) for name in book.namelist() if name.startswith("xl/worksheets/")]
    assert not any(b"<f>" in part or b'TargetMode="External"' in part for part in parts)
    for name in ODD:
        assert f">{name}<" in cells
        assert escape(shorten(name, 140)) in html
    assert "<script" not in html
    assert "<a " not in html


def test_on_a_narrow_screen_tables_scroll_and_nothing_is_cut(whole: ReportData) -> None:
    html = render_html(whole, SETTINGS)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert html.count("<table") == html.count('<div class="scroll"><table')
    assert re.search(r"@media screen and \(max-width: \d+px\)", html)
