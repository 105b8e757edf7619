"""What a Prefect server must know before it can run capforecast: work pool, deployments, blocks, automations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from stack import environments
from stack.state import ROOT, Plan, StackError, State

CAPFORECAST = [sys.executable, "-m", "deployments.cli"]


def register(state: State, plan: Plan, say: Callable[[str], None]) -> None:
    """Make or update all of it."""
    environment = environments.client(state, plan)
    _data(Path(environment["CAPACITY_SOURCE"]), state, environment, say)
    _done([*CAPFORECAST, "setup", "pools"], environment)
    _done([environments.PREFECT, "--no-prompt", "deploy", "--all"], environment)
    setup = _call([*CAPFORECAST, "setup", "all", "--with-keys"], environment)
    if "No such command" in setup.stderr:
        say("no `capforecast setup` here: no blocks, no automations")
    elif setup.returncode != 0:
        raise StackError(f"`capforecast setup all` failed:\n{setup.stdout}{setup.stderr}")


def _data(source: Path, state: State, environment: dict[str, str], say: Callable[[str], None]) -> None:
    """A generated fleet to run on, where nobody named another."""
    folder = state.folder / "data"
    if source.parent == folder and not source.exists():
        say("generating a fleet of 48 servers to run on")
        _done([*CAPFORECAST, "generate-data", "--output", str(folder)], environment)


def _call(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def _done(command: list[str], environment: dict[str, str]) -> None:
    done = _call(command, environment)
    if done.returncode != 0:
        words = " ".join(Path(word).name if word == command[0] else word for word in command)
        raise StackError(f"`{words}` failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
