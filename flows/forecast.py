"""The daily run: the whole report with each business unit's champion, nothing trained."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.capacity import report_run
from flows.start import job_of, run_name
from flows.units import MOST_UNITS_AT_ONCE


@flow(
    name="forecast",
    flow_run_name=lambda: run_name("forecast"),
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_UNITS_AT_ONCE),
)
def forecast(
    source: str | None = None,
    inventory: str | None = None,
    store: str | None = None,
    as_of: str | None = None,
    known_at: str | None = None,
    business_units: list[str] | None = None,
    profile: str | None = None,
    config: str | None = None,
    overrides: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Observations to report with the models that are champions, brought up to date by the data since; no training.

    A business unit without a usable champion is missing from the report, with the reason. A server newer than the
    model is unknown for `not_trained`.

    Args:
        source: Observations: file, folder, glob or s3:// address, as the worker sees it. Without: what the lake
            holds, as the flow `ingest` keeps it.
        inventory: File with the servers' business unit, region, criticality, sizes. Without: all of one unit,
            `unassigned`.
        store: Lake that holds the models: folder or s3://bucket/prefix. Default: the setting `store` of the worker.
        as_of: Exclusive UTC cut-off, yyyy-mm-dd. Or `scheduled`: the date this run was scheduled for. Or
            `business-day`: that date, or the last business day before it. Default: end of the last complete period.
        known_at: Only rows that had arrived by this date or time; `as_of`: by the cut-off. Default: all rows before the
            cut-off.
        business_units: Only these business units. Default: all.
        profile: Settings profile: `local` (one machine, a folder) or `aws` (a bucket, workers). Default: none.
        config: Settings file of your own, as the worker sees it.
        overrides: Single settings by dotted key, such as {"forecast.horizon_days": 30}. No secrets: parameters are
            shown to all.
    """
    asked = (overrides or {}) | ({"store": store} if store else {}) | {"models.retrain": "never"}
    job = job_of(profile, config, asked)
    with job.claims:
        given = {"source": source, "inventory": inventory, "as_of": as_of, "known_at": known_at}
        return report_run(job, "forecast", business_units, **given)
