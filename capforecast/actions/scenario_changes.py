"""What a scenario may change, and of which servers: the words in which a what-if is asked.

Amounts are in the metric's unit (percentage points, Mbit/s) or in units of capacity (vCPU, GiB, Mbit/s). Days are UTC;
a change without `start` holds from the first day of the forecast on. Growth and load come on top of what is forecast.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[tuple[Name, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
Units = Annotated[float, Field(ge=0, le=1e9)]
Size = Annotated[float, Field(ge=1e-6, le=1e9)]
Level = Annotated[float, Field(ge=-1e12, le=1e12)]
FILTERS = (
    "business_units", "regions", "criticalities", "environments", "owners", "instance_types", "tiers", "segments",
)  # fmt: skip


class Part(BaseModel):
    """A strict, frozen part of a scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Selection(Part):
    """Servers by name, or all that fit every filter given; without any, the fleet."""

    servers: Names = Field((), description="names of servers")
    business_units: Names = Field((), description="only servers of these business units")
    regions: Names = Field((), description="only servers in these regions")
    criticalities: Names = Field((), description="only servers of these criticalities")
    environments: Names = Field((), description="only servers of these environments")
    owners: Names = Field((), description="only servers of these owners")
    instance_types: Names = Field((), description="only servers of these instance types")
    tiers: Names = Field((), description="only servers of these tiers, as published")
    segments: Names = Field((), description="only servers of these segments")

    @property
    def names(self) -> int:
        """How many names it holds."""
        return sum(len(getattr(self, field)) for field in ("servers", *FILTERS))

    def words(self) -> str:
        """The selection for people: `payments, eu-west-1`, `3 servers`, `the fleet`."""
        given = [name for field in FILTERS for name in getattr(self, field)]
        if self.servers:
            few = len(self.servers) <= 3
            given.insert(0, ", ".join(self.servers) if few else f"{len(self.servers)} servers")
        return ", ".join(given) or "the fleet"


class Change(Part):
    """What all changes share."""

    select: Selection = Field(Selection(), description="servers it holds for; default: the fleet")

    @property
    def names(self) -> int:
        """How many names of servers, units and so on it holds."""
        return self.select.names


class Dated(Change):
    """A change from a day on."""

    start: date | None = Field(None, description="first day, yyyy-mm-dd; default: the first day of the forecast")


class Growth(Dated):
    """The load grows by so much a month, compound, on top of what is forecast."""

    kind: Literal["growth"] = "growth"
    percent_per_month: float = Field(gt=-100, le=1000, description="percent a month of 30.44 days; below 0 it shrinks")
    metrics: Names = Field((), description="only these metrics; default: all but those that fill up (disk)")


class Load(Dated):
    """A one-off load: from a day on, or until another, servers bear so much more."""

    kind: Literal["load"] = "load"
    metric: Name = Field(description="metric that rises")
    end: date | None = Field(None, description="last day; default: it stays")
    amount: float | None = Field(None, ge=-1e9, le=1e9, description="in the metric's unit, each server")
    percent: float | None = Field(None, ge=-100, le=10_000, description="or percent of what is forecast")
    units_each: float | None = Field(None, ge=-1e9, le=1e9, description="or vCPU, GiB, Mbit/s, each server")

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        given = [name for name in ("amount", "percent", "units_each") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give one of `amount`, `percent` and `units_each`")
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"`end` ({self.end}) is before `start` ({self.start})")
        return self


class Project(Dated):
    """A committed project: so many units in all, shared by the servers selected in proportion to their size."""

    kind: Literal["project"] = "project"
    name: str = Field("", max_length=120, description="what it is called")
    vcpus: Units = Field(0.0, description="vCPUs that it will use, in all")
    memory_gib: Units = Field(0.0, description="GiB of memory, in all")
    disk_gib: Units = Field(0.0, description="GiB of disk, in all")
    network_mbps: Units = Field(0.0, description="Mbit/s in each direction, in all")
    ramp_days: int = Field(0, ge=0, le=3650, description="days over which it comes, evenly; 0 = at once")
    monthly_cost: float = Field(0.0, ge=-1e12, le=1e12, description="what it costs a month besides servers")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.vcpus or self.memory_gib or self.disk_gib or self.network_mbps or self.monthly_cost):
            raise ValueError("give at least one of `vcpus`, `memory_gib`, `disk_gib`, `network_mbps`, `monthly_cost`")
        return self


class Migrate(Dated):
    """The load of the servers selected moves to others, in proportion to their size."""

    kind: Literal["migrate"] = "migrate"
    onto: Selection = Field(description="servers that take it; those of `select` among them are left out")
    percent: float = Field(100.0, gt=0, le=100, description="share of the load that moves")
    ramp_days: int = Field(0, ge=0, le=3650, description="days over which it moves, evenly; 0 = at once")
    retire: bool = Field(False, description="switch off what it came from; needs percent 100")

    @property
    def names(self) -> int:
        """Those it leaves, and those it comes to."""
        return self.select.names + self.onto.names

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.retire and self.percent < 100:
            raise ValueError("`retire` needs `percent` 100: what still bears load cannot be switched off")
        return self


class Retire(Dated):
    """The servers selected are switched off; their load goes away. `migrate` with `retire` moves it elsewhere."""

    kind: Literal["retire"] = "retire"


class NewServers(Dated):
    """So many more servers like one there is."""

    kind: Literal["new_servers"] = "new_servers"
    count: int = Field(ge=1, le=100_000, description="how many")
    like: Name = Field(description="server whose size, load and price they have")
    business_unit: Name | None = Field(None, description="whose they are; default: that of `like`")
    share_load: bool = Field(
        False, description="they take over load of the servers selected, in proportion to size; else they come with "
        "load of their own, like that of `like`",
    )  # fmt: skip


class Resize(Dated):
    """The servers selected get another size; percentages follow, traffic does not."""

    kind: Literal["resize"] = "resize"
    instance_type: Name | None = Field(None, description="a type of the catalogue of shapes")
    vcpus: Size | None = Field(None, description="or vCPUs")
    memory_gib: Size | None = Field(None, description="and, or, GiB of memory")
    disk_gib: Size | None = Field(None, description="and, or, GiB of disk; goes with a type, too")
    hourly_cost: float | None = Field(
        None, ge=0, le=1e9, description="what it then costs an hour; default: the price list's"
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        sizes = (self.vcpus, self.memory_gib)
        if self.instance_type and any(size is not None for size in sizes):
            raise ValueError("give `instance_type`, or `vcpus` and `memory_gib`, not both")
        if not self.instance_type and all(size is None for size in (*sizes, self.disk_gib)):
            raise ValueError("give `instance_type`, or at least one of `vcpus`, `memory_gib` and `disk_gib`")
        return self


class Threshold(Change):
    """Other thresholds of a metric, in its unit; what is held back by policy is taken off as in the settings."""

    kind: Literal["threshold"] = "threshold"
    metric: Name = Field(description="metric whose thresholds change")
    high: Level | None = Field(None, description="threshold `high`; default: as it is")
    very_high: Level | None = Field(None, description="threshold `very_high`; default: as it is")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is None and self.very_high is None:
            raise ValueError("give `high`, `very_high` or both")
        if self.high is not None and self.very_high is not None and self.high > self.very_high:
            raise ValueError(f"`high` ({self.high:g}) is above `very_high` ({self.very_high:g})")
        return self


class LeadTime(Change):
    """Procurement takes so many days."""

    kind: Literal["lead_time"] = "lead_time"
    days: int = Field(ge=1, le=3650, description="from order to use")


class QuarterEnd(Change):
    """The last days of each quarter bear a multiple of what is forecast."""

    kind: Literal["quarter_end"] = "quarter_end"
    multiplier: float = Field(gt=0, le=100, description="of the load forecast, e.g. 1.3")
    days: int = Field(7, ge=1, le=45, description="last days of each quarter it holds for")
    metrics: Names = Field((), description="only these metrics; default: all but those that fill up (disk)")


AnyChange = Annotated[
    Growth | Load | Project | Migrate | Retire | NewServers | Resize | Threshold | LeadTime | QuarterEnd,
    Field(discriminator="kind"),
]
KINDS = ("growth", "load", "project", "migrate", "retire", "new_servers", "resize", "threshold", "lead_time",
         "quarter_end")  # fmt: skip
