"""What the summary says in words: one sentence per risk, and the definitions its figures follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from capforecast.report.odds import Outlook, outlook_words
from capforecast.report.summary import Risk
from capforecast.risk.rule import Rule
from capforecast.schema import Cadence, Tier
from capforecast.settings import MetricSettings, Settings

METRIC_WORDS = {
    "cpu": "CPU", "mem": "memory", "net": "network", "net_in": "inbound network", "net_out": "outbound network",
    "disk_io": "disk throughput",
}  # fmt: skip
CAPACITY_UNITS = {"cpu": "vCPU", "mem": "GiB", "disk": "GiB"}  # of what the inventory says of a server's size
_A_YEAR = 330  # days ago from which a month's name needs its year
_SHORTER = "or, if shorter, the longest horizon that its forecast and past errors support"


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


def definitions(settings: Settings, cadence: Cadence, metrics: Iterable[str], missing: Iterable[str]) -> dict[str, str]:
    """The definitions a report used, with the configured numbers. `missing`: business units without figures."""
    breach = settings.risk.breach
    known = {name: settings.metric(name) for name in sorted(set(metrics))}
    filling = [name for name, metric in known.items() if metric.fills_up]
    days = f"{breach.k_daily} of {breach.n_daily} consecutive days"
    rule = f"Above the threshold on at least {days}, dated at the day that completes them; the days may reach back "
    rule += "before the cut-off."
    if filling:
        rule += f" For {', '.join(filling)}, which fills up and stays full, one day is enough."
    if cadence is Cadence.HOURLY:
        rule += (
            " A day stands for the 95 % quantile of its 24 hourly values, days counted back and forth from the cut-off."
            f" Probabilities by the hour use the hourly rule: {breach.k_hourly} of {breach.n_hourly} consecutive hours."
        )
    absent = sorted(missing)
    return {
        "breach": rule,
        "breach probability": (
            "Share of sample paths in which the breach rule fires within the horizon. A path is the forecast plus a "
            "whole past forecast error, taken from the past situations most like today's, of this and similar servers. "
            "Past forecasts made less than the horizon apart overlap, in small units nearly all: such paths count for "
            "less evidence than their number says."
        ),
        "days to threshold": (
            "Days by which 10, 50 and 90 % of the sample paths have breached `high`. Where fewer do within the "
            "horizon there is no figure, only `later than the horizon`."
        ),
        "thresholds": "; ".join(_thresholds(name, metric) for name, metric in known.items()) or "none",
        **_tiers(settings),
        "capacity remaining": (
            f"100 % less the level that the highest value of the next {_lead_time(settings, cadence)} stays below "
            "with 90 % probability; not below 0. Only for metrics in percent."
        ),
        "relative MAE": (
            "Mean absolute error of past forecasts over that of the seasonal naive forecast (same "
            f"{'weekday of the last week' if cadence is Cadence.DAILY else 'hour of the last day'}) on the same "
            "points, at past origins, with nothing known that came later. Below 1 is better than naive. Over several "
            "series: geometric mean. Skill is 1 less this."
        ),
        "accuracy figures": (
            "MAE, RMSE and coverage are over all scored points of all series; MASE, WAPE and MAPE (denominator at "
            "least 1) are the median over series."
        ),
        "coverage": "Share of what was later observed that lay inside the 80 % (95 %) interval. Aim: 80 % (95 %).",
        "unknown": (
            "No metric with a threshold can be assessed: history too short, stale, too many gaps, nothing ever "
            "observed, no threshold, or too few past forecast errors. Counted and listed, never guessed at."
        ),
        "totals": "Servers, not series: a server counts once, by its worst metric."
        + (f" Missing from all totals: {', '.join(absent)}." if absent else ""),
    }


def _lead_time(settings: Settings, cadence: Cadence) -> str:
    """The time capacity remaining is stated for: the lead time, where forecasts reach so far."""
    lead, setup = settings.risk.lead_time_days, settings.forecast
    ahead = setup.horizon_days if cadence is Cadence.DAILY else setup.horizon_hours / 24
    if ahead >= lead:
        return f"{lead} d (procurement lead time; {_SHORTER})"
    return f"{ahead:.3g} d (the forecast ends before the procurement lead time of {lead} d; {_SHORTER})"


def _tiers(settings: Settings) -> dict[str, str]:
    risk = settings.risk
    critical, tier = f"within {risk.critical_horizon_days} d", f"within {risk.tier_horizon_days} d"
    shorter = _SHORTER
    watch = _percent(risk.watch_probability)
    return {
        "critical": f"In breach of `very high` now, or at least {_percent(risk.critical_probability)} likely to "
        f"breach it {critical} ({shorter}).",
        "high": f"In breach of `high` now, or at least {_percent(risk.high_probability)} likely to "
        f"breach it {tier} ({shorter}).",
        "watch": f"At least {watch} likely to breach `high` {tier} ({shorter}).",
        "ok": f"Less than {watch} likely to breach `high` {tier} ({shorter}).",
    }


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _thresholds(name: str, metric: MetricSettings) -> str:
    def pair(levels: Mapping[str, Any]) -> str:
        return ", ".join(f"{key} {quantity(level, metric.unit)}" for key, level in levels.items() if level is not None)

    usual = pair({"high": metric.high, "very high": metric.very_high})
    text = f"{name}: {usual or 'none'}"
    for other in metric.overrides:
        scope = " ".join(word for word in (other.business_unit, other.criticality) if word) or "all"
        changed = pair({"high": other.high, "very high": other.very_high})
        text += f" ({scope}: {changed})" if changed else ""
    return text
