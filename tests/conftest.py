"""What all tests share: a Prefect of their own, never the user's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="capforecast-prefect-")
os.environ.update(
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="120",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW="ignore",
    DO_NOT_TRACK="1",
)
os.environ.pop("PREFECT_API_URL", None)
for name in [name for name in os.environ if name.startswith("CAPFORECAST_")]:
    del os.environ[name]


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """Address of a Prefect server that lives as long as the tests."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def fleet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic fleet, as `capforecast generate-data` writes it."""
    from deployments.direct import write_fleet

    folder = tmp_path_factory.mktemp("fleet")
    write_fleet(folder, servers=16, days=220, cadence="daily", seed=7, end=None)
    return folder
