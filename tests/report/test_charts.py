"""Charts: the same bytes every time, names shown as they are, and marks only where they are true."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import LONG, NASTY, accuracy_row, fan, report_data, servers_frame

from capforecast.report import style, ticks
from capforecast.report.charts import fan_alt, fan_chart, fan_key, risk_matrix, tier_bar
from capforecast.report.data import FanChart
from capforecast.schema import TIER_ORDER

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def words(svg: str) -> str:
    return " | ".join(texts(svg)).replace("\N{NO-BREAK SPACE}", " ")


def test_same_chart_same_bytes_in_another_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from report_samples import *;"
        "from capforecast.report.charts import *; sys.stdout.write(fan_chart(fan()) + fan_key());"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    other = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, __file__.rsplit("/", 1)[0]], capture_output=True, text=True,
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PATH": ""}, check=True,
    )  # fmt: skip
    assert fan_chart(fan()) + fan_key() == other.stdout


def test_modules_load_without_the_heavy_libraries() -> None:
    code = (
        "import sys, capforecast.report.charts, capforecast.report.pdf, capforecast.report.excel;"
        "print([m for m in ('matplotlib', 'weasyprint', 'jinja2', 'xlsxwriter') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_of_matplotlib_are_left_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    fan_chart(fan())
    assert dict(matplotlib.rcParams) == before


def test_fan_chart_names_what_it_shows() -> None:
    svg = fan_chart(fan())
    shown = words(svg)
    assert "80 high" in shown
    assert "90 very high" in shown
    assert "cpu p95, percent" in shown
    assert "<image" not in svg, "a picture would be blurred in print"
    assert not re.search(r"<dc:date>|Matplotlib v", svg)
    assert 'aria-label="srv-0001: CPU p95 at 72.3 %' in svg


def test_breach_window_is_marked_only_where_a_breach_is_probable() -> None:
    # The origin is 4 Jan: the first breach falls 9 (10 % of paths) to 35 days (50 %) after it.
    assert "breach of 80 % likely 13 Jan – 8 Feb" in words(fan_chart(fan()))
    assert style.BREACH_WINDOW in fan_chart(fan())
    improbable = fan_chart(fan(probable=False))
    assert "breach" not in words(improbable)
    assert style.BREACH_WINDOW not in improbable
    breached = fan_chart(dataclasses.replace(fan(), in_breach=True))
    assert "in breach now" in words(breached)
    assert style.BREACH_WINDOW not in breached, "the date of a first breach says nothing once it is there"


def test_long_metric_names_leave_room_for_the_breach() -> None:
    long = words(fan_chart(dataclasses.replace(fan(), metric="a_metric_with_quite_a_long_name")))
    assert "breach likely 13 Jan – 8 Feb" in long


def _lines(svg: str, colour: str) -> list[str]:
    """Path data of the lines drawn in a colour."""
    found = [
        node for node in ElementTree.fromstring(svg).iter(f"{SVG}path") if f"stroke: {colour}" in node.get("style", "")
    ]
    return [node.get("d", "") for node in found]


def test_gaps_in_history_stay_gaps() -> None:
    whole = dataclasses.replace(fan(), history=np.full(400, 50.0, "float32"))
    assert [line.count("M") for line in _lines(fan_chart(whole), style.HISTORY)] == [1]
    holed = whole.history.copy()
    holed[-50:-40] = np.nan
    assert [
        line.count("M") for line in _lines(fan_chart(dataclasses.replace(whole, history=holed)), style.HISTORY)
    ] == [2]


def test_a_lone_point_between_gaps_is_seen() -> None:
    sparse = np.full(400, np.nan, "float32")
    sparse[-20] = 50
    none = dataclasses.replace(fan(), history=np.full(400, np.nan, "float32"))
    assert fan_chart(dataclasses.replace(none, history=sparse)).count("<use") == fan_chart(none).count("<use") + 1


def test_thresholds_close_together_keep_their_names_apart() -> None:
    close = dataclasses.replace(fan(), threshold_high=80.0, threshold_very_high=80.5)
    heights = [
        float(node.get("y", "nan"))
        for node in ElementTree.fromstring(fan_chart(close)).iter(f"{SVG}text")
        if "high" in "".join(node.itertext())
    ]
    assert abs(heights[0] - heights[1]) >= style.CHART_TEXT_SMALL


def test_series_without_threshold_or_history_can_be_drawn() -> None:
    bare = dataclasses.replace(
        fan(), threshold_high=None, threshold_very_high=None, days_q10=None, days_q50=None, unit="",
        history=np.full(400, np.nan, "float32"), quantiles=np.full((6, 90), np.nan, "float32"),
    )  # fmt: skip
    assert "high" not in words(fan_chart(bare))
    assert "Last observed" not in fan_alt(bare)


def test_three_weeks_are_marked_by_mondays() -> None:
    stamps = pd.date_range("2026-01-01", periods=336 + 168, freq="h")
    hourly = dataclasses.replace(
        fan(), history_timestamps=stamps[:336], history=np.full(336, 40.0, "float32"),
        forecast_timestamps=stamps[336:], quantiles=np.full((6, 168), 50.0, "float32"),
    )  # fmt: skip
    shown = words(fan_chart(dataclasses.replace(hourly, days_q10=None)))
    assert "5 Jan | 12 Jan | 19 Jan" in shown


def test_fan_of_mismatched_lengths_is_refused() -> None:
    whole = fan()
    with pytest.raises(ValueError, match=r"srv-0001 cpu: quantiles are \(5, 90\)"):
        dataclasses.replace(whole, quantiles=whole.quantiles[:5])


def test_alt_text_states_the_forecast() -> None:
    alt = fan_alt(fan()).replace("\N{NO-BREAK SPACE}", " ")
    assert alt.startswith("srv-0001: CPU p95 at 72.3 %: ")
    assert "Forecast for 4 Apr 2026" in alt
    assert "80 % interval" in alt


def test_names_are_shown_as_they_are() -> None:
    frame = servers_frame(20, 1, 1)
    frame["business_unit"], frame["region"] = "$co_{st}$", "a<b>&c"
    svg = risk_matrix(report_data(frame).summary)
    assert "$co_{st}$" in texts(svg)
    assert "a<b>&c" in texts(svg)


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_no_name_can_break_the_picture(unit: str, region: str) -> None:
    frame = servers_frame(6, 1, 1)
    frame["business_unit"], frame["region"] = unit, region
    summary = report_data(frame, fans=0).summary
    for svg in (risk_matrix(summary), tier_bar(summary.business_units)):
        ElementTree.fromstring(svg)  # well-formed


def test_matrix_reconciles_with_the_fleet() -> None:
    summary = report_data(servers_frame(300), fans=0).summary
    shown = texts(risk_matrix(summary))
    assert shown[-2:] == [f"{summary.tiers.critical + summary.tiers.high:,}", f"of {summary.servers:,}"]
    bottom = shown[len(shown) - 1 - shown[::-1].index("total") :]
    by_region = {r.region: r.tiers for r in summary.by_region}
    names = [text for text in shown[:4] if text in by_region]
    for i, name in enumerate(names):
        tiers = by_region[name]
        assert bottom[1 + 2 * i : 3 + 2 * i] == [str(tiers.critical + tiers.high), f"of {tiers.total}"], name
    assert len(names) == 3
    by_unit = {u.name: u.tiers for u in summary.business_units}
    for name, tiers in by_unit.items():
        row = shown[shown.index(name) :]
        assert row[7:9] == [str(tiers.critical + tiers.high), f"of {tiers.total}"], (
            "last of 4 columns: the unit's total"
        )


def test_units_and_regions_without_room_are_summed_not_dropped() -> None:
    summary = report_data(servers_frame(900, 60, 12), fans=0).summary
    shown = texts(risk_matrix(summary))
    assert "25 others" in shown
    assert "6 others" in shown
    assert shown[-1] == "of 900"


def test_totals_of_a_large_fleet_fit_their_cells() -> None:
    summary = report_data(servers_frame(10_000, 50, 12), fans=0).summary
    svg = ElementTree.fromstring(risk_matrix(summary))
    assert "of 10k" in ["".join(node.itertext()).strip() for node in svg.iter(f"{SVG}text")]
    last = list(svg.iter(f"{SVG}text"))[-1]
    assert float(last.get("x", "nan")) + 3.2 * len("of 10k") <= style.TEXT_WIDTH


def test_a_unit_called_total_is_a_unit() -> None:
    frame = servers_frame(10, 1, 1)
    frame["business_unit"] = ["total"] * 6 + ["other"] * 4
    shown = texts(risk_matrix(report_data(frame, fans=0).summary))
    assert shown.count("total") == 3, "column, unit and bottom row"
    assert "of 6" in shown
    assert shown[-1] == "of 10"


def test_bars_show_the_worst_units_and_leave_out_failed_ones() -> None:
    summary = report_data(servers_frame(200, 12), fans=0, failed=("Payments",)).summary
    svg = tier_bar(summary.business_units, most=5)
    shown = texts(svg)
    worst = max(summary.business_units, key=lambda u: (u.tiers.critical, u.tiers.high, u.tiers.watch))
    assert shown[0] == style.shorten(worst.name, 26)
    assert "Payments" not in shown
    assert sum(text.startswith("of ") for text in shown) == 5


def test_charts_of_nobody_at_risk_can_be_drawn() -> None:
    summary = report_data(servers_frame(5, 1, 1, (0, 0, 0, 1, 0)), fans=0, accuracy=[accuracy_row("cpu")]).summary
    assert "of 5 servers" in texts(tier_bar(summary.business_units))
    assert "None." in risk_matrix(summary)
    ElementTree.fromstring(tier_bar([]))


def test_tiers_darken_as_they_get_worse() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    light = [lightness(style.TIER_FILL[tier]) for tier in TIER_ORDER]
    assert light == sorted(light)
    for tier in TIER_ORDER[:4]:
        bright, dark = sorted((lightness(style.TIER_FILL[tier]), lightness(style.TIER_TEXT[tier])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, f"text on {tier} must be readable (WCAG AA)"


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 25_000), st.floats(0.1, 8_000))
def test_date_ticks_are_few_ordered_and_inside(start: float, span: float) -> None:
    marks = ticks.dates(start, start + span)
    when = [at for at, _ in marks]
    assert len(marks) <= 7
    assert when == sorted(set(when))
    assert all(start <= at <= start + span for at in when)
    assert all(label for _, label in marks)
    if span >= 0.5:
        assert marks


def test_each_year_is_named_once() -> None:
    start = pd.Timestamp("2025-07-10").timestamp() / 86_400
    labels = [label for _, label in ticks.dates(start, start + 270)]
    assert [label for label in labels if "\n" in label] == ["Aug\n2025", "Feb\n2026"]


@settings(max_examples=60, deadline=None)
@given(st.floats(-50, 50), st.floats(0.01, 1e6))
def test_value_ticks_are_round_and_inside(low: float, span: float) -> None:
    marks = ticks.round_values(low, low + span)
    assert 2 <= len(marks) <= 6
    assert all(low - 1e-6 * span <= mark <= low + span * (1 + 1e-6) for mark in marks)
    steps = np.diff(marks)
    assert np.allclose(steps, steps[0])


def test_one_wild_quantile_does_not_flatten_the_chart() -> None:
    quantiles = np.full((6, 10), 50.0)
    quantiles[4] = 10_000
    _, top = ticks.value_limits(np.full(5, 40.0), quantiles, (80.0, 90.0), "percent")
    assert 90 < top < 150


def test_a_series_that_runs_high_is_not_pressed_to_the_top_of_its_chart() -> None:
    quantiles = np.full((6, 10), 95.0)
    low, top = ticks.value_limits(np.full(5, 92.0), quantiles, (80.0, 90.0), "percent")
    assert 50 <= low < 80, "the lower threshold is seen, with room below it"
    assert top >= 95
    assert ticks.value_limits(np.array([3.0, 92.0]), quantiles, (80.0, 90.0), "percent")[0] == 0


@given(st.text(max_size=300), st.integers(3, 80))
def test_shortened_text_fits_and_keeps_both_ends(text: str, most: int) -> None:
    short = style.shorten(text, most)
    assert len(short) <= most
    if len(text) > most:
        assert text.startswith(short.split("…")[0]) or "…" in text
    else:
        assert short == text


def test_long_names_are_shortened_in_charts() -> None:
    frame = servers_frame(10, 1, 1)
    frame["business_unit"] = LONG
    assert any("…" in text for text in texts(risk_matrix(report_data(frame, fans=0).summary)))
    assert isinstance(fan(NASTY), FanChart)
