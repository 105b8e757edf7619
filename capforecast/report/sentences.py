"""What the summary says in words: one sentence per risk, and which models forecast."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from capforecast.report.odds import Outlook, outlook_words
from capforecast.report.summary import Risk
from capforecast.risk.rule import Rule
from capforecast.schema import Tier

METRIC_WORDS = {
    "cpu": "CPU", "mem": "memory", "net": "network", "net_in": "inbound network", "net_out": "outbound network",
    "disk_io": "disk throughput",
}  # fmt: skip
CAPACITY_UNITS = {"cpu": "vCPU", "mem": "GiB", "disk": "GiB"}  # of what the inventory says of a server's size
_A_YEAR = 330  # days ago from which a month's name needs its year


def quantity(value: float, unit: str) -> str:
    """A figure with its unit, one decimal at most: `76.3 %`, `1,240 Mbit/s`."""
    figure = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}".removesuffix(".0")
    sign = "%" if unit == "percent" else unit
    return f"{figure} {sign}".rstrip()


def risk_sentence(
    risk: Risk,
    origin: pd.Timestamp,
    threshold_very_high: float | None,
    now: str | None,
    critical_days: float,
    rule: Rule,
    lead_days: float,
) -> str:
    """The risk as one would say it of a server that was named before.

    origin: last moment seen (naive, UTC), from which dates count.  now: threshold level in breach now, if any.
    critical_days: horizon of probability_very_high.  rule: the daily breach rule of the metric.  lead_days: time that
    capacity remaining is of.
    """
    subject = f"{METRIC_WORDS.get(risk.metric, risk.metric)} {risk.statistic}"
    last = "" if risk.last_value is None else quantity(risk.last_value, risk.unit)
    broken = threshold_very_high if now == "very_high" else risk.threshold
    if now is not None and broken is not None:
        notes = [f"on {rule.k} or more of the last {rule.n} d"] if rule.n > 1 else []
        notes += [f"last value {last}"] if last else []
        head = f"{subject} is above {quantity(broken, risk.unit)} now" + (f" ({', '.join(notes)})" if notes else "")
    else:
        head = f"{subject} at {last}" if last else subject
    chances = []
    if risk.tier == Tier.CRITICAL and now != "very_high":
        chances += _outlook(risk, origin, risk.probability_very_high, threshold_very_high, critical_days, dated=False)
    if now is None:
        chances += _outlook(risk, origin, risk.probability, risk.threshold, risk.horizon_days, dated=True)
    further = [clause for clause in (_trend(risk, origin), _to_spare(risk, lead_days)) if clause]
    between = "; " if now is not None else ": "
    return head + (between if chances else "; " if further else "") + "; ".join(chances + further)


def _outlook(
    risk: Risk,
    origin: pd.Timestamp,
    probability: float | None,
    threshold: float | None,
    days: float | None,
    *,
    dated: bool,
) -> list[str]:
    """The chance of a breach; days_q10 and days_q50 are of `high`, so only that is `dated`."""
    if probability is None or threshold is None or days is None:
        return []
    first, half = (risk.days_q10, risk.days_q50) if dated else (None, None)
    outlook = Outlook(origin, probability, days, risk.paths, first, half)
    return [outlook_words(outlook, f"staying above {quantity(threshold, risk.unit)}")]


def _trend(risk: Risk, origin: pd.Timestamp) -> str:
    """`it has climbed 1.1 points a month since August`, where it moves at all and is known since when."""
    slope = risk.trend_per_month
    if slope is None or risk.trend_since is None:
        return ""
    size = quantity(abs(slope), "")
    if size == "0":
        return ""
    since = pd.Timestamp(risk.trend_since)
    month = since.month_name() + (f" {since.year}" if (origin - since).days > _A_YEAR else "")
    unit = ("point" if size == "1" else "points") if risk.unit == "percent" else risk.unit
    return f"it has {'climbed' if slope > 0 else 'fallen'} {f'{size} {unit}'.rstrip()} a month since {month}"


def _to_spare(risk: Risk, lead_days: float) -> str:
    if risk.capacity_remaining_units is None or not risk.capacity_unit:
        return ""
    left = quantity(risk.capacity_remaining_units, risk.capacity_unit)
    amount = "nothing" if left == f"0 {risk.capacity_unit}" else left
    return f"{amount} to spare at the 90 % peak of the next {lead_days:.3g} d"


def forecast_by(models: Mapping[str, int]) -> str:
    """Which models made the forecasts, that of most series first: `prophet; 12 series by fleet`."""
    if not models:
        return "no model: no series could be forecast"
    first, *others = models
    return "; ".join([first, *(f"{models[name]:,} series by {name}" for name in others)])
