"""How every flow over a fleet begins and what it leaves on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import runtime
from prefect.client.orchestration import get_client

from capforecast import __version__, configuration, stages
from capforecast.exchange import Ingested, RunKey
from capforecast.fingerprint import code_fingerprint
from capforecast.lake.runs import forced_from
from flows.attempts import attempt_number, refuse_endless
from flows.dates import resolved
from flows.logs import library_logs_to_prefect
from tasks.common import Job, run_stage
from tasks.data import ingest
from tasks.outputs import show_sources
from tasks.results import probe_results


def run_name(kind: str) -> str:
    """Name of a run before its cut-off is known: `capacity-2026-11-23`, or `capacity-latest`."""
    given = runtime.flow_run.parameters.get("as_of")
    return f"{kind}-{str(given)[:10] if given else 'latest'}"


def job_of(profile: str | None, config: str | None, overrides: dict[str, Any], *, refresh: bool = False) -> Job:
    """The job of the flow run that calls this, its store and the place of its results probed.

    Parameters of which the deployment knew nothing count as not given (`stated`). A retry of a refreshed run goes on
    from where that run failed. Raises GaveUp where it has crashed too often.
    """
    library_logs_to_prefect()
    profile, config = stated(profile), stated(config)
    overrides = {name: value for name, value in overrides.items() if name != "store" or stated(value) is not None}
    loaded = configuration.load(profile, Path(config) if config else None, overrides=overrides)
    run = RunKey(run_id=str(runtime.flow_run.id), attempt=attempt_number())
    begun = run.attempt - refuse_endless(loaded.settings.flow.restarts)  # the attempt that crashes made this one go on
    store_url = configuration.usable_store(loaded)
    if loaded.settings.sagemaker.train:
        stages.refuse_without_lake(loaded.settings, store_url)
    job = Job(store_url=store_url, settings=loaded.settings, run=run, refresh=refresh and begun == 1)
    job.store.probe()
    probe_results(job)
    forced = forced_from(job.store, RunKey(run_id=run.run_id, attempt=begun)) if begun > 1 else None
    return job.model_copy(update={"from_stage": forced})


def history(job: Job, kind: str, **asked: str | None) -> dict[str, Any]:
    """Ingest what is asked, claim its period for this run, and name the run after its cut-off.

    Without a source the run takes what the lake holds, its inventory included.
    """
    given = {name: stated(asked[name]) for name in ("source", "inventory")}
    ingested: dict[str, Any] = run_stage(ingest, job, **asked | given | {"as_of": resolved(asked["as_of"], job)})
    known = Ingested.model_validate(ingested)
    job.claims.period(known.cadence, known.cut_off)
    with get_client(sync_client=True) as client:
        client.update_flow_run(job.run.run_id, name=f"{kind}-{known.as_of[:10]}")
    show_sources(job, ingested)
    return ingested


def stated(text: str | None) -> str | None:
    """A parameter as given; None for what Prefect leaves of a variable that was not set when it was deployed."""
    return None if text is None or not text.strip() or text.lstrip().startswith("{{") else text


def manifest_of(
    job: Job, ingested: dict[str, Any], units: list[dict[str, Any]], problems: dict[str, str], **more: Any
) -> dict[str, Any]:
    """What the record of an attempt says."""
    return {
        "run_id": job.run.run_id,
        "attempt": job.run.attempt,
        "parameters": {key: value for key, value in runtime.flow_run.parameters.items() if value is not None},
        "version": __version__,
        "code": code_fingerprint(),
        "config": configuration.config_hash(job.settings),
        "settings": job.settings.model_dump(mode="json"),
        "ingested": ingested,
        "units": {unit["business_unit"]: unit for unit in units},
        "problems": problems,
    } | more
