"""The picture of segments."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
from action_samples import segment_sizes_frame

from capforecast.report.actions_part import segment_summaries
from capforecast.report.segment_chart import MOST_SEGMENTS, segment_alt, segment_chart
from capforecast.report.style import TEXT_WIDTH
from capforecast.report.summary_actions import SegmentSummary

UNITS = {"cpu": "percent", "mem": "percent", "disk": "percent", "net_in": "Mbit/s"}


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()).strip() for node in ET.fromstring(svg).iter() if node.tag.endswith("}text")]


def drawn(frame: pd.DataFrame, units: dict[str, str] = UNITS) -> str:
    svg = segment_chart(segment_summaries(frame), units)
    assert svg is not None
    return svg


def test_same_segments_same_picture_with_every_figure() -> None:
    svg = drawn(segment_sizes_frame())
    assert svg == drawn(segment_sizes_frame())
    seen = texts(svg)
    assert {"idle", "steady", "hot", "140", "CPU, %", "memory, %", "net in", "−7", "+6.1"} <= {
        text.replace("\N{NO-BREAK SPACE}", " ") for text in seen
    }
    assert "unknown" not in seen, "nothing is known of them"
    assert seen.count("–") == 1, "the one feature that a segment lacks"


def test_alt_text_says_what_is_drawn() -> None:
    known = [part for part in segment_summaries(segment_sizes_frame()) if part.name != "unknown"]
    alt = segment_alt(known, UNITS)
    assert alt.startswith("Segments by their median server. idle (30 servers): CPU typical 0 %")
    assert "CPU weekdays −7 %" in alt
    assert "incoming traffic typical 64.3 Mbit/s" in alt


def test_more_features_than_there_is_room_for_are_cut_from_the_right() -> None:
    wide = segment_sizes_frame()
    for i in range(12):
        wide[f"app{i:02d}_level"] = wide[f"app{i:02d}_trend"] = 5.0
    svg = drawn(wide)
    assert float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1]) == pytest.approx(TEXT_WIDTH)  # type: ignore[index]
    corners = [float(x) for x in re.findall(r'd="M ([\d.]+) ', svg)]
    assert max(corners) < TEXT_WIDTH, "no cell beyond the margin"
    seen = texts(svg)
    assert {"CPU, %", "memory, %", "disk, %"} <= {text.replace("\N{NO-BREAK SPACE}", " ") for text in seen}
    assert not any(text.startswith("app11") for text in seen)


def test_many_segments_fit_on_a_page() -> None:
    parts = [SegmentSummary(name=f"steady, {i}th lowest CPU level", servers=i, centroid={"cpu_level": 1.0 * i})
             for i in range(40)]  # fmt: skip
    svg = segment_chart(parts, UNITS)
    assert svg is not None
    assert texts(svg).count("steady") == MOST_SEGMENTS
    assert float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)', svg)[1]) < 600  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "unit", "label"),
    [(0.04, "percent", "0"), (-0.04, "percent", "0"), (12_345.0, "Mbit/s", "12k"), (1e9, "Mbit/s", "1G")],
)
def test_figures_are_short(value: float, unit: str, label: str) -> None:
    part = SegmentSummary(name="x", servers=1, centroid={"m_level": value, "m_trend": value if value < 1 else 0.0})
    svg = segment_chart([part], {"m": unit})
    assert svg is not None
    assert label in texts(svg)


def test_nothing_known_nothing_drawn() -> None:
    assert segment_chart([], UNITS) is None
    assert segment_chart([SegmentSummary(name="unknown", servers=3, centroid={"cpu_level": None})], UNITS) is None
    assert segment_chart([SegmentSummary(name="x", servers=3, centroid={"odd": 1.0})], UNITS) is None
