"""RunSummary: the one model that summary.json, PDF, workbook and dashboard are drawn from. Totals are computed here."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part
from capforecast.report.summary_actions import ActionsSummary, SegmentSummary
from capforecast.report.summary_changes import Changes
from capforecast.report.summary_models import DriftCheck, ModelUsed
from capforecast.report.summary_parts import Accuracy, Quality, Risk, RollUp, Tiers, UnitSummary
from capforecast.report.summary_pools import PoolSummary
from capforecast.report.summary_provenance import Provenance
from capforecast.report.summary_warnings import Bin, Calibration, RecentWarnings, RuleScore, Scorecard
from capforecast.report.summary_what_if import WhatIf, WhatIfRow

__all__ = [
    "Accuracy", "ActionsSummary", "Bin", "Calibration", "Changes", "DriftCheck", "ModelUsed", "PoolSummary",
    "Provenance", "Quality", "RecentWarnings", "Risk", "RollUp", "RuleScore", "RunSummary", "Scorecard",
    "SegmentSummary", "Tiers", "UnitSummary", "WhatIf", "WhatIfRow",
]  # fmt: skip


class RunSummary(Part):
    """The whole run. Holds no run id, clock time or path: the same inputs give the same bytes."""

    schema_version: int = Field(
        default=7, description="Version of this layout; raised when a field comes, goes or changes its meaning"
    )
    product_version: str = Field(description="Version of capforecast")
    as_of: str = Field(description="Exclusive cut-off, ISO 8601 UTC")
    known_at: str | None = Field(
        default=None, description="Only what had arrived by then was seen, ISO 8601 UTC; null = all"
    )
    cadence: str = Field(description="daily or hourly")
    horizon: str = Field(description="How far was forecast, as people say it: 90 d")
    reach: str = Field(
        default="",
        description='How far the tiers of most servers look where their history supports less: 30 d; "" = as far',
    )
    title: str = Field(description="Title of the report")
    organisation: str = Field(description='Whose fleet it is; "" = not said')
    complete: bool = Field(description="False when a business unit is missing")
    servers: int = Field(description="Servers of the finished business units")
    series: int = Field(description="Series: one metric of one server")
    tiers: Tiers = Field(description="Servers by tier")
    unknown_reasons: dict[str, int] = Field(description="Unknown servers by reason")
    business_units: list[UnitSummary] = Field(description="Business units, by name")
    by_region: list[RollUp] = Field(description="Servers by region")
    by_criticality: list[RollUp] = Field(description="Servers by criticality")
    by_unit_and_region: list[RollUp] = Field(description="Servers by business unit and region")
    top_risks: list[Risk] = Field(description="The worst servers, worst first")
    accuracy: list[Accuracy] = Field(description="Backtests by metric: the fleet, then each business unit")
    accuracy_at_risk: Accuracy | None = Field(
        default=None, description="Backtest of the series that put servers at critical or high; null = none was scored"
    )
    changes: Changes | None = Field(
        default=None, description="What is other than at the run before; null = none can be compared with"
    )
    models: dict[str, int] = Field(
        default_factory=dict, description="Series by the model that forecast them, most first"
    )
    model_versions: list[ModelUsed] = Field(
        default_factory=list, description="One per business unit that has a model on record, by name"
    )
    drift: list[DriftCheck] = Field(default_factory=list, description="Checks for drift, alarms first")
    warnings: Scorecard | None = Field(
        default=None, description="How good past warnings were; null = nothing could be replayed"
    )
    pools: list[PoolSummary] = Field(
        default_factory=list, description="Demand against supply by business unit and region, tightest first"
    )
    pool_sums: list[PoolSummary] = Field(
        default_factory=list,
        description="The same of units over regions, of regions over units, and of the fleet",
    )
    actions: ActionsSummary | None = Field(default=None, description="What to do; null = the run decided nothing")
    segments: list[SegmentSummary] = Field(
        default_factory=list, description="Groups of servers used alike, from the least used to the most used"
    )
    peaks_unseen: int = Field(default=0, description="Servers with a series that has not seen a peak that lies ahead")
    anomalies: dict[str, int] = Field(default_factory=dict, description="Marks on the history, by kind")
    what_if: WhatIf | None = Field(
        default=None, description="A scenario that the report was asked to show; null = none"
    )
    provenance: Provenance | None = Field(
        default=None, description="What the report was made from; null = not on record"
    )
    quality: Quality = Field(description="Rows of the source, and what became of them")
    definitions: dict[str, str] = Field(description="Term and the definition this report used")
