"""An ingest in a process of its own, killed by the system: the next one goes on, and the lake is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fake_remote import FakeRemote
from stages.ingest_and_die import NOW, SETTINGS

from capforecast import stages
from capforecast.lake.store import Store

TESTS = Path(__file__).parents[1]


def finished(store: Store, ingest_id: str) -> dict[str, bytes]:
    made = stages.collect(store, SETTINGS, FakeRemote(), stages.Asked(ingest_id=ingest_id, now=NOW))
    assert made.complete
    return {key: store.read(key) for key in store.keys("raw")}


# writes: inventory, marks of all that is asked, then of each window its observations and its marks
@pytest.mark.parametrize(("at", "written"), [(2, "not"), (5, "written"), (6, "not")])
def test_what_a_dead_process_left_is_taken_over(tmp_path: Path, at: int, written: str) -> None:
    lake = tmp_path / "lake"
    done = subprocess.run(
        [sys.executable, str(TESTS / "stages/ingest_and_die.py"), str(lake), str(at), written],
        env=os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert Store(lake).keys("ingests") == []
    assert finished(Store(lake), "after") == finished(Store(tmp_path / "clean"), "clean")
