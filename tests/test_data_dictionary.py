"""The data dictionary names what the program writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from capforecast.actions.bounds import NEED, RESOURCES, SIZE
from capforecast.actions.decisions import STATE_COLUMNS
from capforecast.actions.features import KINDS
from capforecast.actions.lifecycle import REALISED_COLUMNS, State
from capforecast.actions.path_costs import COLUMNS as PATH_COSTS
from capforecast.actions.replay import COLUMNS as REPLAY_COLUMNS
from capforecast.actions.rightsize import Action
from capforecast.actions.segment_names import ACTIONS
from capforecast.actions.segments import SEGMENT_COLUMNS, SIZE_COLUMNS
from capforecast.fleet import quality
from capforecast.fleet.activity import ACTIVITY_COLUMNS
from capforecast.fleet.incidents import LEVEL_SHIFT, SPIKE
from capforecast.fleet.peaks import PEAKS_UNSEEN
from capforecast.fleet.shapes import SIZES_CONFLICT, SIZES_FILLED
from capforecast.fleet.synthetic import Fleet
from capforecast.fleet.synthetic_files import TRUTH
from capforecast.forecast.decision import Outcome
from capforecast.forecast.leaderboard import LEADERBOARD_COLUMNS
from capforecast.forecast.models import model_names
from capforecast.lake import marks
from capforecast.lake.datasets import PER_UNIT
from capforecast.report.summary import (
    Accuracy,
    Bin,
    Calibration,
    Quality,
    RecentWarnings,
    Risk,
    RuleScore,
    RunSummary,
    Scorecard,
    UnitSummary,
)
from capforecast.report.summary_actions import ActionsSummary, Realised, SegmentSummary, Withheld
from capforecast.report.summary_changes import ChangedServer, Changes
from capforecast.report.summary_models import DriftCheck, ModelUsed
from capforecast.report.summary_provenance import Provenance
from capforecast.report.summary_what_if import WhatIf, WhatIfRow
from capforecast.risk.path_levels import COLUMNS as LEVEL_COLUMNS
from capforecast.risk.pool_totals import PATH_COLUMNS
from capforecast.risk.scorecard import RULES
from capforecast.risk.tiers import SERVER_COLUMNS
from capforecast.schema import (
    ACTION_COLUMNS,
    ALL_REGIONS,
    ANOMALY_COLUMNS,
    BACKTEST_COLUMNS,
    BOUND_COLUMNS,
    CHOICE_COLUMNS,
    CONSOLIDATION_COLUMNS,
    DEMAND_COLUMNS,
    FLEET,
    INVENTORY_NUMBERS,
    INVENTORY_TEXT,
    PACKING_COLUMNS,
    POOL_COLUMNS,
    QUANTILE_NAMES,
    RELIABILITY_COLUMNS,
    RISK_COLUMNS,
    SAVING_COLUMNS,
    SCORECARD_COLUMNS,
    SERIES_COLUMNS,
    SHAPE_COLUMNS,
    STATISTICS,
    WARNING_COLUMNS,
    PoolReason,
    Reason,
    Tier,
)
from capforecast.settings import Settings
from capforecast.sources.rejects import COLUMNS
from capforecast.sources.tally import TALLY_COLUMNS

PAGE = Path(__file__).parents[1] / "docs/data-dictionary.md"
TEXT = PAGE.read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`]+)`", TEXT))


def section(title):
    """Names in one section of the page."""
    body = re.split(rf"^#+ {title}.*$", TEXT, maxsplit=1, flags=re.MULTILINE)[1]
    return set(re.findall(r"`([^`]+)`", re.split(r"^#+ ", body, maxsplit=1, flags=re.MULTILINE)[0]))


@pytest.mark.parametrize(
    ("title", "columns"),
    [
        ("Quality", SERIES_COLUMNS),
        ("Risks", RISK_COLUMNS),
        ("Servers", SERVER_COLUMNS[1:]),
        ("Pools", (*PoolReason, FLEET, ALL_REGIONS)),
        ("Table of pools", POOL_COLUMNS),
        ("Demand of pools by day", DEMAND_COLUMNS),
        ("Joint sample paths of pools", PATH_COLUMNS),
        ("Levels of sample paths", LEVEL_COLUMNS),
        ("Backtests", BACKTEST_COLUMNS),
        ("Choice of candidates", CHOICE_COLUMNS),
        ("Warnings", WARNING_COLUMNS),
        ("Scorecard", (*SCORECARD_COLUMNS, *RULES)),
        ("Reliability", RELIABILITY_COLUMNS),
        ("Leaderboard", (*LEADERBOARD_COLUMNS, *model_names())),
        ("Forecasts", QUANTILE_NAMES),
        ("Inventory", (*INVENTORY_TEXT, *INVENTORY_NUMBERS, SIZES_FILLED, SIZES_CONFLICT)),
        ("Anomalies", (*ANOMALY_COLUMNS, SPIKE, LEVEL_SHIFT)),
        ("Shapes", SHAPE_COLUMNS),
        ("Rows set aside", COLUMNS),
        ("Files", TALLY_COLUMNS),
        ("summary.json", RunSummary.model_fields),
        ("What-if in summary.json", {**WhatIf.model_fields, **WhatIfRow.model_fields}),
        ("Changes in summary.json", {**Changes.model_fields, **ChangedServer.model_fields}),
        ("Provenance in summary.json", Provenance.model_fields),
        (
            "Warnings in summary.json",
            {
                **Scorecard.model_fields,
                **RecentWarnings.model_fields,
                **RuleScore.model_fields,
                **Calibration.model_fields,
                **Bin.model_fields,
            },
        ),
        ("Models and drift in summary.json", {**ModelUsed.model_fields, **DriftCheck.model_fields}),
        ("Champions", (*(set(ModelUsed.model_fields) - {"sentence"}), *get_args(Outcome))),
        ("Drift", DriftCheck.model_fields),
        ("What to do", Action),
        ("Actions", (*ACTION_COLUMNS, *State)),
        ("Savings", SAVING_COLUMNS),
        ("Bounds", (*BOUND_COLUMNS, NEED, SIZE, *RESOURCES)),
        ("Consolidation", CONSOLIDATION_COLUMNS),
        ("Packing", PACKING_COLUMNS),
        ("Decisions", STATE_COLUMNS),
        ("Advice that was followed", REALISED_COLUMNS),
        ("What advice is made from", (*ACTIVITY_COLUMNS, *REPLAY_COLUMNS, *PATH_COSTS)),
        (
            "Actions and segments in summary.json",
            {
                **ActionsSummary.model_fields,
                **Withheld.model_fields,
                **Realised.model_fields,
                **SegmentSummary.model_fields,
            },
        ),
        ("Segments", SEGMENT_COLUMNS),
        ("Sizes of segments", (*SIZE_COLUMNS, *KINDS, *(set(ACTIONS) - {"unknown"}))),
    ],
)
def test_every_column_of_a_table_stands_in_its_section(title, columns):
    assert set(columns) <= section(title)


def test_every_dataset_reason_tier_metric_and_statistic_is_explained():
    words = [*PER_UNIT, *Reason, *Tier, *Settings().metrics, *STATISTICS]
    assert [str(word) for word in words if str(word) not in NAMED] == []


def test_every_flag_is_explained():
    flags = {quality.CAPACITY_CHANGED, quality.CONSTANT, quality.DUPLICATE_CONFLICT, quality.LEVEL_SHIFT}
    assert flags | {quality.OUT_OF_RANGE, PEAKS_UNSEEN} <= section("Verdicts and reasons")


def test_the_truth_of_synthetic_fleets_is_explained():
    block = next(Fleet(96, 400).blocks(96))
    tables = {*block.described().columns, *block.events().columns, *block.breaches().columns} - {"server_id"}
    kinds, levels = set(block.events()["kind"]), set(block.breaches()["level"])
    assert (tables | kinds | levels | set(TRUTH)) - section("Synthetic fleets") == set()


def test_marks_are_explained():
    assert {*marks.COLUMNS, marks.SYSTEM, marks.READ, marks.MISSED} - section("Marks") == set()


def test_every_reason_for_setting_something_aside_is_explained():
    sources = (PAGE.parents[1] / "capforecast/sources").glob("*.py")
    of_systems = (
        "prometheus",
        "promql",
        "http",
        "cloudwatch",
    )  # set nothing aside: what they miss has words of its own
    files = [path for path in sources if not path.name.startswith(of_systems)]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    used = set(
        re.findall(
            r'"((?:[a-z]+_)+(?:row|id|timestamp|grid|number|minimum|value|conflict|file|out|metric|statistic|encoding))"',
            code,
        )
    )
    known = {"infinite", *used} - {"server_id", "series_id", "by_file"}
    assert {"off_grid", "ragged_row", "mixed_encoding", "duplicate_conflict", "implausible_value"} <= known
    assert known - NAMED == set()


def test_every_figure_of_the_summary_is_named_somewhere():
    fields = {*UnitSummary.model_fields, *Accuracy.model_fields, *Quality.model_fields, *Risk.model_fields}
    spelled_out = {"mae", "rmse", "mase", "wape", "skill", "mape_floored", "sentence"}
    assert fields - NAMED - spelled_out == set()
