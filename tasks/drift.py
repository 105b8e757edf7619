"""Tasks on drift: the checks, and the event that automations act on."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from capforecast import stages
from capforecast.exchange import Unit
from tasks.common import Job, added_references, executed, slug, stage_task

EVENT = "capforecast.drift"


@stage_task("drift")
def drift(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Does a business unit's model still fit?"""
    return executed(job, "drift", business_unit, lambda: added_references(stages.drift, job, unit))


@task(name="announce-drift", task_run_name="announce-drift-{business_unit}", cache_policy=NO_CACHE)
def announce_drift(job: Job, unit: dict[str, Any], business_unit: str) -> None:
    """The checks in the Prefect UI, and for each alarm an event `capforecast.drift` (docs/runbook.md)."""
    known = Unit.model_validate(unit)
    rows = stages.drift_overview(job.store, known)
    if rows:
        create_table_artifact(
            key=f"drift-{slug(business_unit)}", table=rows, description=f"{business_unit}: does its model still fit?"
        )
    for row in rows:
        if row["alarm"] and not job.quiet:
            emit_event(
                event=EVENT,
                resource={
                    "prefect.resource.id": f"capforecast.business-unit.{slug(business_unit)}",
                    "prefect.resource.name": business_unit,
                    "capforecast.check": row["check"],
                    "capforecast.cadence": str(known.cadence),
                    "capforecast.as-of": known.as_of,
                },
                payload={"business_unit": business_unit, "run_id": job.run.run_id, **row},
            )
