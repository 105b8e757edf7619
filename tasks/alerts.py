"""Tasks on alerts: the events that automations act on, and the message to an SNS topic."""

from __future__ import annotations

import logging
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from capforecast import stages
from capforecast.errors import CapforecastError
from capforecast.exchange import Published, Unit
from capforecast.settings import Settings
from tasks.common import Job, may_pass, stage_task

log = logging.getLogger("capforecast.run")
EVENT = "capforecast."
FLEET = "capforecast.fleet"


@stage_task("alerts", per_run=True, run_name="alerts")
def announce_alerts(job: Job, units: list[dict[str, Any]], published: dict[str, Any]) -> list[str]:
    """An event for each alert that the run gives cause for (docs/runbook.md); returns their names.

    Its result is kept for the run: a retry that finds the same says nothing twice. What cannot be told is a warning,
    never the end of a run whose report is there.
    """
    made = Published.model_validate(published)
    try:
        found = stages.alerts(job.store, job.settings, [Unit.model_validate(unit) for unit in units], made)
    except CapforecastError as error:
        log.warning("alerts: nothing is said of this run (%s)", error)
        return []
    for name, facts in found.items():
        emit_event(
            event=EVENT + name,
            resource={
                "prefect.resource.id": FLEET,
                "prefect.resource.name": "fleet",
                "capforecast.cadence": str(made.cadence),
                "capforecast.as-of": made.as_of,
            },
            payload={"run_id": job.run.run_id, **facts},
        )
    return list(found)


@task(
    name="publish", task_run_name="publish", cache_policy=NO_CACHE, persist_result=False, retries=2,
    retry_delay_seconds=[2, 10], retry_condition_fn=may_pass,
)  # fmt: skip
def publish(settings: Settings, alert: str) -> str:
    """An alert to the SNS topic of the settings; returns the message's id."""
    return stages.publish_alert(settings, alert)
