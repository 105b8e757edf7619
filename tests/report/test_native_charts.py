"""Charts that Excel draws from the workbook's cells."""

from __future__ import annotations

import io
import re
import zipfile
from xml.sax.saxutils import escape

import pytest
from evidence_samples import with_evidence
from report_samples import report_data, servers_frame
from test_excel import SETTINGS, opened, rows

from capforecast.report.data import ReportData
from capforecast.report.excel import render_workbook
from capforecast.report.native_charts import MOST_POOLS

pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning:openpyxl")


@pytest.fixture(scope="module")
def data() -> ReportData:
    return with_evidence(report_data(servers_frame(60), fans=0))


@pytest.fixture(scope="module")
def charts(data: ReportData) -> list[str]:
    book = zipfile.ZipFile(io.BytesIO(render_workbook(data, SETTINGS)))
    found = [book.read(f"xl/charts/chart{i}.xml").decode() for i in range(1, len(book.namelist()))
             if f"xl/charts/chart{i}.xml" in book.namelist()]  # fmt: skip
    return [xml for xml in found if "Demand by date" in xml]


def test_the_tightest_pools_are_drawn_over_a_date_axis(data: ReportData, charts: list[str]) -> None:
    tightest = data.summary.pools[:MOST_POOLS]
    assert len(charts) == len(tightest)
    for pool, xml in zip(tightest, charts, strict=True):
        assert f"<a:t>Demand of {escape(pool.name)}</a:t>" in xml
        assert "<c:dateAx>" in xml
        assert 'formatCode="d mmm" sourceLinked="0"' in xml


def test_each_line_draws_the_rows_of_its_pool(data: ReportData, charts: list[str]) -> None:
    sheet = opened(data)["Demand by date"]
    for pool, xml in zip(data.summary.pools, charts, strict=False):
        spans = re.findall(r"<c:val><c:numRef><c:f>'Demand by date'!\$([A-Z]+)\$(\d+):\$\1\$(\d+)</c:f>", xml)
        assert {sheet[f"{column}1"].value for column, _, _ in spans} == {
            "Usable", "Demand, median", "Demand, 10 %", "Demand, 90 %",
        }  # fmt: skip
        first, last = int(spans[0][1]), int(spans[0][2])
        drawn = [tuple(cell.value for cell in sheet[row][:3]) for row in range(first, last + 1)]
        resource = {"vcpu": "CPU, vCPU", "memory_gib": "memory, GiB"}[pool.resource]
        assert set(drawn) == {(pool.business_unit, pool.region, resource)}
        assert len(drawn) == 90
        cached = re.findall(r"<c:v>([^<]+)</c:v>", xml.split("<c:val>")[1])
        assert float(cached[0]) == pytest.approx(sheet[f"{spans[0][0]}{first}"].value, rel=1e-5)


def test_a_name_that_looks_like_a_formula_is_a_title() -> None:
    frame = servers_frame(6)
    frame["business_unit"] = "=Servers!$A$1"
    book = zipfile.ZipFile(io.BytesIO(render_workbook(with_evidence(report_data(frame, fans=0)), SETTINGS)))
    xml = book.read("xl/charts/chart1.xml").decode()
    title = xml[xml.index("<c:title>") : xml.index("</c:title>")]
    assert "<a:t>Demand of =Servers!\N{WORD JOINER}$A$1" in title
    assert "<c:f>" not in title


def test_without_a_demand_there_is_no_sheet_of_charts() -> None:
    book = opened(report_data(servers_frame(4), fans=0))
    assert "Pool charts" not in book.sheetnames
    assert rows(book["Demand by date"])[0]["Business unit"].startswith("No pool can be shown")
