"""A business unit as a flow run of its own, of a deployment, on whatever worker takes it (`flow.fan_out: deployment`).

The run that asks leaves a plan in the lake; its children read it there and leave what they made beside it. Each child
has an idempotency key of its own, so that a retry or restart of the run that asked finds the same children again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect import flow, runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from capforecast.configuration import config_hash
from capforecast.errors import CapforecastError, ConfigError, MissingObjectError
from capforecast.exchange import Ingested, RunKey, Unit
from capforecast.fingerprint import code_fingerprint
from capforecast.lake import runs
from capforecast.lake.claims import refuse_foreign
from capforecast.lake.store import Store
from capforecast.settings import StorageSettings
from flows.attempts import RUN_AGAIN, attempt_number, refuse_endless
from flows.logs import library_logs_to_prefect
from flows.unit import all_stages, unit_name
from tasks.common import Job
from tasks.results import probe_results

log = logging.getLogger("capforecast.run")
CRASH_GRACE_SECONDS = 90.0  # within which the automation that restarts crashed runs must have done so
SETTLE_SECONDS = (
    20.0  # after a run's end before it is scheduled again: a worker that still awaits its process dies of it
)
SILENCE_SECONDS = 900.0  # of the Prefect server, after which a run that waits gives up
QUEUE_SECONDS = 300.0  # that a child waits for a worker before that is said, and said again


class ChildError(CapforecastError):
    """The flow run of a business unit ended otherwise than completed; a retry of the run that asked runs it again."""


@flow(name="business-unit-run", flow_run_name=lambda: runtime.flow_run.parameters["business_unit"])
def business_unit_child(business_unit: str, run_id: str, store: str, storage: dict[str, Any]) -> dict[str, Any]:
    """One business unit of a run, on its own worker. Started by runs with `flow.fan_out: deployment`, not by people.

    Args:
        business_unit: Name of the business unit.
        run_id: Flow run that asks for it; its plan in the lake says the rest.
        store: Lake: folder or s3://bucket/prefix.
        storage: How the lake is reached, as in the settings `storage`.
    """
    library_logs_to_prefect()
    plan = runs.read_plan(Store(store, StorageSettings.model_validate(storage)), run_id)
    _refuse_other_code(plan, run_id)
    job, ingested = Job.model_validate(plan["job"]), Ingested.model_validate(plan["ingested"])
    crashes = refuse_endless(job.settings.flow.restarts)
    job.store.probe()
    probe_results(job)
    refuse_foreign(job.store, run_id, ingested.cadence, ingested.cut_off)
    if crashes:  # what the crashed try had made anew need not be made anew again
        job = job.model_copy(update={"refresh": False, "from_stage": None})
    with get_client(sync_client=True) as client:
        client.update_flow_run(runtime.flow_run.id, name=unit_name(business_unit, ingested.as_of))
    made = all_stages(job, plan["ingested"], business_unit, plan["only_model"])
    refuse_foreign(job.store, run_id, ingested.cadence, ingested.cut_off)
    me = RunKey(run_id=str(runtime.flow_run.id), attempt=attempt_number())
    runs.write_unit(job.store, run_id, me, Unit.model_validate(made), plan["asked"])
    return made


def plan_of(job: Job, ingested: dict[str, Any], only_model: bool) -> dict[str, Any]:
    """What an attempt asks of its business units' flow runs; raises ConfigError where they could never start."""
    _refuse_deadlock(job.settings.flow.unit_deployment)
    plan = {"job": job.model_dump(mode="json"), "ingested": ingested, "only_model": only_model}
    return plan | {"code": code_fingerprint(), "asked": _digest(job, ingested, only_model)}


def _digest(job: Job, ingested: dict[str, Any], only_model: bool) -> str:
    """Of all that decides what a business unit's flow run makes."""
    models = job.settings.models.model_dump(mode="json")
    parts = [ingested, only_model, job.decides, models, config_hash(job.settings, actions=True), code_fingerprint()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _refuse_other_code(plan: dict[str, Any], run_id: str) -> None:
    """Raise ConfigError where the run that asks was made by other code: its report would mix the two."""
    planned = str(plan.get("code"))
    if planned != code_fingerprint():
        raise ConfigError(
            f"this worker's code ({code_fingerprint()[:12]}) is not that of run {run_id} ({planned[:12]}), which "
            "asks for the business unit; bring all workers to one version, then retry that run"
        )


def _refuse_deadlock(deployment: str) -> None:
    """Raise ConfigError where this run holds the only place that its business units could have."""
    with get_client(sync_client=True) as client:
        mine = client.read_flow_run(runtime.flow_run.id)
        try:
            units = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return  # said by who starts the first
        if mine.work_pool_name is None or mine.work_pool_name != units.work_pool_name:
            return
        limit = client.read_work_pool(mine.work_pool_name).concurrency_limit
    if limit == 1:
        raise ConfigError(
            f"work pool {mine.work_pool_name!r} runs one flow run at a time (its concurrency limit), and this run "
            "would wait for its business units for ever; raise the limit, or set flow.fan_out to inline"
        )


def unit_by_child(
    job: Job, ingested: dict[str, Any], business_unit: str, only_model: bool, *, again: bool = False
) -> dict[str, Any] | None:
    """What the business unit's own flow run made: started, found again, or run again where it did not complete.

    None where it completed and left no record, or what it made answers to something else: settings or code have
    changed since. again: run it again even though it completed. Raises ChildError where it ends otherwise.
    """
    parameters = {
        "business_unit": business_unit,
        "run_id": job.run.run_id,
        "store": job.store_url,
        "storage": job.settings.storage.model_dump(mode="json"),
    }
    run = ensure_child(
        job.settings.flow.unit_deployment,
        f"{job.run.run_id}:{business_unit}:{ingested['as_of']}",
        parameters,
        name=unit_name(business_unit, ingested["as_of"]),
        asked_by=f"attempt {job.run.attempt} of {job.run.run_id}",
        again=again,
        poll_seconds=job.settings.flow.poll_seconds,
    )
    try:
        child = RunKey(run_id=str(run.id), attempt=run.run_count)
        made, asked = runs.read_unit(job.store, job.run.run_id, business_unit, child)
    except MissingObjectError:
        return None
    return made.model_dump(mode="json") if asked == _digest(job, ingested, only_model) else None


def ensure_child(
    deployment: str,
    key: str,
    parameters: dict[str, Any],
    *,
    name: str,
    asked_by: str,
    again: bool = False,
    poll_seconds: float = 2.0,
) -> FlowRun:
    """The completed flow run of a deployment that belongs to `key`: started, waited for, or run again, never doubled.

    One that failed earlier, or completed where `again` is meant, is run again once per `asked_by`, which says who asks
    (an attempt of a run). Waits by looking, so that a server that is away for a while does not matter. Raises
    ChildError where it ends otherwise than completed, ConfigError where there is no such deployment.
    """
    try:
        run = run_deployment(
            deployment, parameters=parameters, flow_run_name=name, timeout=0, idempotency_key=key, as_subflow=True
        )
    except ObjectNotFound:
        raise ConfigError(
            f"no deployment {deployment!r} on this Prefect server; `prefect --no-prompt deploy --all` makes it, "
            "or set flow.fan_out to inline"
        ) from None
    with get_client(sync_client=True) as client:
        if _may_run_again(client, run, asked_by, again):
            log.info("%s: run again, for %s", name, asked_by)
            settle(client.read_flow_run(run.id).end_time)
            client.set_flow_run_state(run.id, Scheduled(message=_asked(asked_by)), force=True)
        run = _ended(client, run.id, name, poll_seconds)
    if run.state is None or not run.state.is_completed():
        said = f": {run.state.message}" if run.state and run.state.message else ""
        raise ChildError(f"flow run {name} ({run.id}) is {run.state.name if run.state else 'without a state'}{said}")
    return run


def settle(ended: datetime | None) -> None:
    """Wait until the process of a run that ended is sure to be gone."""
    if ended is not None:
        time.sleep(max(0.0, min(SETTLE_SECONDS, SETTLE_SECONDS - (datetime.now(UTC) - ended).total_seconds())))


def _asked(by: str) -> str:
    return RUN_AGAIN + by


def _may_run_again(client: SyncPrefectClient, run: FlowRun, asked_by: str, again: bool) -> bool:
    """Has it ended otherwise than wanted, and not been run again for this attempt before?"""
    run = client.read_flow_run(run.id)
    if run.state is None or not run.state.is_final() or (run.state.is_completed() and not again):
        return False
    return _asked(asked_by) not in {state.message for state in client.read_flow_run_states(run.id)}


def _ended(client: SyncPrefectClient, run_id: UUID, name: str, poll_seconds: float) -> FlowRun:
    """The run once it has ended. A crashed one is given time to be restarted by the automation that does that."""
    answered = time.monotonic()
    crashed: float | None = None
    queued = answered
    seen = ""
    while True:
        try:
            run = client.read_flow_run(run_id)
        except Exception as error:  # whatever the way to the server brings: it may be restarted
            if time.monotonic() - answered > SILENCE_SECONDS:
                raise
            log.warning("%s: the Prefect server does not answer (%s), waiting", name, type(error).__name__)
            time.sleep(max(poll_seconds, 5.0))
            continue
        answered = time.monotonic()
        state = run.state
        if state is not None and state.name != seen:
            seen = str(state.name)
            log.info("%s: %s", name, seen)
        if state is not None and state.is_crashed():
            crashed = crashed or time.monotonic()
            if time.monotonic() - crashed > CRASH_GRACE_SECONDS:
                return run
        elif state is not None and state.is_final():
            return run
        else:
            crashed = None
        if state is None or not (state.is_scheduled() or state.is_pending()):
            queued = answered
        elif answered - queued > QUEUE_SECONDS:
            queued = answered
            log.warning(_NO_PLACE, name, QUEUE_SECONDS, run.work_queue_name, run.work_pool_name, run.work_queue_name)
        time.sleep(poll_seconds)


_NO_PLACE = (
    "%s has waited %.0f s for a worker (queue %s). Who waits for it holds a place of a worker meanwhile: raise --limit "
    "of the workers, or start one more for that queue: prefect worker start --pool %s --work-queue %s"
)
