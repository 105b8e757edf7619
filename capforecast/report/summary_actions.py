"""Parts of the summary on what to do: sizes advised and withheld, money, evidence, consolidation, segments.

Money is per month of 730 hours, to the cent; a change below 0 is a saving; null = no price is known.
"""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part


class Advice(Part):
    """What one server should become, why, how sure that is, and the money. Null: not known."""

    server_id: str = Field(description="Server")
    business_unit: str = Field(description="Business unit")
    region: str = Field(default="", description="Region")
    criticality: str = Field(default="", description="Criticality")
    owner: str = Field(default="", description='Owner; "" = nobody is named')
    tier: str = Field(default="", description="Risk tier: critical, high, watch, ok or unknown")
    risk_basis: str = Field(default="", description="What the tier rests on")
    segment: str = Field(default="", description="Name of its segment")
    action: str = Field(description="upsize, downsize or stop")
    reason: str = Field(default="", description="Why, in words")
    instance_type: str = Field(default="", description="Instance type now")
    vcpus: float | None = Field(default=None, description="vCPUs now")
    memory_gib: float | None = Field(default=None, description="Memory now, GiB")
    to_type: str = Field(default="", description="Instance type advised")
    to_vcpus: float | None = Field(default=None, description="vCPUs advised")
    to_memory_gib: float | None = Field(default=None, description="Memory advised, GiB")
    to_cpu_share: float | None = Field(
        default=None, description="CPU advised as a share of what it has now, where its size is not known"
    )
    to_memory_share: float | None = Field(default=None, description="Memory advised as such a share")
    need_vcpus: float | None = Field(default=None, description="vCPUs it needs, headroom included")
    need_memory_gib: float | None = Field(default=None, description="Memory it needs, GiB")
    need_cpu_share: float | None = Field(default=None, description="CPU it needs as a share of what it has now")
    need_memory_share: float | None = Field(default=None, description="Memory it needs as such a share")
    fits: float | None = Field(default=None, description="Share of the sample paths that the size advised holds")
    monthly: float | None = Field(default=None, description="Cost now")
    to_monthly: float | None = Field(default=None, description="Cost afterwards")
    monthly_change: float | None = Field(default=None, description="Cost afterwards less cost now; below 0 is a saving")
    monthly_change_discounted: float | None = Field(
        default=None, description="The same with the discount of the settings"
    )
    change_q10: float | None = Field(
        default=None, description="10 % quantile over sample paths of the change at the cheapest safe size"
    )
    change_q50: float | None = Field(
        default=None, description="Median over sample paths of the change at the cheapest safe size"
    )
    change_q90: float | None = Field(
        default=None, description="90 % quantile over sample paths of the change at the cheapest safe size"
    )
    price_source: str = Field(default="", description="File and date of the price")
    price_reason: str = Field(default="", description="Why there is no price")
    zombie: bool = Field(default=False, description="To stop, and without an owner")
    idle_basis: str = Field(default="", description="What was looked at before calling it idle")
    stratum: str = Field(default="", description="Servers that are tested together")
    basis: str = Field(default="", description="By which statistic and headroom it was sized")
    bound_rate: float | None = Field(
        default=None, description="Share of periods in which sizes of its stratum were exceeded in the replay"
    )
    bound_upper: float | None = Field(default=None, description="Upper 95 % limit of that share")
    promised: float | None = Field(default=None, description="What is promised for that share")
    state: str = Field(default="", description='What became of earlier advice; "" = there was none')
    state_since: str = Field(default="", description="Since when")
    sentence: str = Field(default="", description="The same in one sentence, which begins with the server")


class Saving(Part):
    """Money of one kind of action in one scope: sums over the servers whose prices are known."""

    scope: str = Field(description="fleet or business_unit")
    name: str = Field(default="", description='Which one; "" = the fleet')
    kind: str = Field(description="downsize, stop, upsize or all")
    servers: int = Field(default=0, description="Servers with such an action")
    priced: int = Field(default=0, description="Of these, with prices of both sizes: those in the sums")
    monthly: float | None = Field(default=None, description="Cost now")
    to_monthly: float | None = Field(default=None, description="Cost afterwards")
    monthly_change: float | None = Field(default=None, description="Cost afterwards less cost now; below 0 is a saving")
    monthly_change_discounted: float | None = Field(
        default=None, description="The same with the discount of the settings"
    )
    change_q10: float | None = Field(
        default=None, description="10 % quantile over sample paths of the change at the cheapest safe size"
    )
    change_q50: float | None = Field(
        default=None, description="Median over sample paths of the change at the cheapest safe size"
    )
    change_q90: float | None = Field(
        default=None, description="90 % quantile over sample paths of the change at the cheapest safe size"
    )
    currency: str = Field(default="", description='Currency, as the price list spells it; "" = no price is known')


class Bound(Part):
    """The rule replayed at past origins in one stratum: how often its sizes were exceeded, and may be at the worst."""

    resource: str = Field(description="vcpu or memory_gib")
    stratum: str = Field(description="Servers that are tested together")
    test: str = Field(
        default="size",
        description="need: what the rule said every server needs; size: the smaller sizes it would have advised",
    )
    cases: int = Field(default=0, description="Server and past date")
    servers: int = Field(default=0, description="Servers behind it")
    periods: int = Field(default=0, description="Periods compared")
    over: int = Field(default=0, description="Of these, in which the size was exceeded")
    rate: float | None = Field(default=None, description="over / periods")
    upper: float | None = Field(default=None, description="Upper 95 % limit of the rate")
    promised: float | None = Field(default=None, description="What is promised for that share")
    kept: bool = Field(
        default=False,
        description="Is the promise kept? Of needs, `upper` is at most what is promised; of sizes, `rate`",
    )


class Withheld(Part):
    """Servers for which advice is withheld, by what would have been advised and why."""

    action: str = Field(
        description='What would have been advised: downsize, upsize or stop; "" = nothing is known of it'
    )
    reason: str = Field(description="Why, in words")
    servers: int = Field(description="Servers")


class Consolidation(Part):
    """One business unit, region and criticality packed onto fewer hosts or instances, or why it is not."""

    business_unit: str = Field(description="Business unit")
    region: str = Field(default="", description="Region")
    criticality: str = Field(default="", description="Criticality")
    reason: str = Field(default="", description='Why nothing can be said; "" = it can')
    statistic: str = Field(default="", description="Statistic of the hourly loads that were packed")
    servers: int = Field(default=0, description="Servers")
    packed: int = Field(default=0, description="Servers packed")
    hosts: int | None = Field(default=None, description="Hosts today")
    hosts_needed: int | None = Field(default=None, description="Hosts needed, without spares")
    spare: int | None = Field(default=None, description="Spare hosts")
    freed: int | None = Field(default=None, description="Hosts today less those needed and spare")
    onto: str = Field(default="", description="Host or instance type packed onto")
    vcpus: float | None = Field(default=None, description="vCPUs of one host")
    memory_gib: float | None = Field(default=None, description="Memory of one host, GiB")
    busiest: float | None = Field(default=None, description="Share used of the fullest host in its fullest hour")
    replayed_hours: int | None = Field(default=None, description="Held-out hours replayed")
    replayed_over: int | None = Field(default=None, description="Of these, with a host over its size")
    replayed_rate: float | None = Field(default=None, description="replayed_over / replayed_hours")
    replayed_upper: float | None = Field(default=None, description="Upper 95 % limit of that share")
    monthly: float | None = Field(default=None, description="Cost now")
    to_monthly: float | None = Field(default=None, description="Cost afterwards")
    monthly_change: float | None = Field(default=None, description="Cost afterwards less cost now; below 0 is a saving")
    currency: str = Field(default="", description='Currency, as the price list spells it; "" = no price is known')
    price_source: str = Field(default="", description="File and date of the price")
    price_reason: str = Field(default="", description='Why there is no price; "" = there is one')


class Realised(Part):
    """Advice that was followed and shows in the inventory: monthly change promised, and achieved at today's prices."""

    servers: int = Field(description="Servers whose advice was followed")
    known: int = Field(description="Of these, with both figures, which are in the sums")
    promised: float | None = Field(default=None, description="Monthly change promised")
    achieved: float | None = Field(default=None, description="Monthly change achieved, at today's prices")
    currency: str = Field(default="", description='Currency, as the price list spells it; "" = no price is known')


class SegmentSummary(Part):
    """Servers that are used alike; the last may be those of which too little is known."""

    name: str = Field(description="Name of the segment")
    servers: int = Field(description="Servers")
    silhouette: float | None = Field(
        default=None, description="1 = clearly apart from the others, 0 = they touch; null = not known"
    )
    action: str = Field(default="", description="What is usually done about such servers")
    centroid: dict[str, float | None] = Field(
        default_factory=dict, description="Median of each feature (<metric>_<feature>), in the metric's unit"
    )


class ActionsSummary(Part):
    """What to do about all servers of the run. `counts` add up to `servers`."""

    servers: int = Field(description="Servers of the run")
    counts: dict[str, int] = Field(description="Servers by action; they add up to `servers`")
    other_remedies: dict[str, int] = Field(
        default_factory=dict,
        description="Servers that are critical or high and stay as they are, by the metric they are at risk by",
    )
    headroom: float = Field(default=0.0, description="Share of a size that stays free")
    headroom_memory_p95: float = Field(default=0.0, description="The same of memory that is known by its P95 alone")
    fit_share: float = Field(default=0.0, description="Share of the sample paths that a size must hold")
    horizon_days: list[float] = Field(default_factory=list, description="Fewest and most days that these paths reach")
    promised: float = Field(default=0.0, description="Share of periods above 100 % of a smaller size, at most")
    zombies: int = Field(default=0, description="Servers to stop without an owner")
    priced: int = Field(default=0, description="Servers whose present price is known")
    currency: str = Field(default="", description='Currency; "" = no price is known at all: sizes only')
    price_sources: dict[str, int] = Field(default_factory=dict, description="Servers by file and date, or `inventory`")
    discount: str = Field(default="none", description="Name of the discount of the figures called discounted")
    discount_factor: float = Field(default=1.0, description="What a price is multiplied by for it")
    savings: list[Saving] = Field(default_factory=list, description="Sums of money: the fleet, then business units")
    upsizes: list[Advice] = Field(
        default_factory=list, description="Larger sizes, the most urgent first, at most `table_rows` of the settings"
    )
    top: list[Advice] = Field(
        default_factory=list, description="Smaller sizes and stops, the largest saving first, 25 at most"
    )
    withheld: list[Withheld] = Field(
        default_factory=list,
        description='Advice withheld by what and why, most servers first; they add up to counts["withheld"]',
    )
    bounds: list[Bound] = Field(default_factory=list, description="Replays of the rule, by resource and stratum")
    consolidation: list[Consolidation] = Field(
        default_factory=list, description="Groups of servers packed, most freed first"
    )
    states: dict[str, int] = Field(default_factory=dict, description="Servers by what became of earlier advice")
    realised: Realised | None = Field(default=None, description="Advice that was followed; null = none has been")
    sentence: str = Field(default="", description="The answer in one line")
