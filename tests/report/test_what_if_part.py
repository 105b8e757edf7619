"""A scenario in a report: in words, on its page, on its sheet, in summary.json; hostile names stay text."""

from __future__ import annotations

import io

import pytest
from report_samples import report_data
from what_if_lake import a_world

from capforecast.actions.scenario import Scenario
from capforecast.actions.what_if import evaluate, open_baseline
from capforecast.report.excel import render_workbook
from capforecast.report.pdf import render_html
from capforecast.report.scenario_words import change_words
from capforecast.report.what_if_part import what_if_page, with_scenario
from capforecast.settings import ReportSettings

pytestmark = pytest.mark.filterwarnings("ignore:.*xtension is not supported:UserWarning:openpyxl")
SCENARIO = Scenario.of({
    "name": "=1+1 <script>alert(1)</script>", "note": "what <b>sales</b> expects",
    "changes": [{"kind": "load", "metric": "cpu", "amount": 15, "select": {"business_units": "retail"}},
                {"kind": "retire", "select": {"servers": "ps0001"}}],
})  # fmt: skip


@pytest.fixture(scope="module")
def outcome():
    """The scenario, held against a run."""
    return evaluate(open_baseline(a_world(servers=12, metrics=("cpu", "mem")).store), SCENARIO)


def test_the_summary_holds_the_fleet_before_and_after(outcome):
    part = with_scenario(report_data(), outcome).summary.what_if
    assert (part.name, part.scenario) == (SCENARIO.name, SCENARIO.id)
    assert (part.fleet.servers_before, part.fleet.servers) == (24, 23)
    assert [row.name for row in part.units] == ["payments", "retail"]
    assert sum(row.servers for row in part.units) == part.fleet.servers
    assert part.fleet.tiers.total == part.fleet.servers
    at_risk = part.fleet.tiers.critical + part.fleet.tiers.high
    assert part.sentence.startswith(f"{at_risk} servers at risk of 23")
    assert part.changes[1] == "switched off: ps0001"


def test_the_report_of_a_unit_holds_its_own_servers_alone(outcome):
    data = with_scenario(report_data(), outcome, "retail")
    assert data.summary.what_if.fleet.servers == 12
    assert set(data.what_if["business_unit"]) == {"retail"}
    assert data.summary.what_if.differing == len(data.what_if)


def test_page_and_sheet_show_it_and_names_stay_text(outcome):
    data = with_scenario(report_data(), outcome)
    html = render_html(data, ReportSettings())
    assert "What-if: =1+1 &lt;script&gt;" in html
    assert "<script>" not in html
    assert "<b>sales</b>" not in html
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(io.BytesIO(render_workbook(data, ReportSettings())))
    rows = list(book["What-if"].iter_rows(values_only=True))
    assert len(rows) >= 1 + data.summary.what_if.differing
    assert rows[0][:5] == ("Server", "Business unit", "In the scenario", "Tier published", "Tier then")
    assert {row[2] for row in rows[1 : 1 + len(data.what_if)]} >= {"retired", "changed"}


def test_a_size_without_a_price_gives_no_saving():
    change = {"kind": "resize", "vcpus": 7, "memory_gib": 9, "select": {"servers": "ps0001"}}
    baseline = open_baseline(a_world(servers=12, metrics=("cpu", "mem")).store)
    data = with_scenario(report_data(), evaluate(baseline, Scenario.of({"name": "x", "changes": [change]})))
    part = data.summary.what_if
    assert (part.fleet.monthly, part.fleet.monthly_unknown) == (None, "1 server has no price in the scenario")
    assert "cost a month unknown (1 server has no price in the scenario)" in part.sentence
    assert [row["costs"][0] for row in what_if_page(data, 5)["rows"][:2]] == [("unknown", ""), ("unknown", "")]
    assert part.units[1].monthly == part.units[1].monthly_before


def test_a_report_without_a_scenario_says_nothing_of_it():
    data = report_data()
    assert what_if_page(data, 5) is None
    assert "What-if" not in render_html(data, ReportSettings())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "growth", "percent_per_month": 5}, "load grows by 5 % a month: the fleet"),
        ({"kind": "growth", "percent_per_month": -2.5, "metrics": ["mem"]},
         "load of mem shrinks by 2.50 % a month: the fleet"),
        ({"kind": "load", "metric": "cpu", "percent": 20, "start": "2026-12-01", "end": "2026-12-24"},
         "20 % more cpu: the fleet, from 2026-12-01 to 2026-12-24"),
        ({"kind": "project", "name": "shop", "vcpus": 40, "ramp_days": 30, "select": {"regions": "eu"}},
         "project shop with 40 vCPU in all, over 30 days: eu"),
        ({"kind": "migrate", "select": {"servers": ["a", "b"]}, "onto": {"business_units": "retail"}, "retire": True},
         "the load moves onto retail, and what bore it is switched off: a, b"),
        ({"kind": "new_servers", "count": 3, "like": "web-1"}, "3 new servers like web-1"),
        ({"kind": "resize", "vcpus": 8, "disk_gib": 100}, "size 8 vCPU, 100 GiB of disk: the fleet"),
        ({"kind": "threshold", "metric": "cpu", "high": 70}, "thresholds of cpu: high 70: the fleet"),
        ({"kind": "lead_time", "days": 60}, "procurement takes 60 days: the fleet"),
        ({"kind": "quarter_end", "multiplier": 1.3},
         "the last 7 days of a quarter bear 1.30 times the load: the fleet"),
    ],
)  # fmt: skip
def test_changes_are_told_in_words(change, words):
    assert change_words(Scenario.of({"changes": [change]}).changes[0]) == words
