"""Settings of advice and money: sizes, idle servers, consolidation, prices, segments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from capforecast.settings_base import Count, Factor, Section, Share


class SizingSettings(Section):
    """Right-sizing: what a size must hold, which sizes a server may have, and how the rule is tested."""

    headroom: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of a size that stays free at the projected peak"
    )
    headroom_memory_p95: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="headroom of memory where a source has no maximum of it, only a P95"
    )
    fit_share: Share = Field(
        0.95, description="share of the sample paths whose peak a size must hold, CPU and memory together"
    )
    exceedance_limit: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.01,
        description="promise: share of periods above 100 % of a smaller size; advice is withheld where the test of the "
        "rule does not bear it out",
    )
    least_servers: Count = Field(
        100,
        description="replayed servers that need less than they have, which a segment must have for a test of its own; "
        "smaller ones are tested together",
    )
    replay_origins: Count = Field(12, description="newest past origins at which the rule is replayed")
    least_history_days: Count = Field(30, description="days a server must have been seen before it is made smaller")
    least_horizon_days: Count = Field(30, description="days a forecast must look ahead to make a server smaller")
    least_cut: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of CPU or memory that a smaller size must save; less is not worth a change"
    )
    least_vcpus: float = Field(1.0, gt=0, description="vCPUs below which no size is recommended")
    least_memory_gib: float = Field(1.0, gt=0, description="GiB below which no size is recommended")
    families: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="instance families a business unit may change to besides the one it has, by its name; `*` = all",
    )

    def families_of(self, business_unit: str) -> tuple[str, ...]:
        """Families that the servers of a business unit may change to besides their own."""
        return (*self.families.get("*", ()), *self.families.get(business_unit, ()))


class IdleSettings(Section):
    """Servers that do nothing: each limit must hold on every observed day of the window."""

    days: Count = Field(14, description="days before as_of looked at")
    least_days: Count = Field(10, description="of these, days that must have been observed")
    cpu_percent: float = Field(5.0, ge=0, description="percent; mean CPU of a day above it is work")
    network_mb: float = Field(5.0, ge=0, description="MB a day, in and out together; more traffic is work")
    disk_io_mb_s: float = Field(0.0, ge=0, description="MB/s, mean of a day; more disk activity is work")

    @model_validator(mode="after")
    def _possible(self) -> IdleSettings:
        if self.least_days > self.days:
            raise ValueError(f"`least_days` ({self.least_days}) is above `days` ({self.days}): nothing could be idle")
        return self


class ConsolidationSettings(Section):
    """Packing servers onto fewer hosts or instances; needs hourly means or maxima."""

    weeks: int = Field(4, ge=2, description="latest weeks of hours that are added up, hour by hour")
    held_out_weeks: Count = Field(
        1, description="of these, the last ones, on which a packing of the others is replayed"
    )
    headroom: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of a host that stays free at the busiest hour"
    )
    spare: int = Field(1, ge=0, description="hosts that may fail with everything still fitting: 1 = N+1, 0 = none")
    instance_type: str = Field(
        "", description="size to pack onto where hosts are not known; empty = the best that a group's servers have"
    )
    least_servers: int = Field(3, ge=2, description="fewer servers in a business unit, region and criticality are left")
    exceedance_limit: Annotated[float, Field(gt=0, le=1)] = Field(
        0.01, description="share of the held-out hours of its hosts above 100 % from which a packing is withheld"
    )

    @model_validator(mode="after")
    def _possible(self) -> ConsolidationSettings:
        if self.held_out_weeks >= self.weeks:
            raise ValueError(
                f"`held_out_weeks` ({self.held_out_weeks}) leaves nothing of `weeks` ({self.weeks}) to pack by"
            )
        return self


class LifecycleSettings(Section):
    """What became of earlier advice."""

    repeat_after_days: Count = Field(180, description="days for which advice that was rejected is not given again")


class DiscountSettings(Section):
    """What is paid of a list price under each kind of commitment."""

    reserved: Factor = Field(1.0, description="share of the on-demand price paid with reservations; 1 = no discount")
    savings_plan: Factor = Field(1.0, description="share of the on-demand price paid with a savings plan; 1 = none")


class PriceSettings(Section):
    """Prices of servers, per hour, on demand."""

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="ISO 4217 code of all prices; none is converted")
    files: tuple[str, ...] = Field((), description="price files of your own; a later one wins")
    sample: bool = Field(True, description="begin with the shipped sample of EC2 prices; false = only `files`")
    discount: Literal["none", "reserved", "savings_plan"] = Field(
        "none", description="which discount applies to list prices, besides the figures without"
    )
    discounts: DiscountSettings = DiscountSettings()

    @property
    def factor(self) -> float:
        """What list prices are multiplied with."""
        factors = {"reserved": self.discounts.reserved, "savings_plan": self.discounts.savings_plan}
        return factors.get(self.discount, 1.0)


class SegmentsSettings(Section):
    """Segments: servers grouped by how they are used."""

    k: Annotated[int, Field(ge=1, le=50)] | None = Field(
        None, description="number of segments; null = chosen by the silhouette between k_min and k_max"
    )
    k_min: int = Field(4, ge=2, le=50, description="fewest segments tried")
    k_max: int = Field(10, ge=2, le=50, description="most segments tried")
    window_days: int = Field(365, ge=30, description="days before as_of that the features of a server look at")
    least_servers: int = Field(8, ge=2, description="fewer servers that can be described are one segment")
    least_share: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.01, description="a number of segments that leaves one with a smaller share of the servers is passed over"
    )
    sample: int = Field(5000, ge=100, description="of more servers a sample of so many chooses the number of segments")
    starts: Count = Field(8, description="random starts of k-means for each number of segments; the best is kept")
    seed: int = Field(7, ge=0, le=2**32 - 1, description="seed of these starts and of the sample")

    @model_validator(mode="after")
    def _ordered(self) -> SegmentsSettings:
        if self.k_min > self.k_max:
            raise ValueError(f"`k_min` ({self.k_min}) is above `k_max` ({self.k_max}); change one of them")
        return self
