"""Runs that nothing disturbs, on the whole stack: schedules, results in S3, both ways to run business units."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from drive import (
    AD_HOC,
    WEEKLY,
    Run,
    begin,
    children,
    completed,
    data_outputs,
    executed,
    in_state,
    manifests,
    until,
)
from stack.control import Stack
from stack.environments import STORE

from capforecast.lake.store import Store

BLOCK = {"flow.result_block": "capforecast-results"}  # `capforecast setup blocks` made it, in the stack's own lake


def test_nobody_gets_in_without_the_password(stack: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{stack.plan.api}/version")
    assert stack.state.env.stat().st_mode & 0o077 == 0
    for log in stack.state.logs.iterdir():
        assert stack.plan.password not in log.read_text(errors="replace")


def test_schedules_make_runs(stack: Stack) -> None:
    from prefect.client.orchestration import get_client

    def scheduled() -> bool:
        with get_client(sync_client=True) as client:
            return any(run.auto_scheduled for run in client.read_flow_runs())

    until("a run of a schedule", scheduled, 60)


def test_a_run_leaves_its_results_and_report_in_s3(sound: Run) -> None:
    keys = list(sound.lake.keys(""))
    assert any(key.startswith("results/report-") for key in keys)
    assert any(key.endswith("capacity-report.pdf") for key in keys)
    assert len(manifests(sound)) == 1


def test_business_units_as_flow_runs_and_results_in_a_block_make_the_same(
    stack: Stack, outputs: dict[str, bytes], sound: Run, timings: dict[str, float]
) -> None:
    begun = time.monotonic()
    run = begin(WEEKLY, sound.fleet, "by-children", overrides=BLOCK | {"flow.fan_out": "deployment"})
    completed(run)
    timings["weekly run, by deployment"] = time.monotonic() - begun
    assert data_outputs(run.lake) == outputs
    assert executed(run) == executed(sound)
    assert [key for key in run.lake.keys("") if key.startswith("results/")] == []
    assert any(key.startswith("results/report-") for key in Store(STORE).keys(""))
    made = children(run)
    assert len(made) == len({child.parameters["business_unit"] for child in made}) == 4


def test_of_two_runs_of_one_date_at_once_one_is_refused(
    stack: Stack, outputs: dict[str, bytes], sound: Run, fleet_folder: Path
) -> None:
    runs = [begin(AD_HOC, fleet_folder, "twice") for _ in range(2)]
    ended = [in_state(run, "Completed", "Failed", seconds=240) for run in runs]
    assert sorted(run.state.name for run in ended) == ["Completed", "Failed"]
    (refused,) = [run for run in ended if run.state.name == "Failed"]
    (winner,) = [run for run, end in zip(runs, ended, strict=True) if end.state.name == "Completed"]
    assert str(winner.id) in refused.state.message
    assert data_outputs(winner.lake) == outputs
    assert executed(winner) == executed(sound)


def test_a_second_weekly_run_waits_for_the_first_and_reuses_its_work(
    stack: Stack, sound: Run, fleet_folder: Path
) -> None:
    runs = [begin(WEEKLY, fleet_folder, "sound") for _ in range(2)]
    first, second = sorted((completed(run) for run in runs), key=lambda run: run.start_time)
    assert second.start_time >= first.end_time
    stages = {name.partition(":")[0] for run in runs for name in executed(run)}
    assert stages <= {"ingest", "champion", "decided"}, stages
