"""Tasks on decisions: breach risk and tiers, pools, how past warnings fared, sizes and advice."""

from __future__ import annotations

from typing import Any

from capforecast import stages
from capforecast.exchange import Ingested, Unit
from capforecast.schema import FLEET, Reference
from tasks.common import Job, added_references, executed, stage_task


@stage_task("risk")
def risk(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Breach probabilities and tiers of a business unit."""
    return executed(job, "risk", business_unit, lambda: added_references(stages.risk, job, unit))


@stage_task("pools")
def pools(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Demand of a business unit's pools against their supply."""
    return executed(job, "pools", business_unit, lambda: added_references(stages.pools, job, unit))


@stage_task("fleet-pools", run_name="fleet-pools")
def fleet_pools(job: Job, ingested: dict[str, Any], units: list[dict[str, Any]]) -> dict[str, Any]:
    """Sums of the pools over regions, business units and the fleet."""
    history, finished = Ingested.model_validate(ingested), [Unit.model_validate(unit) for unit in units]

    def work() -> dict[str, Any]:
        added = stages.fleet_pools(job.store, job.settings, history, finished)
        return {name: reference.model_dump(mode="json") for name, reference in added.items()}

    return executed(job, "fleet-pools", FLEET, work)


@stage_task("warnings")
def warnings(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """What a business unit would have been warned of at past origins, and what came."""
    return executed(job, "warnings", business_unit, lambda: added_references(stages.warnings, job, unit))


@stage_task("scorecard", run_name="scorecard")
def scorecard(job: Job, ingested: dict[str, Any], units: list[dict[str, Any]], covered: list[str]) -> dict[str, Any]:
    """How often the warnings of all finished units came true; `covered`: all units of the run, finished or not."""
    history, finished = Ingested.model_validate(ingested), [Unit.model_validate(unit) for unit in units]

    def work() -> dict[str, Any]:
        made = stages.scorecard(job.store, job.settings, history, finished, covered)
        return {name: reference.model_dump(mode="json") for name, reference in made.items()}

    return executed(job, "scorecard", FLEET, work)


@stage_task("sizing", actions=True)
def sizing(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """What the sizing rule says of a business unit's servers, and how it would have fared before."""
    return executed(job, "sizing", business_unit, lambda: added_references(stages.sizing, job, unit))


@stage_task("decided", per_run=True, run_name="decided")
def decided(job: Job, ingested: dict[str, Any]) -> dict[str, Any]:
    """What people had decided on earlier advice by the cut-off. Of this run: they go on deciding."""
    history = Ingested.model_validate(ingested)
    return executed(job, "decided", FLEET, lambda: stages.decided(job.store, history).model_dump(mode="json"))


@stage_task("actions", actions=True, run_name="actions")
def actions(
    job: Job, ingested: dict[str, Any], units: list[dict[str, Any]], covered: list[str], decided: dict[str, Any]
) -> dict[str, Any]:
    """Advice for every server of all finished units, with its evidence and its money."""
    history, finished = Ingested.model_validate(ingested), [Unit.model_validate(unit) for unit in units]
    told = Reference.model_validate(decided)

    def work() -> dict[str, Any]:
        made = stages.actions(job.store, job.settings, history, finished, covered, told)
        return {name: reference.model_dump(mode="json") for name, reference in made.items()}

    return executed(job, "actions", FLEET, work)
