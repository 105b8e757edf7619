"""The worst servers of a run, in figures and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from capforecast.report.accuracy import figure
from capforecast.report.data import text_column
from capforecast.report.sentences import CAPACITY_UNITS, risk_sentence
from capforecast.report.summary import Risk
from capforecast.risk.rule import rule_for
from capforecast.risk.tiers import order_by_risk
from capforecast.schema import BUSINESS_UNIT, CRITICALITY, METRIC, REGION, SERVER_ID, Cadence, Tier
from capforecast.settings import Settings

AT_RISK = (Tier.CRITICAL, Tier.HIGH, Tier.WATCH)


def top_risks(servers: pd.DataFrame, settings: Settings, origin: pd.Timestamp) -> list[Risk]:
    """Servers at watch or worse, worst first, as many as the report draws."""
    if not len(servers):
        return []
    worst = order_by_risk(servers[servers["tier"].isin(AT_RISK)]).head(settings.report.top_risks)
    worst = worst.assign(peaks_unseen=unseen_peaks(worst))
    return [risk_of(row, settings, origin) for row in worst.to_dict("records")]


def risk_of(row: Mapping[Any, Any], settings: Settings, origin: pd.Timestamp) -> Risk:
    """A row of servers or risks, with `peaks_unseen`, in figures and words.

    origin: last moment seen (naive, UTC).  The row is of a series that has a tier other than unknown.
    """
    figures = ("last_value", "probability_very_high", "horizon_days", "days_q10", "days_q50", "days_q90", "peak_q90",
               "capacity_remaining", "relative_mae", "coverage_80")  # fmt: skip
    texts = (SERVER_ID, BUSINESS_UNIT, REGION, CRITICALITY, "tier", METRIC, "statistic")
    risk = Risk(
        **{name: str(row[name]) for name in texts},
        **{name: figure(row[name]) for name in figures},
        unit=settings.metric(row[METRIC]).unit,
        threshold=figure(row["threshold_high"]),
        probability=figure(row["probability_high"]),
        in_breach=bool(row["in_breach_high"] or row["in_breach_very_high"]),
        paths=int(row["paths"]),
        capacity_remaining_units=figure(row.get("capacity_remaining_units")),
        capacity_unit=CAPACITY_UNITS.get(str(row[METRIC]), ""),
        trend_per_month=figure(row.get("trend_per_month")),
        trend_since=_day(row.get("trend_since")),
        peaks_unseen=str(row["peaks_unseen"]),
        sentence="",
    )
    now = "very_high" if row["in_breach_very_high"] else "high" if row["in_breach_high"] else None
    critical = settings.risk.critical_horizon_days
    days = critical if risk.horizon_days is None else min(critical, risk.horizon_days)
    very_high = figure(row["threshold_very_high"])
    rule = rule_for(settings.metric(risk.metric), settings.risk, Cadence.DAILY)
    lead = min(settings.risk.lead_time_days, risk.horizon_days or settings.risk.lead_time_days)
    said = risk_sentence(risk, origin, very_high, now, days, rule, lead)
    return risk.model_copy(update={"sentence": said})


def _day(moment: object) -> str | None:
    return None if moment is None or pd.isna(moment) else f"{pd.Timestamp(moment):%Y-%m-%d}"


def unseen_peaks(frame: pd.DataFrame) -> pd.Series:
    """The known peaks that lie ahead of each row and that its history does not hold, in words; "" = none."""
    flags = text_column(frame, "flags").str.split()
    flagged = flags.map(lambda words: "a known peak" if "peaks_unseen" in words else "").astype("str")
    names = text_column(frame, "unseen_peaks").str.replace("event: ", "").str.replace("_", " ")
    return names.where(names != "", flagged)
