"""The printed report: the answer on page 1, nothing lost, nothing read that data names, the same bytes every time."""

from __future__ import annotations

import builtins
import io
import re
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest
from report_samples import LONG, NASTY, accuracy_row, report_data, servers_frame

from capforecast.errors import CapforecastError
from capforecast.report import pdf as pdf_module
from capforecast.report.answer import headline, when, where
from capforecast.report.data import ReportData
from capforecast.report.pdf import render_html, render_pdf
from capforecast.report.summary import Tiers
from capforecast.settings import ReportSettings

pypdf = pytest.importorskip("pypdf")
SETTINGS = ReportSettings()


def native_libraries() -> bool:
    try:
        import weasyprint  # noqa: F401
    except OSError:
        return False
    return True


needs_pango = pytest.mark.skipif(not native_libraries(), reason="native PDF libraries are missing: make system")


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\N{NO-BREAK SPACE}", " "))


def pages_of(pdf: bytes) -> list[str]:
    return [plain(page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


class Seen(HTMLParser):
    """Tags and text of an HTML report, the style sheet apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._style = "", False
        self.feed(html)
        self.text = plain(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        self.text += "" if self._style else data

    def handle_endtag(self, tag: str) -> None:
        self.text += " " if tag in {"td", "th", "p", "div", "h1", "h2", "h3", "dt", "dd", "li"} else ""


@pytest.fixture(scope="module")
def whole() -> ReportData:
    return report_data(servers_frame(300), fans=3, failed=("Payments",))


@pytest.fixture(scope="module")
def printed(whole: ReportData) -> bytes:
    return render_pdf(whole, ReportSettings(table_rows=40))


@needs_pango
def test_same_input_same_bytes(whole: ReportData, printed: bytes) -> None:
    assert render_pdf(whole, ReportSettings(table_rows=40)) == printed


@needs_pango
def test_page_one_is_the_answer(whole: ReportData, printed: bytes) -> None:
    first = pages_of(printed)[0]
    tiers = whole.summary.tiers
    assert f"{tiers.critical + tiers.high} of 300 servers are at risk within 90 d" in first
    for tier in ("critical", "high", "watch", "ok", "unknown"):
        assert f"{tier} {getattr(tiers, tier)}" in first
    assert "Incomplete: 1 business unit of 5 missing" in first
    assert "Payments: LakeError: the store did not answer" in first
    assert "18 % smaller error than seasonal naive" in first
    assert whole.summary.top_risks[0].server_id in first


def test_the_report_says_which_model_forecast(whole: ReportData) -> None:
    assert "Forecast by prophet; 12 series by fleet" in Seen(render_html(whole, SETTINGS)).text


@needs_pango
def test_pdf_is_dated_tagged_and_carries_its_fonts(printed: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(printed))
    assert reader.metadata["/CreationDate"] == reader.metadata["/ModDate"] == "D:20260105000000Z"
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert "/StructTreeRoot" in root
    assert b"pdfuaid:part" in root["/Metadata"].get_data()
    outline = str(reader.outline)
    for heading in ("Weekly capacity report", "Where the risk is", "Servers at risk", "Definitions"):
        assert heading in outline
    fonts = {}
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():
            descriptor = font["/DescendantFonts"][0]["/FontDescriptor"]
            fonts[font["/BaseFont"]] = any(key.startswith("/FontFile") for key in descriptor)
    assert fonts
    assert all(fonts.values()), fonts
    assert any("IBM-Plex-Sans" in name for name in fonts)


@needs_pango
def test_pages_are_numbered_and_tables_repeat_their_heading(printed: bytes) -> None:
    pages = pages_of(printed)
    assert all(f"Page {i} of {len(pages)}" in page for i, page in enumerate(pages, 1))
    listed = [page for page in pages if len(re.findall(r"srv-\d{4} (?:Retail|Logistics|Online|Research)", page)) >= 8]
    assert len(listed) >= 2, "the table must cross a page for this test"
    assert all("Even odds by" in page for page in listed)


@needs_pango
def test_paper_size_is_what_was_asked_for() -> None:
    small = report_data(servers_frame(5, 1, 1), fans=0)
    box = pypdf.PdfReader(io.BytesIO(render_pdf(small, ReportSettings(page_size="Letter")))).pages[0].mediabox
    assert (round(box.width), round(box.height)) == (612, 792)


@needs_pango
def test_hostile_names_are_print_not_markup() -> None:
    frame = servers_frame(30, 2, 2)
    nasty = NASTY[:-3]  # without the characters that no font here may have: pypdf cannot read a page with them
    frame["server_id"] = [f"{nasty}{i}" if i % 2 else f"{LONG}{i}" for i in range(30)]
    frame["business_unit"] = frame["business_unit"].replace({"Logistics": LONG})
    data = report_data(frame, fans=1, title=nasty, organisation="<img src='file:///etc/passwd'>")
    text = " ".join(pages_of(render_pdf(data, SETTINGS)))
    assert "<script>alert('x')</script> & $co_{st}$" in text
    assert "<img src='file:///etc/passwd'>" in text
    assert LONG.replace("-", "") in re.sub(r"[\s-]", "", text), "a long name is wrapped, not cut"
    tags = {tag for tag, _ in Seen(render_html(data, SETTINGS)).tags}
    assert "script" not in tags


def test_nothing_but_own_fonts_and_data_is_fetched() -> None:
    pytest.importorskip("weasyprint") if native_libraries() else pytest.skip("native PDF libraries are missing")
    fetcher = pdf_module._own_files_only()
    for url in ("file:///etc/hostname", "http://localhost/x", "https://example.com/", "ftp://a/b",
                "capforecast-font:../pdf.py", "capforecast-font:OFL.txt", "relative.png"):  # fmt: skip
        with pytest.raises(ValueError, match="opens nothing but"):
            fetcher.fetch(url)
    assert len(fetcher.fetch("capforecast-font:IBMPlexSans-400.ttf").read()) > 10_000
    assert fetcher.fetch("data:text/plain,hello").read() == b"hello"


def test_missing_native_libraries_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pango(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0': error 2\nAdditionally, ...")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pango)
    with pytest.raises(CapforecastError, match=r"libpango-1\.0-0 libpangoft2-1\.0-0 libharfbuzz-subset0"):
        render_pdf(report_data(servers_frame(3), fans=0), SETTINGS)


def test_html_needs_no_other_file_and_every_picture_has_words(whole: ReportData) -> None:
    html = render_html(whole, SETTINGS)
    assert html == render_html(whole, SETTINGS)
    assert not re.search(r"(?:src|href|url\()\s*=?\s*['\"]?(?!data:)(?:https?:|file:|/)", html)
    tags = Seen(html).tags
    pictures = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(pictures) == 3 + len(whole.fans)
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert "img" not in {tag for tag, _ in tags}, "an image would be drawn in another font"
    named = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    assert {name for name in named if named.count(name) > 1} == set(), "ids are of one page"


def test_the_rest_of_a_cut_table_is_accounted_for(whole: ReportData) -> None:
    tiers = whole.summary.tiers
    bad = tiers.critical + tiers.high + tiers.watch
    assert f"The worst 20 of {bad} servers" in Seen(render_html(whole, ReportSettings(table_rows=20))).text
    text = Seen(render_html(whole, ReportSettings(table_rows=1000))).text
    assert f"All {bad} servers that are critical" in text
    assert "All 300 servers are in the workbook" in text


def test_table_lists_the_worst_first_and_only_servers_at_risk(whole: ReportData) -> None:
    text = Seen(render_html(whole, ReportSettings(table_rows=1000))).text
    table = text[text.index("Servers at risk All") : text.index("Unknown servers")]
    listed = re.findall(r"srv-\d{4}", table)
    tier = dict(zip(whole.servers["server_id"], whole.servers["tier"], strict=True))
    ranks = [("critical", "high", "watch").index(tier[server]) for server in listed]
    assert ranks == sorted(ranks)
    assert len(set(listed)) == int(whole.servers["tier"].isin(["critical", "high", "watch"]).sum())


def test_unknown_servers_stand_there_with_reason_fix_and_names() -> None:
    frame = servers_frame(9, 1, 1, (0, 0, 0, 0, 1))
    frame["reason"] = ["stale"] * 7 + ["gappy", "a_new_reason"]
    text = Seen(render_html(report_data(frame, fans=0, accuracy=[]), SETTINGS)).text
    assert "None of the 9 servers can be forecast yet" in text
    assert "9 servers could not be forecast: 7 stale, 1 a new reason and 1 gappy." in text
    assert "srv-0005 and 1 more" in text
    assert "Check that the server still runs" in text
    assert "nothing is known about the accuracy" in text


def test_nobody_at_risk_is_said_calmly() -> None:
    data = report_data(servers_frame(40, 1, 1, (0, 0, 0, 1, 0)), fans=0)
    text = Seen(render_html(data, SETTINGS)).text
    assert "No server is at risk within 90 d: 40 were forecast, all are ok." in text
    assert "No server is critical, high or on watch." in text
    assert "Every server could be forecast." in text


def test_a_run_in_which_every_unit_failed_still_reports() -> None:
    empty = servers_frame(4).head(0)
    summary = report_data(servers_frame(4), fans=0, failed=("Payments", "Retail")).summary
    summary = summary.model_copy(
        update={
            "servers": 0, "series": 0, "tiers": Tiers(), "unknown_reasons": {}, "by_region": [], "by_criticality": [],
            "by_unit_and_region": [], "top_risks": [], "accuracy": [],
            "business_units": [u for u in summary.business_units if u.status == "failed"],
        }
    )  # fmt: skip
    for frame in (empty, pd.DataFrame()):
        text = Seen(render_html(ReportData(summary, frame, frame, frame), SETTINGS)).text
        assert "There is no server to report on." in text
        assert "Incomplete: 2 business units of 2 missing" in text


def test_accuracy_worse_than_naive_is_not_hidden_and_absent_figures_are_dashes() -> None:
    bare = accuracy_row("mem").model_copy(
        update={"relative_mae": None, "skill": None, "mae_naive": None, "coverage_80": None, "wape": None}
    )
    data = report_data(servers_frame(10), fans=0, accuracy=[accuracy_row("disk", relative=1.04), bare])
    text = Seen(render_html(data, SETTINGS)).text
    assert "4 % larger error than seasonal naive" in text
    assert "mem nothing to compare with – –" in text
    assert "1.04" in text


def test_quality_definitions_and_versions_are_printed(whole: ReportData) -> None:
    text = Seen(render_html(whole, SETTINGS)).text
    assert "1,234,567 rows read, 321 rejected, 12 duplicates set aside." in text
    assert "value is not a number 300" in text
    for term, meaning in whole.summary.definitions.items():
        assert term in text
        assert meaning in text
    assert "capforecast 0.1.0" in text
    assert whole.summary.as_of in text


def test_headline_counts_in_good_english() -> None:
    def of(**tiers: int) -> str:
        summary = report_data(servers_frame(5), fans=0).summary
        return plain(headline(summary.model_copy(update={"tiers": Tiers(**tiers)})))

    assert of(critical=1, ok=4) == "1 of 5 servers is at risk within 90 d: 1 critical."
    assert of(critical=2, high=1200) == "1,202 of 1,202 servers are at risk within 90 d: 2 critical and 1,200 high."
    assert of(watch=2, ok=1) == "No server is at risk within 90 d: 3 were forecast, 2 to keep an eye on."
    assert of(unknown=1) == "None of the 1 server can be forecast yet; the reasons follow."


def test_where_and_when_name_units_and_dates() -> None:
    frame = servers_frame(8, 1, 1, (0, 1, 0, 0, 0))
    frame["business_unit"] = ["A"] * 5 + ["B"] * 3
    frame["in_breach_high"] = [True] + [False] * 7
    frame["days_q50"] = [0, 5, 20, 20, 80, float("nan"), 30, 90]
    data = report_data(frame, fans=0)
    assert where(data.summary) == ("Where", "In A (5) and B (3).")
    found = when(data)
    assert found is not None
    assert plain(found[1]) == (
        "1 in breach of a threshold now, a further 1 by 11 Jan 2026 at even odds, a further 3 by 3 Feb 2026 at even "
        "odds, a further 2 by 4 Apr 2026 at even odds and 1 later, or at less than even odds."
    )


def test_a_fleet_without_units_is_not_told_where() -> None:
    frame = servers_frame(40, 1, 1)
    frame["business_unit"] = frame["region"] = "unassigned"
    data = report_data(frame, fans=1)
    assert where(data.summary) is None
    text = Seen(render_html(data, SETTINGS)).text
    assert "Where the risk is" not in text
    assert "unassigned · unassigned" not in text
    assert f"unassigned 40 {data.summary.tiers.critical}" in text
