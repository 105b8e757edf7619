"""Parts of the flow `backfill` that need no server: what runs ahead, which child counts, exit codes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from capforecast.errors import ConfigError
from capforecast.exchange import RunKey
from capforecast.fingerprint import code_fingerprint
from capforecast.lake.datasets import to_json
from capforecast.lake.store import Store
from capforecast.settings import Settings
from flows import backfill
from tasks.common import Job

ASKED = backfill.Asked("data", None, ["retail"], "as_of", None, None, None, refresh=False)
WEEKS = ["2026-01-04", "2026-01-11", "2026-01-18", "2026-01-25"]


def job(store: Path, retrain: str = "always") -> Job:
    settings = Settings.model_validate({"models": {"retrain": retrain}})
    return Job(store_url=str(store), settings=settings, run=RunKey(run_id="b", attempt=2))


@dataclass
class Trainings:
    """Stands for the task `train_ahead`: which are at work, and how many at most there were at once."""

    at_work: set[str] = field(default_factory=set)
    begun: list[str] = field(default_factory=list)
    most: int = 0

    def submit(self, job: Job, asked: backfill.Asked, as_of: str) -> Any:
        self.begun.append(as_of)
        self.at_work.add(as_of)
        self.most = max(self.most, len(self.at_work))
        return type("Future", (), {"wait": lambda _: self.at_work.discard(as_of)})()


@pytest.mark.parametrize("most", [0, 1, 2])
def test_later_dates_are_trained_ahead_once_each_and_no_more_at_once_than_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    trainings = Trainings()
    monkeypatch.setattr(backfill, "train_ahead", trainings)
    ahead = backfill.Ahead(job(tmp_path), ASKED, most)
    for number, as_of in enumerate(WEEKS, 1):
        if as_of == WEEKS[1]:  # found finished: nobody waits for its training
            continue
        ahead.follow(as_of, WEEKS[number:])
        assert as_of not in trainings.at_work
    assert trainings.begun == {0: [], 1: [WEEKS[1], WEEKS[3]], 2: WEEKS[1:]}[most]
    assert trainings.most == most


def test_nothing_is_trained_ahead_where_that_depends_on_the_champion_of_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = Trainings()
    monkeypatch.setattr(backfill, "train_ahead", trainings)
    backfill.Ahead(job(tmp_path, "when_needed"), ASKED, 3).follow(WEEKS[0], WEEKS[1:])
    backfill.Ahead(job(tmp_path), replace(ASKED, refresh=True), 3).follow(WEEKS[0], WEEKS[1:])  # made anew anyway
    assert trainings.begun == []


def of_this_code(store: Path) -> dict[str, Any]:
    """What the record of a run says of its settings and code."""
    settings = job(store).settings.model_dump(mode="json")
    return {"run_id": "r", "code": code_fingerprint(), "settings": settings, "published": {}}


@pytest.mark.parametrize(
    "difference",
    [
        {"code": "other"},
        {"settings": {"forecast": {"horizon_days": 7}}},
        {"settings": {"report": {"title": "x"}}},
    ],
)
def test_a_run_of_other_settings_or_code_than_the_backfills_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, difference: dict[str, Any]
) -> None:
    Store(tmp_path).create("runs/r/attempt=1/manifest.json", to_json(of_this_code(tmp_path) | difference))
    run = type("Run", (), {"id": "r", "name": "capacity", "run_count": 1})()
    monkeypatch.setattr(backfill, "ensure_child", lambda *_, **__: run)
    with pytest.raises(ConfigError, match="used other settings or code than this backfill"):
        backfill._by_deployment(job(tmp_path), ASKED.of(job(tmp_path), WEEKS[0]), "key")


@pytest.mark.parametrize("before", [None, {"code": "other"}, {"settings": {"report": {"title": "x"}}}])
def test_a_run_that_left_no_record_or_that_of_other_settings_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, Any] | None
) -> None:
    """Its lake was deleted and begun anew, say, or its worker was mended since."""
    if before is not None:
        Store(tmp_path).create("runs/r/attempt=1/manifest.json", to_json(of_this_code(tmp_path) | before))

    def child(*_: Any, again: bool, **__: Any) -> Any:
        if again:
            Store(tmp_path).create("runs/r/attempt=2/manifest.json", to_json(of_this_code(tmp_path)))
        return type("Run", (), {"id": "r", "name": "capacity", "run_count": 1})()

    monkeypatch.setattr(backfill, "ensure_child", child)
    found = backfill._by_deployment(job(tmp_path), ASKED.of(job(tmp_path), WEEKS[0]), "key")
    assert found == of_this_code(tmp_path)


def test_runs_of_another_lake_or_of_an_earlier_backfill_that_made_all_anew_do_not_count(tmp_path: Path) -> None:
    here, there = job(tmp_path / "a"), job(tmp_path / "b")
    later = here.model_copy(update={"run": RunKey(run_id="c", attempt=1)})
    anew = replace(ASKED, refresh=True)
    assert backfill._once(here, ASKED, "k") == backfill._once(later, ASKED, "k")
    keys = [backfill._once(*each, "k") for each in ((here, ASKED), (there, ASKED), (here, anew), (later, anew))]
    assert len(set(keys)) == 4


@pytest.mark.parametrize("damaged", [False, True])
def test_a_run_that_completed_while_nobody_waited_counts_while_its_report_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    store = Store(tmp_path)
    summary = store.put("reports/summary.json", b"{}")
    made = of_this_code(tmp_path) | {"published": {"references": {"summary": summary.model_dump(mode="json")}}}
    store.create("runs/r/attempt=1/manifest.json", to_json(made))
    if damaged:
        store.put("reports/summary.json", b"other")
    asked: list[tuple[str, bool]] = []

    def child(deployment: str, key: str, parameters: dict[str, Any], **how: Any) -> Any:
        asked.append((key, how["again"]))
        return type("Run", (), {"id": "r", "name": "capacity", "run_count": 1})()

    monkeypatch.setattr(backfill, "ensure_child", child)
    found = backfill._by_deployment(job(tmp_path), ASKED.of(job(tmp_path), WEEKS[0]), "key")
    assert found == made
    assert asked == ([("key", False), ("key", True)] if damaged else [("key", False)])


@pytest.mark.parametrize(
    ("statuses", "codes", "expected"),
    [
        (["done", "failed"], {1}, 4),
        (["already done", "incomplete"], {4}, 4),
        (["failed", "failed"], {3}, 3),
        (["failed", "failed"], {1, 3}, 1),
    ],
)
def test_exit_codes(statuses: list[str], codes: set[int], expected: int) -> None:
    rows = [
        {"as_of": as_of, "status": status, "reason": "" if status.endswith("done") else "no disk"}
        for as_of, status in zip(WEEKS, statuses, strict=False)
    ]
    error = backfill.IncompleteBackfill({"dates": rows}, codes)
    assert error.exit_code == expected
    assert f"{WEEKS[1]} (no disk)" in str(error)


def test_the_key_of_a_date_is_what_is_asked_and_what_came_before(tmp_path: Path) -> None:
    here = job(tmp_path)
    keys = {
        ASKED.key(here),
        ASKED.key(here, ["sha"]),
        ASKED.key(job(tmp_path, "never")),
        backfill.Asked("data", None, None, "as_of", None, None, None, refresh=False).key(here),
        backfill.Asked("data", None, ["retail"], None, None, None, None, refresh=False).key(here),
    }
    assert len(keys) == 5
    again = backfill.Asked("data", None, ["retail"], "as_of", "local", None, {}, refresh=True)
    assert again.key(here) == ASKED.key(here)  # where settings come from does not matter
