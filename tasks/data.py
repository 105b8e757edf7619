"""Tasks on data: ingest the source, validate a business unit's snapshot, mark what is strange in it."""

from __future__ import annotations

from typing import Any

from capforecast import stages
from capforecast.exchange import Ingested
from capforecast.schema import FLEET
from tasks.common import Job, added_references, executed, stage_task


@stage_task("ingest", per_run=True, run_name="ingest")
def ingest(
    job: Job, source: str | None, inventory: str | None, as_of: str | None, known_at: str | None = None
) -> dict[str, Any]:
    """Read the source into the lake, or without one take what the lake holds. Looked at anew by every run: what is at a
    path may change.
    """

    def work() -> Ingested:
        if source is None:
            return stages.from_lake(job.store, job.settings, None, as_of, known_at, job.claims)
        return stages.ingest(job.store, job.settings, source, inventory, as_of, known_at, job.claims)

    return executed(job, "ingest", FLEET, lambda: work().model_dump(mode="json"))


@stage_task("validate", actions=True)  # how long a server must have done nothing is looked at here
def validate(job: Job, ingested: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Cut and judge a business unit's snapshot."""
    history = Ingested.model_validate(ingested)
    return executed(
        job,
        "validate",
        business_unit,
        lambda: stages.validate(job.store, job.settings, history, business_unit).model_dump(mode="json"),
    )


@stage_task("anomalies")
def anomalies(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """List the incident spikes and level shifts of a business unit's history."""
    return executed(job, "anomalies", business_unit, lambda: added_references(stages.anomalies, job, unit))
