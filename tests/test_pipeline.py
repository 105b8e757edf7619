"""What `capforecast run` makes of the final state that Prefect hands it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect.exceptions import MissingResult
from prefect.states import Completed, Failed, State

from capforecast.lake.store import Store
from deployments.pipeline import _outcome


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    store = Store(tmp_path / "lake")
    for attempt in (1, 2, 10):
        store.create(f"runs/r/attempt={attempt}/manifest.json", f'{{"attempt": {attempt}}}'.encode())
        store.create(f"runs/other/attempt={attempt}/manifest.json", b"{}")
    return store


def test_a_completed_run_whose_result_was_lost_on_the_way_is_read_from_its_record(lake: Store) -> None:
    assert _outcome(State(type="COMPLETED"), "r", lake) == {"attempt": 10}


def test_without_a_record_the_loss_is_said(lake: Store) -> None:
    assert isinstance(_outcome(Completed(), "unknown", lake), MissingResult)


def test_a_failed_run_is_never_taken_for_a_record(lake: Store) -> None:
    error = ValueError("no such column")
    assert _outcome(Failed(data=error), "r", lake) is error
