"""A Prefect server for a benchmark, on loopback, and a worker where one is wanted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAMS = Path(sys.executable).parent
ROOT = Path(__file__).parents[1]
POOL = "benchmark"
START_SECONDS = 180.0


class Server:
    """A server of its own with a database in `home`; use it as a context manager."""

    def __init__(self, home: Path) -> None:
        """Started on entering."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.home, self.url = home, f"http://127.0.0.1:{self.port}/api"
        self.variables = {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PYTHONPATH": str(ROOT),
        }

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True)
        command = ["server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = self._started(command, "server.log")
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5)
                return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise SystemExit((self.home / "server.log").read_text()[-2000:]) from None
                time.sleep(0.5)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _stop(self._process)

    def _started(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        with (self.home / log).open("wb") as file:
            return subprocess.Popen(
                [PROGRAMS / "prefect", *command], cwd=ROOT, env=os.environ | self.variables, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip

    @contextmanager
    def worker(self, entrypoint: str, name: str) -> Iterator[None]:
        """A worker that serves one deployment of this checkout while the block runs."""
        self.command("work-pool", "create", POOL, "--type", "process")
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
        deployment = {"name": name, "entrypoint": entrypoint, "work_pool": {"name": POOL}}
        file = self.home / "deployment.yaml"
        file.write_text(json.dumps({"name": "benchmark", "pull": [step], "deployments": [deployment]}))  # JSON is YAML
        self.command("--no-prompt", "deploy", "--all", "--prefect-file", str(file))
        process = self._started(["worker", "start", "--pool", POOL], "worker.log")
        try:
            yield
        finally:
            _stop(process)

    def command(self, *words: str) -> None:
        """A command of Prefect's."""
        done = subprocess.run(
            [PROGRAMS / "prefect", *words], cwd=ROOT, env=os.environ | self.variables, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)

    def get(self, path: str) -> Any:
        """What the API answers."""
        return json.loads(urllib.request.urlopen(f"{self.url}/{path}", timeout=30).read())

    def post(self, path: str, content: dict[str, Any]) -> Any:
        """What the API answers to JSON."""
        asked = urllib.request.Request(
            f"{self.url}/{path}", json.dumps(content).encode(), {"content-type": "application/json"}
        )
        return json.loads(urllib.request.urlopen(asked, timeout=30).read())

    @staticmethod
    def seconds(start: str, end: str) -> float:
        """Between two times of the API."""
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
