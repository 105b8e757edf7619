"""The definitions a report's figures follow, with the configured numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from capforecast.report.sentences import quantity
from capforecast.schema import Cadence
from capforecast.settings import MetricSettings, Settings

_SHORTER = "or, if shorter, the longest horizon that its forecast and past errors support"


def definitions(settings: Settings, cadence: Cadence, metrics: Iterable[str], missing: Iterable[str]) -> dict[str, str]:
    """The definitions a report used, with the configured numbers. `missing`: business units without figures."""
    known = {name: settings.metric(name) for name in sorted(set(metrics))}
    return {
        "breach": _breach_rule(settings, cadence, [name for name, metric in known.items() if metric.fills_up]),
        **_breaches(),
        "thresholds": "; ".join(_thresholds(name, metric) for name, metric in known.items()) or "none",
        **_tiers(settings),
        "capacity remaining": (
            f"100 % less the level that the highest value of the next {_lead_time(settings, cadence)} stays below "
            "with 90 % probability; not below 0. Only for metrics in percent."
        ),
        **_accuracy(cadence),
        **_counted(sorted(missing)),
    }


def _breach_rule(settings: Settings, cadence: Cadence, filling: list[str]) -> str:
    """When a breach counts. `filling`: metrics that fill up."""
    breach = settings.risk.breach
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
    return rule


def _breaches() -> dict[str, str]:
    return {
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
    }


def _accuracy(cadence: Cadence) -> dict[str, str]:
    return {
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
    }


def _counted(absent: list[str]) -> dict[str, str]:
    """What counts as unknown, and what totals are of. `absent`: business units without figures."""
    return {
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
