"""Tasks on decisions: breach risk and tiers."""

from __future__ import annotations

from typing import Any

from capforecast import stages
from tasks.common import Job, added_references, executed, stage_task


@stage_task("risk")
def risk(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Breach probabilities and tiers of a business unit."""
    return executed(job, "risk", business_unit, lambda: added_references(stages.risk, job, unit))
