"""Settings of forecasts, models, drift and risk."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from capforecast.settings_base import Count, Section, Share


class ForecastSettings(Section):
    """The fleet engine, or another model in its place."""

    model: Literal["fleet", "prophet", "trees", "random-forest", "seasonal-naive"] = Field(
        "fleet", description="what forecasts; others than fleet are fitted anew at every past origin"
    )
    horizon_days: Count = Field(90, description="days forecast from daily input")
    horizon_hours: Count = Field(168, description="hours forecast from hourly input")
    history_days: Count = Field(1500, description="days of daily history the engine looks at")
    history_hours: Count = Field(2000, description="hours of hourly history the engine looks at")
    origins_daily: Count = Field(12, description="rolling origins for daily input, 30 days apart where history allows")
    origins_hourly: Count = Field(8, description="rolling origins for hourly input, a third of the horizon apart")
    temperature: float = Field(8.0, gt=0, description="how sharply better candidates are preferred (softmax)")
    block_size: Count = Field(128, description="series solved together; results do not depend on it")
    threads: int = Field(0, ge=0, description="blocks at a time, 0 = one per core; results do not depend on it")


class ModelsSettings(Section):
    """Models that are kept: when a new one is trained, when it becomes champion, how many are kept."""

    retrain: Literal["always", "when_needed", "never"] = Field(
        "always",
        description="a run trains: always; when the champion will not do; never, it forecasts with the champion",
    )
    promote_margin: Share = Field(
        0.02, description="a challenger made otherwise than the champion must be better by this share of its error"
    )
    refresh_tolerance: Share = Field(
        0.1, description="one made as the champion was, on newer data, replaces it unless worse by more than this share"
    )
    max_age_days: Count = Field(35, description="a champion older than this is replaced by the next challenger")
    least_known_share: Share = Field(
        0.95, description="a champion that knows fewer of the usable series than this is replaced, or trained anew"
    )
    fall_back: bool = Field(
        True, description="a champion that cannot be used gives way to the last good version, and the report says so"
    )
    keep: Count = Field(
        8, description="versions of a business unit that pruning keeps beside the champion and pinned ones"
    )


class DriftSettings(Section):
    """From where on a model no longer fits what it forecasts."""

    input_limit: float = Field(
        3.0,
        gt=0,
        description="level or spread of a series has moved when it changed by so many times its usual change",
    )
    forecast_change: float = Field(
        1.0, gt=0, description="a forecast has moved when it did by so many half-widths of its earlier 80 % interval"
    )
    share_limit: Share = Field(
        0.1, description="share of a metric's series that moved above which it is an alarm; its standard error is added"
    )
    tier_change_share: Share = Field(0.2, description="share of servers with another tier from which on it is an alarm")
    live_error_ratio: float = Field(
        1.5, gt=0, description="error of the earlier forecast by what its backtest promised, above which it is an alarm"
    )
    least_coverage_80: Share = Field(
        0.6, description="share of values in the earlier 80 % intervals below which it is an alarm"
    )
    least_points: Count = Field(30, description="values that must have come since the earlier run to judge it by them")
    least_series: Count = Field(3, description="series, or servers, that must have moved at the least for an alarm")


class BreachSettings(Section):
    """When an excursion above a threshold counts: k of n consecutive periods."""

    k_daily: Count = Field(3, description="days above the threshold ...")
    n_daily: Count = Field(7, description="... within this many consecutive days")
    k_hourly: Count = Field(3, description="hours above the threshold ...")
    n_hourly: Count = Field(24, description="... within this many consecutive hours")

    @model_validator(mode="after")
    def _possible(self) -> BreachSettings:
        for k, n, name in ((self.k_daily, self.n_daily, "daily"), (self.k_hourly, self.n_hourly, "hourly")):
            if k > n:
                raise ValueError(f"`k_{name}` ({k}) is above `n_{name}` ({n}): the rule could never fire")
        return self


class PoolSettings(Section):
    """What of a pool (business unit x region) may be used, and how full a purchase may leave it."""

    reserve_servers: int = Field(0, ge=0, description="largest servers of a pool held back; 1 = N+1, 0 = none")
    buffer_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="policy buffer: share of what the reserve leaves that may not be used"
    )
    headroom_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="headroom: share of usable capacity that the peak should leave free after a purchase"
    )


class RiskSettings(Section):
    """Breach probability, tiers and pools."""

    breach: BreachSettings = BreachSettings()
    pool: PoolSettings = PoolSettings()
    horizons_daily: tuple[Count, ...] = Field(
        (7, 14, 30, 60, 90), min_length=1, description="days at which P(breach) is stated"
    )
    horizons_hourly: tuple[Count, ...] = Field(
        (24, 168), min_length=1, description="hours at which P(breach) is stated"
    )
    critical_horizon_days: Count = Field(30, description="days; horizon of the `critical` rule")
    tier_horizon_days: Count = Field(90, description="days; horizon of the `high` and `watch` rules")
    critical_probability: Share = Field(0.5, description="critical: P(critical horizon, very_high) at least this")
    high_probability: Share = Field(0.5, description="high: P(tier horizon, high) at least this")
    watch_probability: Share = Field(0.1, description="watch: P(tier horizon, high) at least this")
    nearest_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="share of the pooled error paths used: those whose state at the origin was most alike"
    )
    lead_time_days: Count = Field(30, description="days; procurement lead time over which remaining capacity is stated")
    reserve_share: Share = Field(0.0, description="share of every server's capacity held back for a failover (N+1)")
    buffer_share: Share = Field(0.0, description="share of every server's capacity held back by policy")

    @model_validator(mode="after")
    def _ordered(self) -> RiskSettings:
        if self.watch_probability > self.high_probability:
            raise ValueError(
                f"`watch_probability` ({self.watch_probability:g}) is above `high_probability` "
                f"({self.high_probability:g}): no server could be on watch"
            )
        if self.critical_horizon_days > self.tier_horizon_days:
            raise ValueError(
                f"`critical_horizon_days` ({self.critical_horizon_days}) is above `tier_horizon_days` "
                f"({self.tier_horizon_days}): the worst tier may not look further than the others"
            )
        if self.usable_share <= 0:
            raise ValueError(
                f"`reserve_share` ({self.reserve_share:g}) and `buffer_share` ({self.buffer_share:g}) leave no usable "
                "capacity; their sum must be below 1"
            )
        return self

    @property
    def usable_share(self) -> float:
        """Share of a server's capacity that may be used: all but reserve and buffer."""
        return 1.0 - (self.reserve_share + self.buffer_share)  # 0.7 and 0.3 leave nothing, not 6e-17
