"""Processes killed, servers and storage away, in the middle of runs: nothing is lost, nothing is made twice.

After each fault the run completes without a person, and its lake holds the very bytes of a run that nothing disturbed.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from drive import AD_HOC, WEEKLY, Run, begin, children, completed, data_outputs, done, executed, manifests, seen, states
from stack import processes
from stack.control import Stack

DEPLOYMENT = {"flow.fan_out": "deployment"}
HEALED = timedelta(minutes=3)


def untouched(run: Run, sound: Run, outputs: dict[str, bytes]) -> None:
    """Is all as if nothing had happened: the data, one report, one flow run per business unit?"""
    assert data_outputs(run.lake) == outputs
    assert len(manifests(run)) == 1
    units = [child.parameters["business_unit"] for child in children(run)]
    assert len(units) == len(set(units)), f"business units run twice: {sorted(units)}"


def running_again(run: Run, since: datetime) -> timedelta:
    """How long after `since` the last of the run's own flow runs was running again; they all have completed."""
    from prefect.client.orchestration import get_client

    begun = []
    with get_client(sync_client=True) as client:
        for id_ in [run.id, *(child.id for child in children(run))]:
            known = client.read_flow_run_states(id_)
            if any(state.name == "Crashed" for state in known):
                begun += [max(state.timestamp for state in known if state.name == "Running")]
    assert begun, f"nothing of {run.id} crashed: {states(run.id)}"
    return max(begun) - since


def test_the_server_is_killed_and_comes_back(
    stack: Stack, sound: Run, outputs: dict[str, bytes], fleet_folder: Path, timings: dict[str, float]
) -> None:
    run = begin(WEEKLY, fleet_folder, "server", overrides=DEPLOYMENT)
    done(run, "train")
    stack.kill("server")
    time.sleep(15)
    begun = time.monotonic()
    stack.start("server")
    timings["server back"] = time.monotonic() - begun
    completed(run)
    timings["run completed after the server was back"] = time.monotonic() - begun
    untouched(run, sound, outputs)
    assert executed(run) == executed(sound)
    assert seen(run).run_count == 1


def test_s3_is_away_for_half_a_minute(
    stack: Stack, sound: Run, outputs: dict[str, bytes], fleet_folder: Path, timings: dict[str, float]
) -> None:
    run = begin(WEEKLY, fleet_folder, "s3")
    done(run, "train")
    stack.pause("s3", 30)
    begun = time.monotonic()
    completed(run)
    timings["run completed after S3 was back"] = time.monotonic() - begun
    untouched(run, sound, outputs)
    assert executed(run) == executed(sound)
    assert seen(run).run_count == 1


def test_the_worker_is_killed_while_a_business_unit_runs(
    stack: Stack, sound: Run, outputs: dict[str, bytes], fleet_folder: Path, timings: dict[str, float]
) -> None:
    run = begin(WEEKLY, fleet_folder, "worker", overrides=DEPLOYMENT)
    done(run, "train")
    stack.kill("worker")
    killed, begun = datetime.now(UTC), time.monotonic()
    stack.start("worker")
    completed(run)
    timings["worker killed: run completed"] = time.monotonic() - begun
    untouched(run, sound, outputs)
    healed = running_again(run, killed)
    timings["worker killed: running again"] = healed.total_seconds()
    assert healed < HEALED


def test_the_machine_of_the_worker_dies(
    stack: Stack, sound: Run, outputs: dict[str, bytes], fleet_folder: Path, timings: dict[str, float]
) -> None:
    runs = {
        "by deployment": begin(AD_HOC, fleet_folder, "machine-1", overrides=DEPLOYMENT),
        "inline": begin(AD_HOC, fleet_folder, "machine-2"),
    }
    for run in runs.values():
        done(run, "train")
    killed, begun = datetime.now(UTC), time.monotonic()
    stack.kill("worker")
    assert stack.kill_flow_run() >= 3
    assert processes.flow_processes(stack.state) == []
    stack.start("worker")
    for name, run in runs.items():
        completed(run, seconds=300)
        timings[f"worker and flow runs killed, {name}: run completed"] = time.monotonic() - begun
        untouched(run, sound, outputs)
        healed = running_again(run, killed)
        timings[f"worker and flow runs killed, {name}: running again"] = healed.total_seconds()
        assert healed < HEALED
    assert_little_repeated(runs["inline"], sound)


def assert_little_repeated(run: Run, sound: Run) -> None:
    """Only what was under way when the process died may have been done again."""
    again: list[Any] = executed(run)
    for name in executed(sound):
        again.remove(name)
    assert len(again) <= 2 + 8, again  # a stage per business unit at work; champions and ingest are the attempt's own
