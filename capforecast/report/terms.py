"""Definitions of what a report says beyond its risks: warnings replayed, pools, marks on the history, models, drift."""

from __future__ import annotations

from collections.abc import Sequence

from capforecast.report.summary import PoolSummary, Scorecard
from capforecast.report.summary_models import DriftCheck, ModelUsed
from capforecast.settings import Settings


def evidence_terms(
    settings: Settings, record: Scorecard | None, pools: Sequence[PoolSummary], anomalies: int, peaks_unseen: int
) -> dict[str, str]:
    """Definitions of the parts that a report has, with the configured numbers."""
    return (
        (_warnings(settings) if record else {})
        | (_pools(settings) if pools else {})
        | (_anomalies() if anomalies else {})
        | (_peaks() if peaks_unseen else {})
    )


def model_terms(settings: Settings, versions: Sequence[ModelUsed], checks: Sequence[DriftCheck]) -> dict[str, str]:
    """Definitions of the parts on models and drift that a report has."""
    return (_models(settings) if versions else {}) | (_drift() if checks else {})


def _models(settings: Settings) -> dict[str, str]:
    models = settings.models
    return {
        "champion": (
            "The version of a business unit's model that is in use. Versions are kept and never changed; forecasts of "
            "later days are made with the champion until another version is promoted."
        ),
        "challenger": (
            "The version just trained. Made otherwise than the champion (other model, settings or code) it is promoted "
            f"when its error in backtests is at least {_percent(models.promote_margin)} smaller; made the same way on "
            f"newer data, unless it is more than {_percent(models.refresh_tolerance)} larger. Errors are geometric "
            "means of the relative MAE over the series that both know. A champion older than "
            f"{models.max_age_days} d, or one that knows less than {_percent(models.least_known_share)} of the series, "
            "is replaced whatever the errors; a pinned one only by hand."
        ),
    }


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _drift() -> dict[str, str]:
    return {
        "drift": (
            "What moved since the last run or since the model was trained: forecasts for the same days, the error of "
            "the last forecasts on what was seen since, and level and spread of what is measured. Limits are set so "
            "that ordinary noise, weeks and trends stay below them."
        ),
    }


def _warnings(settings: Settings) -> dict[str, str]:
    cut = f"{100 * settings.risk.high_probability:g} %"
    return {
        "warnings replayed": (
            "At each past date the warnings were made again from what was known then, and compared with what came. A "
            "case is a series and threshold not in breach at that date; it counts as an event when it breaches within "
            f"the horizon. A warning is a probability of at least {cut}, of a rule as the rule says."
        ),
        "base rate": "Share of cases that breached: how often a warning given blindly would come true.",
        "precision, recall": (
            "Precision: share of warnings that came true. Recall: share of events that were warned of. False alarms "
            "are warnings that did not come true, per 100 servers and month."
        ),
        "at equal false alarms": (
            "Our cut-off is moved until it gives as many false alarms as the other rule; then recalls are compared. "
            "Intervals are 95 %, by bootstrap over servers."
        ),
        "Brier skill": (
            "1 less the mean squared error of the probabilities over that of always stating the base rate. Above 0 is "
            "better than the base rate; 1 would be foreknowledge."
        ),
        "calibration error": (
            "Cases are sorted into ten bins of stated probability; the error is the mean distance of stated from "
            "observed frequency, weighted by cases. Perfect probabilities would still show the chance floor."
        ),
    }


def _pools(settings: Settings) -> dict[str, str]:
    return {
        "pool": (
            "The servers of one business unit in one region. Demand in vCPU and GiB adds up, percentages do not. Daily "
            "P95s of servers are added as if all peaked at once: as a rule more than the pool needs at any moment."
        ),
        "usable": "A pool's capacity less the N+1 reserve and the policy buffer, where these are set.",
        "running out": "Demand above what is usable, by the breach rule, over the servers' joint sample paths.",
        "to order": (
            "Units that make the 50 % (90 %) quantile of the largest demand within the horizon fit what is usable, "
            "with headroom. Order by: the 10 % date less the procurement lead time of "
            f"{settings.risk.lead_time_days} d."
        ),
    }


def _anomalies() -> dict[str, str]:
    return {
        "anomaly": (
            "Spike: a single value far from what was usual then. Level shift: the level moved at once and stayed. Both "
            "are told from the past alone, and neither counts in a trend. The workbook lists the latest 50,000."
        ),
    }


def _peaks() -> dict[str, str]:
    return {
        "peak ahead, not in its history": (
            "A known peak (month, quarter or year end, public holidays, a declared event) lies within the horizon, and "
            "the history is too short, or has a hole where it was: its forecast cannot know how high that peak is."
        ),
    }
