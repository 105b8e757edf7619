"""Parts of the summary on servers: by tier, at risk, by business unit; accuracy of forecasts; rows of the source."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part


class Tiers(Part):
    """Servers by risk tier."""

    critical: int = Field(default=0, description="Servers in tier critical")
    high: int = Field(default=0, description="Servers in tier high")
    watch: int = Field(default=0, description="Servers in tier watch")
    ok: int = Field(default=0, description="Servers in tier ok")
    unknown: int = Field(default=0, description="Servers that cannot be forecast")

    @property
    def total(self) -> int:
        """All servers."""
        return self.critical + self.high + self.watch + self.ok + self.unknown


class RollUp(Part):
    """Servers of one cell of a roll-up; a dimension that is not part of the roll-up is null."""

    business_unit: str | None = Field(default=None, description="Business unit; null = summed over")
    region: str | None = Field(default=None, description="Region; null = summed over")
    criticality: str | None = Field(default=None, description="Criticality; null = summed over")
    servers: int = Field(description="Servers")
    tiers: Tiers = Field(description="Servers by tier")


class UnitSummary(Part):
    """One business unit. A unit that failed has a `problem` and no figures."""

    name: str = Field(description="Business unit")
    status: str = Field(description="finished or failed")
    problem: str | None = Field(description="Why it has no figures; null = it has")
    servers: int = Field(description="Servers")
    series: int = Field(description="Series: one metric of one server")
    tiers: Tiers = Field(description="Servers by tier")
    unknown_reasons: dict[str, int] = Field(description="Servers by reason")


class Risk(Part):
    """One server's worst series, in words and figures; null where there is no evidence for a figure."""

    server_id: str = Field(description="Server")
    business_unit: str = Field(description="Business unit")
    region: str = Field(description="Region")
    criticality: str = Field(description="Criticality")
    tier: str = Field(description="Risk tier: critical, high, watch, ok or unknown")
    metric: str = Field(description="Metric of its worst series")
    statistic: str = Field(description="What a value says of its period: p95, mean, max ")
    unit: str = Field(description="The metric's unit")
    last_value: float | None = Field(description="Last observed value, in the metric's unit")
    threshold: float | None = Field(description="Threshold `high`, in the same unit")
    in_breach: bool = Field(description="The breach rule fires on what was observed")
    probability: float | None = Field(description="P(breach of `high`) within `horizon_days`")
    probability_very_high: float | None = Field(
        description="P(breach of `very_high`) within the horizon of tier critical"
    )
    horizon_days: float | None = Field(description="Horizon behind the tier, days")
    days_q10: float | None = Field(
        description="Days from the last observation until 10 % of paths have breached; null = later than the horizon"
    )
    days_q50: float | None = Field(description="Days until half of the paths have; null = later than the horizon")
    days_q90: float | None = Field(description="Days until 90 % of the paths have; null = later than the horizon")
    peak_q90: float | None = Field(description="90 % quantile over paths of the largest value within the horizon")
    capacity_remaining: float | None = Field(
        description="Percent of usable capacity left at the 90 % peak within the lead time"
    )
    paths: int = Field(description="Sample paths behind the probabilities")
    relative_mae: float | None = Field(description="Backtest error of the series over that of seasonal naive")
    coverage_80: float | None = Field(description="Share of observed values inside the 80 % interval")
    capacity_remaining_units: float | None = Field(
        default=None, description="As capacity_remaining, in `capacity_unit`; null = size not known"
    )
    capacity_unit: str = Field(default="", description='vCPU, GiB or Mbit/s; "" = not known')
    trend_per_month: float | None = Field(
        default=None, description="Change a month, in the metric's unit; null = none that can be told from noise"
    )
    trend_since: str | None = Field(default=None, description="Date since which the trend holds")
    peaks_unseen: str = Field(
        default="", description='Known peaks ahead that the history does not hold, in words; "" = none'
    )
    sentence: str = Field(description="The risk as one would say it")


class Accuracy(Part):
    """Backtest of one metric in one scope, beside the seasonal naive forecast. Percent metrics: points.

    A metric without any series to compare (all constant, or never scored) is absent; null = no series gave the figure.
    """

    business_unit: str | None = Field(description="Business unit; null = the fleet")
    metric: str = Field(description="Metric")
    series: int = Field(description="Series behind the figures")
    origins: int = Field(description="Rolling origins behind the figures (median over series)")
    mae: float = Field(description="Mean absolute error, in the metric's unit, pooled over points")
    mae_naive: float = Field(description="The same of the seasonal naive forecast, on the same points")
    rmse: float = Field(description="Root mean squared error, in the metric's unit")
    wape: float | None = Field(description="Sum of absolute errors over sum of absolute values, median over series")
    mape_floored: float | None = Field(
        description="Mean absolute percentage error, denominator at least 1 point, median over series"
    )
    mase: float | None = Field(description="Mean absolute scaled error (Hyndman & Koehler 2006), median over series")
    relative_mae: float = Field(
        description="MAE over that of seasonal naive, geometric mean over series; below 1 is better"
    )
    skill: float = Field(description="1 - relative_mae")
    coverage_80: float | None = Field(description="Share of observed values inside the 80 % interval")
    coverage_95: float | None = Field(description="Share of observed values inside the 95 % interval")


class Quality(Part):
    """Rows of the source, and what became of them: read = used + rejected + duplicates."""

    files: int = Field(default=0, description="Files read")
    files_refused: int = Field(default=0, description="Files refused as a whole")
    rows_read: int = Field(description="Rows read: used, rejected and duplicates together")
    rows_used: int = Field(default=0, description="Rows that went on")
    rows_rejected: int = Field(description="Rows set aside whole")
    values_rejected: int = Field(default=0, description="Single values set aside while their row went on")
    duplicates: int = Field(description="Rows that say what another row says")
    rejected_by_reason: dict[str, int] = Field(description="Entries in quarantine, by reason")
