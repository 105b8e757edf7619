"""The lake that tests of the dashboard look at, made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import dashboard_lake
import pytest

from capforecast.dashboard import here
from capforecast.dashboard.reading import Lake, OpenRun
from capforecast.lake.store import Store


@pytest.fixture(scope="session")
def made_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake; nothing may be written there.

    DASHBOARD_TEST_LAKE: one made before, which saves a minute.
    """
    if ready := os.environ.get("DASHBOARD_TEST_LAKE"):
        return Path(ready)
    folder = tmp_path_factory.mktemp("dashboard")
    dashboard_lake.make(folder)
    return folder / "lake"


@pytest.fixture
def served(made_lake: Path) -> Iterator[Lake]:
    """The lake, served in this process."""
    lake = Lake(Store(made_lake))
    here.serve(here.Served(lake, "http://prefect.example:4200"))
    yield lake
    here.stop()


@pytest.fixture
def own_lake(made_lake: Path, tmp_path: Path) -> Iterator[Lake]:
    """A copy to write into, served in this process."""
    shutil.copytree(made_lake, tmp_path / "lake")
    lake = Lake(Store(tmp_path / "lake"))
    here.serve(here.Served(lake))
    yield lake
    here.stop()


@pytest.fixture
def opened(served: Lake) -> OpenRun:
    """The newest run."""
    return served.open(served.run(None))
