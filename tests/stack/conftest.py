"""The stack that these tests share, and the undisturbed run that all others are compared with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive import WEEKLY, Run, begin, completed, data_outputs
from stack import environments
from stack.control import Stack

FOLDER = Path(__file__).parent
# Who starts these tests in the background of a script hands down that Ctrl-C is ignored, to programs we start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here want the stack."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker("stack")


@pytest.fixture(scope="session")
def timings() -> Iterator[dict[str, float]]:
    """How long things took, printed at the end and kept where STACK_TIMINGS says."""
    measured: dict[str, float] = {}
    yield measured
    told = json.dumps({name: round(seconds, 1) for name, seconds in measured.items()}, indent=1)
    print("\nseconds:", told)
    if path := os.environ.get("STACK_TIMINGS"):
        Path(path).write_text(told + "\n")


@pytest.fixture(scope="session")
def stack(fleet_folder: Path, timings: dict[str, float]) -> Iterator[Stack]:
    """The whole stack, up; this process is its client."""
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    folder = Path(tempfile.mkdtemp(prefix="capforecast-stack-"))
    stack = Stack(folder, print)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPACITY_SOURCE", str(fleet_folder / "observations.parquet"))
        patch.setenv("CAPACITY_INVENTORY", str(fleet_folder / "inventory.csv"))
        try:
            begun = time.monotonic()
            assert stack.up()
            timings["stack up, deployments registered"] = time.monotonic() - begun
            for name, value in environments.client_variables(stack.state, stack.plan).items():
                if name.startswith("AWS_"):
                    patch.setenv(name, value)
            auth = f"admin:{stack.plan.password}"
            with temporary_settings({PREFECT_API_URL: stack.plan.api, PREFECT_API_AUTH_STRING: auth}):
                yield stack
        finally:
            keep = os.environ.get("STACK_LOGS")
            if keep:
                shutil.copytree(stack.state.logs, keep, dirs_exist_ok=True)
            stack.down(remove=True)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sound(stack: Stack, fleet_folder: Path, timings: dict[str, float]) -> Run:
    """A run to which nothing happened, its business units in its own process."""
    begun = time.monotonic()
    run = begin(WEEKLY, fleet_folder, "sound")
    completed(run)
    timings["weekly run, inline"] = time.monotonic() - begun
    return run


@pytest.fixture(scope="session")
def outputs(sound: Run) -> dict[str, bytes]:
    """What it left in its lake."""
    return data_outputs(sound.lake)


@pytest.fixture(autouse=True)
def _whole_again(stack: Stack) -> Iterator[None]:
    """A test that broke a part and failed leaves the others a stack that works."""
    yield
    for name, pid in stack.status().items():
        if pid is None:
            stack.start(name)
