"""RunSummary: the one model that summary.json, PDF, workbook and dashboard are drawn from. Totals are computed here."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part
from capforecast.report.summary_actions import ActionsSummary, SegmentSummary
from capforecast.report.summary_models import DriftCheck, ModelUsed


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
    capacity_remaining_units: float | None = None  # as capacity_remaining, in `capacity_unit`
    capacity_unit: str = ""  # vCPU, GiB; "" = not known
    trend_per_month: float | None = None  # metric's unit a month; null = none that can be told from noise
    trend_since: str | None = None  # date since which it holds
    peaks_unseen: str = ""  # known peaks that lie ahead and that the history does not hold, in words
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


class RuleScore(Part):
    """How often the warnings of one rule came true, at one horizon, in replay. Null: too few to tell, or not of it.

    Events, cases and the base rate are of the fleet at that horizon, the same for every rule but the logistic, which is
    scored on those it stated something of.
    """

    rule: str
    horizon_days: int
    cases: int  # series, origin and level that were not in breach then, and whose outcome is known
    events: int  # of these, breached within the horizon
    base_rate: float | None  # events / cases
    warned: int
    came_true: int
    false: int
    precision: float | None
    recall: float | None
    recall_low: float | None  # 95 % interval by bootstrap over servers
    recall_high: float | None
    false_alarms: float | None  # per 100 servers and month
    lead_days: float | None  # median, from a warning to the breach it announced
    our_recall: float | None = None  # ours at this rule's false alarms
    recall_ratio: float | None = None  # ours by its, at equal false alarms
    ratio_low: float | None = None
    ratio_high: float | None = None


class Calibration(Part):
    """How far the stated probabilities of one horizon can be taken at their word."""

    horizon_days: int
    brier_skill: float | None  # over always stating the base rate; above 0 is better than that
    skill_low: float | None
    skill_high: float | None
    calibration_error: float | None  # expected calibration error
    chance_floor: float | None  # what perfect probabilities would show by chance
    mean_probability: float | None


class Bin(Part):
    """One bin of the reliability diagram: stated against observed."""

    horizon_days: int
    low: float
    high: float
    cases: int
    mean_probability: float
    rate: float


class Scorecard(Part):
    """How good the warnings were, replayed at past origins: whole fleet, both thresholds, at the headline horizons."""

    servers: int  # replayed
    of_servers: int  # of the run, that could be forecast
    sampled: bool  # fewer servers than could be
    series: int
    origins: int
    first_origin: str | None  # date
    last_origin: str | None
    ours: list[RuleScore]  # one per horizon
    calibration: list[Calibration]  # one per horizon
    rules: list[RuleScore]  # what operations use today, beside ours
    reliability: list[Bin]
    sentence: str  # the answer in one line


class PoolSummary(Part):
    """One resource of a pool (business unit x region): demand against what is usable. Units: vCPU, GiB."""

    name: str  # as it is printed
    business_unit: str
    region: str
    resource: str  # vcpu | memory_gib
    servers: int
    unsized: int  # of unknown size: in no sum
    unobserved: int = 0  # of known size, never observed: in no demand
    unforecast: int  # without a forecast: counted at their last demand
    reason: str = ""  # why figures are missing
    supply: float | None
    usable: float | None
    demand_now: float | None
    peak_q50: float | None
    peak_q90: float | None
    p_30d: float | None
    p_90d: float | None
    days_q10: float | None  # null = later than the horizon
    days_q50: float | None
    days_q90: float | None
    horizon_days: float | None
    buy_q50: float | None
    buy_q90: float | None
    buy_by: str | None  # last day to order
    sentence: str  # begins with the name


class RunSummary(Part):
    """The whole run. Holds no run id, clock time or path: the same inputs give the same bytes."""

    schema_version: int = 4
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
    models: dict[str, int] = Field(default_factory=dict)  # series by the model that forecast them, most first
    model_versions: list[ModelUsed] = Field(
        default_factory=list
    )  # one per business unit that has a model on record, by name
    drift: list[DriftCheck] = Field(default_factory=list)  # alarms first
    warnings: Scorecard | None = None  # null = nothing could be replayed
    pools: list[PoolSummary] = Field(default_factory=list)  # tightest first
    pool_sums: list[PoolSummary] = Field(default_factory=list)  # of business units over their regions, and of the fleet
    actions: ActionsSummary | None = None  # null = the run decided nothing
    segments: list[SegmentSummary] = Field(default_factory=list)  # from the least used to the most used
    peaks_unseen: int = 0  # servers with a series that has not seen a peak that lies ahead
    anomalies: dict[str, int] = Field(default_factory=dict)  # marks on the history, by kind
    quality: Quality
    definitions: dict[str, str]  # term -> the definition this report used
