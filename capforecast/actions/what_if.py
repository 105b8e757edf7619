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

from capforecast.actions.baseline import Baseline, open_baseline
from capforecast.actions.scenario import Scenario
from capforecast.actions.scenario_apply import effects_of
from capforecast.actions.scenario_columns import SERIES_COLUMNS, SERVER_COLUMNS, TOTAL_COLUMNS
from capforecast.actions.scenario_figures import published, under
from capforecast.actions.scenario_tables import Tables

__all__ = ["SERIES_COLUMNS", "SERVER_COLUMNS", "TOTAL_COLUMNS", "Outcome", "evaluate", "open_baseline"]


@dataclass(frozen=True)
class Outcome:
    """A scenario held against a run.

    series: SERIES_COLUMNS, a row per server and metric, in the order of the baseline, new servers last.
    servers: SERVER_COLUMNS, a row per server.  totals: TOTAL_COLUMNS, the fleet first, then business units.
    notes: what the figures do not consider, and where prices come from, in words.
    """

    scenario: Scenario
    baseline: Baseline
    series: pd.DataFrame
    servers: pd.DataFrame
    totals: pd.DataFrame
    notes: tuple[str, ...]


def evaluate(baseline: Baseline, scenario: Scenario) -> Outcome:
    """Figures of every server, before and after. Raises UsageError for servers, metrics or types that are not there."""
    effects = effects_of(baseline, scenario)
    before = published(baseline)
    after, touched = under(baseline, effects, before)
    tables = Tables(baseline, effects, before, after, touched)
    return Outcome(scenario, baseline, tables.series(), tables.servers(), tables.totals(), tables.notes())
