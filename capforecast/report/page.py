"""The printed report in words and rows: everything the template shows, ready to print. No layout here."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd

from capforecast.report import style
from capforecast.report.answer import headline, reach, record, unknown_fact, when, where
from capforecast.report.changes_words import changes_fact
from capforecast.report.charts import fan_alt, fan_chart, risk_matrix, tier_bar
from capforecast.report.data import (
    FanChart,
    ReportData,
    as_of_time,
    breach_dates,
    ranked_servers,
    text_column,
    units_by_metric,
)
from capforecast.report.fan_key import fan_key, fan_key_alt
from capforecast.report.page_about import about_rows
from capforecast.report.page_accuracy import accuracy_page, fleet_rows, quality_line
from capforecast.report.page_actions import actions_fact, actions_page
from capforecast.report.page_evidence import anomalies_part, pools_page, warnings_page
from capforecast.report.page_models import models_fact, models_page
from capforecast.report.page_segments import segments_page
from capforecast.report.pictures import picture
from capforecast.report.rollup_charts import MOST_BARS, MOST_ROWS, at_risk, by_risk
from capforecast.report.summary import RunSummary
from capforecast.report.top_risks import unseen_peaks
from capforecast.report.what_if_part import what_if_fact, what_if_page
from capforecast.report.words import (
    NONE,
    chance_of,
    count,
    date_text,
    is_missing,
    place,
    plural,
    quantity,
    quoted,
    reason_text,
    tight,
)
from capforecast.schema import BUSINESS_UNIT, REGION, SERVER_ID, TIER_ORDER, UNASSIGNED, Tier
from capforecast.settings import ReportSettings

_ACT_FIRST, _ACT_FIRST_LEAST, _BARS_LEAST = 5, 2, 3  # servers and bars on page 1; fewer where more is to be said
_FULL, _LINE = 7.5, 95  # lines of facts that fit beside 5 servers and 6 bars; characters of a line
_PER_SERVER, _PER_BAR = 2.4, 1.3  # lines that each takes
_EXAMPLES = 6  # servers named per reason
_MOST_UNITS = 40  # rows of business units; the workbook lists all


def context(data: ReportData, settings: ReportSettings) -> dict[str, Any]:
    """Everything the template shows."""
    units = units_by_metric(data)
    return {
        "summary": data.summary,
        "settings": settings,
        **_front(data),
        **_places(data.summary),
        **_risks(data, units, settings),
        "actions": actions_page(data.summary),
        "what_if": what_if_page(data, settings.table_rows),
        "segments": segments_page(data.summary, units),
        "pools": pools_page(data),
        "track": warnings_page(data),
        "anomalies": anomalies_part(data, units),
        "models": models_page(data.summary),
        "unknown": _unknown(data),
        "accuracy": accuracy_page(data.summary, units),
        "about": about_rows(data.summary),
        "quality": data.summary.quality,
        **_TOOLS,
    }


# What the template calls itself.
_TOOLS = {"style": style, "count": count, "plural": plural, "shorten": style.shorten, "tight": tight, "quoted": quoted,
          "place": place}  # fmt: skip


def _front(data: ReportData) -> dict[str, Any]:
    """Page 1: the answer, servers by tier, facts, what is missing, whom to look at, how far to trust it."""
    summary = data.summary
    possible = (reach(summary), where(summary), when(data), changes_fact(summary), actions_fact(summary),
                unknown_fact(summary), record(summary), models_fact(summary), what_if_fact(summary))  # fmt: skip
    facts = [fact for fact in possible if fact]
    missing = [unit for unit in summary.business_units if unit.status == "failed"]
    several = len(summary.business_units) > 1
    servers, bars = _room(summary, facts, len(missing))
    return {
        "tiers": [_tile(summary, tier) for tier in TIER_ORDER],
        "as_of": date_text(as_of_time(summary)),
        "as_of_iso": f"{as_of_time(summary):%Y-%m-%dT%H:%M:%SZ}",
        "headline": headline(summary),
        "facts": facts,
        "missing": missing,
        "act_first": [{"risk": r, "why": tight(r.sentence)} for r in summary.top_risks[:servers]],
        "forecast_quality": [quality_line(row) for row in fleet_rows(summary)],
        "quality_at_risk": quality_line(summary.accuracy_at_risk) if summary.accuracy_at_risk else None,
        "bars": picture(*_bars(summary, bars)) if several and at_risk(summary.tiers) + summary.tiers.watch else None,
    }


def _room(summary: RunSummary, facts: list[tuple[str, str]], missing: int) -> tuple[int, int]:
    """How many servers and bars page 1 has room for, so that it is one page and holds the whole answer."""
    bars = min(len(summary.business_units) - missing, MOST_BARS)
    over = sum(-(-len(text) // _LINE) for _, text in facts) + _PER_BAR * (bars - MOST_BARS) - _FULL
    over += 1.2 * (len(fleet_rows(summary)[:5]) - 5 + (summary.accuracy_at_risk is not None))
    over += 4 + min(missing, 6) if missing else 0
    servers = max(_ACT_FIRST - max(math.ceil(over / _PER_SERVER), 0), _ACT_FIRST_LEAST)
    over -= _PER_SERVER * (_ACT_FIRST - servers)
    return servers, max(bars - max(math.ceil(over / _PER_BAR), 0), _BARS_LEAST)


def _places(summary: RunSummary) -> dict[str, Any]:
    """Servers by business unit, region and criticality."""
    cells = summary.by_unit_and_region
    matrix = risk_matrix(summary) if len(cells) > 1 else None
    return {
        "matrix": picture(matrix, "Servers at risk by business unit and region") if matrix else None,
        "matrix_is_cut": len({cell.business_unit for cell in cells}) > MOST_ROWS,
        **_units(summary),
        "criticalities": summary.by_criticality if len(summary.by_criticality) > 1 else [],
    }


def _units(summary: RunSummary) -> dict[str, Any]:
    """Business units, failed ones and the worst first; what has no room is summed, so that rows add up to the fleet."""
    ranked = sorted(summary.business_units, key=lambda u: (u.status != "failed", *by_risk(u.tiers), u.name))
    shown = ranked if len(ranked) <= _MOST_UNITS else ranked[: _MOST_UNITS - 1]
    rest = ranked[len(shown) :]
    tiers = {tier.value: sum(getattr(unit.tiers, tier) for unit in rest) for tier in TIER_ORDER}
    sums = {"units": len(rest), "servers": sum(u.servers for u in rest), "series": sum(u.series for u in rest)}
    return {"units": shown, "other_units": sums | {"tiers": tiers} if rest else None}


def _risks(data: ReportData, units: dict[str, str], settings: ReportSettings) -> dict[str, Any]:
    """The charts of the top risks, and the table of servers at risk."""
    fans = _fans(data)[: settings.top_risks]
    return {
        "fan_key": picture(fan_key(), fan_key_alt()),
        "fans": [{"fan": f, "why": tight(f.sentence), "picture": picture(fan_chart(f), fan_alt(f))} for f in fans],
        "table": _table(data, units, settings.table_rows),
        "unseen": unseen,
    }


def _tile(summary: RunSummary, tier: Tier) -> dict[str, str]:
    return {
        "name": tier.value,
        "servers": count(getattr(summary.tiers, tier)),
        "meaning": style.TIER_MEANING[tier],
    }


def _fans(data: ReportData) -> list[FanChart]:
    """The charts, knowing which of their series are in breach now."""
    now = {(risk.server_id, risk.metric) for risk in data.summary.top_risks if risk.in_breach}
    return [replace(fan, in_breach=fan.in_breach or (fan.server_id, fan.metric) in now) for fan in data.fans]


def unseen(peaks: str) -> str:
    """What is said beside a server whose history lacks peaks that lie ahead."""
    return f"{peaks} ahead, not in its history" if peaks else ""


def _bars(summary: RunSummary, most: int) -> tuple[str, str]:
    return tier_bar(summary.business_units, most), "Servers that are critical, high or on watch, by business unit"


def _table(data: ReportData, units: dict[str, str], most: int) -> dict[str, Any]:
    """Servers that are critical, high or on watch, worst first, at most `most`."""
    ranked = ranked_servers(data)
    listed_tiers = [Tier.CRITICAL, Tier.HIGH, Tier.WATCH]
    ranked = ranked.assign(peak_unseen=unseen_peaks(ranked))
    bad = ranked[text_column(ranked, "tier").isin(listed_tiers)]
    shown = bad.head(most).reset_index(drop=True)
    levels = {"probability_high": "P(high)", "probability_very_high": "P(very high)"}
    probabilities = [name for name in levels if name in shown]
    dates = breach_dates(shown["days_q50"], data.summary) if "days_q50" in shown else pd.Series(pd.NaT, shown.index)
    rows = [_table_row(row, dates[i], units, probabilities) for i, row in enumerate(shown.to_dict("records"))]
    heads = [levels[name] for name in probabilities]
    return {"rows": rows, "heads": heads, "listed": len(rows), "of": len(bad), "servers": len(data.servers)}


def _table_row(
    row: dict[str, Any], date: pd.Timestamp, units: dict[str, str], probabilities: list[str]
) -> dict[str, Any]:
    metric = _text(row, "metric")
    nowhere = place(_text(row, BUSINESS_UNIT), _text(row, REGION)) == UNASSIGNED
    unit = units.get(metric, "")
    breached = any(row.get(name) is True for name in ("in_breach_high", "in_breach_very_high"))
    return {
        "server": _text(row, SERVER_ID),
        "unit": "" if nowhere else _text(row, BUSINESS_UNIT),
        "region": UNASSIGNED if nowhere else _text(row, REGION),
        "tier": _text(row, "tier"),
        "note": unseen(row["peak_unseen"]),
        "metric": metric,
        "now": quantity(row.get("last_value"), unit),
        "threshold": quantity(row.get("threshold_high"), unit),
        "probabilities": [chance_of(row.get(name), row.get("paths")) for name in probabilities],
        "date": "in breach now" if breached else date_text(date),
        "left": quantity(row.get("capacity_remaining"), "percent"),
    }


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if is_missing(value) else str(value)


def _unknown(data: ReportData) -> list[dict[str, str]]:
    """Unknown servers by reason, most frequent first, with the fix and some of the names."""
    servers = data.servers
    unknown = servers[text_column(servers, "tier") == Tier.UNKNOWN]
    names = text_column(unknown, SERVER_ID).groupby(text_column(unknown, "reason")).agg(list).to_dict()
    rows = []
    for reason, number_of in sorted(data.summary.unknown_reasons.items(), key=lambda item: (-item[1], item[0])):
        meaning, fix = reason_text(reason)
        some = [style.shorten(name, 40) for name in sorted(names.get(reason, []))[:_EXAMPLES]]
        more = number_of - len(some)
        examples = ", ".join(some) + (f" and {count(more)} more" if some and more > 0 else "")
        rows.append(
            {"reason": reason.replace("_", " "), "servers": count(number_of), "meaning": meaning, "fix": fix,
             "examples": examples or NONE}
        )  # fmt: skip
    return rows
