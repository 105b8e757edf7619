"""Known peaks on fan charts: where they fall, the ones ahead by name, one mark where two end together."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ElementTree

import pandas as pd
from report_samples import fan

from capforecast.fleet.calendar import occurrences
from capforecast.report import style
from capforecast.report.charts import fan_alt, fan_chart
from capforecast.report.data import FanChart, Peak
from capforecast.report.peak_marks import peak_name
from capforecast.settings import CalendarSettings

SVG = "{http://www.w3.org/2000/svg}"
FORECAST = (pd.Timestamp("2026-01-05"), pd.Timestamp("2026-04-04"))


def peak(name: str, first: str, last: str) -> Peak:
    return Peak(name, pd.Timestamp(first), pd.Timestamp(last))


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def bars(svg: str, colour: str) -> int:
    return len(re.findall(rf'style="fill: {colour}"', svg))


def with_peaks(*peaks: Peak) -> FanChart:
    return dataclasses.replace(fan(), peaks=peaks)


def test_peaks_ahead_are_named_and_past_ones_only_marked() -> None:
    past = peak("quarter_end", "2025-09-28", "2025-09-30"), peak("year_end", "2025-12-20", "2025-12-31")
    svg = fan_chart(with_peaks(*past, peak("quarter_end", "2026-03-29", "2026-03-31")))
    assert [text for text in texts(svg) if text in ("quarter end", "year end")] == ["quarter end"]
    assert bars(svg, style.MUTED) == 3
    assert "Known peaks ahead: quarter end from 29 Mar 2026." in fan_alt(
        with_peaks(peak("quarter_end", "2026-03-29", "2026-03-31"))
    ).replace("\N{NO-BREAK SPACE}", " ")


def test_a_quarter_end_hides_the_month_end_it_is() -> None:
    month, quarter = peak("month_end", "2026-03-29", "2026-03-31"), peak("quarter_end", "2026-03-29", "2026-03-31")
    assert bars(fan_chart(with_peaks(month, quarter)), style.MUTED) == 1
    assert "quarter end" in texts(fan_chart(with_peaks(month, quarter)))


def test_declared_events_carry_their_name_as_text() -> None:
    svg = fan_chart(with_peaks(peak("event: <b>$sale$", "2026-02-02", "2026-02-08")))
    assert "<b>$sale$" in texts(svg)
    assert bars(svg, style.ACCENT) == 1


def test_peaks_out_of_sight_are_not_drawn() -> None:
    seen = with_peaks(peak("quarter_end", "2024-03-29", "2024-03-31"), peak("quarter_end", "2027-03-29", "2027-03-31"))
    assert fan_chart(seen) == fan_chart(with_peaks())


def test_names_do_not_touch() -> None:
    crowd = [peak(f"event: campaign {i}", f"2026-01-{10 + i}", f"2026-01-{10 + i}") for i in range(8)]
    named = [text for text in texts(fan_chart(with_peaks(*crowd))) if text.startswith("campaign")]
    assert 1 <= len(named) < 3, "a third of the chart holds two names at most"
    assert bars(fan_chart(with_peaks(*crowd)), style.ACCENT) == 8


def test_every_peak_of_the_calendar_has_a_plain_name() -> None:
    calendar = CalendarSettings(
        country="DE", events=[{"name": "spring_sale", "start": "2026-03-01", "end": "2026-03-03"}]
    )
    names = {peak_name(each.peak) for each in occurrences(*(day.date() for day in FORECAST), calendar)}
    assert names == {"month end", "quarter end", "holiday", "spring sale"}
