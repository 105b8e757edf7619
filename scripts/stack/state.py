"""What a stack remembers: its folder, its ports and secrets, and which processes it started."""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORTS = range(21000, 32000)  # below those that a kernel gives to outgoing connections: free again after a restart
PORT_NAMES = ("postgres", "redis", "moto", "s3", "server")


class StackError(RuntimeError):
    """The stack cannot do what was asked; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """Ports and secrets of a stack. Kept in its folder, so that it comes up again as it was."""

    ports: dict[str, int]
    password: str
    workers: int

    @property
    def api(self) -> str:
        """Address of the Prefect API."""
        return f"http://127.0.0.1:{self.ports['server']}/api"

    @property
    def s3(self) -> str:
        """Address of the S3 endpoint."""
        return f"http://127.0.0.1:{self.ports['s3']}"


class State:
    """The folder of a stack. Whoever may read it can do all that the stack can: it is its owner's alone."""

    def __init__(self, folder: Path) -> None:
        """`folder`: made where it is not there yet."""
        self.folder = folder.resolve()
        self.logs = self.folder / "logs"
        self.env = self.folder / "env"
        self._plan = self.folder / "plan.json"
        self._processes = self.folder / "processes.json"

    def make(self) -> None:
        """The folder itself. Others may pass through it (Postgres runs as another user than root), not read it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.logs.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Only one process at a time may start or stop this stack; raises StackError for the second."""
        self.make()
        with (self.folder / "lock").open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StackError(f"another process is starting or stopping the stack in {self.folder}") from None
            yield

    def plan(self, workers: int | None = None, server_port: int | None = None) -> Plan:
        """The plan kept here, with what is asked now changed; a new one where there is none."""
        if self._plan.exists():
            kept = Plan(**json.loads(self._plan.read_text()))
        else:
            kept = Plan(_free_ports(), secrets.token_hex(20), 1)
        ports = kept.ports | ({"server": server_port} if server_port else {})
        plan = Plan(ports, kept.password, workers or kept.workers)
        if plan != kept or not self._plan.exists():
            self.make()
            private(self._plan, json.dumps(asdict(plan), indent=1))
        return plan

    def processes(self) -> dict[str, dict[str, int]]:
        """What was started and not stopped since, by name.

        `pid`, `born` (its start, in ticks of the kernel) and `log` (how long its log was before).
        """
        return json.loads(self._processes.read_text()) if self._processes.exists() else {}

    def remember(self, name: str, process: dict[str, int] | None) -> None:
        """Note a process, or that it is no more."""
        known = {key: value for key, value in self.processes().items() if key != name}
        private(self._processes, json.dumps(known | ({name: process} if process else {}), indent=1))

    def write_env(self, variables: dict[str, str]) -> None:
        """Variables for whoever works with the stack, to be read by a shell: `. STATE/env`."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        private(self.env, "\n".join(lines) + "\n")


def private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    new.replace(path)


def _free_ports() -> dict[str, int]:
    chosen: dict[str, int] = {}
    for port in random.SystemRandom().sample(PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        chosen[PORT_NAMES[len(chosen)]] = port
        if len(chosen) == len(PORT_NAMES):
            return chosen
    raise StackError(f"no free port found between {PORTS.start} and {PORTS.stop}")
