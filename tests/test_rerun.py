"""What `capforecast rerun` refuses; needs no server. Re-runs themselves: tests/e2e/test_capacity_run.py."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from capforecast.errors import UsageError
from deployments import rerun

GONE = uuid.uuid4()


def run(**parameters: Any) -> Any:
    return SimpleNamespace(
        id=uuid.uuid4(),
        flow_id=uuid.uuid4(),
        name="payments-2026-03-02",
        parent_task_run_id=None,
        parameters=parameters,
    )


class Server:
    """Knows no run, and says that each is one of a business unit."""

    def read_flow(self, flow_id: Any) -> Any:
        return SimpleNamespace(name="business-unit-run")

    def read_flow_run(self, run_id: uuid.UUID) -> Any:
        from prefect.exceptions import ObjectNotFound

        raise ObjectNotFound(Exception("404"))


@pytest.mark.parametrize(("parent", "words"), [(GONE, f"of run {GONE}, which"), ("x", "of run x, which"), (None, "id")])
def test_a_business_unit_whose_run_is_gone_is_said_to_be(parent: object, words: str) -> None:
    asked = run(run_id=None if parent is None else str(parent))
    with pytest.raises(UsageError, match=words):
        rerun._whole_run(Server(), asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flow", "stage", "words"),
    [
        ("backfill", "train", "a backfill, whose dates are runs of their own"),
        ("train", "risk", "has no such stage"),
        ("notify", "train", "the flow 'notify'"),
    ],
)
def test_a_stage_that_the_run_does_not_have_is_refused(flow: str, stage: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rerun._check_stage_of(flow, run(), stage)
    rerun._check_stage_of(flow, run(), None)


def test_a_stage_that_it_has_is_not() -> None:
    for flow, stage in (("train", "champion"), ("capacity-run", "report"), ("forecast", "risk")):
        rerun._check_stage_of(flow, run(), stage)


def test_one_run_is_run_again_here_by_one_process_at_a_time(tmp_path: Path) -> None:
    asked = run(store=str(tmp_path / "lake"))
    with (
        rerun._alone(asked),
        pytest.raises(UsageError, match="being run again by another process"),
        rerun._alone(asked),
    ):
        raise AssertionError("twice at once")
    with rerun._alone(asked):  # the first has ended
        pass
    with rerun._alone(asked), rerun._alone(run(store=str(tmp_path / "lake"))):  # another run
        pass
