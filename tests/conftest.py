"""What all tests share: a Prefect of their own, never the user's."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from commands import Call, caller

from deployments import lambda_logs

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="capforecast-prefect-")
atexit.register(shutil.rmtree, os.environ["PREFECT_HOME"], ignore_errors=True)
os.environ.update(
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW="ignore",
    DO_NOT_TRACK="1",
)
os.environ.pop("PREFECT_API_URL", None)
for name in [name for name in os.environ if name.startswith(("CAPFORECAST_", "AWS_"))]:
    del os.environ[name]
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.environ["AWS_CONFIG_FILE"] = os.devnull  # nor their AWS profiles
SERVICES = Path(__file__).parents[1] / ".venv-services"


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what talks to a Prefect server: `make test` runs it in a process of its own, one server after the other."""
    for item in items:
        if "prefect_api" in getattr(item, "fixturenames", ()):
            item.add_marker("system")


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """Address of a Prefect server that lives as long as the tests."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Address of an S3 server (moto) in a process of its own, from the virtual environment of the tests' services."""
    python = SERVICES / "bin" / "python"
    if not python.exists() and not os.environ.get("CI"):
        pytest.skip("the S3 server of the tests is not installed; `make test` does that")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        command = [str(python), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
        try:
            _wait_for(server, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"the S3 server did not start: {log.read().decode()[-2000:]}")


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of a fresh lake in a bucket; the environment says where the server is and holds credentials."""
    name = f"lake-{uuid.uuid4().hex[:12]}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{name}", method="PUT"))
    for key, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    }.items():
        monkeypatch.setenv(key, value)
    return f"s3://{name}/fleet/lake"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line in this process: how a command given as words ended."""
    return caller(monkeypatch, capsys)


@pytest.fixture(scope="session")
def fleet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic fleet, as `capforecast generate-data` writes it."""
    from deployments.direct import write_fleet

    folder = tmp_path_factory.mktemp("fleet")
    write_fleet(folder, servers=16, days=220, cadence="daily", seed=7, end=None)
    return folder


@pytest.fixture
def own_logging() -> Iterator[None]:
    """For the Lambda function, which takes all log lines of its process: gives them back."""
    loggers = [logging.getLogger(), *map(logging.getLogger, lambda_logs.OURS)]
    before = [(logger, list(logger.handlers), logger.level) for logger in loggers]
    yield
    for logger, handlers, level in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
