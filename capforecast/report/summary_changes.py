"""Parts of the summary on what has changed since the run before: servers by tier then and now, and who moved."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part
from capforecast.report.summary_parts import Tiers


class ChangedServer(Part):
    """One server whose tier is another than at the run before."""

    server_id: str = Field(description="Server")
    business_unit: str = Field(description="Its unit now; of a server that is gone, its unit then")
    tier_before: str = Field(description='Tier at the run before; "" = it was not there')
    tier: str = Field(description='Tier now; "" = it is gone')
    metric: str = Field(default="", description='Metric that its tier rests on, now or else before; "" = none is known')
    reason: str = Field(default="", description='Why it is unknown; "" = it is not')


class TierChanges(Part):
    """Servers by what became of their tier. At risk = critical or high.

    at risk now = at risk then + newly_at_risk - no_longer_at_risk - lost_at_risk - gone_at_risk; all servers now = all
    servers then + new - gone.
    """

    tiers_before: Tiers = Field(description="Servers at the run before")
    tiers: Tiers = Field(description="Servers now")
    newly_at_risk: int = Field(
        default=0, description="At risk now and not then; new and formerly unknown ones included"
    )
    new_at_risk: int = Field(default=0, description="Of newly_at_risk, those that were not there")
    no_longer_at_risk: int = Field(default=0, description="At risk then; on watch or ok now")
    worse: int = Field(default=0, description="Others whose tier got worse: ok to watch, high to critical")
    better: int = Field(default=0, description="Others whose tier got better: watch to ok, critical to high")
    newly_unknown: int = Field(default=0, description="With a tier then, unknown now")
    lost_at_risk: int = Field(default=0, description="Of newly_unknown, those at risk then")
    known_again: int = Field(default=0, description="Unknown then; on watch or ok now")
    new: int = Field(default=0, description="Not there then, whatever their tier")
    gone: int = Field(default=0, description="There then and no more")
    gone_at_risk: int = Field(default=0, description="Of gone, those at risk then")


class UnitChanges(TierChanges):
    """The same of one business unit. A server that came from another unit is new here, and gone there."""

    business_unit: str = Field(description="Business unit")
    since: str = Field(description="Cut-off of the run it is compared with, ISO 8601 UTC")


class Changes(TierChanges):
    """What is other than at the run before, of the business units of which both runs have tiers; by server.

    A server that moved between these units is compared with itself. Lists of names are the worst first, ten at most.
    """

    since: str = Field(description="Cut-off of the run before, ISO 8601 UTC; of several, the latest")
    since_first: str = Field(description="The earliest of these; another than `since` where a unit missed a run")
    not_compared: list[str] = Field(
        default_factory=list, description="Business units of this run without an earlier run to compare with"
    )
    units: list[UnitChanges] = Field(default_factory=list, description="Business units compared, by name")
    top_newly_at_risk: list[ChangedServer] = Field(default_factory=list, description="Of newly_at_risk")
    top_no_longer_at_risk: list[ChangedServer] = Field(default_factory=list, description="Of no_longer_at_risk")
    top_worse: list[ChangedServer] = Field(default_factory=list, description="Of worse")
    top_better: list[ChangedServer] = Field(default_factory=list, description="Of better")
    top_newly_unknown: list[ChangedServer] = Field(default_factory=list, description="Of newly_unknown")
    top_known_again: list[ChangedServer] = Field(default_factory=list, description="Of known_again")
    top_new: list[ChangedServer] = Field(default_factory=list, description="Of new, those not at risk")
    top_gone: list[ChangedServer] = Field(default_factory=list, description="Of gone")
    sentence: str = Field(default="", description="The answer in one line")
