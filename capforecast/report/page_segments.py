"""The section on segments in words and rows, ready to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from capforecast.report.pictures import picture
from capforecast.report.segment_chart import MOST_SEGMENTS, segment_alt, segment_chart
from capforecast.report.segment_features import metric_name, split
from capforecast.report.summary import RunSummary
from capforecast.report.summary_actions import SegmentSummary
from capforecast.report.words import count, listed, number, probability


def segments_page(summary: RunSummary, units: Mapping[str, str]) -> dict[str, Any] | None:
    """Servers that are used alike; None where the run has no segments. units: of each metric."""
    parts = summary.segments
    if not parts:
        return None
    total = sum(part.servers for part in parts)
    drawn = segment_chart(parts, units)
    known = [part for part in parts if part.centroid and any(v is not None for v in part.centroid.values())]
    return {
        "units": _other_units(parts, units),
        "picture": picture(drawn, segment_alt(known[:MOST_SEGMENTS], units)) if drawn else None,
        "cut": len(known) > MOST_SEGMENTS,
        "rows": [
            {"name": part.name, "servers": count(part.servers), "share": probability(part.servers / total),
             "action": part.action, "silhouette": number(part.silhouette, 2)} for part in parts
        ],
    }  # fmt: skip


def _other_units(parts: Sequence[SegmentSummary], units: Mapping[str, str]) -> str:
    """Units of the figures, in words."""
    metrics = sorted({split(name)[0] for part in parts for name in part.centroid})
    named: dict[str, list[str]] = {}
    for metric in metrics:
        if units.get(metric, "") not in ("", "percent"):
            named.setdefault(units[metric], []).append(metric_name(metric))
    others = [f"{listed(names)} in {unit}" for unit, names in sorted(named.items())]
    return f"In percent; {'; '.join(others)}." if others else "In percent."
