"""Definitions of what a report says beyond its risks: warnings replayed, pools, marks on the history."""

from __future__ import annotations

from collections.abc import Sequence

from capforecast.report.summary import PoolSummary, Scorecard
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
