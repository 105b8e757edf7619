"""Pages on warnings, pools and anomalies: what they show, and what they say where there is nothing to show."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import pandas as pd
import pytest
from evidence_samples import evidence_of, reliability_frame, with_evidence
from report_samples import fan, report_data, servers_frame
from test_pdf import Seen, plain

from capforecast.report import style
from capforecast.report.answer import record
from capforecast.report.charts import fan_alt, fan_chart
from capforecast.report.data import Mark, ReportData
from capforecast.report.page_evidence import anomalies_part, pools_page, warnings_page
from capforecast.report.pdf import render_html
from capforecast.report.pool_charts import demand_of, pool_chart
from capforecast.report.reliability_chart import reliability_alt, reliability_chart
from capforecast.settings import ReportSettings

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def whole() -> ReportData:
    return with_evidence(report_data(servers_frame(60), fans=1))


@pytest.fixture(scope="module")
def text(whole: ReportData) -> str:
    return Seen(render_html(whole, ReportSettings())).text


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_page_one_says_how_good_the_warnings_were(whole: ReportData, text: str) -> None:
    assert plain(record(whole.summary)[1]) in text[: text.index("Where the risk is")]
    assert record(report_data(servers_frame(5), fans=0).summary) is None


def test_rules_stand_beside_ours_with_events_base_rate_and_interval(whole: ReportData, text: str) -> None:
    part = text[text.index("How good were the warnings") :]
    assert "240 breaches in 1,800 cases, base rate 13 %" in part
    assert "this report 138 91 47 66 % 38 % [32 to 44]" in part
    assert "line through the last 28 days 169 94 75 56 % 39 % [33 to 45]" in part
    assert "1.28 [1.11 to 1.46]" in part
    assert "Replayed: 54 of the " in part


def test_pools_are_listed_with_dates_amounts_and_totals(whole: ReportData, text: str) -> None:
    page = pools_page(whole)
    assert len(page["rows"]) == min(len(whole.summary.pools), 20)
    assert len(page["charts"]) == 6
    totals = {row["unit"]: row for row in page["totals"]}
    usable = sum(pool.usable for pool in whole.summary.pools if pool.resource == "vcpu")
    assert totals["vCPU"]["usable"] == f"{usable:,.0f}"
    assert totals["vCPU"]["servers"] == "60"
    assert "“later”: beyond the horizon" in text
    first = whole.summary.pools[0]
    assert plain(page["rows"][0]["chance"]) in text
    assert page["charts"][0]["title"] == first.name


def test_what_is_missing_says_why() -> None:
    bare = Seen(render_html(report_data(servers_frame(5), fans=0), ReportSettings())).text
    assert "No track record yet: history is too short" in bare
    assert "No pool can be shown: the inventory gives no server's vCPUs or memory." in bare
    assert "Anomalies" not in bare


def test_anomalies_of_servers_at_risk_come_first_and_the_rest_is_counted(whole: ReportData) -> None:
    part = anomalies_part(whole, {"cpu": "percent"})
    assert part["counts"] == ["10 level shifts", "20 incident spikes"]
    assert (len(part["rows"]), part["of"]) == (15, 30)
    bad = set(whole.servers.loc[whole.servers["tier"].isin(["critical", "high", "watch"]), "server_id"])
    at_risk = [row["server"] in bad for row in part["rows"]]
    assert at_risk == sorted(at_risk, reverse=True)


def test_a_peak_never_seen_is_said_at_the_server(whole: ReportData) -> None:
    worst = whole.summary.top_risks[0].server_id
    peaks = {worst: "quarter_end, year_end"}
    servers = whole.servers.assign(unseen_peaks=whole.servers["server_id"].map(peaks).fillna(""))
    html = Seen(render_html(dataclasses.replace(whole, servers=servers), ReportSettings())).text
    assert f"{worst}quarter end, year end ahead, not in its history" in html
    assert "2 servers have a known peak ahead that the history does not hold" in html


def test_reliability_diagram_labels_every_point_and_has_words(whole: ReportData) -> None:
    found = whole.summary.warnings
    assert found is not None
    svg = reliability_chart(found)
    assert svg == reliability_chart(found)
    shown = texts(svg)
    assert {"Breach within 30 d", "Breach within 90 d", "900", "700", "more breached than stated"} <= set(shown)
    assert "Within 90 d: stated 5 %, breached 5 % of 700" in reliability_alt(found)
    assert "<image" not in svg
    assert "6" not in shown, "a bin of few cases is an open point without a figure"


def test_an_overconfident_model_lies_below_the_diagonal() -> None:
    base = report_data(servers_frame(20), fans=0)
    evidence = dataclasses.replace(evidence_of(base.servers), reliability=reliability_frame(0.5))
    page = warnings_page(with_evidence(base, evidence))
    assert "stated 85 %, breached 41 % of 8" in page["picture"]["alt"]


def test_pool_chart_names_both_lines_and_states_its_end(whole: ReportData) -> None:
    pool = whole.summary.pools[0]
    rows = demand_of(whole.demand, pool)
    assert len(rows) == 90
    svg = pool_chart(pool, rows)
    named = sorted(name.split()[1] for name in texts(svg) if name.endswith((" demand", " usable")))
    assert named == ["demand", "usable"]
    assert style.BAND_80 in svg
    assert f'aria-label="{pool.sentence.split(":")[0]}' in svg
    assert demand_of(pd.DataFrame(), pool).empty


def test_marks_are_drawn_where_they_lie_and_told_in_words() -> None:
    chart = fan()
    origin = chart.history_timestamps[-1]
    marks = (Mark("level_shift", origin - pd.Timedelta(days=70), 62.0, 12.0),
             Mark("spike", origin - pd.Timedelta(days=30), 88.0, 30.0))  # fmt: skip
    marked = dataclasses.replace(chart, marks=marks)
    shown = texts(fan_chart(marked))
    assert "level shift +12" in shown
    assert "spike" in shown
    words = fan_alt(marked).replace("\N{NO-BREAK SPACE}", " ")
    assert words.endswith("Marked: level shift on 26 Oct 2025, incident spike on 5 Dec 2025.")
    old = dataclasses.replace(chart, marks=(Mark("level_shift", origin - pd.Timedelta(days=390), 62.0, 12.0),))
    assert "level shift +12" not in texts(fan_chart(old)), "what lies before the chart is not drawn"
    assert fan_chart(dataclasses.replace(chart, marks=())) == fan_chart(chart)
