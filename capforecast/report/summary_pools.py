"""The part of the summary on pools of capacity."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part


class PoolSummary(Part):
    """One resource of a pool (business unit x region): demand against what is usable. Units: vCPU, GiB."""

    name: str = Field(description="Pool as it is printed")
    business_unit: str = Field(description="Business unit")
    region: str = Field(description="Region")
    resource: str = Field(description="vcpu or memory_gib")
    servers: int = Field(description="Servers")
    unsized: int = Field(description="Servers of unknown size: in no sum")
    unobserved: int = Field(default=0, description="Servers of known size, never observed: in no demand")
    unforecast: int = Field(description="Servers without a forecast: counted at their last demand")
    reason: str = Field(default="", description='Why figures are missing; "" = none is')
    supply: float | None = Field(description="Capacity of all its servers")
    usable: float | None = Field(description="Supply less N+1 reserve and policy buffer")
    demand_now: float | None = Field(description="Demand at the last observation")
    peak_q50: float | None = Field(description="Largest demand within the horizon, median over paths")
    peak_q90: float | None = Field(description="Largest demand within the horizon, 90 % quantile over paths")
    p_30d: float | None = Field(description="Probability that demand exceeds what is usable within 30 d")
    p_90d: float | None = Field(description="The same within 90 d")
    days_q10: float | None = Field(
        description="Days until 10 % of paths exceed what is usable; null = later than the horizon"
    )
    days_q50: float | None = Field(description="Days until half of the paths have; null = later than the horizon")
    days_q90: float | None = Field(description="Days until 90 % of the paths have; null = later than the horizon")
    horizon_days: float | None = Field(description="Horizon, days")
    buy_q50: float | None = Field(description="Capacity to order so that the median peak fits")
    buy_q90: float | None = Field(description="Capacity to order so that the 90 % peak fits")
    buy_by: str | None = Field(description="Last day to order; null = nothing to order")
    sentence: str = Field(description="The same in one sentence, which begins with the name")
