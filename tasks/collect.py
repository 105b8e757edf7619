"""Reading a monitoring system into the lake, as a task: repeated where it may pass, paced by a limit of the server."""

from __future__ import annotations

import logging
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.sync import rate_limit
from prefect.tasks import exponential_backoff

from capforecast import stages
from capforecast.schema import FLEET
from tasks.common import Job, may_pass

log = logging.getLogger("capforecast.run")
STAGE = "collect"
MOST_ROWS = 200


def limit_of(system: str) -> str:
    """Name of the global concurrency limit that all ingests of a kind of system share (`capforecast setup limits`)."""
    return f"capforecast-{system}"


def pace_of(system: str) -> stages.Pace:
    """Waits for a slot of the limit before each request; without such a limit on the server nothing waits."""
    name = limit_of(system)

    def pace(cost: int) -> None:
        rate_limit(name, occupy=1, strict=False)

    return pace


@task(
    name=STAGE, task_run_name="collect-{system}", cache_policy=NO_CACHE, persist_result=False,
    retry_condition_fn=may_pass, retry_jitter_factor=0.5,
)  # fmt: skip
def collect(
    job: Job, system: str, since: str | None, until: str | None, refill: bool, inventory: str | None, spend: bool
) -> dict[str, Any]:
    """Read what is new. Without a timeout of its own: each request has one, and a first history may take hours."""
    about = {"stage": STAGE, "business_unit": FLEET}
    log.info("%s: started", system, extra=about | {"event": "stage_started"})
    made = stages.collect_named(
        job.store, job.settings, system, job.run.run_id, since=since, until=until, refill=refill, inventory=inventory,
        spend=spend, pace=pace_of(system),
    )  # fmt: skip
    log.info("%s: %d values of %d servers", system, made.values, made.servers, extra=about | {"event": "stage_done"})
    return made.model_dump(mode="json") | {"complete": made.complete, "values": made.values}


def configured_collect(job: Job) -> Any:
    """The task with the job's retries."""
    flow = job.settings.flow
    return collect.with_options(retries=flow.retries, retry_delay_seconds=exponential_backoff(flow.retry_delay_seconds))


@task(name="show-ingest", task_run_name="show-ingest", cache_policy=NO_CACHE)
def show_ingest(system: str, made: dict[str, Any]) -> None:
    """What was read, what was not, and what the system lacks, in the Prefect UI."""
    create_table_artifact(
        key=f"ingest-{system}", table=made["windows"][-MOST_ROWS:], description=f"Windows read of {made['address']}"
    )
    trouble = [
        {"what": row["column"] or "all columns", "of": ", ".join(row["server_ids"]) or "all servers",
         "why": f"not read, {row['since'][:16]} to {row['until'][:16]}: {row['reason']}",
         "fix": "asked again next time"}
        for row in made["missed"]
    ] + [
        {"what": row["column"] or "everything", "of": row["server_id"] or "all servers", "why": row["reason"],
         "fix": row["remedy"]}
        for row in made["missing"]
    ]  # fmt: skip
    if trouble:
        create_table_artifact(
            key=f"ingest-{system}-missing",
            table=trouble[:MOST_ROWS],
            description="What is not there, and how to get it",
        )
