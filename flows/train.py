"""Training alone: a new model for each business unit, and the decision whether it becomes champion."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.start import history, job_of, manifest_of, run_name
from flows.units import MOST_UNITS_AT_ONCE, IncompleteRun, all_units, chosen
from tasks.models import show_models
from tasks.outputs import write_record


@flow(
    name="train",
    flow_run_name=lambda: run_name("train"),
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_UNITS_AT_ONCE),
)
def train(
    source: str | None = None,
    inventory: str | None = None,
    store: str | None = None,
    as_of: str | None = None,
    known_at: str | None = None,
    business_units: list[str] | None = None,
    profile: str | None = None,
    config: str | None = None,
    overrides: dict[str, Any] | None = None,
    retrain: Literal["always", "when_needed"] = "always",
    refresh: bool = False,
    decide: bool = True,
) -> dict[str, Any]:
    """Train a model for each business unit; it becomes champion where the settings `models` say so. No report.

    Args:
        source: Observations: file, folder, glob or s3:// address, as the worker sees it. Without: what the lake
            holds, as the flow `ingest` keeps it.
        inventory: File with the servers' business unit, region, criticality, sizes. Without: all of one unit,
            `unassigned`.
        store: Lake: folder or s3://bucket/prefix. Default: the setting `store` of the worker.
        as_of: Exclusive UTC cut-off, yyyy-mm-dd. Or `scheduled`: the date this run was scheduled for. Or
            `business-day`: that date, or the last business day before it. Default: end of the last complete period.
        known_at: Only rows that had arrived by this date or time; `as_of`: by the cut-off. Default: all rows before the
            cut-off.
        business_units: Only these business units. Default: all.
        profile: Settings profile: `local` (one machine, a folder) or `aws` (a bucket, workers). Default: none.
        config: Settings file of your own, as the worker sees it.
        overrides: Single settings by dotted key, such as {"forecast.horizon_days": 30}. No secrets: parameters are
            shown to all.
        retrain: Train `always`, or only `when_needed`: where the champion will not do.
        refresh: Run every stage anew, whatever is cached.
        decide: Whether it decides who is champion; without, models are only trained and kept, for a later full run.
    """
    asked = (overrides or {}) | ({"store": store} if store else {}) | {"models.retrain": retrain}
    job = job_of(profile, config, asked, refresh=refresh).model_copy(update={"decides": decide})
    with job.claims:
        ingested = history(job, "train", source=source, inventory=inventory, as_of=as_of, known_at=known_at)
        names = chosen(business_units, ingested["business_units"])
        units, problems = all_units(job, ingested, names, only_model=True, fleet_stages=1)
        if decide:
            show_models(job, units)
        outcome = {"run_id": job.run.run_id, "attempt": job.run.attempt, "store": job.store_url, "units": units}
        write_record(job, manifest_of(job, ingested, units, problems), units, None)
        if problems:
            raise IncompleteRun(problems, outcome)
        return outcome
