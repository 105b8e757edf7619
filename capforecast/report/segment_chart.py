"""Segments at a glance: the median server of each, feature by feature, as a table of shaded cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capforecast.report import style
from capforecast.report.canvas import draw
from capforecast.report.segment_features import KINDS, metric_name, split
from capforecast.report.summary_actions import SegmentSummary
from capforecast.report.words import NBSP, compact, number, plural, quantity, unit_sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SEGMENTS = 24  # rows that fit on a page
_SHOWN = ("level", "p95", "weekly", "daily", "quarter_end", "trend")
_FIRST = ("cpu", "mem", "disk")
_LEVELS = ("level", "p95")
_FULL = {"weekly": 20.0, "daily": 40.0, "quarter_end": 20.0, "trend": 3.0}  # points of percent that are shaded in full
_SHARE = {"weekly": 0.5, "daily": 1.0, "quarter_end": 0.5, "trend": 0.1}  # of the level, in other units
_NAMES, _COUNT, _ROW, _HEAD, _GROUP = 132.0, 34.0, 20.0, 46.0, 13.0
_GAP = 4.0  # between metrics
_SHORT = {"net": "net", "net_in": "net in", "net_out": "net out"}
_CHARACTER = 4.0  # width that a character of a heading takes
_NARROWEST, _WIDEST = 17.0, 30.0
_WARM, _COOL = style.THRESHOLD_HIGH, style.HISTORY


@dataclass(frozen=True)
class _Column:
    feature: str
    metric: str
    kind: str
    x: float
    width: float


def segment_chart(segments: Sequence[SegmentSummary], units: Mapping[str, str]) -> str | None:
    """SVG: a row for each segment, a cell for each feature. None where no feature is known. units: by metric."""
    shown = [part for part in segments if any(value is not None for value in part.centroid.values())][:MOST_SEGMENTS]
    columns = _columns(shown)
    if not columns:
        return None
    height = _GROUP + _HEAD + _ROW * len(shown) + 2

    def paint(axes: Axes) -> None:
        _heads(axes, columns, height, units)
        for i, part in enumerate(shown):
            _row(axes, part, columns, height - _GROUP - _HEAD - (i + 1) * _ROW, units)

    return draw(style.TEXT_WIDTH, height, segment_alt(shown, units), paint)


def segment_alt(segments: Sequence[SegmentSummary], units: Mapping[str, str]) -> str:
    """The picture in words."""
    rows = []
    for part in segments:
        figures = []
        for column in _columns(segments):
            value = part.centroid.get(column.feature)
            if value is not None and (column.kind in _LEVELS or abs(value) >= 0.5):
                unit = units.get(column.metric, "")
                figures.append(f"{metric_name(column.metric)} {KINDS[column.kind]} {quantity(value, unit)}")
        rows.append(f"{part.name} ({plural(part.servers, 'server')}): {', '.join(figures) or 'nothing known'}")
    return f"Segments by their median server. {'; '.join(rows)}.".replace(NBSP, " ")


def _columns(segments: Sequence[SegmentSummary]) -> list[_Column]:
    """Columns by metric, as many as there is room for; typical level and peak of a metric before its swings."""
    known = {name for part in segments for name, value in part.centroid.items() if value is not None}
    metrics = {metric for metric, kind in map(split, known) if kind}
    ordered = sorted(metrics, key=lambda m: (_FIRST.index(m) if m in _FIRST else len(_FIRST), m))
    groups = [[(m, k) for k in _SHOWN if f"{m}_{k}" in known] for m in ordered]
    groups = [group for group in groups if group]
    while groups and not _fits(groups):
        long = [i for i, group in enumerate(groups) if len(group) > len(_LEVELS)]
        if long and len(groups) > 1:
            groups[long[-1]] = [(m, k) for m, k in groups[long[-1]] if k in _LEVELS] or groups[long[-1]][:2]
        else:
            groups.pop()
    return _placed(groups)


def _fits(groups: Sequence[Sequence[tuple[str, str]]]) -> bool:
    return sum(map(len, groups)) * _NARROWEST + _GAP * (len(groups) - 1) <= style.TEXT_WIDTH - _NAMES - _COUNT


def _placed(groups: Sequence[Sequence[tuple[str, str]]]) -> list[_Column]:
    if not groups:
        return []
    room = style.TEXT_WIDTH - _NAMES - _COUNT - _GAP * (len(groups) - 1)
    width, x, found = min(room / sum(map(len, groups)), _WIDEST), _NAMES + _COUNT, []
    for group in groups:
        for metric, kind in group:
            found.append(_Column(f"{metric}_{kind}", metric, kind, x, width))
            x += width
        x += _GAP
    return found


def _heads(axes: Axes, columns: Sequence[_Column], height: float, units: Mapping[str, str]) -> None:
    axes.text(_NAMES + _COUNT - 6, height - _GROUP - _HEAD + 5, "servers", ha="right", va="bottom", color=style.MUTED)
    for column in columns:
        axes.text(column.x + column.width / 2, height - _GROUP - _HEAD + 5, KINDS[column.kind], rotation=90,
                  ha="center", va="bottom", color=style.MUTED)  # fmt: skip
    for metric in dict.fromkeys(column.metric for column in columns):
        mine = [column for column in columns if column.metric == metric]
        left, right = mine[0].x, mine[-1].x + mine[-1].width
        axes.text(
            left,
            height - 5,
            _title(metric, units.get(metric, ""), right - left),
            ha="left",
            va="center",
            fontweight="bold",
            fontsize=7.2,
        )
        axes.plot([left, right - 1], [height - _GROUP, height - _GROUP], color=style.INK, linewidth=0.7)


def _title(metric: str, unit: str, room: float) -> str:
    """Metric and unit, as far as there is room; the note below the picture has the units."""
    name = _SHORT.get(metric, metric_name(metric))
    whole = f"{name},{unit_sign(unit)}" if unit else name
    return whole if len(whole) * _CHARACTER <= room else style.shorten(name, max(int(room / _CHARACTER), 5))


def _row(axes: Axes, part: SegmentSummary, columns: Sequence[_Column], y: float, units: Mapping[str, str]) -> None:
    from matplotlib.patches import Rectangle

    name, _, apart = part.name.partition(", ")
    middle = y + _ROW / 2
    axes.text(0, middle + (4 if apart else 0), style.shorten(name, 34), va="center", fontweight="bold", fontsize=7.2)
    if apart:
        axes.text(0, middle - 4.5, style.shorten(apart, 40), va="center", color=style.MUTED, fontsize=6.2)
    axes.text(_NAMES + _COUNT - 6, middle, f"{part.servers:,}", ha="right", va="center")
    for column in columns:
        value = part.centroid.get(column.feature)
        level = part.centroid.get(f"{column.metric}_level")
        share = _share(value, column.kind, level, units.get(column.metric, "") == "percent")
        strong = style.ACCENT if column.kind in _LEVELS else _WARM if (value or 0) > 0 else _COOL
        fill = style.FAINT if value is None else _mixed(strong, share)
        axes.add_patch(Rectangle((column.x, y + 0.75), column.width - 1.5, _ROW - 1.5, facecolor=fill, linewidth=0))
        axes.text(column.x + (column.width - 1.5) / 2, middle, _label(value, column.kind), ha="center", va="center",
                  fontsize=style.CHART_TEXT_SMALL, color=style.PAPER if share > 0.55 else style.INK)  # fmt: skip


def _share(value: float | None, kind: str, level: float | None, percent: bool) -> float:
    """How strongly a cell is shaded, 0 .. 1. Levels of other units than percent by their order of magnitude."""
    if value is None:
        return 0.0
    size = abs(value)
    if kind in _LEVELS:
        return min(size / 100, 1.0) if percent else min(math.log10(1 + size) / 4, 1.0)
    full = _FULL[kind] if percent else _SHARE[kind] * abs(level or 0.0)
    return min(size / full, 1.0) if full > 0 else 0.0


def _label(value: float | None, kind: str) -> str:
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return compact(float(f"{value:.2g}"))
    text = number(value, 1 if kind == "trend" or (abs(value) < 9.95 and kind not in _LEVELS) else 0)
    text = text.removesuffix(".0")
    return "0" if text in ("−0", "0") else f"+{text}" if kind not in _LEVELS and value > 0 else text


def _mixed(colour: str, share: float) -> str:
    """Between paper and a colour; a little of it even for nothing, so that the cell is seen."""
    share = 0.04 + 0.96 * share
    strong, paper = (tuple(int(text[i : i + 2], 16) for i in (1, 3, 5)) for text in (colour, style.PAPER))
    return "#" + "".join(f"{round(p + (s - p) * share):02x}" for s, p in zip(strong, paper, strict=True))
