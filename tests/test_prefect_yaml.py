"""prefect.yaml: keys Prefect knows (it ignores others silently), and a real deployment run by a real worker."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect_lint import flow_at, problems, read

import capforecast

ROOT = Path(__file__).parents[1]
PREFECT = Path(sys.executable).with_name("prefect")


def document() -> dict[str, Any]:
    return read((ROOT / "prefect.yaml").read_text())


def deployments() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document()["deployments"]
    return found


def test_every_key_is_one_prefect_knows() -> None:
    assert problems(document()) == []


@pytest.mark.parametrize(
    ("written", "misspelt", "place"),
    [
        ("prefect-version:", "prefect_versoin:", "prefect_versoin"),
        ("set_working_directory:", "set_workdir:", "pull.prefect.deployments.steps.set_workdir"),
        ("      directory:", "      folder:", "pull.prefect.deployments.steps.set_working_directory.folder"),
        ("  version: &", "  verison: &", "definitions.verison"),
        ("work_queue_name: reports", "work_queue: reports", "definitions.work_pools.reports.work_queue"),
        ("        env:", "        environment:", "definitions.work_pools.people.job_variables.environment"),
        ("FLOWS_HEARTBEAT_F", "FLOW_HEARTBEAT_F", "job_variables.env.PREFECT_FLOW_HEARTBEAT_FREQUENCY"),
        ('FREQUENCY: "30"', "FREQUENCY: 30", "job_variables.env.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30 is no text"),
        ("collision_strategy:", "colision_strategy:", "weekly-capacity.concurrency_limit.colision_strategy"),
        ("strategy: ENQUEUE", "strategy: QUEUE", "definitions.one_at_a_time.collision_strategy: 'QUEUE' is none"),
        ("    inventory:", "    inventry:", "deployments.weekly-capacity.parameters.inventry"),
        ("    tags:", "    tag:", "deployments.weekly-capacity.tag"),
        ("timezone:", "time_zone:", "deployments.weekly-capacity.schedules.weekly.time_zone"),
        ("    work_pool: *reports", "    work_pool: {nmae: x}", "deployments.weekly-capacity.work_pool.nmae"),
    ],
)
def test_a_misspelt_key_is_found_at_every_level(written: str, misspelt: str, place: str) -> None:
    text = (ROOT / "prefect.yaml").read_text()
    assert written in text
    assert any(place in problem for problem in problems(read(text.replace(written, misspelt, 1))))


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="`tags` stands twice"):
        read("deployments:\n- tags: [a]\n  tags: [b]\n")


def test_deployments_are_those_that_flows_and_people_ask_for_by_name() -> None:
    from capforecast.settings import Settings

    named = {f"{flow_at(deployment['entrypoint']).name}/{deployment['name']}" for deployment in deployments()}
    assert named == {
        "capacity-run/weekly-capacity",
        "capacity-run/ad-hoc",
        "forecast/daily-forecast",
        "train/train",
        "backfill/backfill",
        "ingest/ingest",
        "business-unit-run/business-unit",
        "notify/notify",
    }
    assert Settings().flow.unit_deployment in named


def test_the_version_is_that_of_the_package() -> None:
    assert {deployment["version"] for deployment in deployments()} == {capforecast.__version__}


def test_automations_look_at_all_but_the_one_that_sends_alerts() -> None:
    for deployment in deployments():
        tags = set(deployment["tags"])
        assert (deployment["name"] == "notify") == (not tags & {"capforecast", "auto-restart"})
        assert deployment["name"] == "notify" or {"capforecast", "auto-restart"} < tags


def test_heartbeats_come_often_enough_for_the_automation_that_looks_for_them() -> None:
    automations = yaml.safe_load((ROOT / "config/automations.yaml").read_text())["automations"]
    for deployment in deployments():
        seconds = int(deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
        assert 3 * seconds <= automations["zombie-runs"]["trigger"]["within"]


def test_every_morning_has_one_run_and_schedules_name_their_time_zone() -> None:
    days = []
    for deployment in deployments():
        if deployment["name"] == "ingest":
            continue
        for schedule in deployment.get("schedules", []):
            minute, hour, *_, weekdays = schedule["cron"].split()
            assert (minute, hour, schedule["timezone"]) == ("0", "6", "Europe/London")
            for part in weekdays.split(","):
                first, _, last = part.partition("-")
                days += range(int(first), int(last or first) + 1)
    assert sorted(days) == list(range(7))


def test_every_night_there_is_an_ingest_before_the_report() -> None:
    (ingest,) = (deployment for deployment in deployments() if deployment["name"] == "ingest")
    (schedule,) = ingest["schedules"]
    assert (schedule["cron"], schedule["timezone"]) == ("20 1 * * *", "UTC")  # the day is over and has settled
    assert ingest["work_pool"]["work_queue_name"] == "reports"  # and no report reads meanwhile


def test_the_form_says_what_each_parameter_is() -> None:
    """What Prefect shows above each field, from the flow's docstring and annotations."""
    from prefect.utilities.callables import parameter_schema

    for entrypoint in {deployment["entrypoint"] for deployment in deployments()}:
        for name, field in parameter_schema(flow_at(entrypoint)).properties.items():
            assert re.fullmatch(r"[A-Z].*\.", field.get("description", ""), re.S), f"{entrypoint}: {name}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, fleet_folder: Path) -> Iterator[dict[str, str]]:
    """A Prefect server of its own, and the variables prefect.yaml asks for."""
    home = tmp_path_factory.mktemp("server")
    port = free_port()
    variables = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "CAPACITY_POOL": "capacity-process",
        "CAPACITY_PROFILE": "local",
        "CAPFORECAST_HOME": str(ROOT),
        "CAPFORECAST_STORE": str(home / "lake"),
        "CAPACITY_SOURCE": str(fleet_folder / "observations.parquet"),
        "CAPACITY_INVENTORY": str(fleet_folder / "inventory.csv"),
    }
    command = [str(PREFECT), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/health", 150)
        yield variables
    finally:
        stop(server)


def wait_for(address: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(address, timeout=5)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def prefect(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [str(PREFECT), *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def setup_pools(environment: dict[str, str]) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "deployments.cli", "setup", "pools", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows: list[dict[str, str]] = json.loads(done.stdout)
    return rows


def asked(environment: dict[str, str], path: str) -> list[dict[str, Any]]:
    """What the server lists there."""
    address = f"{environment['PREFECT_API_URL']}{path}/filter"
    request = urllib.request.Request(address, b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def the_server_has_them_as_the_file_says(environment: dict[str, str]) -> None:
    there = {each["name"]: each for each in asked(environment, "/deployments")}
    for wanted in deployments():
        found = there.pop(wanted["name"])
        assert set(found["tags"]) == set(wanted["tags"])
        assert found["version"] == wanted["version"]
        assert found["enforce_parameter_schema"] is True
        assert found["work_pool_name"] == "capacity-process"
        assert found["work_queue_name"] == wanted["work_pool"]["work_queue_name"]
        assert found["job_variables"] == wanted["work_pool"]["job_variables"]
        limit = wanted.get("concurrency_limit", {})
        assert (found["global_concurrency_limit"] or {}).get("limit") == limit.get("limit")
        assert (found["concurrency_options"] or {}).get("collision_strategy") == limit.get("collision_strategy")
        slugs = [(each["slug"], each["schedule"]["timezone"]) for each in found["schedules"]]
        assert slugs == [(each["slug"], each["timezone"]) for each in wanted.get("schedules", [])]
        assert not any("{{" in str(value) for value in found["parameters"].values())
    assert not there
    queues = {each["name"]: each for each in asked(environment, "/work_pools/capacity-process/queues")}
    assert sorted(queues, key=lambda name: queues[name]["priority"]) == ["units", "reports", "default", "backfill"]
    assert [queues[name]["concurrency_limit"] for name in ("reports", "backfill")] == [1, 1]


@pytest.mark.system
def test_all_deploy_and_a_worker_runs_the_weekly_one(environment: dict[str, str]) -> None:
    assert [row["done"] for row in setup_pools(environment)] == ["created"]
    deployed = prefect(environment, "--no-prompt", "deploy", "--all")
    assert all(deployment["name"] in deployed for deployment in deployments())
    assert [row["done"] for row in setup_pools(environment)] == ["unchanged"]
    the_server_has_them_as_the_file_says(environment)
    worker = subprocess.Popen(
        [str(PREFECT), "worker", "start", "--pool", "capacity-process"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        parameters = json.dumps(
            {"as_of": None, "overrides": {"forecast.horizon_days": 14, "report.per_business_unit": False}}
        )
        prefect(environment, "deployment", "run", "capacity-run/weekly-capacity", "--params", parameters, "--watch")
    finally:
        stop(worker)
    (summary,) = Path(environment["CAPFORECAST_STORE"]).glob("reports/**/summary.json")
    assert sum(json.loads(summary.read_text())["tiers"].values()) == 16
