"""Leases and claims: one writer per name, on a folder and in a bucket, between real processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from capforecast.errors import ConflictError
from capforecast.lake import claims, leases
from capforecast.lake import store as store_module
from capforecast.lake.claims import Claims
from capforecast.lake.datasets import unit_key, write_table
from capforecast.lake.store import Store
from capforecast.schema import Cadence

DAY = pd.Timestamp("2026-11-23", tz="UTC")
RACE = """
import json, sys, time
import pandas as pd
from capforecast.errors import ConflictError
from capforecast.lake.claims import Claims
from capforecast.lake.datasets import unit_key, write_table
from capforecast.lake.store import Store
from capforecast.schema import Cadence

url, kind, me = sys.argv[1:]
store, day = Store(url), pd.Timestamp("2026-11-23", tz="UTC")
print("ready", flush=True)
sys.stdin.readline()
try:
    if kind == "record":
        store.create("runs/1/manifest.json", me.encode())
    elif kind == "lock":
        from capforecast.lake import leases
        leases.acquire(store, "raw")
    else:
        Claims(store, me).period(Cadence.DAILY, day)
        write_table(store, unit_key("risks", Cadence.DAILY, day, "web"), pd.DataFrame({"by": [me]}))
    print("won", flush=True)
    sys.stdin.readline()  # stay alive: a lease of a process that ended is free
except ConflictError as error:
    print("lost", error, flush=True)
"""


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("bucket"))


def holder(store: Store, name: str) -> dict[str, Any]:
    (key,) = store.keys(f"locks/{name}")
    return json.loads(store.read(key))


def change(store: Store, name: str, **fields: Any) -> None:
    """Let the lease's record say something else."""
    (key,) = store.keys(f"locks/{name}")
    store.put(key, json.dumps(json.loads(store.read(key)) | fields).encode())


def gone_process() -> int:
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    assert process.pid is not None
    return process.pid


def test_a_held_lock_refuses_the_second_writer_by_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_SECONDS", 0.2)
    with (
        store.lock("raw"),
        pytest.raises(ConflictError, match=rf"raw in .* is being written by process {os.getpid()} on"),
        store.lock("raw"),
    ):
        pytest.fail("two writers at once")
    with store.lock("raw"):
        assert holder(store, "raw")["pid"] == os.getpid()


def test_a_failure_inside_the_lock_frees_it(store: Store) -> None:
    with pytest.raises(RuntimeError), store.lock("raw"):
        raise RuntimeError
    leases.acquire(store, "raw").release()


def test_a_lease_of_a_dead_process_of_this_machine_is_taken_over(store: Store) -> None:
    first = leases.acquire(store, "raw")
    change(store, "raw", pid=gone_process())
    second = leases.acquire(store, "raw")
    assert holder(store, "raw")["token"] == second.token
    with pytest.raises(ConflictError, match="taken over"):
        first.check()
    second.check()


def test_where_process_numbers_say_nothing_a_holder_elsewhere_is_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_room", "")
    leases.be_in("sandbox 1")
    lease = leases.acquire(store, "raw")
    key = f"locks/raw/{lease.number}.json"
    store.put(key, json.dumps(json.loads(store.read(key)) | {"pid": 2**22 + 1}).encode())
    leases.be_in("sandbox 2")  # with the same host, boot and process numbers, as sandboxes of Lambda may have
    with pytest.raises(ConflictError):
        leases.acquire(store, "raw")
    leases.be_in("sandbox 1")
    leases.acquire(store, "raw").release()  # here that number can be looked up: its process is gone


def test_a_process_number_that_was_given_out_again_keeps_nothing(store: Store) -> None:
    leases.acquire(store, "raw")
    change(store, "raw", born="1")  # this process's number, another process's birth
    assert leases.acquire(store, "raw").number == 2


def test_a_killed_process_that_nobody_waited_for_keeps_nothing(store: Store) -> None:
    process = subprocess.Popen([sys.executable, "-c", RACE, store.url, "lock", "x"], stdin=-1, stdout=-1, text=True)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "won\n"]
    process.kill()
    deadline = time.monotonic() + 20
    while leases._born(process.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    leases.acquire(store, "raw").release()
    process.communicate()


def test_a_lease_of_another_machine_holds_until_it_expires(store: Store) -> None:
    leases.acquire(store, "raw")
    change(store, "raw", machine="elsewhere", host="elsewhere", pid=gone_process())
    with pytest.raises(ConflictError, match="on elsewhere"):
        leases.acquire(store, "raw")
    change(store, "raw", renewed=time.time() - leases.EXPIRY_SECONDS - 1)
    assert leases.acquire(store, "raw").number == 2


def test_a_living_holder_renews_its_lease(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEWAL_SECONDS", 0.05)
    lease = leases.acquire(store, "raw")
    before = holder(store, "raw")["renewed"]
    deadline = time.monotonic() + 20
    while holder(store, "raw")["renewed"] == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert holder(store, "raw")["renewed"] > before
    lease.release()
    assert holder(store, "raw")["released"]


def test_one_who_slept_before_creating_withdraws(store: Store) -> None:
    """It saw no lease; meanwhile others held and released numbers 1 and 2, and 1 was cleared away."""
    leases.acquire(store, "raw").release()
    current = leases.acquire(store, "raw")
    assert leases._take(store, "raw", "", 1) is None
    assert store.keys("locks/raw") == ["locks/raw/2.json"]
    current.check()


def test_an_answer_lost_on_the_way_does_not_lock_its_own_writer_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = store.create

    def twice(key: str, data: bytes) -> Any:
        create(key, data)
        return create(key, data)  # as a client does that got no answer the first time

    monkeypatch.setattr(store, "create", twice)
    assert leases.acquire(store, "raw").number == 1


def test_a_period_is_refused_to_another_run_and_given_to_its_own_retry(store: Store) -> None:
    first = Claims(store, "run-a")
    first.period(Cadence.DAILY, DAY)
    first.period(Cadence.DAILY, DAY)  # once more is fine
    other = Claims(store, "run-b")
    with pytest.raises(ConflictError, match=r"daily-2026-11-23 in .* is being written by run run-a, process \d+ on"):
        other.period(Cadence.DAILY, DAY)
    other.period(Cadence.HOURLY, DAY)
    other.period(Cadence.DAILY, DAY + pd.Timedelta(days=7))
    assert claims.holder(store, Cadence.DAILY, DAY).startswith("run run-a, process ")
    assert claims.holder(store, Cadence.DAILY, DAY - pd.Timedelta(days=7)) == ""
    retry = Claims(store, "run-a")
    retry.period(Cadence.DAILY, DAY)
    retry.check()
    with pytest.raises(ConflictError, match="taken over"):
        first.check()
    with retry:
        pass
    assert claims.holder(store, Cadence.DAILY, DAY) == ""
    other.period(Cadence.DAILY, DAY)
    other.release()


@pytest.fixture
def race(store: Store) -> Callable[[str], dict[str, str]]:
    """Let two processes do the same at once; what each said."""

    def run(kind: str) -> dict[str, str]:
        names = ("first", "second")
        processes = {
            name: subprocess.Popen(
                [sys.executable, "-c", RACE, store.url, kind, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in names
        }
        for process in processes.values():
            assert process.stdout.readline() == "ready\n"
        for process in processes.values():
            process.stdin.write("\n")
            process.stdin.flush()
        said = {name: process.stdout.readline().strip() for name, process in processes.items()}
        for process in processes.values():
            process.communicate("\n", timeout=60)
        return said

    return run


@pytest.mark.parametrize("kind", ["record", "lock", "partition"])
def test_of_two_processes_one_wins_and_the_other_fails_clearly(
    kind: str, store: Store, race: Callable[[str], dict[str, str]]
) -> None:
    said = race(kind)
    assert sorted(text.split()[0] for text in said.values()) == ["lost", "won"], said
    (winner,) = [name for name, text in said.items() if text == "won"]
    (words,) = [text for text in said.values() if text != "won"]
    if kind == "record":
        assert store.read("runs/1/manifest.json") == winner.encode()
        assert "never overwritten" in words
    elif kind == "lock":
        assert "is being written by process" in words
    else:
        expected = Store("memory://")
        reference = write_table(expected, unit_key("risks", Cadence.DAILY, DAY, "web"), pd.DataFrame({"by": [winner]}))
        assert store.read(reference.uri) == expected.fetch(reference)
        assert f"being written by run {winner}" in words
