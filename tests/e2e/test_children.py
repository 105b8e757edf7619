"""Business units as flow runs of their own: one each, found again by a retry, waited for through crashes."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from capforecast.errors import ConfigError

UNIT = "a-unit/child"
ASKED = {"name": "payments-2026-03-02", "poll_seconds": 0.2}


@pytest.fixture(autouse=True)
def _no_worker_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import flows.children

    monkeypatch.setattr(flows.children, "SETTLE_SECONDS", 0.0)


@pytest.fixture(scope="module")
def deployment(prefect_api: str) -> str:
    """A deployment that no worker serves: the tests say what becomes of its runs."""
    from prefect import flow
    from prefect.client.orchestration import get_client

    @flow(name="a-unit")
    def unit(business_unit: str = "") -> None: ...

    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(unit)
        client.create_deployment(flow_id=flow_id, name="child", enforce_parameter_schema=False)
    return UNIT


@pytest.fixture
def client(prefect_api: str) -> Iterator[Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def states(prefect_api: str) -> Any:
    import prefect.states

    return prefect.states


def fate(client: Any, key: str, *steps: Any) -> threading.Thread:
    """Let the child with an idempotency key go through states, each a moment after it was found not to have ended."""

    def live() -> None:
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey

        wanted = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[key]))
        with get_client(sync_client=True) as own:
            for step in steps:
                while not (found := own.read_flow_runs(flow_run_filter=wanted)) or found[0].state.is_completed():
                    time.sleep(0.1)
                time.sleep(0.5)
                own.set_flow_run_state(found[0].id, step, force=True)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    return thread


def child(key: str, **more: Any) -> Any:
    from flows.children import ensure_child

    return ensure_child(UNIT, key, {}, **(ASKED | {"asked_by": "attempt 1 of r"} | more))


@pytest.fixture
def key(deployment: str) -> str:
    return uuid.uuid4().hex


def test_asked_twice_there_is_one_child_and_it_is_not_run_again(key: str, client: Any, states: Any) -> None:
    fate(client, key, states.Running(), states.Completed())
    first = child(key)
    again = child(key, asked_by="attempt 2 of r")
    assert first.state.is_completed()
    assert (again.id, again.state.id) == (first.id, first.state.id)


def test_one_that_failed_is_run_again_once_for_each_attempt(key: str, client: Any, states: Any) -> None:
    from flows.children import ChildError

    fate(client, key, states.Failed(message="no such column"))
    with pytest.raises(ChildError, match=r"payments-2026-03-02 .* is Failed: no such column"):
        child(key)
    fate(client, key, states.Running(), states.Failed(message="still not"))
    with pytest.raises(ChildError, match="still not"):
        child(key, asked_by="attempt 2 of r")
    with pytest.raises(ChildError, match="still not"):
        child(key, asked_by="attempt 2 of r")  # a retry of the task within the attempt
    fate(client, key, states.Running(), states.Completed())
    assert child(key, asked_by="attempt 3 of r").state.is_completed()


def test_one_that_completed_is_run_again_where_that_is_meant(key: str, client: Any, states: Any) -> None:
    fate(client, key, states.Completed())
    first = child(key)
    waiting = fate(client, key, states.Running(), states.Completed(message="again"))
    again = child(key, asked_by="attempt 2 of r", again=True)
    waiting.join()
    assert again.id == first.id
    assert again.state.message == "again"


def test_a_crashed_one_may_be_restarted_by_the_automation(key: str, client: Any, states: Any) -> None:
    fate(client, key, states.Running(), states.Crashed(), states.AwaitingRetry(), states.Running(), states.Completed())
    assert child(key).state.is_completed()


def test_a_crashed_one_that_nobody_restarts_ends_the_wait(
    key: str, client: Any, states: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import flows.children

    monkeypatch.setattr(flows.children, "CRASH_GRACE_SECONDS", 1.0)
    fate(client, key, states.Crashed(message="out of memory"))
    with pytest.raises(flows.children.ChildError, match="is Crashed: out of memory"):
        child(key)


def test_a_server_that_is_away_for_a_while_does_not_end_the_wait(
    key: str, client: Any, states: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import SyncPrefectClient

    read, calls = SyncPrefectClient.read_flow_run, iter(range(100))

    def away(self: Any, run_id: Any) -> Any:
        if threading.current_thread() is threading.main_thread() and 2 <= next(calls) < 4:
            raise ConnectionError("refused")
        return read(self, run_id)

    monkeypatch.setattr(SyncPrefectClient, "read_flow_run", away)
    monkeypatch.setattr(time, "sleep", _at_most(0.2))
    fate(client, key, states.Running(), states.Completed())
    assert child(key).state.is_completed()


def _at_most(seconds: float) -> Callable[[float], None]:
    sleep = time.sleep
    return lambda wanted: sleep(min(wanted, seconds))


def test_a_deployment_that_is_not_there_is_said(prefect_api: str) -> None:
    from flows.children import ensure_child

    with pytest.raises(ConfigError, match=r"no deployment 'a/b' .* `prefect --no-prompt deploy --all"):
        ensure_child("a/b", "k", {}, asked_by="x", **ASKED)


@pytest.mark.parametrize(("crashes", "restarts", "gives_up"), [(3, 3, False), (4, 3, True), (1, 0, True)])
def test_a_run_that_crashes_again_and_again_gives_up(
    crashes: int, restarts: int, gives_up: bool, client: Any, states: Any
) -> None:
    from prefect import flow
    from prefect.flow_engine import run_flow

    from flows.attempts import RESTARTED, GaveUp, refuse_endless

    @flow
    def crashing() -> int:
        return refuse_endless(restarts)

    run = client.create_flow_run(crashing)
    restarted = states.AwaitingRetry(message=RESTARTED)
    history = [states.Crashed(), states.Failed()]  # before people retried it: does not count
    for _ in range(crashes):
        history += [restarted, states.Running(), states.Crashed()]
    for state in [states.Running(), *history, restarted]:
        client.set_flow_run_state(run.id, state, force=True)
    ended = run_flow(crashing, flow_run=client.read_flow_run(run.id), return_type="state")
    result = ended.result(raise_on_failure=False)
    if gives_up:
        assert isinstance(result, GaveUp)
        assert ended.is_failed()  # not crashed: nothing restarts it
    else:
        assert result == crashes


def test_a_run_is_not_scheduled_again_before_its_process_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    import flows.children

    waited: list[float] = []
    monkeypatch.setattr(flows.children, "SETTLE_SECONDS", 20.0)
    monkeypatch.setattr(time, "sleep", waited.append)
    now = datetime.now(UTC)
    for ended in (now - timedelta(seconds=5), now - timedelta(minutes=1), now + timedelta(minutes=1), None):
        flows.children.settle(ended)
    assert waited == [pytest.approx(15.0, abs=1.0), 0.0, 20.0]


@pytest.mark.parametrize("message", [None, "Re-run asked for by capforecast rerun", "Run again for attempt 2 of r"])
def test_what_people_ask_for_again_is_no_restart(message: str | None, client: Any, states: Any) -> None:
    from prefect import flow
    from prefect.flow_engine import run_flow

    from flows.attempts import RESTARTED, refuse_endless

    @flow
    def asked_for() -> int:
        return refuse_endless(0 if message is None else 1)

    run = client.create_flow_run(asked_for)
    history = [states.Running(), states.Crashed(), states.AwaitingRetry(message=message)]
    if message is not None:  # and then it crashes once more
        history += [states.Running(), states.Crashed(), states.AwaitingRetry(message=RESTARTED)]
    for state in history:
        client.set_flow_run_state(run.id, state, force=True)
    ended = run_flow(asked_for, flow_run=client.read_flow_run(run.id), return_type="state")
    assert ended.result() == (0 if message is None else 1)


def test_a_run_that_holds_its_pools_only_place_is_refused(client: Any, deployment: str) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate

    from flows.children import _refuse_deadlock

    pool = f"one-at-a-time-{uuid.uuid4().hex[:6]}"
    client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
    ids = {name: _deployed(client, name, pool) for name in ("parent", "child-of-pool")}
    run = client.create_flow_run_from_deployment(ids["parent"])
    with _as_run(run.id):
        _refuse_deadlock("a-unit/child-of-pool")  # no limit
        client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=1))
        with pytest.raises(ConfigError, match=rf"work pool '{pool}' runs one flow run at a time"):
            _refuse_deadlock("a-unit/child-of-pool")
        _refuse_deadlock(deployment)  # of no pool at all
        client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=2))
        _refuse_deadlock("a-unit/child-of-pool")


def _deployed(client: Any, name: str, pool: str) -> Any:
    from prefect import flow

    @flow(name="a-unit")
    def unit() -> None: ...

    return client.create_deployment(flow_id=client.create_flow(unit), name=name, work_pool_name=pool)


@contextmanager
def _as_run(run_id: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT__FLOW_RUN_ID", str(run_id))
        yield
