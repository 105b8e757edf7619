"""RunSummary: the one model that summary.json, PDF, workbook and dashboard are drawn from. Totals are computed here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen, strict part of the summary."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Tiers(Part):
    """Servers by risk tier."""

    critical: int = 0
    high: int = 0
    watch: int = 0
    ok: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """All servers."""
        return self.critical + self.high + self.watch + self.ok + self.unknown


class RollUp(Part):
    """Servers of one cell of a roll-up; a dimension that is not part of the roll-up is null."""

    business_unit: str | None = None
    region: str | None = None
    criticality: str | None = None
    servers: int
    tiers: Tiers


class Accuracy(Part):
    """Backtest of one metric in one scope, beside the seasonal naive forecast. Percent metrics: points.

    A metric without any series to compare (all constant, or never scored) is absent; null = no series gave the figure.
    """

    business_unit: str | None  # null = fleet
    metric: str
    series: int
    origins: int  # rolling origins behind the figures (median over series)
    mae: float
    mae_naive: float
    rmse: float
    wape: float | None
    mape_floored: float | None
    mase: float | None
    relative_mae: float  # geometric mean over series, against seasonal naive
    skill: float  # 1 - relative_mae
    coverage_80: float | None
    coverage_95: float | None


class Quality(Part):
    """Rows of the source, and what became of them: read = used + rejected + duplicates."""

    files: int = 0
    files_refused: int = 0
    rows_read: int
    rows_used: int = 0
    rows_rejected: int  # set aside whole
    values_rejected: int = 0  # single values set aside while their row went on
    duplicates: int  # say what another row says
    rejected_by_reason: dict[str, int]  # entries in quarantine


class Risk(Part):
    """One server's worst series, in words and figures; null where there is no evidence for a figure."""

    server_id: str
    business_unit: str
    region: str
    criticality: str
    tier: str
    metric: str
    statistic: str
    unit: str
    last_value: float | None
    threshold: float | None  # `high`
    in_breach: bool
    probability: float | None  # P(breach of `high`) within `horizon_days`
    probability_very_high: float | None
    horizon_days: float | None
    days_q10: float | None  # null = later than the horizon
    days_q50: float | None
    days_q90: float | None
    peak_q90: float | None
    capacity_remaining: float | None
    paths: int
    relative_mae: float | None
    coverage_80: float | None
    sentence: str  # the risk as one would say it


class UnitSummary(Part):
    """One business unit. A unit that failed has a `problem` and no figures."""

    name: str
    status: str  # finished | failed
    problem: str | None
    servers: int
    series: int
    tiers: Tiers
    unknown_reasons: dict[str, int]  # servers by reason


class RunSummary(Part):
    """The whole run. Holds no run id, clock time or path: the same inputs give the same bytes."""

    schema_version: int = 1
    product_version: str
    as_of: str  # exclusive cut-off, ISO 8601 UTC
    known_at: str | None = None  # only what had arrived by then was seen; null = all
    cadence: str
    horizon: str  # "90 d"
    reach: str = ""  # how far the tiers of most servers look, where their history supports less than that: "30 d"
    title: str
    organisation: str
    complete: bool  # false when a business unit is missing
    servers: int
    series: int
    tiers: Tiers
    unknown_reasons: dict[str, int]
    business_units: list[UnitSummary]
    by_region: list[RollUp]
    by_criticality: list[RollUp]
    by_unit_and_region: list[RollUp]
    top_risks: list[Risk]
    accuracy: list[Accuracy]
    accuracy_at_risk: Accuracy | None = None  # of the series that put servers at critical or high; null = none scored
    models: dict[str, int] = {}  # series by the model that forecast them, most first
    quality: Quality
    definitions: dict[str, str]  # term -> the definition this report used
