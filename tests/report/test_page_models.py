"""The section on models and drift, and the line on page 1."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Any

import pandas as pd
import pytest
from model_samples import DECISIONS, champion_row, champions_frame, drift_rows, with_models
from report_samples import LONG, NASTY, report_data, servers_frame
from test_pdf import Seen, needs_pango, pages_of, plain

from capforecast.report.data import ReportData
from capforecast.report.page_models import models_fact, models_page
from capforecast.report.pdf import render_html, render_pdf
from capforecast.settings import ReportSettings

UNITS = ("Logistics", "Online Shop", "Retail Banking")


@pytest.fixture(scope="module")
def base() -> ReportData:
    return report_data(servers_frame(20), fans=0)


def made(base: ReportData, actions: dict[str, str], drift: list[dict[str, Any]]) -> ReportData:
    return with_models(base, champions_frame(actions), pd.DataFrame(drift))


def fact(data: ReportData) -> str:
    found = models_fact(data.summary)
    return found[1] if found else ""


def test_page_one_is_silent_where_all_is_well(base: ReportData) -> None:
    calm = [row for name in UNITS for row in drift_rows(name)]
    ordinary = [action for action in DECISIONS if action not in ("fell_back", "pinned")]
    for action in ordinary:
        assert fact(made(base, dict.fromkeys(UNITS, action), calm)) == ""
    assert fact(base) == ""


def test_page_one_tells_of_an_older_model_and_why(base: ReportData) -> None:
    data = made(base, {"payments": "fell_back", "media": "kept"}, [])
    assert fact(data) == (
        "payments forecasts with an older model, trained on data before 22 Dec 2025 (14 days old): its champion cannot "
        "be used; see models and drift."
    )
    front = Seen(render_html(data, ReportSettings())).text
    assert plain(fact(data)) in front[: front.index("How far to trust the forecasts")]
    several = made(base, dict.fromkeys(UNITS, "pinned"), [])
    assert fact(several) == "Logistics, Online Shop and Retail Banking forecast with fall-back or pinned models."


def test_page_one_tells_what_drifted_where(base: ReportData) -> None:
    one = drift_rows("media", alarms=("live_error",)) + drift_rows("retail")
    assert fact(made(base, {}, one)) == "Drift in media: live error of mem: 41 of 120 series are over their limit"
    many = [row for i in range(9) for row in drift_rows(f"unit {i}", alarms=("input_level", "tier_change"))]
    assert fact(made(base, {}, many)) == (
        "Drift in unit 0, unit 1, unit 2, unit 3 and 5 more business units: input level and tier change."
    )


def test_an_endless_reason_does_not_fill_page_one(base: ReportData) -> None:
    frame = pd.DataFrame([champion_row("media", "pinned", reason="x" * 2000)])
    assert len(fact(with_models(base, frame, pd.DataFrame()))) <= 260


def test_models_to_know_of_come_first_and_figures_stand_beside_them(base: ReportData) -> None:
    page = models_page(made(base, {"a": "first", "b": "kept", "c": "replaced", "d": "fell_back"}, []).summary)
    assert [row["decision"] for row in page["rows"]] == ["fell back", "replaced", "kept", "first model"]
    assert [row["notable"] for row in page["rows"]] == [True, False, False, False]
    worst = page["rows"][0]
    assert plain(f"{worst['version']} {worst['trained']} {worst['age']} {worst['relative']} {worst['coverage']}") == (
        "2025-12-22-0a1b2c3d 22 Dec 2025 14 days old 0.78 80 %"
    )
    assert page["lead"] == (
        "Of 4 business units 2 forecast with a model that this run trained, 1 forecasts with the champion that was "
        "there and 1 forecasts with a fall-back or pinned model."
    )
    alone = models_page(made(base, dict.fromkeys(UNITS, "backfill"), []).summary)
    assert alone["lead"] == "Every model in use was trained in this run."


def test_a_stand_in_for_a_broken_champion_is_counted_once(base: ReportData) -> None:
    new = "2026-01-05-f00dcafe1234"
    frame = pd.DataFrame([champion_row("a", "fell_back", version=new, challenger=new), champion_row("b", "first")])
    page = models_page(with_models(base, frame, pd.DataFrame()).summary)
    assert page["lead"] == (
        "Of 2 business units 1 forecasts with a model that this run trained and 1 forecasts with a fall-back or pinned "
        "model."
    )


def test_a_few_alarms_are_all_listed(base: ReportData) -> None:
    drift = models_page(made(base, {}, drift_rows("a", alarms=("input_level",))).summary)["drift"]
    assert [row["check"] for row in drift["rows"]] == ["input level"]
    assert drift["note"].startswith("4 checks within the limits. The workbook lists all")


def test_fifty_business_units_are_cut_with_a_word_on_the_rest(base: ReportData) -> None:
    names = [LONG + str(i) if i % 7 == 0 else f"Business unit {i:02d}" for i in range(50)]
    drift = [row for name in names for row in drift_rows(name, alarms=("input_level",))]
    data = made(base, dict(zip(names, islice(cycle(DECISIONS), 50), strict=True)), drift)
    text = Seen(render_html(data, ReportSettings())).text
    assert (
        "25 of 50 business units, fall-back and pinned models first; the workbook lists all, on the sheet Models."
        in text
    )
    assert "50 of 250 checks are over the limit, in Business unit 01, Business unit 02" in text
    assert "The first 20 of 50 alarms. 200 checks within the limits. The workbook lists all checks" in text
    assert len(models_page(data.summary)["drift"]["rows"]) == 20


def test_nothing_drifted_is_one_line(base: ReportData) -> None:
    drift = models_page(made(base, {}, [row for name in UNITS for row in drift_rows(name)]).summary)["drift"]
    assert drift["verdict"] == "Nothing drifted: 15 checks in 3 business units, none over its limit."
    assert (drift["rows"], drift["not_made"]) == ([], [])


def test_a_first_run_claims_nothing_it_could_not_check(base: ReportData) -> None:
    all_new = [row for name in UNITS for row in drift_rows(name, before=False)]
    drift = models_page(made(base, {}, all_new).summary)["drift"]
    assert drift["verdict"] == "Nothing drifted: 6 checks in 3 business units, none over its limit."
    assert drift["not_made"] == ["forecast change, live error and tier change: no earlier run to compare with."]
    some = models_page(made(base, {}, all_new[:5] + drift_rows("Online Shop")).summary)["drift"]
    assert some["not_made"][0].startswith("forecast change, live error and tier change in Logistics: no earlier")
    none = [row for row in all_new if row["sentence"] == "no earlier run to compare with"]
    assert models_page(made(base, {}, none).summary)["drift"]["verdict"] == "", (
        "nothing was checked, so nothing is said"
    )


def test_a_report_without_models_has_no_such_section(base: ReportData) -> None:
    assert "Models and drift" not in Seen(render_html(base, ReportSettings())).text


def test_terms_are_defined_where_they_are_used(base: ReportData) -> None:
    terms = made(base, {"a": "kept"}, drift_rows("a")).summary.definitions
    assert "at least 2 % smaller" in terms["challenger"]
    assert "35 d" in terms["challenger"]
    assert {"champion", "drift"} <= set(terms)
    assert not {"champion", "challenger", "drift"} & set(base.summary.definitions)


@needs_pango
def test_long_and_hostile_names_stay_within_the_page(base: ReportData) -> None:
    nasty = NASTY[:-3]
    champions = pd.DataFrame([champion_row(nasty, "fell_back", reason=f"<b>{nasty}</b>"), champion_row(LONG, "kept")])
    data = with_models(base, champions, pd.DataFrame(drift_rows(nasty, alarms=("input_level",))))
    text = " ".join(pages_of(render_pdf(data, ReportSettings())))
    assert "<script>alert('x')</script> & $co_{st}$" in text[text.index("Models and drift") :]
    assert "the challenger has only 1 % smaller error on 118 series" in text
