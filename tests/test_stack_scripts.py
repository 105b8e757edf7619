"""The parts of scripts/stack that need no server: secrets, processes that die, the door before S3, leftovers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from stack import door, processes
from stack.cli import main
from stack.control import Stack
from stack.state import StackError, State

BARE = {"PATH": os.environ["PATH"]}


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "stack")
    state.make()
    yield state
    processes.sweep(state)


def test_secrets_are_kept_and_nobody_else_can_read_them(state: State) -> None:
    plan = state.plan()
    assert State(state.folder).plan() == plan
    assert len(plan.password) >= 32
    assert len(set(plan.ports.values())) == len(plan.ports)
    state.write_env({"PREFECT_API_AUTH_STRING": f"it's {plan.password}"})
    read = subprocess.run(
        ["sh", "-c", f'. {state.env}; printf %s "$PREFECT_API_AUTH_STRING"'], capture_output=True, text=True, check=True
    )
    assert read.stdout == f"it's {plan.password}"
    kept = [path for path in state.folder.rglob("*") if path.is_file() and plan.password in path.read_text()]
    assert len(kept) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_a_process_that_dies_is_told_with_the_end_of_its_log(state: State) -> None:
    processes.start(state, "server", ["sh", "-c", "echo earlier; echo no such port; exit 3"], BARE)
    with pytest.raises(StackError, match=r"(?s)server did not start; the end of .*server\.log:\n.*no such port"):
        processes.wait_for(state, "server", lambda: False, 10)


def test_one_that_is_never_ready_is_told_in_time(state: State) -> None:
    processes.start(state, "server", ["sleep", "60"], BARE)
    with pytest.raises(StackError, match="not ready within 1 s"):
        processes.wait_for(state, "server", lambda: False, 1)


def test_a_process_that_ignores_signals_is_stopped_with_its_children(state: State) -> None:
    stubborn = "trap '' TERM INT; sleep 61 & echo on; while :; do sleep 62; done"
    processes.start(state, "worker-1", ["sh", "-c", stubborn], BARE)
    processes.wait_for(state, "worker-1", lambda: processes.says(state, "worker-1", "on"), 10)
    assert len(processes.marked(state)) >= 2
    processes.stop(state, "worker-1", signal.SIGTERM, seconds=0.5)
    assert state.processes() == {}
    assert processes.gone(lambda: not processes.marked(state), 5)


def test_what_a_killed_worker_left_behind_is_found_and_ended(state: State) -> None:
    orphan = "setsid env PREFECT__FLOW_RUN_ID=run-1 sleep 63 & echo on; wait"
    processes.start(state, "worker-1", ["sh", "-c", orphan], BARE)
    processes.wait_for(state, "worker-1", lambda: processes.flow_processes(state, "run-1"), 10)
    assert processes.flow_processes(state, "run-2") == []
    Stack(state.folder).kill("worker")
    assert len(processes.flow_processes(state)) == 1
    assert Stack(state.folder).down() == 1
    assert processes.marked(state) == {}


def test_another_process_with_the_same_id_is_left_alone(state: State) -> None:
    other = subprocess.Popen(["sleep", "64"])
    try:
        state.remember("server", {"pid": other.pid, "born": 1, "log": 0})
        assert Stack(state.folder).status() == {"server": None}
        Stack(state.folder).down()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_up_is_refused_while_parts_of_it_are_dead(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    processes.start(state, "redis", ["sleep", "65"], BARE)
    state.remember("server", {"pid": 2**22 + 1, "born": 1, "log": 0})
    assert main(["up", "--state", str(state.folder)]) == 1
    assert "server died while the rest" in capsys.readouterr().err
    assert main(["status", "--state", str(state.folder)]) == 1
    with state.alone(), pytest.raises(StackError, match="another process"), state.alone():
        pass


def test_up_again_is_no_second_stack(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    processes.start(state, "redis", ["sleep", "66"], BARE)
    assert main(["up", "--state", str(state.folder)]) == 0
    assert "up already" in capsys.readouterr().out
    assert list(state.processes()) == ["redis"]


class Hello(BaseHTTPRequestHandler):
    """Says hello."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        pass


def test_the_door_refuses_when_shut_and_lets_in_when_open() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    Thread(target=server.serve_forever, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, door.__file__, str(port), str(server.server_port)])

    def answer() -> str:
        try:
            return str(urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5).read().decode())
        except OSError:
            return "refused"

    def becomes(wanted: str) -> bool:
        deadline = time.monotonic() + 10
        while answer() != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        return answer() == wanted

    try:
        assert becomes("hello")
        process.send_signal(signal.SIGUSR1)
        assert becomes("refused")
        process.send_signal(signal.SIGUSR2)
        assert becomes("hello")
    finally:
        process.kill()
        process.wait()
        server.shutdown()
