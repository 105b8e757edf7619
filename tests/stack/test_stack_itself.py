"""A second stack beside the first: its starter is killed, and nothing of it is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive import until
from stack import processes
from stack.control import Stack
from stack.state import ROOT, State

PARTS = {"postgres", "redis", "moto", "s3", "server", "services", "worker-1"}


@pytest.fixture
def other() -> Iterator[State]:
    folder = Path(tempfile.mkdtemp(prefix="capforecast-stack-"))
    yield State(folder)
    Stack(folder).down(remove=True)
    shutil.rmtree(folder, ignore_errors=True)


def in_foreground(state: State, log: Path) -> subprocess.Popen[bytes]:
    """`make stack`, once it is up."""
    command = [sys.executable, str(ROOT / "scripts/stack"), "up", "--foreground", "--state", str(state.folder)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ, start_new_session=True)
    until("the second stack is up", lambda: process.poll() is not None or "use:" in log.read_text(), 180)
    assert process.poll() is None, log.read_text()
    return process


def test_nothing_is_left_of_a_stack_whose_starter_was_killed_or_interrupted(
    stack: Stack, other: State, tmp_path: Path
) -> None:
    starter = in_foreground(other, tmp_path / "log")
    assert other.plan().password not in (tmp_path / "log").read_text()
    assert not set(other.plan().ports.values()) & set(stack.plan.ports.values())
    starter.kill()
    starter.wait()
    assert {name for name, pid in Stack(other.folder).status().items() if pid} == PARTS
    assert not stack.up()  # the first is up, and stays so
    assert Stack(other.folder).down() == len(PARTS)
    assert processes.marked(other) == {}
    assert all(stack.status().values())

    starter = in_foreground(other, tmp_path / "log again")  # on the data of before
    starter.send_signal(signal.SIGINT)
    assert starter.wait(60) == 0
    assert Stack(other.folder).status() == {}
    assert processes.marked(other) == {}
