"""Parts of the summary on what to do: sizes advised and withheld, money, evidence, consolidation, segments.

Money is per month of 730 hours, to the cent; a change below 0 is a saving; null = no price is known.
"""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part


class Advice(Part):
    """What one server should become, why, how sure that is, and the money. Null: not known."""

    server_id: str
    business_unit: str
    region: str = ""
    criticality: str = ""
    owner: str = ""
    tier: str = ""
    risk_basis: str = ""  # what the tier rests on
    segment: str = ""
    action: str  # upsize | downsize | stop
    reason: str = ""
    instance_type: str = ""
    vcpus: float | None = None
    memory_gib: float | None = None
    to_type: str = ""
    to_vcpus: float | None = None
    to_memory_gib: float | None = None
    to_cpu_share: float | None = None  # of what it has now, where its size is not known
    to_memory_share: float | None = None
    need_vcpus: float | None = None  # headroom included
    need_memory_gib: float | None = None
    need_cpu_share: float | None = None
    need_memory_share: float | None = None
    fits: float | None = None  # share of the sample paths that the size advised holds
    monthly: float | None = None
    to_monthly: float | None = None
    monthly_change: float | None = None
    monthly_change_discounted: float | None = None
    change_q10: float | None = None  # of the cheapest safe size, path by path
    change_q50: float | None = None
    change_q90: float | None = None
    price_source: str = ""
    price_reason: str = ""  # why there is no price
    zombie: bool = False
    idle_basis: str = ""
    stratum: str = ""
    basis: str = ""  # by which statistic and headroom it was sized
    bound_rate: float | None = None
    bound_upper: float | None = None
    promised: float | None = None
    state: str = ""  # of earlier advice
    state_since: str = ""
    sentence: str = ""  # begins with the server


class Saving(Part):
    """Money of one kind of action in one scope: sums over the servers whose prices are known."""

    scope: str  # fleet | business_unit
    name: str = ""  # "" = fleet
    kind: str  # downsize | stop | upsize | all
    servers: int = 0
    priced: int = 0  # of these, with prices of both sizes
    monthly: float | None = None
    to_monthly: float | None = None
    monthly_change: float | None = None
    monthly_change_discounted: float | None = None
    change_q10: float | None = None
    change_q50: float | None = None
    change_q90: float | None = None
    currency: str = ""


class Bound(Part):
    """The rule replayed at past origins in one stratum: how often its sizes were exceeded, and may be at the worst."""

    resource: str  # vcpu | memory_gib
    stratum: str
    test: str = "size"  # need: what the rule said every server needs; size: the smaller sizes it would have advised
    cases: int = 0
    servers: int = 0
    periods: int = 0
    over: int = 0
    rate: float | None = None
    upper: float | None = None  # 95 % limit
    promised: float | None = None
    kept: bool = False  # of needs, `upper` is at most what is promised; of sizes, `rate`


class Withheld(Part):
    """Servers for which advice is withheld, by what would have been advised and why."""

    action: str  # downsize | upsize | stop | "" = nothing is known of it
    reason: str
    servers: int


class Consolidation(Part):
    """One business unit, region and criticality packed onto fewer hosts or instances, or why it is not."""

    business_unit: str
    region: str = ""
    criticality: str = ""
    reason: str = ""  # why nothing can be said; "" = it can
    statistic: str = ""
    servers: int = 0
    packed: int = 0
    hosts: int | None = None  # today
    hosts_needed: int | None = None
    spare: int | None = None
    freed: int | None = None
    onto: str = ""
    vcpus: float | None = None
    memory_gib: float | None = None
    busiest: float | None = None
    replayed_hours: int | None = None
    replayed_over: int | None = None
    replayed_rate: float | None = None
    replayed_upper: float | None = None
    monthly: float | None = None
    to_monthly: float | None = None
    monthly_change: float | None = None
    currency: str = ""
    price_source: str = ""
    price_reason: str = ""


class Realised(Part):
    """Advice that was followed and shows in the inventory: monthly change promised, and achieved at today's prices."""

    servers: int
    known: int  # of these, with both figures, which are in the sums
    promised: float | None = None
    achieved: float | None = None
    currency: str = ""


class SegmentSummary(Part):
    """Servers that are used alike; the last may be those of which too little is known."""

    name: str
    servers: int
    silhouette: float | None = None  # 1 = clearly apart from the others, 0 = they touch
    action: str = ""  # what is usually done about such servers
    centroid: dict[str, float | None] = Field(default_factory=dict)  # <metric>_<feature>, in the metric's unit


class ActionsSummary(Part):
    """What to do about all servers of the run. `counts` add up to `servers`."""

    servers: int
    counts: dict[str, int]  # by action
    headroom: float = 0.0  # share of a size that stays free
    headroom_memory_p95: float = 0.0  # of memory that is known by its P95 alone
    fit_share: float = 0.0  # share of the sample paths that a size must hold
    horizon_days: list[float] = Field(default_factory=list)  # fewest and most days that these reach
    promised: float = 0.0  # share of periods above 100 % of a smaller size, at most
    zombies: int = 0  # of those to stop, without an owner
    priced: int = 0  # servers whose present price is known
    currency: str = ""  # "" = no price is known at all: sizes only
    price_sources: dict[str, int] = Field(default_factory=dict)  # servers by file and date, or `inventory`
    discount: str = "none"  # of the figures called discounted
    discount_factor: float = 1.0
    savings: list[Saving] = Field(default_factory=list)  # fleet, then business units
    upsizes: list[Advice] = Field(default_factory=list)  # the most urgent first, at most `table_rows` of the settings
    top: list[Advice] = Field(default_factory=list)  # smaller and stopped, the largest saving first
    withheld: list[Withheld] = Field(default_factory=list)  # most servers first; add up to counts["withheld"]
    bounds: list[Bound] = Field(default_factory=list)
    consolidation: list[Consolidation] = Field(default_factory=list)  # most freed first
    states: dict[str, int] = Field(default_factory=dict)  # servers by what became of advice
    realised: Realised | None = None  # null = none has been followed
    sentence: str = ""  # the answer in one line
