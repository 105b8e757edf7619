"""One business unit, stage by stage: the same inside the run's own process and as a flow run of its own."""

from __future__ import annotations

import logging
from typing import Any

from prefect import flow, runtime

from capforecast import stages
from capforecast.exchange import Unit
from tasks.common import Job, run_stage
from tasks.data import anomalies, validate
from tasks.decisions import pools, risk, sizing, warnings
from tasks.drift import announce_drift, drift
from tasks.models import champion, forecast, train, why_train
from tasks.outputs import show_unit

log = logging.getLogger("capforecast.run")
ANSWERS = (forecast, risk, pools, warnings, drift, sizing)  # what a unit's model is for, in this order


def unit_name(business_unit: str, as_of: str) -> str:
    """Name of a business unit's flow run."""
    return f"{business_unit}-{as_of[:10]}"


def _unit_run_name() -> str:
    parameters = runtime.flow_run.parameters
    return unit_name(parameters["business_unit"], parameters["ingested"]["as_of"])


@flow(name="business-unit-run", flow_run_name=_unit_run_name, persist_result=True, result_serializer="json")
def business_unit_run(
    job: Job, ingested: dict[str, Any], business_unit: str, only_model: bool = False
) -> dict[str, Any]:
    """One business unit as a subflow of the run's own process."""
    return all_stages(job, ingested, business_unit, only_model)


def all_stages(job: Job, ingested: dict[str, Any], business_unit: str, only_model: bool) -> dict[str, Any]:
    """A unit's snapshot and its model; unless `only_model`, what the model says of it as well."""
    unit = Unit.model_validate(run_stage(validate, job, ingested=ingested, business_unit=business_unit))
    if not only_model:
        unit = _next(job, anomalies, unit)
    if _trains(job, unit):
        unit = _next(job, train, unit)
    if only_model and not job.decides:
        return unit.model_dump(mode="json")
    unit = _next(job, champion, unit)
    if not only_model:
        for stage in ANSWERS:
            unit = _next(job, stage, unit)
        show_unit(job, unit.model_dump(mode="json"), business_unit)
        announce_drift(job, unit.model_dump(mode="json"), business_unit)
    return unit.model_dump(mode="json")


def _next(job: Job, stage: Any, unit: Unit) -> Unit:
    """The unit with what a stage adds to it."""
    needed = unit.only(stages.NEEDS[stage.name]).model_dump(mode="json")
    added = run_stage(stage, job, unit=needed, business_unit=unit.business_unit)
    return Unit.model_validate(unit.model_dump() | {"references": unit.references | added})


def _trains(job: Job, unit: Unit) -> bool:
    """Does this run train a model of the unit, by the setting `models.retrain`?"""
    wanted = job.settings.models.retrain
    if wanted != "when_needed":
        return wanted == "always"
    needed = unit.only(stages.NEEDS["champion"]).model_dump(mode="json")
    reason: str = run_stage(why_train, job, unit=needed, business_unit=unit.business_unit)["reason"]
    log.info("%s: %s", unit.business_unit, f"trains, {reason}" if reason else "its champion will do")
    return bool(reason)


def most_stages(job: Job, only_model: bool) -> int:
    """Most stages a unit goes through: validate, champion and, as the case may be, the others."""
    training = job.settings.models.retrain != "never"
    return 2 + training + (0 if only_model else 1 + len(ANSWERS))
