"""What a run takes from the flow runs of its business units: their answer to what it asks, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from capforecast.errors import ConfigError
from capforecast.exchange import RunKey, Unit
from capforecast.lake import runs
from capforecast.schema import Cadence
from capforecast.settings import Settings
from flows import children, units
from tasks.common import Job

INGESTED = {"as_of": "2026-03-02T00:00:00+00:00"}
AS_ASKED = {"models": {}}


def job(store: Path, settings: dict[str, Any] = AS_ASKED) -> Job:
    asked = {"flow": {"fan_out": "deployment"}} | settings
    return Job(store_url=str(store), settings=Settings.model_validate(asked), run=RunKey(run_id="r", attempt=2))


class Children:
    """Stands for `ensure_child`: a flow run whose record answers to the plan, each time it is run."""

    def __init__(self, store: Path, monkeypatch: pytest.MonkeyPatch, **left: Any) -> None:
        self._job, self.asked = job(store), []
        self._plan = {"now": self._job, **left}
        monkeypatch.setattr(children, "_refuse_deadlock", lambda deployment: None)
        monkeypatch.setattr(children, "ensure_child", self)
        if "before" in left:
            self._leave(1, left["before"])

    def __call__(self, *_: Any, again: bool, **__: Any) -> Any:
        self.asked.append(again)
        count = 2 if again else 1
        if again and self._plan["now"] is not None:
            self._leave(2, self._plan["now"])
        return type("Run", (), {"id": "child", "run_count": count})()

    def _leave(self, attempt: int, planned: Job) -> None:
        unit = Unit(
            cadence=Cadence.DAILY, as_of=INGESTED["as_of"], business_unit="retail", servers=attempt, series=4,
            usable=4, horizon=14, references={},
        )  # fmt: skip
        asked = children.plan_of(planned, INGESTED, only_model=False)["asked"]
        runs.write_unit(self._job.store, "r", RunKey(run_id="child", attempt=attempt), unit, asked)


def taken(store: Path) -> int:
    """Which attempt's record was taken."""
    return int(units._by_child(job(store), INGESTED, "retail", only_model=False)["servers"])


def test_one_that_completed_as_asked_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Children(tmp_path, monkeypatch, before=job(tmp_path))
    assert taken(tmp_path) == 1
    assert made.asked == [False]


@pytest.mark.parametrize(
    "before",
    [{"forecast": {"horizon_days": 7}}, {"sizing": {"headroom": 0.1}}, {"models": {"retrain": "never"}}],
)
def test_one_of_settings_that_changed_since_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, Any]
) -> None:
    made = Children(tmp_path, monkeypatch, before=job(tmp_path, before))
    assert taken(tmp_path) == 2
    assert made.asked == [False, True]


def test_one_of_other_code_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(children, "code_fingerprint", lambda: "older")
        made = Children(tmp_path, patch, before=job(tmp_path))
    monkeypatch.setattr(children, "ensure_child", made)
    monkeypatch.setattr(children, "_refuse_deadlock", lambda deployment: None)
    assert taken(tmp_path) == 2


def test_one_without_a_record_is_run_again_and_said_to_be_useless_after_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Children(tmp_path, monkeypatch)
    assert taken(tmp_path) == 2
    Children(tmp_path / "other", monkeypatch, now=None)
    with pytest.raises(children.ChildError, match="'retail' completed without a record"):
        taken(tmp_path / "other")


def test_a_worker_of_other_code_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(children, "_refuse_deadlock", lambda deployment: None)
    plan = children.plan_of(job(tmp_path), INGESTED, only_model=False)
    children._refuse_other_code(plan, "r")
    with pytest.raises(ConfigError, match="is not that of run r"):
        children._refuse_other_code(plan | {"code": "0" * 64}, "r")
