"""A drift alarm is an event in Prefect, on which an automation fires; a quiet unit sends none."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
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


def announced(lake: Path, name: str, alarm: bool) -> None:
    """A run in which a unit's level check found something, or nothing."""
    store = Store(lake)
    rows = pd.DataFrame(
        {
            "business_unit": name, "check": ["input_level", "input_spread"], "metric": "cpu", "value": [0.4, 0.0],
            "limit": 0.1, "alarm": [alarm, False], "series": 10, "series_over": [4, 0], "example": "srv-1",
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


def eventually(api: str, name: str, count: int = 1) -> list[dict[str, Any]]:
    until = time.monotonic() + PATIENCE
    while len(found := events(api, name)) < count:
        if time.monotonic() > until:
            pytest.fail(f"no event {name} within {PATIENCE} s")
        time.sleep(0.5)
    return found


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
    announced(tmp_path, "quiet", alarm=False)
    announced(tmp_path, UNIT, alarm=True)
    (event,) = eventually(prefect_api, EVENT)
    assert event["resource"]["prefect.resource.name"] == UNIT
    assert event["resource"]["capforecast.as-of"].startswith("2026-11-23")
    assert event["payload"]["check"] == "input_level"
    assert event["payload"]["series_over"] == 4
    fired = eventually(prefect_api, "prefect.automation.triggered")
    assert any(each["resource"].get("prefect.resource.name") == "on drift" for each in fired)
