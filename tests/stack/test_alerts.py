"""Automations on the real stack: what crashed restarts by itself, and alerts arrive where the settings say."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from drive import states, until
from stack.control import Stack
from stack.state import ROOT

POOL = "capacity-process"
HEAL_SECONDS = 180
FIELDS = {"alert", "what", "run", "as_of", "business_unit", "link", "do", "text"}
SECRET_PATH = "/hook/not-to-be-seen"


class Listener:
    """What was posted to a local HTTP server."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == SECRET_PATH and self.headers["Content-Type"] == "application/json":
                    bodies.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}{SECRET_PATH}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, alert: str, run: str = "") -> list[dict[str, Any]]:
        """Bodies of an alert, of a run where one is named."""
        return [body for body in self.bodies if body["alert"] == alert and run in ("", body["run"])]

    def arrived(self, alert: str, run: str = "", seconds: float = 60.0) -> dict[str, Any]:
        """The first body of an alert, once it is there."""
        body: dict[str, Any] = until(f"alert {alert}", lambda: self.of(alert, run), seconds)[0]
        assert set(body) == FIELDS
        assert body["do"].endswith("runbook.md#alerts")
        assert body["what"] in body["text"]
        return body


def setup(stack: Stack, *arguments: str, **variables: str) -> list[dict[str, Any]]:
    """Rows of `capforecast setup ... --json`, run as people do."""
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "setup", *arguments, "--json"],
        env=stack.environment | variables, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert SECRET_PATH not in done.stdout + done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.fixture(scope="module")
def topic(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """ARN of an SNS topic and address of the queue that listens to it; the deployment that publishes to it."""
    import boto3
    from prefect import flow

    sns, sqs = (boto3.client(name, region_name="us-east-1") for name in ("sns", "sqs"))
    arn = sns.create_topic(Name="capacity-alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="capacity-alerts")["QueueUrl"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn(sqs, queue))
    config = tmp_path_factory.mktemp("notify") / "ops.yaml"
    config.write_text(f"alerts: {{sns_topic: '{arn}'}}\n")
    made: Any = flow.from_source(source=str(ROOT), entrypoint="flows/notify.py:notify")
    deploy(made, "notify", ["capacity-alert"], parameters={"config": str(config)})
    return arn, queue


def queue_arn(sqs: Any, queue: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def deploy(flow: Any, name: str, tags: list[str], **more: Any) -> None:
    variables = {"env": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}} | more.pop("job_variables", {})
    flow.deploy(
        name=name, work_pool_name=POOL, tags=tags, job_variables=variables, print_next_steps=False,
        ignore_warnings=True, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(stack: Stack, topic: tuple[str, str]) -> Iterator[Listener]:
    """Automations that tell a listener and a topic, until the module is done; tiny flows deployed."""
    from prefect import flow

    made: Any = flow.from_source(source=str(Path(__file__).parent), entrypoint="tiny_flows.py:tiny")
    deploy(made, "restarted", ["capforecast", "auto-restart"])
    deploy(made, "left", ["capforecast"])
    deploy(made, "foreign", ["auto-restart"])
    deploy(made, "broken", ["capforecast", "auto-restart"], job_variables={"command": "/bin/false"})
    listener = Listener()
    where = {
        "ALERTS": listener.address,
        "CAPFORECAST_ALERTS__WEBHOOK_URL_ENV": "ALERTS",
        "CAPFORECAST_ALERTS__PRIVATE_ADDRESS": "true",
        "CAPFORECAST_ALERTS__SNS_TOPIC": topic[0],
    }
    rows = setup(stack, "all", "--with-keys", **where)
    assert {row["done"] for row in rows if "automation" in row} <= {"created", "updated", "unchanged"}
    again = setup(stack, "all", "--with-keys", **where)
    assert {row["done"] for row in again} == {"unchanged", "left out"}
    yield listener
    left = {row["automation"] for row in setup(stack, "automations") if row["done"] == "left"}
    assert "capforecast: run-failed" in left  # a setup without its settings silences nobody
    silence(left)
    listener.server.shutdown()


def silence(names: set[str]) -> None:
    """Delete automations, as people do in the UI."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        for each in client.read_automations():
            if each.name in names:
                client.delete_automation(each.id)


def start(deployment: str, **parameters: Any) -> Any:
    from prefect.deployments import run_deployment

    return run_deployment(f"tiny/{deployment}", parameters=parameters, timeout=0, as_subflow=False)


def running(run: UUID, attempt: int = 1) -> None:
    until("Running", lambda: states(run).count("Running") >= attempt, 90)


def ended(run: UUID, name: str, seconds: float) -> list[str]:
    return until(f"{run} is {name}", lambda: (found := states(run))[-1] == name and found, seconds)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def left_alone(told: Listener, stack: Stack) -> Any:
    """A run that is not restarted, killed early so that five minutes have passed when it is asked for."""
    run = start("left", seconds=900, as_of="2026-11-23")
    running(run.id)
    assert stack.kill_flow_run(str(run.id))
    return run


def test_a_killed_run_is_restarted_each_time_while_its_worker_lives(
    stack: Stack, told: Listener, left_alone: Any, timings: dict[str, float]
) -> None:
    run = start("restarted", seconds=900, until_attempt=3, as_of="2026-11-23", business_unit="payments")
    for attempt in (1, 2):
        running(run.id, attempt)
        begun = time.monotonic()
        assert stack.kill_flow_run(str(run.id))
        running(run.id, attempt + 1)
        timings[f"flow run killed, Running again ({attempt})"] = time.monotonic() - begun
    seen = ended(run.id, "Completed", 60)
    assert [name for name in seen if name in ("Crashed", "Restarting", "AwaitingRetry")] == 2 * [
        "Crashed", "Restarting", "AwaitingRetry"
    ]  # fmt: skip
    body = told.arrived("run-crashed", run.name)
    assert (body["as_of"], body["business_unit"]) == ("2026-11-23", "payments")
    assert str(run.id) in body["link"]
    assert "attempt 1" in body["what"]


def test_a_run_that_cannot_start_is_not_restarted(told: Listener) -> None:
    run = start("broken")
    ended(run.id, "Crashed", 60)
    told.arrived("run-crashed", run.name)
    time.sleep(20)
    assert "Restarting" not in states(run.id)


def test_a_failed_run_is_told_with_its_reason(told: Listener, topic: tuple[str, str]) -> None:
    run = start("left", fail='it <broke> "badly"\nsecond line', as_of="2026-11-23", business_unit="payments")
    body = told.arrived("run-failed", run.name)
    assert 'it <broke> "badly" second line' in body["what"]
    assert (body["as_of"], body["business_unit"]) == ("2026-11-23", "payments")
    assert str(run.id) in body["link"]
    message = until("message of SNS", lambda: received(topic[1], run.name), 60)
    assert message == body


def received(queue: str, run: str) -> dict[str, Any] | None:
    """The alert about a run that SNS has put into the queue."""
    import boto3

    client = boto3.client("sqs", region_name="us-east-1")
    for message in client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        client.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        told: dict[str, Any] = json.loads(json.loads(message["Body"])["Message"])
        if told["run"] == run and told["alert"] == "run-failed":
            return told
    return None


def test_events_of_a_run_are_told(told: Listener) -> None:
    about = {"capforecast.as-of": "2026-11-23T00:00:00+00:00"}
    fleet = {"prefect.resource.id": "capforecast.fleet"} | about
    unit = {"prefect.resource.id": "capforecast.business-unit.payments"} | about
    payload = {"business_units": ["payments", "web"], "sentence": "2 servers newly critical: a, b."}
    drift = {"business_unit": "payments", "sentence": "4 of 10 cpu series changed their level."}
    run = start(
        "left",
        events=[
            {"event": "capforecast.new-critical", "resource": fleet, "payload": payload},
            {"event": "capforecast.scorecard-low", "resource": fleet, "payload": {"sentence": "Too low."}},
            {"event": "capforecast.drift", "resource": unit, "payload": drift},
            {"event": "capforecast.drift", "resource": unit, "payload": drift},
        ],
    )
    body = told.arrived("new-critical")
    assert (body["what"], body["business_unit"]) == ("2 servers newly critical: a, b.", "payments, web")
    assert body["as_of"].startswith("2026-11-23")
    assert (body["run"], str(run.id) in body["link"]) == (run.name, True)
    assert told.arrived("scorecard-low")["what"] == "Too low."
    assert told.arrived("drift")["what"] == "Drift in payments: 4 of 10 cpu series changed their level."
    time.sleep(5)
    assert len(told.of("drift")) == 1


def test_a_run_killed_with_its_worker_heals_and_a_healthy_one_is_left_alone(
    stack: Stack, told: Listener, timings: dict[str, float]
) -> None:
    run = start("restarted", seconds=900, until_attempt=2)
    running(run.id)
    begun = time.monotonic()
    stack.kill("worker")
    assert stack.kill_flow_run(str(run.id))
    stack.start("worker")
    healthy = start("restarted", seconds=150)
    until("Crashed", lambda: "Crashed" in states(run.id), HEAL_SECONDS)
    timings["killed with its worker, Crashed"] = time.monotonic() - begun
    seen = ended(run.id, "Completed", HEAL_SECONDS)
    timings["killed with its worker, Completed"] = time.monotonic() - begun
    assert timings["killed with its worker, Completed"] < HEAL_SECONDS
    assert seen.count("Running") == 2
    assert ended(healthy.id, "Completed", 240).count("Crashed") == 0


def test_a_late_run_and_a_pool_without_worker_are_told(stack: Stack, told: Listener, timings: dict[str, float]) -> None:
    before = len(told.of("worker-offline"))
    begun = time.monotonic()
    stack.kill("worker")
    try:
        run = start("left")
        assert "should have started at" in told.arrived("run-late", run.name)["what"]
        until("worker-offline", lambda: len(told.of("worker-offline")) > before, 180)
        timings["worker killed, worker-offline told"] = time.monotonic() - begun
        assert told.of("worker-offline")[-1]["what"] == f"The work pool {POOL} has no worker; nothing of it runs."
    finally:
        stack.start("worker")
    ended(run.id, "Completed", 60)


def test_a_crashed_run_that_does_not_come_back_is_told(told: Listener, left_alone: Any) -> None:
    body = told.arrived("run-down", left_alone.name, seconds=360)
    assert body["as_of"] == "2026-11-23"
    assert states(left_alone.id)[-1] == "Crashed"
    said = {UUID(each["link"].rpartition("/")[2]) for each in told.of("run-down")}
    assert {states(run)[-1] for run in said} == {"Crashed"}  # nothing is said of those that came back


def test_the_blocks_hold_the_secrets_and_show_none(stack: Stack, told: Listener) -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        hook = client.read_block_document_by_name("capforecast-alerts", "webhook", include_secrets=False)
        results = client.read_block_document_by_name("capforecast-results", "s3-bucket", include_secrets=False)
    assert SECRET_PATH not in hook.model_dump_json()
    assert results.data["bucket_folder"] == "lake/results"
    assert stack.environment["AWS_SECRET_ACCESS_KEY"] not in results.model_dump_json()


def test_a_wrong_password_is_said_and_not_repeated(stack: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", "setup", "all"],
        env=stack.environment | {"PREFECT_API_AUTH_STRING": "admin:hunter2"}, cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "PREFECT_API_AUTH_STRING (user:password) is not the server's" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
