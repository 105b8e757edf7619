"""The parts of a stack: how each is started, when it is ready, how it is asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack import environments, postgres
from stack.packages import moto, needed
from stack.processes import says
from stack.state import Plan, State, private

POOL = "capacity-process"


@dataclass(frozen=True)
class Component:
    """A process of the stack. `ready` is asked again and again, at most `seconds` long."""

    name: str
    command: list[str]
    environment: dict[str, str]
    ready: Callable[[], bool]
    seconds: float = 60.0
    stop: int = signal.SIGTERM


def storage(state: State, plan: Plan) -> list[Component]:
    """What the others need: PostgreSQL, Redis, and S3 with a door before it."""
    postgres.make(state, plan)
    bare = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    door = [sys.executable, str(Path(__file__).with_name("door.py")), str(plan.ports["s3"]), str(plan.ports["moto"])]
    serve = [moto(), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(plan.ports["moto"])]
    return [
        Component("postgres", postgres.command(state, plan), bare, lambda: postgres.ready(plan), stop=signal.SIGINT),
        Component("redis", [needed("redis-server"), _redis_settings(state, plan)], bare, lambda: _redis_ready(plan)),
        Component("moto", serve, bare, lambda: _bucket(plan.ports["moto"])),
        Component("s3", door, bare, lambda: _bucket(plan.ports["s3"])),
    ]


def prefect(state: State, plan: Plan) -> list[Component]:
    """The Prefect server's API, then its background services, which need the tables the former makes."""
    environment = environments.server(state, plan)
    serve = ["server", "start", "--host", "127.0.0.1", "--port", str(plan.ports["server"]), "--no-services"]
    services = [environments.PREFECT, "server", "services", "start"]
    return [
        Component("server", [environments.PREFECT, *serve], environment, lambda: answers(plan.api + "/ready"), 180.0),
        Component("services", services, environment, lambda: says(state, "services", "Running", "Starting"), 90.0),
    ]


def workers(state: State, plan: Plan) -> list[Component]:
    """Workers of the pool of processes."""
    environment = environments.client(state, plan)
    return [
        Component(
            name,
            [environments.PREFECT, "worker", "start", "--pool", POOL, "--name", name, "--limit", "6"],
            environment,
            lambda name=name: says(state, name, "started!"),  # type: ignore[misc]
            90.0,
        )
        for name in (f"worker-{number}" for number in range(1, plan.workers + 1))
    ]


def answers(address: str) -> bool:
    """Does a GET of this address succeed?"""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _bucket(port: int) -> bool:
    """Does S3 answer? Makes the bucket, which is no error where it exists."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{environments.BUCKET}", method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 409
    except (OSError, urllib.error.URLError):
        return False


def _redis_settings(state: State, plan: Plan) -> str:
    """A settings file: a password on the command line would be seen by all."""
    folder = state.folder / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    lines = ["bind 127.0.0.1", f"port {plan.ports['redis']}", f"dir {folder}", "appendonly yes", "protected-mode yes"]
    private(folder / "redis.conf", "\n".join([*lines, f"requirepass {plan.password}"]) + "\n")
    return str(folder / "redis.conf")


def _redis_ready(plan: Plan) -> bool:
    command = [needed("redis-cli"), "-h", "127.0.0.1", "-p", str(plan.ports["redis"]), "ping"]
    environment = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": plan.password}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "PONG"
