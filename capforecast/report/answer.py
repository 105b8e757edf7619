"""Page 1 in sentences: how many servers are at risk, where, by when, and what could not be forecast."""

from __future__ import annotations

import pandas as pd

from capforecast.report import style
from capforecast.report.data import ReportData, breach_dates, text_column
from capforecast.report.rollup_charts import at_risk
from capforecast.report.summary import RunSummary
from capforecast.report.words import NBSP, count, date_text, listed, plural, tight
from capforecast.schema import Tier


def headline(summary: RunSummary) -> str:
    """The answer in one sentence."""
    tiers, known = summary.tiers, summary.tiers.total - summary.tiers.unknown
    if not tiers.total:
        return "There is no server to report on."
    if not known:
        return f"None of the {plural(tiers.total, 'server')} can be forecast yet; the reasons follow."
    bad, span = at_risk(tiers), tight(summary.reach or summary.horizon)
    if not bad:
        rest = f"{count(tiers.watch)} to keep an eye on" if tiers.watch else "all are ok"
        return f"No server is at risk within {span}: {count(known)} were forecast, {rest}."
    kinds = listed([f"{count(n)}{NBSP}{name}" for n, name in ((tiers.critical, "critical"), (tiers.high, "high")) if n])
    verb = "is" if bad == 1 else "are"
    return f"{count(bad)} of {plural(tiers.total, 'server')} {verb} at risk within {span}: {kinds}."


def reach(summary: RunSummary) -> tuple[str, str] | None:
    """How far the tiers look, where that is less than was asked for."""
    if not summary.reach:
        return None
    text = f"The tiers look {tight(summary.reach)} ahead, not {tight(summary.horizon)}: most histories support no more."
    return "Reach", text


def where(summary: RunSummary) -> tuple[str, str] | None:
    """Business units and regions with most servers at risk."""
    if not at_risk(summary.tiers) or len(summary.by_unit_and_region) < 2:
        return None
    ranked = sorted(summary.business_units, key=lambda u: (-at_risk(u.tiers), u.name))
    units = [f"{style.shorten(u.name, 40)} ({count(at_risk(u.tiers))})" for u in ranked[:3] if at_risk(u.tiers)]
    regions = sorted(summary.by_region, key=lambda r: (-at_risk(r.tiers), r.region or ""))
    text = f"{'Most in' if len(ranked) > len(units) else 'In'} {listed(units)}"
    if len(regions) > 1 and at_risk(regions[0].tiers):
        text += (
            f"; of the regions, {style.shorten(regions[0].region or '', 40)} leads ({count(at_risk(regions[0].tiers))})"
        )
    return "Where", text + "."


def when(data: ReportData) -> tuple[str, str] | None:
    """How many servers at risk are in breach now, and by when the others reach even odds."""
    frame = data.servers
    bad = frame[text_column(frame, "tier").isin([Tier.CRITICAL, Tier.HIGH])]
    if bad.empty or not {"in_breach_high", "days_q50"} <= set(bad.columns):
        return None
    breached = bad["in_breach_high"].eq(True)
    if "in_breach_very_high" in bad:
        breached |= bad["in_breach_very_high"].eq(True)
    days = pd.to_numeric(bad.loc[~breached, "days_q50"], errors="coerce")
    parts = [f"{count(breached.sum())} in breach of a threshold now"] if breached.any() else []
    seen = 0
    for limit in (7, 30, 90):
        more = int((days <= limit).sum()) - seen
        if more:
            parts.append(f"{'a further ' if parts else ''}{count(more)} by {_day(data.summary, limit)} at even odds")
        seen += more
    rest = len(days) - seen
    if rest:
        parts.append(f"{count(rest)} later, or at less than even odds")
    return "When", f"{listed(parts)[:1].upper()}{listed(parts)[1:]}."


def unknown_fact(summary: RunSummary) -> tuple[str, str] | None:
    """Why servers are unknown, in one sentence."""
    if not summary.tiers.unknown:
        return None
    ranked = sorted(summary.unknown_reasons.items(), key=lambda item: (-item[1], item[0]))
    reasons = listed([f"{count(n)} {reason.replace('_', ' ')}" for reason, n in ranked])
    text = f"{plural(summary.tiers.unknown, 'server')} could not be forecast"
    return "Unknown", f"{text}: {reasons}." if reasons else f"{text}."


def record(summary: RunSummary) -> tuple[str, str] | None:
    """How good the last quarter's warnings were, or all that could be replayed where quarters are not on record."""
    if summary.warnings is None:
        return None
    recent = summary.warnings.last_quarter
    return "Warnings", tight(recent.sentence if recent else summary.warnings.sentence)


def _day(summary: RunSummary, days: int) -> str:
    return date_text(breach_dates(pd.Series([days]), summary).iloc[0])
