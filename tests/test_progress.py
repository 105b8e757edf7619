"""Where a command is, without a terminal, and what an interrupted one says."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from commands import Call

from capforecast import stages
from deployments import progress

log = logging.getLogger("capforecast.test")


def tell(event: str, stage: str = "", unit: str = "_fleet", **more: Any) -> None:
    log.info("news", extra={"event": event, "stage": stage, "business_unit": unit, **more})


def test_without_a_terminal_stages_are_counted_in_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "APART", 0.0)
    with progress.shown("starting Prefect"):
        tell("stage_done", "ingest")
        tell("units", stages=7)
        tell("stage_started", "train", "[retail]")
        tell("stage_reused", "train", "[retail]")
    assert capsys.readouterr().err.splitlines() == [
        "starting Prefect",
        "1 stages done, at ingest",
        "1 of 7 stages done, at [retail] train",
        "2 of 7 stages done, at [retail] train",
    ]


def test_a_thousand_quick_stages_are_not_a_thousand_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown("starting"):
        for number in range(1000):
            tell("stage_reused", "train", f"unit {number}")
    assert len(capsys.readouterr().err.splitlines()) < 500


def test_an_interrupted_command_says_what_was_finished_and_how_to_go_on(
    call: Call, fleet_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = stages.train

    def interrupted(store: Any, settings: Any, unit: Any) -> Any:
        if unit.business_unit != "analytics":
            raise KeyboardInterrupt
        return train(store, settings, unit)

    monkeypatch.setattr(stages, "train", interrupted)
    source = ["--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv"]
    done = call("train", *source, "--store", tmp_path, "--json")
    assert done.code == 130
    assert "finished: ingest; analytics: validate, train, champion; logistics: validate; " in done.err
    assert "to go on, give the same command again" in done.err
    assert done.out == ""


def test_of_many_units_only_some_are_named() -> None:
    follower = progress.Follower(lambda *_: None)
    assert follower.finished() == "nothing was finished yet"
    for number in range(20):
        record = log.makeRecord("x", logging.INFO, "", 0, "", (), None, extra={
            "event": "stage_done", "stage": "risk", "business_unit": f"u{number}"})  # fmt: skip
        follower.handle(record)
    assert follower.finished().startswith("finished: u0: risk; u1: risk;")
    assert follower.finished().endswith("u7: risk; and stages of 12 more")
