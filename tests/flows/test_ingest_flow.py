"""The flow `ingest` on a real server: what it reads, shows and waits for, and that no secret is seen anywhere."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fake_remote
import pandas as pd
import pytest
from fake_remote import FakeRemote
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.logging.handlers import APILogWorker

from capforecast.lake import raw
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings
from capforecast.sources import registry
from deployments.setup_limits import set_up_limits
from deployments.setup_server import server
from flows.capacity import capacity_run
from flows.forecast import forecast
from flows.ingest import ingest
from flows.train import train

HIDDEN = "hunter2-is-nobodys-business"
NEWEST = {"flow_runs": "START_TIME_DESC", "task_runs": "EXPECTED_START_TIME_DESC", "artifacts": "CREATED_DESC",
          "logs": "TIMESTAMP_DESC"}  # fmt: skip
QUICK = {"flow.retry_delay_seconds": 0.1, "flow.retries": 1}
AGO = (pd.Timestamp.now(tz="UTC") - pd.Timedelta(days=20)).strftime("%Y-%m-%d")


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> FakeRemote:
    """A system that the name `prometheus` stands for."""
    made = FakeRemote()
    monkeypatch.setitem(registry.SOURCES, "prometheus", "fake_remote:here")
    monkeypatch.setattr(fake_remote, "HERE", made)
    return made


def artifacts(key: str) -> list[dict[str, Any]]:
    with get_client(sync_client=True) as client:
        found = client.request("POST", "/artifacts/filter", json={"artifacts": {"key": {"any_": [key]}}}).json()
    return [json.loads(each["data"]) for each in found]


def test_it_reads_shows_what_is_missing_and_goes_on_next_time(
    prefect_api: str, remote: FakeRemote, tmp_path: Path
) -> None:
    asked = {"system": "prometheus", "store": str(tmp_path), "since": AGO, "overrides": QUICK}
    made = ingest(**asked)
    assert (made["complete"], made["servers"], made["values"]) == (True, 4, 160)
    assert raw.span(Store(tmp_path), Cadence.DAILY) is not None
    shown = artifacts("ingest-prometheus-missing")[-1]
    assert shown == [{"what": "disk_p95", "of": "all servers", "why": "it has no disks", "fix": "plug one in"}]
    assert ingest(**asked)["values"] == 16


def test_what_may_pass_is_tried_again_and_what_not_fails(
    prefect_api: str, remote: FakeRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.dies_at = 0
    state = ingest(system="prometheus", store=str(tmp_path), since=AGO, overrides=QUICK, return_state=True)
    assert state.is_failed()
    assert "does not answer" in state.message
    calls: list[int] = []

    def read(*given: Any, **more: Any) -> Any:
        calls.append(1)
        remote.dies_at = None if len(calls) > 1 else 0
        return FakeRemote.read(remote, *given, **more)

    monkeypatch.setattr(remote, "read", read)
    assert ingest(system="prometheus", store=str(tmp_path), since=AGO, overrides=QUICK)["complete"]
    assert len(calls) >= 2


def test_a_part_that_was_not_read_shows_in_the_state_and_no_server_at_all_is_a_failure(
    prefect_api: str, remote: FakeRemote, tmp_path: Path
) -> None:
    asked = {"system": "prometheus", "store": str(tmp_path), "since": AGO, "overrides": QUICK, "return_state": True}
    day = pd.Timestamp.now(tz="UTC").floor("D") - pd.Timedelta(days=5)
    remote.fails = (("s1", "cpu_p95", day, day + pd.Timedelta(days=1)),)
    state = ingest(**asked)
    assert (state.is_completed(), state.name) == (True, "Incomplete")
    assert "1 spans were not read" in state.message
    assert state.result()["servers"] == 4
    remote.servers = 0
    state = ingest(**asked)
    assert state.is_failed()
    assert "no server was found" in state.message


@pytest.mark.parametrize("system", [None, "", "{{ $CAPACITY_SYSTEM }}"])
def test_without_a_system_nothing_is_done(prefect_api: str, system: str | None, tmp_path: Path) -> None:
    state = ingest(system=system, store=str(tmp_path / "lake"), return_state=True)
    assert state.is_completed()
    assert "no system is named" in state.message
    assert not (tmp_path / "lake").exists()


def test_limits_are_made_once_and_brought_up_to_date(prefect_api: str) -> None:
    def done(remote: dict[str, Any], **more: Any) -> dict[str, str]:
        settings = Settings.model_validate({"remote": remote})
        with server() as client:
            return {row["limit"]: row["done"] for row in set_up_limits(client, settings.remote, **more)}

    names = {f"capforecast-{name}" for name in registry.SOURCES}
    assert done({}, dry_run=True) == dict.fromkeys(names, "would be created")
    assert done({}) == dict.fromkeys(names, "created")
    assert done({}) == dict.fromkeys(names, "unchanged")
    assert done({"prometheus": {"per_second": 0.5}})["capforecast-prometheus"] == "updated"
    with server() as client:
        limit = client.read_global_concurrency_limit_by_name("capforecast-prometheus")
    assert (limit.limit, limit.slot_decay_per_second) == (1, 0.5)


def test_each_request_takes_a_slot_of_the_limit(prefect_api: str, remote: FakeRemote, tmp_path: Path) -> None:
    with server() as client:
        set_up_limits(client, Settings().remote)
        client.update_global_concurrency_limit(
            "capforecast-prometheus", GlobalConcurrencyLimitUpdate(limit=50, slot_decay_per_second=0.001)
        )
        before = client.read_global_concurrency_limit_by_name("capforecast-prometheus").active_slots
        ingest(system="prometheus", store=str(tmp_path), since=AGO, overrides=QUICK)
        after = client.read_global_concurrency_limit_by_name("capforecast-prometheus").active_slots
        client.delete_global_concurrency_limit_by_name("capforecast-prometheus")
    assert after - before == len(remote.reads) > 0


class Guarded(BaseHTTPRequestHandler):
    """A Prometheus without data, which answers those alone who show the token."""

    seen: list[str]

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self) -> None:
        shown = self.headers.get("Authorization", "")
        type(self).seen.append(shown)
        good = shown == f"Bearer {HIDDEN}"
        data: Any = [] if "label" in self.path or "series" in self.path else {"resultType": "matrix", "result": []}
        content = json.dumps(
            {"status": "success", "data": data} if good else {"status": "error", "error": shown}
        ).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def guarded() -> Iterator[str]:
    """Address of it."""
    Guarded.seen = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()


@pytest.mark.parametrize("good", [True, False])
def test_a_credential_is_shown_to_the_system_and_to_nobody_else(
    prefect_api: str, guarded: str, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """By a file, and by a variable with a wrong one: what refuses may say what it was shown."""
    with server() as client:
        set_up_limits(client, Settings().remote)  # waited for by the threads that ask
    secret = HIDDEN if good else f"{HIDDEN}-wrong"
    (tmp_path / "token").write_text(f"{secret}\n")
    monkeypatch.setenv("PROMETHEUS_TOKEN", secret)
    by = {"token_file": str(tmp_path / "token")} if good else {"token_variable": "PROMETHEUS_TOKEN"}
    overrides = QUICK | {f"remote.prometheus.{key}": value for key, value in ({"url": guarded} | by).items()}
    caplog.set_level(logging.DEBUG)
    state = ingest(system="prometheus", store=str(tmp_path / "lake"), since=AGO, overrides=overrides, return_state=True)
    assert ("no server was found" in state.message) == good  # let in, and there is none
    assert f"Bearer {secret}" in Guarded.seen
    told = capfd.readouterr()
    everything = [caplog.text, told.out, told.err, str(state), *everywhere(tmp_path / "lake")]
    for text in everything:
        assert HIDDEN not in text


def everywhere(lake: Path) -> Iterator[str]:
    """All that the server keeps of runs, and all objects of a lake."""
    APILogWorker.drain_all(timeout=5)
    with get_client(sync_client=True) as client:
        for path in ("flow_runs", "task_runs", "artifacts", "logs"):
            yield client.request("POST", f"/{path}/filter", json={"limit": 200, "sort": NEWEST[path]}).text
    for file in lake.rglob("*"):
        if file.is_file():
            yield file.read_bytes().decode("latin-1")


@pytest.mark.parametrize("flow", [capacity_run, forecast, train])
@pytest.mark.parametrize("unset", ["", "{{ $CAPACITY_PROFILE }}"])
def test_what_a_deployment_knows_nothing_of_is_not_given(
    prefect_api: str, tmp_path: Path, flow: Any, unset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPFORECAST_STORE", str(tmp_path))
    asked = dict.fromkeys(("source", "inventory", "store", "profile", "config"), unset)
    state = flow(**asked, overrides={"flow.retries": 0}, return_state=True)
    assert state.is_failed()
    assert f"{tmp_path} holds no observations" in state.message
