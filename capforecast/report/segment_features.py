"""Features of segments in words: their metric and what they say of it."""

from __future__ import annotations

from capforecast.report.style import shorten

KINDS = {
    "level": "typical", "p95": "peak", "spread": "spread", "weekly": "weekdays", "quarter_end": "quarter end",
    "trend": "trend", "daily": "day swing",
}  # fmt: skip
METRICS = {"cpu": "CPU", "mem": "memory", "disk": "disk", "net": "traffic", "net_in": "incoming traffic",
           "net_out": "outgoing traffic", "disk_io": "disk activity"}  # fmt: skip


def split(feature: str) -> tuple[str, str]:
    """Metric and kind of `<metric>_<kind>`; kind "" where it is none of ours."""
    for kind in KINDS:
        if feature.endswith(f"_{kind}"):
            return feature.removesuffix(f"_{kind}"), kind
    return feature, ""


def metric_name(metric: str) -> str:
    """A metric as people say it."""
    return METRICS.get(metric, metric.replace("_", " "))


def feature_title(feature: str) -> str:
    """A feature as a heading: `CPU, quarter end`."""
    metric, kind = split(feature)
    return f"{shorten(metric_name(metric), 40)}, {KINDS[kind]}" if kind else feature.replace("_", " ")
