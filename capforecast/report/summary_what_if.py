"""Part of the summary on a what-if scenario that a report was asked to show: the fleet before and after."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part
from capforecast.report.summary_parts import Tiers


class WhatIfRow(Part):
    """Servers and cost, as published and in the scenario; costs of a month of 730 hours, of servers with a price."""

    name: str = Field(description='Business unit; "" = the fleet')
    servers_before: int = Field(description="Servers as published")
    servers: int = Field(description="Servers in the scenario")
    tiers_before: Tiers = Field(description="Servers by tier as published")
    tiers: Tiers = Field(description="Servers by tier in the scenario")
    monthly_before: float = Field(description="Cost as it stands")
    monthly: float | None = Field(description="Cost with the sizes of the scenario; null: see monthly_unknown")
    monthly_unknown: str = Field(default="", description="Why that sum is not known, in words")
    safe_monthly_before: float = Field(description="Cost with the sizes advised")
    safe_monthly: float | None = Field(
        description="Cost with the sizes that hold what is then needed; null: see safe_monthly_unknown"
    )
    safe_monthly_unknown: str = Field(default="", description="Why that sum is not known, in words")


class WhatIf(Part):
    """A scenario and what it comes to."""

    name: str = Field(description="Name of the scenario")
    scenario: str = Field(description="Its id: a hash of what it says")
    note: str = Field(description="Why it was asked, as its author put it")
    changes: list[str] = Field(description="What would be otherwise, in words")
    sentence: str = Field(description="The answer in one line")
    currency: str = Field(description="Currency of costs")
    fleet: WhatIfRow = Field(description="All servers of the report")
    units: list[WhatIfRow] = Field(description="Business units, by name; they add up to the fleet")
    differing: int = Field(description="Servers whose figures differ")
    notes: list[str] = Field(description="What the figures do not consider; where prices come from")
