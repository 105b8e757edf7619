"""Backfill of three dates on a real Prefect server: in order, resumable, nothing later visible, the summary table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import Call
from lakes import data_outputs, executed, start

from capforecast import stages

pytestmark = pytest.mark.usefixtures("prefect_api")
OF_THE_FILES = ("quarantine/", "validation/", "reports/", "backfills/")  # say how many rows the source held, or who ran


@pytest.fixture(scope="module")
def observed(fleet_folder: Path) -> pd.DataFrame:
    return pd.read_parquet(fleet_folder / "observations.parquet")


@pytest.fixture(scope="module")
def dates(observed: pd.DataFrame) -> list[str]:
    last = observed["timestamp"].max()
    return [f"{last - pd.Timedelta(days=past):%Y-%m-%d}" for past in (14, 7, 0)]


def backfilled(fleet: Path, lake: Path, dates: list[str], **more: Any) -> Any:
    """What the flow returned in this process, or the exception that ended it."""
    from flows.backfill import backfill

    state = backfill(
        source=str(fleet / "observations.parquet"),
        inventory=str(fleet / "inventory.csv"),
        store=str(lake),
        start=dates[0],
        end=dates[-1],
        business_units=["retail"],
        overrides={
            "forecast.horizon_days": 14,
            "forecast.horizon_hours": 336,
            "report.per_business_unit": False,
            "delivery.webhook_url_env": "REPORT_WEBHOOK",
        },
        return_state=True,
        **more,
    )
    return state.result(raise_on_failure=False)


def statuses(outcome: Any) -> list[str]:
    return [row["status"] for row in outcome["dates"]]


@pytest.fixture(scope="module")
def first(fleet_folder: Path, dates: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A lake, and the backfill of which the report of the second date failed."""
    lake = tmp_path_factory.mktemp("backfill") / "lake"
    report = stages.report

    def broken(*given: Any) -> Any:
        if given[2].as_of.startswith(dates[1]):
            raise OSError("the printer is on fire")
        return report(*given)

    def told(*_: Any, **__: Any) -> None:
        pytest.fail("somebody was told of the past")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "report", broken)
        for name in ("flows.capacity.deliver", "flows.capacity.announce_alerts", "tasks.drift.emit_event"):
            patch.setattr(name, told)
        return lake, backfilled(fleet_folder, lake, dates)


def test_a_date_that_fails_is_told_with_its_reason_and_the_others_go_on(first: tuple[Path, Any]) -> None:
    _, ended = first
    assert type(ended).__name__ == "IncompleteBackfill"
    assert ended.exit_code == 4
    assert statuses(ended.outcome) == ["done", "failed", "done"]
    assert "the printer is on fire" in ended.outcome["dates"][1]["reason"]
    assert sum(ended.outcome["dates"][0]["tiers"].values()) > 0


def test_nothing_later_is_visible(
    first: tuple[Path, Any], observed: pd.DataFrame, fleet_folder: Path, dates: list[str], tmp_path: Path
) -> None:
    """Figures of the first date are those of a run made when nothing later existed."""
    cut = pd.Timestamp(dates[0], tz="UTC")
    then = observed[(observed["timestamp"] < cut) & (observed["ingested_at"] <= cut)]
    assert len(then) < len(observed)
    then.to_parquet(tmp_path / "observations.parquet", index=False)
    (tmp_path / "inventory.csv").write_bytes((fleet_folder / "inventory.csv").read_bytes())
    outcome = start(tmp_path, tmp_path / "lake", as_of=dates[0], known_at="as_of", business_units=["retail"])
    assert isinstance(outcome, dict), outcome

    def of_date(lake: Path) -> dict[str, bytes]:
        files = data_outputs(lake)
        return {
            name: data
            for name, data in files.items()
            if not name.startswith(OF_THE_FILES) and (dates[0] in name or name.endswith("champion/000001.json"))
        }

    assert len(of_date(tmp_path / "lake")) > 30
    assert of_date(first[0]) == of_date(tmp_path / "lake")
    summaries = [
        json.loads(next(lake.glob(f"reports/*/as_of={dates[0]}/business_unit=retail/summary.json")).read_text())
        for lake in (first[0], tmp_path / "lake")
    ]
    for name in ("tiers", "top_risks", "business_units", "as_of", "known_at"):
        assert summaries[0][name] == summaries[1][name]


def test_the_next_call_does_what_is_missing_and_looks_again_at_what_follows(
    first: tuple[Path, Any], fleet_folder: Path, dates: list[str]
) -> None:
    lake, ended = first
    outcome = backfilled(fleet_folder, lake, dates)
    assert statuses(outcome) == ["already done", "done", "done"]  # the third is compared with the second
    assert outcome["dates"][0]["run_id"] == ended.outcome["dates"][0]["run_id"]
    again = executed(lake, outcome["dates"][1]["run_id"], 1)
    assert {line.split(":")[0] for line in again} == {"ingest", "champion", "decided", "report"}
    champions = pd.read_parquet(next(lake.glob(f"champions/*/as_of={dates[2]}/business_unit=retail/part-0.parquet")))
    assert champions["previous_as_of"].tolist() == [dates[1]]
    before = data_outputs(lake)
    assert statuses(backfilled(fleet_folder, lake, dates)) == ["already done"] * 3
    assert data_outputs(lake) == before


def test_work_ahead_promotes_nothing_and_is_reused(first: tuple[Path, Any], dates: list[str]) -> None:
    """The third date's models were trained beside the second's report: its own run found them made."""
    lake, ended = first
    done = executed(lake, ended.outcome["dates"][2]["run_id"], 1)
    assert not [line for line in done if line.startswith(("train:", "validate:"))]
    records = sorted(lake.glob("models/*/business_unit=retail/champion/*.json"))
    cut_offs = [json.loads(path.read_text())["as_of"][:10] for path in records]
    assert cut_offs == sorted(cut_offs)
    assert cut_offs[0] == dates[0]


def test_the_command_shows_what_became_of_each_date(
    first: tuple[Path, Any], fleet_folder: Path, dates: list[str], call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPFORECAST_REPORT__PER_BUSINESS_UNIT", "false")  # settings, not words, say what is the same
    source = ("--source", fleet_folder / "observations.parquet", "--inventory", fleet_folder / "inventory.csv")
    asked = ("--start", dates[0], "--end", dates[0], *source, "--store", first[0], "--business-unit", "retail")
    ended = call("backfill", *asked, "--horizon", "14d", "--json")
    told = json.loads(ended.out)
    assert ended.code == told["exit_code"] == 0, ended.err
    (row,) = told["dates"]
    assert (row["date"], row["status"]) == (dates[0], "already done")
    assert Path(row["report"]).exists()
