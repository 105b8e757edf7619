"""A SageMaker of ours for tests: an HTTP server that speaks the JSON 1.1 protocol of its jobs, and nothing else of AWS.

It keeps jobs by name, refuses a name twice, says InProgress until the job's work (a function that the test gives) has
ended, and fails requests on demand. boto3 finds it by AWS_ENDPOINT_URL_SAGEMAKER. Nothing here proves what the real
service does: the shapes are botocore's, the order of states is that of its documentation.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]
Work = Callable[[Body], Body]  # what a job does with its request; returns further fields of its description
LOOKS = 2  # descriptions that say InProgress at least


class FailedError(Exception):
    """A job's work failed; the text is its FailureReason."""


@dataclass
class _Job:
    request: Body
    kind: str
    status: str = "InProgress"
    detail: str = "Starting"
    reason: str = ""
    more: Body = field(default_factory=dict)
    looks: int = 0
    thread: threading.Thread | None = None


@dataclass
class Endpoint:
    """The server. `work` is what jobs do; `faults`: (operation, HTTP status, code, message) of answers to come."""

    work: Work = field(default=lambda request: {})
    faults: list[tuple[str, int, str, str]] = field(default_factory=list)
    calls: list[tuple[str, Body]] = field(default_factory=list)
    jobs: dict[str, _Job] = field(default_factory=dict)
    hangs: bool = False  # jobs never end by themselves

    def __enter__(self) -> Endpoint:
        """Serve."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                operation = self.headers["X-Amz-Target"].rsplit(".", 1)[1]
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
                status, answer = endpoint.answer(operation, request)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Serve no more; jobs at work are waited for."""
        self._server.shutdown()
        self._server.server_close()
        self.finish()

    def begin(self, job: _Job) -> None:
        """Let a job do its work."""
        job.thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        job.thread.start()

    def finish(self) -> None:
        """Wait until what jobs are at work on is done."""
        for job in self.jobs.values():
            if job.thread is not None:
                job.thread.join(60)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def count(self, operation: str) -> int:
        """How often an operation was asked for."""
        return sum(called == operation for called, _ in self.calls)

    def answer(self, operation: str, request: Body) -> tuple[int, Body]:
        """HTTP status and body of an answer."""
        self.calls.append((operation, request))
        for fault in self.faults:
            if fault[0] == operation:
                self.faults.remove(fault)
                return fault[1], {"__type": fault[2], "message": fault[3]}
        kind = "Training" if "Training" in operation else "Processing"
        name = request.get(f"{kind}JobName", "")
        if operation.startswith("Create"):
            return self._create(kind, name, request)
        if name not in self.jobs:
            return 400, {"__type": "ValidationException", "message": "Requested resource not found."}
        if operation.startswith("Stop"):
            return self._stop(self.jobs[name])
        return 200, self._described(kind, name, self.jobs[name])

    def _create(self, kind: str, name: str, request: Body) -> tuple[int, Body]:
        if name in self.jobs:
            message = f"Job name must be unique within an AWS account and region: {name}"
            return 400, {"__type": "ResourceInUse", "message": message}
        job = self.jobs[name] = _Job(request, kind)
        if not self.hangs:
            self.begin(job)
        return 200, {f"{kind}JobArn": f"arn:aws:sagemaker:us-east-1:111122223333:{kind.lower()}-job/{name}"}

    def _run(self, job: _Job) -> None:
        try:
            job.detail = "Training"
            job.more = self.work(job.request)
            job.status = job.detail = "Completed"
        except FailedError as error:
            job.reason, job.status, job.detail = str(error), "Failed", "Failed"
        except Exception as error:
            job.reason, job.status, job.detail = f"InternalServerError: {error!r}", "Failed", "Failed"

    def _stop(self, job: _Job) -> tuple[int, Body]:
        if job.status != "InProgress":
            return 400, {"__type": "ValidationException", "message": f"The job is in status {job.status}"}
        job.status = job.detail = "Stopped"
        return 200, {}

    def _described(self, kind: str, name: str, job: _Job) -> Body:
        job.looks += 1
        early = job.looks <= LOOKS and job.status == "Completed"
        said: Body = {f"{kind}JobName": name, f"{kind}JobStatus": "InProgress" if early else job.status}
        if kind == "Training":
            said["SecondaryStatus"] = "Training" if early else job.detail
        if job.reason:
            said["FailureReason"] = job.reason
        return said | ({} if early else job.more)
