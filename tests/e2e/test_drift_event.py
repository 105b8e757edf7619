"""A drift alarm is an event in Prefect, on which an automation fires; a quiet unit sends none."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml
from prefect import flow

from capforecast.exchange import RunKey, Unit
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings
from tasks.common import Job
from tasks.drift import EVENT, announce_drift

PATIENCE = 60  # seconds an event may take
UNIT = "Shop & Checkout"
RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"


def announced(lake: Path, name: str, *alarms: str) -> None:
    """A run in which these checks of a unit found something, and the others nothing."""
    checks = ["input_level", "input_spread", "live_error"]
    store = Store(lake)
    rows = pd.DataFrame(
        {
            "business_unit": name, "check": checks, "metric": "cpu", "value": 0.4, "limit": 0.1,
            "alarm": [check in alarms for check in checks], "series": 10, "series_over": 4, "example": "srv-1",
            "sentence": "4 of 10 cpu series changed their level.",
        }
    )  # fmt: skip
    unit = Unit(
        cadence=Cadence.DAILY, as_of="2026-11-23T00:00:00+00:00", business_unit=name, servers=10, series=10, usable=10,
        horizon=90, references={},
    )  # fmt: skip
    unit = unit.having(drift=write_table(store, unit.key("drift"), rows))
    job = Job(store_url=str(lake), settings=Settings(), run=RunKey(run_id="r", attempt=1))

    @flow(name="announce")
    def announce() -> None:
        announce_drift(job, unit.model_dump(mode="json"), name)

    announce()


def events(api: str, name: str) -> list[dict[str, Any]]:
    """Events of a name, newest first."""
    asked = {"filter": {"event": {"name": [name]}}, "limit": 50}
    found: list[dict[str, Any]] = httpx.post(f"{api}/events/filter", json=asked, timeout=30).json()["events"]
    return found


def until(look: Callable[[], list[dict[str, Any]]], count: int, what: str) -> list[dict[str, Any]]:
    """What is found once there is enough of it."""
    deadline = time.monotonic() + PATIENCE
    while len(found := look()) < count:
        if time.monotonic() > deadline:
            pytest.fail(f"no {what} within {PATIENCE} s")
        time.sleep(0.5)
    return found


def named(event: dict[str, Any]) -> str | None:
    """Whom an event is about."""
    name: str | None = event["resource"].get("prefect.resource.name")
    return name


def test_an_automation_fires_on_a_drift_alarm_and_on_nothing_else(prefect_api: str, tmp_path: Path) -> None:
    automation = {
        "name": "on drift",
        "trigger": {
            "type": "event", "posture": "Reactive", "expect": [EVENT], "threshold": 1, "within": 0,
            "match": {"prefect.resource.id": "capforecast.business-unit.*"},
        },
        "actions": [{"type": "do-nothing"}],
    }  # fmt: skip
    httpx.post(f"{prefect_api}/automations/", json=automation, timeout=30).raise_for_status()
    announced(tmp_path, "quiet")
    announced(tmp_path, UNIT, "input_level")
    (event,) = until(lambda: [each for each in events(prefect_api, EVENT) if named(each) == UNIT], 1, "event")
    assert not [each for each in events(prefect_api, EVENT) if named(each) == "quiet"]
    assert event["resource"]["capforecast.as-of"].startswith("2026-11-23")
    assert event["payload"]["check"] == "input_level"
    assert event["payload"]["series_over"] == 4
    fired = "prefect.automation.triggered"
    until(lambda: [each for each in events(prefect_api, fired) if named(each) == "on drift"], 1, fired)


def recipe(kind: str) -> Any:
    """The YAML of the runbook's drift section that has an action of this kind."""
    section = RUNBOOK.read_text().split("## Drift alarm: what to do")[1].split("\n## ")[0]
    (text,) = (block for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL) if f"type: {kind}" in block)
    return yaml.safe_load(text)


def deployed(api: str) -> str:
    """Id of a deployment of a flow `train` that nobody runs."""
    of = httpx.post(f"{api}/flows/", json={"name": "train"}, timeout=30).json()["id"]
    answer = httpx.post(f"{api}/deployments/", json={"name": "train", "flow_id": of}, timeout=30)
    return str(answer.raise_for_status().json()["id"])


def runs_of(api: str, deployment: str) -> list[dict[str, Any]]:
    asked = {"flow_runs": {"deployment_id": {"any_": [deployment]}}}
    found: list[dict[str, Any]] = httpx.post(f"{api}/flow_runs/filter", json=asked, timeout=30).json()
    return found


def test_the_recipe_of_the_runbook_trains_the_unit_whose_inputs_drift_and_once(
    prefect_api: str, tmp_path: Path
) -> None:
    automation, deployment = recipe("run-deployment"), deployed(prefect_api)
    automation["actions"][0]["deployment_id"] = deployment
    automation["name"] = "recipe of the runbook"
    httpx.post(f"{prefect_api}/automations/", json=automation, timeout=30).raise_for_status()
    announced(tmp_path, "late", "live_error")
    announced(tmp_path, "payments", "input_level", "input_spread")
    announced(tmp_path, "last", "input_spread")
    runs = until(lambda: runs_of(prefect_api, deployment), 2, "training")
    assert sorted(run["parameters"]["business_units"] for run in runs) == [["last"], ["payments"]]


def test_the_notification_of_the_runbook_is_one_prefect_accepts() -> None:
    from prefect.events.actions import SendNotification

    (action,) = recipe("send-notification")
    assert "{{ event.payload.sentence }}" in SendNotification.model_validate(action).body
