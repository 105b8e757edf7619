"""Processes of a stack: started in sessions of their own, found again by whoever comes later, stopped for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from stack.state import StackError, State

MARK = "CAPACITY_STACK"  # variable that all processes of a stack inherit, also those that workers start


def start(state: State, name: str, command: list[str], environment: dict[str, str]) -> None:
    """Start a process of the stack; its output goes to STATE/logs/NAME.log."""
    if running(state, name):
        raise StackError(f"{name} is running already")
    with (state.logs / f"{name}.log").open("ab") as log:
        before = log.tell()
        process = subprocess.Popen(
            command,
            env=environment | {MARK: str(state.folder)},
            cwd=state.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # a starter in the background may ignore SIGINT, and its children would inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    _children[process.pid] = process
    state.remember(name, {"pid": process.pid, "born": born(process.pid) or 0, "log": before})


_children: dict[int, subprocess.Popen[bytes]] = {}  # those of this very process, which it must wait for


def born(pid: int) -> int | None:
    """When a process began, in ticks since the machine did; None = there is none. Tells it from a later one."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def running(state: State, name: str) -> int | None:
    """PID of a process of the stack, None where it does not run."""
    known = state.processes().get(name)
    return known["pid"] if known and born(known["pid"]) == known["born"] else None


def tail(state: State, name: str, lines: int = 15) -> str:
    """The end of a process's log."""
    path = state.logs / f"{name}.log"
    text = path.read_text(errors="replace") if path.exists() else ""
    return f"the end of {path}:\n" + "\n".join("    " + line for line in text.splitlines()[-lines:])


def says(state: State, name: str, *words: str) -> bool:
    """Has a process of the stack written one of these words since it was started?"""
    with (state.logs / f"{name}.log").open("rb") as log:
        log.seek(state.processes()[name]["log"])
        text = log.read().decode(errors="replace")
    return any(word in text for word in words)


def wait_for(state: State, name: str, ready: Callable[[], bool], seconds: float) -> None:
    """Wait until a process is ready; raises StackError with the end of its log where it dies or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running(state, name) is None:
            raise StackError(f"{name} did not start; {tail(state, name)}")
        if ready():
            return
        time.sleep(0.25)
    raise StackError(f"{name} was not ready within {seconds:.0f} s; {tail(state, name)}")


def send(state: State, name: str, number: int) -> None:
    """Send a signal to a process of the stack; raises StackError where it does not run."""
    pid = running(state, name)
    if pid is None:
        raise StackError(f"{name} does not run; {tail(state, name, 5)}")
    os.kill(pid, number)


def stop(state: State, name: str, number: int, seconds: float = 15.0) -> None:
    """End a process by a signal, by SIGKILL for it and its session where that does not help."""
    pid = running(state, name)
    if pid is not None:
        os.kill(pid, number)
        if not gone(lambda: running(state, name) is None, seconds):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            gone(lambda: running(state, name) is None, 5.0)
    state.remember(name, None)


def gone(is_gone: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is gone; whether it is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_gone():
            return True
        time.sleep(0.1)
    return is_gone()


def marked(state: State) -> dict[int, dict[str, str]]:
    """Environments, by PID, of all processes that the stack or one of its processes started and that still run."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            raw = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        environment = dict(item.split("=", 1) for item in raw.split("\0") if "=" in item)
        if environment.get(MARK) == str(state.folder) and born(int(folder.name)) is not None:
            found[int(folder.name)] = environment
    return found


def flow_processes(state: State, flow_run: str | None = None) -> list[int]:
    """PIDs of processes that run flows (of one flow run)."""
    return [
        pid
        for pid, environment in marked(state).items()
        if (known := environment.get("PREFECT__FLOW_RUN_ID")) and flow_run in (None, known)
    ]


def sweep(state: State, seconds: float = 5.0) -> int:
    """End all that is left of the stack, such as flow runs of a worker that was killed; how many there were."""
    left = marked(state)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in marked(state):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if gone(lambda: not marked(state), seconds):
            break
    return len(left)
