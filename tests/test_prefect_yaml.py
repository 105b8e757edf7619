"""prefect.yaml: keys Prefect knows (it ignores others silently), and a real deployment run by a real worker."""

from __future__ import annotations

import json
import os
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

ROOT = Path(__file__).parents[1]
PREFECT = Path(sys.executable).with_name("prefect")


def deployments() -> list[dict[str, Any]]:
    return yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def test_every_key_of_a_deployment_is_one_prefect_knows() -> None:
    from prefect.cli.deploy._models import DeploymentConfig

    for deployment in deployments():
        unknown = set(deployment) - set(DeploymentConfig.model_fields)
        assert not unknown, f"{deployment['name']}: prefect would ignore {unknown}"


def test_parameters_and_entrypoint_are_those_of_the_flow() -> None:
    import inspect

    from prefect.utilities.importtools import import_object

    named = {}
    for deployment in deployments():
        path, name = deployment["entrypoint"].split(":")
        flow = import_object(f"{path.removesuffix('.py').replace('/', '.')}.{name}")
        assert set(deployment["parameters"]) <= set(inspect.signature(flow.fn).parameters)
        named[f"{flow.name}/{deployment['name']}"] = deployment["entrypoint"]
    assert set(named) == {"capacity-run/weekly-capacity", "forecast/daily-forecast", "train/train"}


def test_every_morning_has_one_run_and_schedules_name_their_time_zone() -> None:
    days = []
    for deployment in deployments():
        for schedule in deployment.get("schedules", []):
            minute, hour, *_, weekdays = schedule["cron"].split()
            assert (minute, hour, schedule["timezone"]) == ("0", "6", "Europe/London")
            for part in weekdays.split(","):
                first, _, last = part.partition("-")
                days += range(int(first), int(last or first) + 1)
        assert deployment["work_pool"]["name"] == "capacity-process"
    assert sorted(days) == list(range(7))


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


@pytest.mark.system
def test_all_deploy_and_a_worker_runs_the_weekly_one(environment: dict[str, str]) -> None:
    prefect(environment, "work-pool", "create", "capacity-process", "--type", "process")
    deployed = prefect(environment, "--no-prompt", "deploy", "--all")
    assert all(deployment["name"] in deployed for deployment in deployments())
    shown = prefect(environment, "deployment", "inspect", "capacity-run/weekly-capacity")
    assert "Europe/London" in shown
    worker = subprocess.Popen(
        [str(PREFECT), "worker", "start", "--pool", "capacity-process"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        parameters = json.dumps({"overrides": {"forecast.horizon_days": 14, "report.per_business_unit": False}})
        prefect(environment, "deployment", "run", "capacity-run/weekly-capacity", "--params", parameters, "--watch")
    finally:
        stop(worker)
    (summary,) = Path(environment["CAPFORECAST_STORE"]).glob("reports/**/summary.json")
    assert sum(json.loads(summary.read_text())["tiers"].values()) == 16
