"""`capforecast rerun`: repair a run that failed, here or by the worker of its deployment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from capforecast import configuration, stages
from capforecast.errors import ConflictError, UsageError
from capforecast.lake import leases
from capforecast.lake.runs import force_from
from capforecast.lake.store import Store
from deployments import console, pipeline

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

MESSAGE = "Re-run asked for by capforecast rerun"
UNIT_FLOW = "business-unit-run"
POLL_SECONDS = 2.0
SAME_NAME = 8  # runs of one name that are listed
FLOWS = {  # flows that may be run again in this process, by name
    "capacity-run": "flows.capacity:capacity_run",
    "forecast": "flows.forecast:forecast",
    "train": "flows.train:train",
    "backfill": "flows.backfill:backfill",
}
TRAIN_STAGES = ("validate", "train", "champion")  # of a run that only trains


def rerun(run_id: str, from_stage: str | None, *, dead: bool, watch: bool, as_json: bool, verbose: bool) -> int:
    """Run a run again: what failed and what follows, or everything from a stage on; returns the exit code.

    dead: a run that Prefect counts as running is marked as crashed first. Raises UsageError where it cannot be run
    again.
    """
    _check_stage(from_stage)
    console.prepare_prefect(verbose)
    pipeline.spare_the_server_from_ctrl_c()
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        asked = _read(client, run_id)
        run = _whole_run(client, asked)
        _check_stage_of(client.read_flow(run.flow_id).name, run, from_stage)
        if run.deployment_id is not None:
            run = _ready(client, asked, run, from_stage, dead)
            _schedule(client, run)
            return _followed(client, run, as_json) if watch else _said(run, as_json)
        with _alone(run):
            run = _ready(client, asked, run, from_stage, dead)
            return _here(run, as_json, verbose)


def _ready(client: SyncPrefectClient, asked: FlowRun, run: FlowRun, from_stage: str | None, dead: bool) -> FlowRun:
    """The run as it is now, ended, and noted from which stage on it is to go anew."""
    run = client.read_flow_run(run.id)
    if dead and asked.id != run.id:
        _make_final(client, asked, dead)
    _make_final(client, run, dead)
    if from_stage is not None:
        force_from(_store_of(run), str(run.id), run.run_count + 1, from_stage)
        _make_final(client, client.read_flow_run(run.id), dead=False)  # the lake may have taken its time
    return run


@contextmanager
def _alone(run: FlowRun) -> Iterator[None]:
    """Run again in this process what no other process runs again; raises UsageError."""
    try:
        lease = leases.acquire(_store_of(run), f"rerun-{run.id}")
    except ConflictError:
        raise UsageError(f"{run.name} is being run again by another process at this moment; wait for it") from None
    try:
        yield
    finally:
        lease.release()


def _check_stage(stage: str | None) -> None:
    if stage == "ingest":
        raise UsageError(
            "--from-stage ingest: a re-run keeps the cut-off and data of its run; for new data start a new run"
        )
    if stage is not None and stage not in stages.ORDER:
        raise UsageError(f"--from-stage {stage!r}: stages are {', '.join(stages.ORDER[1:])}")


def _check_stage_of(flow: str, run: FlowRun, stage: str | None) -> None:
    """Raise UsageError where a run of this flow has no such stage."""
    if stage is None:
        return
    if flow == "backfill":
        raise UsageError(
            f"--from-stage: {run.name} is a backfill, whose dates are runs of their own; give the id of a date's run, "
            "or make all dates anew: capforecast backfill ... --refresh"
        )
    known = TRAIN_STAGES if flow == "train" else stages.ORDER[1:]
    if flow not in FLOWS or stage not in known:
        raise UsageError(f"--from-stage {stage!r}: {run.name} is a run of the flow {flow!r}, which has no such stage")


def _read(client: SyncPrefectClient, run_id: str) -> FlowRun:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_flow_run(UUID(run_id))
    except ObjectNotFound:
        raise UsageError(_unknown(run_id)) from None
    except ValueError:  # no id: a name, as people see it in the UI
        named = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[run_id])),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=SAME_NAME,
        )
    if not named:
        raise UsageError(_unknown(run_id)) from None
    if len(named) > 1:
        raise UsageError(f"several runs are called {run_id!r}; give the id, newest first: {_ids(named)}") from None
    return named[0]


def _ids(runs: list[FlowRun]) -> str:
    return ", ".join(f"{run.id} ({run.state.name if run.state else 'no state'})" for run in runs)


def _unknown(run_id: str) -> str:
    return (
        f"this Prefect server knows no run {run_id!r}; is PREFECT_API_URL the server it ran on? (prefect flow-run ls)"
    )


def _whole_run(client: SyncPrefectClient, run: FlowRun) -> FlowRun:
    """The run itself, or that of the whole fleet where it is one of a business unit: both must be repaired."""
    from prefect.exceptions import ObjectNotFound

    if client.read_flow(run.flow_id).name != UNIT_FLOW:
        return run
    parent = None
    if run.parent_task_run_id is not None:
        task_run = client.read_task_run(run.parent_task_run_id)
        parent = task_run.flow_run_id
    parent = parent or run.parameters.get("run_id")
    if parent is None:
        raise UsageError(f"{run.name} is a business unit of a run this server does not know; give that run's id")
    try:
        whole = client.read_flow_run(UUID(str(parent)))
    except (ObjectNotFound, ValueError):
        raise UsageError(
            f"{run.name} is a business unit of run {parent}, which this server does not know; start a new run"
        ) from None
    console.err.print(f"{run.name} is part of {whole.name} ({whole.id}): repairing that", markup=False, soft_wrap=True)
    return whole


def _make_final(client: SyncPrefectClient, run: FlowRun, dead: bool) -> None:
    """Refuse a run that has not ended, or mark it as crashed where its process is said to be dead."""
    from prefect.states import Crashed

    if run.state is not None and run.state.is_final():
        return
    name = run.state.name if run.state else "without a state"
    if not dead:
        raise UsageError(
            f"{run.name} is {name}: only a run that has ended is run again. If its process is gone (no log line for "
            "minutes), the alert automations mark it as crashed within 2 minutes; --dead does it now"
        )
    # not named Crashed: the automation that restarts what crashed would restart it too
    said = Crashed(name="Dead", message="Said to be dead by capforecast rerun --dead")
    client.set_flow_run_state(run.id, said, force=True)


def _store_of(run: FlowRun) -> Store:
    """The lake of a run, by its own parameters."""
    given = run.parameters
    asked = (given.get("overrides") or {}) | ({"store": given["store"]} if given.get("store") else {})
    config = given.get("config")
    loaded = configuration.load(given.get("profile"), Path(config) if config else None, overrides=asked)
    return Store(configuration.usable_store(loaded), loaded.settings.storage)


def _schedule(client: SyncPrefectClient, run: FlowRun) -> None:
    from prefect.client.schemas.responses import SetStateStatus
    from prefect.states import AwaitingRetry

    from flows.children import settle

    settle(client.read_flow_run(run.id).end_time)
    answer = client.set_flow_run_state(run.id, AwaitingRetry(message=MESSAGE), force=True)
    if answer.status is SetStateStatus.ABORT:
        raise UsageError(f"{run.name} cannot be run again: {getattr(answer.details, 'reason', answer.status)}")


def _said(run: FlowRun, as_json: bool) -> int:
    if as_json:
        console.show_json(
            {"run_id": str(run.id), "name": run.name, "state": "AwaitingRetry", "attempt": run.run_count + 1}
        )
    else:
        console.out.print(f"{run.name} ({run.id}) waits for a worker, attempt {run.run_count + 1}", soft_wrap=True)
    return 0


def _followed(client: SyncPrefectClient, run: FlowRun, as_json: bool) -> int:
    """Follow the run to its end; returns the exit code that `capforecast run` would have ended with."""
    seen, attempt, started = "", run.run_count + 1, time.monotonic()
    while True:
        now = client.read_flow_run(run.id)
        state = now.state
        if state is not None and state.name != seen:
            seen = str(state.name)
            console.err.print(f"{time.monotonic() - started:4.0f} s  {now.name}: {seen}", markup=False, soft_wrap=True)
        if state is not None and state.is_final():
            break
        time.sleep(POLL_SECONDS)
    code = 0 if state.is_completed() else 4 if "IncompleteRun" in (state.message or "") else 1
    message = "" if state.is_completed() else state.message or ""
    if as_json:
        told = {"run_id": str(now.id), "name": now.name, "state": state.name, "attempt": attempt, "message": message}
        console.show_json(told | {"exit_code": code})
    elif code:
        console.err.print(f"{now.name}: {state.name}. {message}", markup=False, soft_wrap=True)
    else:
        console.out.print(f"{now.name} is complete, attempt {attempt}", markup=False, soft_wrap=True)
    return code


def _here(run: FlowRun, as_json: bool, verbose: bool) -> int:
    """Run it again in this process, as `capforecast run` would."""
    given: dict[str, Any] = run.parameters
    return pipeline.run_pipeline(given, as_json=as_json, verbose=verbose, start=_again(run))


def _again(run: FlowRun) -> Callable[[dict[str, Any]], tuple[str, Any]]:
    def start(parameters: dict[str, Any]) -> tuple[str, Any]:
        from prefect.client.orchestration import get_client
        from prefect.flow_engine import run_flow
        from prefect.states import AwaitingRetry
        from prefect.utilities.importtools import import_object

        with get_client(sync_client=True) as client:
            name = client.read_flow(run.flow_id).name
            if name not in FLOWS:
                raise UsageError(f"{run.name} is a run of the flow {name!r}, which is none of capforecast's")
            client.set_flow_run_state(run.id, AwaitingRetry(message=MESSAGE), force=True)
            fresh = client.read_flow_run(run.id)
        flow = import_object(FLOWS[name].replace(":", "."))
        state = run_flow(flow, flow_run=fresh, parameters=run.parameters, return_type="state")
        return str(run.id), state

    return start
