"""The Runtime API of Lambda, as far as a function's runtime client uses it: our own server, for Amazon's own client.

Paths and headers: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. An answer to `next` without Content-Type
makes the client's C++ part crash.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HANDLER = "deployments.lambda_handler.handler"
ARN = "arn:aws:lambda:us-east-1:111122223333:function:capforecast"
ENTRY = "python -m awslambdaric"
PASSED_ON = ("PATH", "HOME", "NUMBA_CACHE_DIR", "OMP_NUM_THREADS")  # with another kernel of BLAS, last bits differ
START_SECONDS = 60.0


@dataclass
class Invocation:
    """An event on its way through a function."""

    event: Any
    seconds: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    done: threading.Event = field(default_factory=threading.Event)
    content: Any = None
    failed: bool = False


class RuntimeApi:
    """The server. Use it as a context manager; `function` starts a client on it."""

    def __init__(self) -> None:
        """Started on entering."""
        self.waiting: queue.Queue[Invocation] = queue.Queue()
        self.active: dict[str, Invocation] = {}
        self.asked_first: list[float] = []  # when each client asked for its first event: its init was over
        self.init_errors: list[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RuntimeApi:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def invoke(self, event: Any, seconds: float = 300.0) -> Invocation:
        """Hand an event to whichever function asks next, with so many seconds to live."""
        given = Invocation(event, seconds)
        self.waiting.put(given)
        return given

    def answer(self, event: Any, seconds: float = 300.0, patience: float = 120.0) -> Invocation:
        """The same once it is answered."""
        given = self.invoke(event, seconds)
        assert given.done.wait(patience), "the function does not answer"
        return given

    @contextmanager
    def function(
        self, python: Path, environment: Mapping[str, str], command: list[str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """A function's process: the runtime client with our handler, until the block ends; it is ready on entering."""
        passed = {k: v for k, v in os.environ.items() if k in PASSED_ON or k.startswith(("OPENBLAS_", "NPY_"))}
        own = {
            "AWS_LAMBDA_RUNTIME_API": self.address, "AWS_LAMBDA_FUNCTION_NAME": "capforecast",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"2026/11/28/[$LATEST]{uuid.uuid4().hex}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        before = len(self.asked_first)
        process = subprocess.Popen(
            command or [str(python), *ENTRY.split()[1:], HANDLER], cwd=ROOT, env=passed | own | dict(environment),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        process.lines = lines  # type: ignore[attr-defined]
        try:
            deadline = time.monotonic() + START_SECONDS
            while len(self.asked_first) == before and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.01)
            assert len(self.asked_first) > before or self.init_errors, "".join(lines[-20:])
            yield process
        finally:
            process.kill()
            process.wait()
            reader.join(5)


def _handler_of(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    greeted: set[int] = set()  # ports of clients that have asked: a client keeps its connection

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

        def do_GET(self) -> None:
            """`next`: waits for an event."""
            if self.client_address[1] not in greeted:
                greeted.add(self.client_address[1])
                api.asked_first.append(time.monotonic())
            given = api.waiting.get()
            api.active[given.id] = given
            body = json.dumps(given.event).encode()
            self.send_response(200)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": len(body),
                "Lambda-Runtime-Aws-Request-Id": given.id,
                "Lambda-Runtime-Deadline-Ms": int((time.time() + given.seconds) * 1000),
                "Lambda-Runtime-Invoked-Function-Arn": ARN,
            }.items():
                self.send_header(name, str(value))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # the function is gone: another one is to have it
                api.waiting.put(given)

        def do_POST(self) -> None:
            """An answer, an error, or an error of init."""
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
            parts = self.path.split("/")
            if "init" in parts:
                api.init_errors.append(content)
            else:
                given = api.active.pop(parts[4])
                given.content, given.failed = content, parts[5] == "error"
                given.done.set()
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler
