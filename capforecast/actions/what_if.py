"""What a scenario does to a run: tiers, breach probabilities, dates and cost of every server, before and after.

    baseline = open_baseline(Store("lake"))
    outcome = evaluate(baseline, Scenario(name="growth", changes=[Growth(percent_per_month=5)]))
    outcome.totals

Nothing is forecast anew: the run kept levels of its sample paths (risk/path_levels.py), which a scenario scales, lifts
and holds against its thresholds. A scenario that changes nothing gives exactly the published figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from capforecast.actions.baseline import Baseline
from capforecast.actions.scenario import Scenario

# Figures of a series; each stands there as published (`<name>_before`) and in the scenario (`<name>`).
SERIES_FIGURES = (
    "tier",
    "threshold_high", "threshold_very_high",  # metric's unit, NaN = none
    "in_breach_high", "in_breach_very_high",  # bool
    "probability_high", "probability_very_high",  # 0..1, as in `risks`: behind the tier
    "probability_lead",  # 0..1, P(breach of `high` within the procurement lead time)
    "days_q10", "days_q50",  # days from the origin to the first breach of `high`; NaN = later than the horizon
    "breach_date",  # day of days_q50; NaT = later
    "order_by",  # last day to order so that it is there before days_q10; NaT = later
    "peak_q50", "peak_q90", "capacity_remaining",  # as in `risks`
)  # fmt: skip
SERIES_COLUMNS = (
    "server_id", "metric", "business_unit", "region", "criticality",
    "changed",  # bool: any figure differs
    *(f"{name}{which}" for name in SERIES_FIGURES for which in ("_before", "")),
)  # fmt: skip
SERVER_COLUMNS = (
    "server_id", "business_unit", "region", "criticality",
    "change",  # "" | new | retired | resized | changed
    "metric", "metric_before",  # which decides the tier; "" = none
    *(f"{name}{which}" for name in ("tier", "probability_high", "days_q10", "days_q50", "breach_date", "order_by",
                                    "capacity_remaining") for which in ("_before", "")),
    "instance_type_before", "instance_type",
    "monthly_before", "monthly",  # cost as it stands, a month of 730 hours; NaN = not priced
    "safe_monthly_before", "safe_monthly",  # with the sizes advised: the least that holds what is needed
    "currency",
)  # fmt: skip
TOTAL_COLUMNS = (
    "scope", "name",  # fleet | business_unit; which one ("" = fleet)
    "servers_before", "servers",
    *(f"{tier}{which}" for tier in ("critical", "high", "watch", "ok", "unknown") for which in ("_before", "")),
    "priced_before", "priced",  # servers with a known cost
    "monthly_before", "monthly", "safe_monthly_before", "safe_monthly", "currency",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """A scenario held against a run.

    series: SERIES_COLUMNS, a row per server and metric, in the order of the baseline, new servers last.
    servers: SERVER_COLUMNS, a row per server.  totals: TOTAL_COLUMNS, the fleet first, then business units.
    notes: what the figures do not consider, in words.
    """

    scenario: Scenario
    baseline: Baseline
    series: pd.DataFrame
    servers: pd.DataFrame
    totals: pd.DataFrame
    notes: tuple[str, ...]


def evaluate(baseline: Baseline, scenario: Scenario) -> Outcome:
    """Figures of every server, before and after. Raises UsageError for servers, metrics or types that are not there."""
    raise NotImplementedError
