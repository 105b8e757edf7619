"""A monitoring system into the lake, on a schedule: what is new since the last time, so that runs need no source."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow, runtime
from prefect.states import Completed, Failed, State

from flows.start import job_of, stated
from tasks.collect import configured_collect, show_ingest


@flow(name="ingest", flow_run_name=lambda: f"ingest-{stated(runtime.flow_run.parameters.get('system')) or 'nothing'}")
def ingest(
    system: str | None = None,
    store: str | None = None,
    since: str | None = None,
    until: str | None = None,
    cadence: Literal["daily", "hourly"] | None = None,
    refill: bool = False,
    inventory: str | None = None,
    spend: bool = False,
    profile: str | None = None,
    config: str | None = None,
    overrides: dict[str, Any] | None = None,
) -> dict[str, Any] | State[Any]:
    """Read what is new of a monitoring system into the lake. Servers that could not be read are listed, and asked again
    by the next run.

    Args:
        system: What is read: prometheus or cloudwatch. Without: nothing is done.
        store: Lake: folder or s3://bucket/prefix. Default: the setting `store` of the worker.
        since: Read from this date on what was not read yet. Default: go on where the last ingest stopped.
        until: Read up to this date or time, exclusive. Default: the last period that is over.
        cadence: One value per day or per hour. Default: the setting `remote.cadence`.
        refill: Ask again for periods without a value, from `since` on.
        inventory: File with the servers' business unit, region, sizes; it wins over what the system says.
        spend: Go on where it costs more than the settings allow.
        profile: Settings profile: `local` (one machine, a folder) or `aws` (a bucket, workers). Default: none.
        config: Settings file of your own, as the worker sees it.
        overrides: Single settings by dotted key, such as {"remote.prometheus.url": "http://prometheus:9090"}. No
            secrets: parameters are shown to all.
    """
    wanted = stated(system)
    if wanted is None:
        return Completed(message="no system is named (CAPACITY_SYSTEM): nothing to ingest")
    asked = (overrides or {}) | ({"store": store} if store else {}) | ({"remote.cadence": cadence} if cadence else {})
    job = job_of(profile, config, asked)
    made: dict[str, Any] = configured_collect(job)(
        job=job, system=wanted, since=since, until=until, refill=refill, inventory=stated(inventory), spend=spend
    )
    show_ingest(wanted, made)
    if not made["servers"]:
        return Failed(message=f"{wanted}: no server was found; `capforecast sources check {wanted}` says more")
    if not made["complete"]:
        missed = len(made["missed"]) + made["missed_more"]
        told = f"{missed} spans were not read, {len(made['failed'])} things not looked for"
        return Completed(name="Incomplete", message=f"{wanted}: {told}; the next ingest asks again", data=made)
    return made
