"""A sound run on a folder that the tests of whole runs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lakes import data_outputs, start


class Sound(NamedTuple):
    """A run to which nothing happened. `lake` may be run on again, `outputs` stay as the run left them."""

    lake: Path
    outcome: dict[str, Any]
    outputs: dict[str, bytes]


@pytest.fixture(scope="session")
def sound(fleet_folder: Path, prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """The run that all others are compared with."""
    lake = tmp_path_factory.mktemp("sound") / "lake"
    outcome = start(fleet_folder, lake)
    assert isinstance(outcome, dict), outcome
    return Sound(lake, outcome, data_outputs(lake))


@pytest.fixture(scope="session")
def lake(sound: Sound) -> Path:
    """Its lake."""
    return sound.lake


@pytest.fixture(scope="session")
def outcome(sound: Sound) -> dict[str, Any]:
    """What it returned."""
    return sound.outcome
