"""The weekly run, end to end, on a real Prefect server: results, reuse, failure, retry."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lakes import data_outputs, executed, start, summary_of

ROOT = Path(__file__).parents[2]
ANSWERS = ("forecast", "risk", "pools", "warnings", "drift", "sizing")
STAGES = ("validate", "anomalies", "train", "champion", *ANSWERS)
OF_FLEET = ["fleet-pools:_fleet", "scorecard:_fleet", "actions:_fleet", "report:_fleet"]
OF_RUN = ["ingest:_fleet", "decided:_fleet"]  # once a run: a retry keeps what the run began with


@pytest.fixture(scope="module", autouse=True)
def _server(prefect_api: str) -> None:
    pass


@pytest.fixture(scope="module")
def units(outcome: dict[str, Any]) -> list[str]:
    return [unit["business_unit"] for unit in outcome["units"]]


def test_every_server_is_accounted_for(outcome: dict[str, Any], units: list[str], lake: Path) -> None:
    summary = summary_of(lake)
    assert len(units) == 4
    assert set(summary["tiers"]) == {"critical", "high", "watch", "ok", "unknown"}
    assert sum(summary["tiers"].values()) == summary["servers"] == 16
    by_unit = [sum(unit["tiers"].values()) for unit in summary["business_units"]]
    assert sum(by_unit) == 16
    assert summary["complete"]


def test_the_report_is_published_whole(outcome: dict[str, Any], lake: Path) -> None:
    (pdf,) = lake.glob("reports/**/capacity-report.pdf")
    (workbook,) = lake.glob("reports/**/capacity-report.xlsx")
    assert pdf.read_bytes().startswith(b"%PDF")
    assert workbook.read_bytes().startswith(b"PK")
    assert (pdf.with_suffix(".html")).read_text().startswith("<!")
    assert (lake / f"runs/{outcome['run_id']}/attempt=1/manifest.json").exists()


def test_every_stage_ran_once_in_every_unit(outcome: dict[str, Any], units: list[str], lake: Path) -> None:
    wanted = [f"{stage}:{unit}" for stage in STAGES for unit in units] + [*OF_RUN, *OF_FLEET]
    assert executed(lake, outcome["run_id"], 1) == sorted(wanted)


def test_the_prefect_ui_shows_subflows_and_artifacts(outcome: dict[str, Any], units: list[str]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(outcome["run_id"])
        names = {run.name for run in client.read_flow_runs(limit=200)}
        fleet = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id])), limit=200
        )
        everything = client.read_artifacts(limit=200)
    day = outcome["published"]["as_of"][:10]
    assert run.name == f"capacity-{day}"
    assert run.state is not None
    assert run.state.is_completed()
    assert {f"{unit}-{day}" for unit in units} <= names
    shown = {artifact.key: artifact for artifact in fleet}
    assert shown["fleet-summary"].type == "table"
    assert shown["capacity-summary"].type == "markdown"
    assert shown["scorecard"].type == "markdown"
    assert shown["business-units"].data == 100.0
    files = {"pdf": "capacity-report.pdf", "workbook": ".xlsx", "html": ".html", "summary": "summary.json"}
    assert all(file in str(shown[f"report-{kind}"].data) for kind, file in files.items())
    assert {f"{kind}-{unit}" for kind in ("tiers", "risks", "quality", "pools") for unit in units} <= {
        artifact.key for artifact in everything
    }


def test_results_are_json_below_the_store(outcome: dict[str, Any], lake: Path) -> None:
    results = [path for path in (lake / "results").rglob("*") if path.is_file()]
    assert len(results) >= 4 * len(STAGES)
    assert all(path.read_bytes().lstrip().startswith(b"{") for path in results)


def looked_at(units: list[str]) -> list[str]:
    """What every run does anew: the source, what people decided, and which model is champion may have changed."""
    return [*OF_RUN, *[f"champion:{unit}" for unit in units]]


def test_a_second_run_reuses_all_but_the_source_and_who_is_champion(
    outcome: dict[str, Any], units: list[str], fleet_folder: Path, lake: Path
) -> None:
    before = data_outputs(lake)
    again = start(fleet_folder, lake)
    assert executed(lake, again["run_id"], 1) == sorted(looked_at(units))
    assert data_outputs(lake) == before


def test_a_result_whose_object_is_gone_or_damaged_is_made_again(
    outcome: dict[str, Any], units: list[str], fleet_folder: Path, lake: Path
) -> None:
    before = data_outputs(lake)
    (partition,) = lake.glob(f"forecasts/**/business_unit={units[0]}/part-0.parquet")
    partition.unlink()
    for table in lake.glob(f"models/**/business_unit={units[1]}/*/weights.parquet"):
        table.write_bytes(b"damaged")
    again = start(fleet_folder, lake)
    assert executed(lake, again["run_id"], 1) == sorted(
        [f"forecast:{units[0]}", f"train:{units[1]}", *looked_at(units)]
    )
    assert data_outputs(lake) == before


def test_refresh_runs_every_stage_anew(
    outcome: dict[str, Any], units: list[str], fleet_folder: Path, lake: Path
) -> None:
    before = data_outputs(lake)
    again = start(fleet_folder, lake, refresh=True)
    assert len(executed(lake, again["run_id"], 1)) == 4 * len(STAGES) + len(OF_FLEET) + len(OF_RUN)
    assert data_outputs(lake) == before


def test_one_unit_alone_is_reported_beside_the_fleet(
    outcome: dict[str, Any], units: list[str], fleet_folder: Path, lake: Path
) -> None:
    fleet = [path.read_bytes() for path in lake.glob("reports/*/*/summary.json")]
    result = start(fleet_folder, lake, business_units=[units[1]])
    assert [unit["business_unit"] for unit in result["units"]] == [units[1]]
    assert len(list(lake.glob(f"reports/*/*/business_unit={units[1]}/capacity-report.pdf"))) == 1
    assert [path.read_bytes() for path in lake.glob("reports/*/*/summary.json")] == fleet


def test_an_unknown_unit_is_refused_by_name(outcome: dict[str, Any], fleet_folder: Path, lake: Path) -> None:
    result = start(fleet_folder, lake, business_units=["nobody"])
    assert "nobody" in str(result)
    assert "known:" in str(result)


@pytest.fixture(scope="module")
def broken(fleet_folder: Path, units: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A run in which one unit's forecast fails."""
    lake = tmp_path_factory.mktemp("broken") / "lake"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPFORECAST_FLOW__DRILL", f"forecast:{units[2]}")
        return lake, start(fleet_folder, lake)


def test_a_failing_unit_leaves_the_others_finished(broken: tuple[Path, Any], units: list[str]) -> None:
    lake, error = broken
    assert list(error.problems) == [units[2]]
    assert "drill" in error.problems[units[2]]
    summary = summary_of(lake)
    assert not summary["complete"]
    status = {unit["name"]: unit["status"] for unit in summary["business_units"]}
    assert status == {name: "failed" if name == units[2] else "finished" for name in units}


def test_a_retry_runs_the_failed_stage_and_what_follows_and_nothing_else(
    broken: tuple[Path, Any], outcome: dict[str, Any], units: list[str], lake: Path, prefect_api: str
) -> None:
    broken_lake, error = broken
    run_id = error.outcome["run_id"]
    done = retry(run_id, prefect_api)
    assert done.returncode == 0, done.stdout + done.stderr
    again = [f"{stage}:{units[2]}" for stage in ANSWERS]
    assert executed(broken_lake, run_id, 2) == sorted(again + OF_FLEET)
    assert summary_of(broken_lake)["complete"]
    sound, mended = (_of_whole_runs(data_outputs(where), units[1]) for where in (lake, broken_lake))
    assert set(mended) == set(sound)
    assert [name for name in mended if mended[name] != sound[name]] == []


def _of_whole_runs(outputs: dict[str, bytes], alone: str) -> dict[str, bytes]:
    """Without what a run of this business unit alone writes in the fleet's place, or over its part of the fleet's."""
    fleets = {
        "reports", "scorecard", "reliability", "actions", "savings", "bounds", "segments", "segment_sizes", "realised",
    }  # fmt: skip
    return {
        name: content
        for name, content in outputs.items()
        if not (name.split("/")[0] in fleets and f"business_unit={alone}/" in name)
    }


def test_a_re_run_from_a_stage_on_makes_it_and_what_follows_anew_and_the_same(
    broken: tuple[Path, Any], units: list[str], prefect_api: str
) -> None:
    lake, error = broken
    run_id = error.outcome["run_id"]
    before = data_outputs(lake)
    done = retry(run_id, prefect_api, "--from-stage", "sizing", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["attempt"] == 3
    assert executed(lake, run_id, 3) == sorted([f"sizing:{unit}" for unit in units] + OF_FLEET + ["decided:_fleet"])
    assert data_outputs(lake) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["00000000-0000-0000-0000-000000000000"], "knows no run"),
        (["no such name"], "knows no run"),
        (["x", "--from-stage", "ingest"], "for new data start a new run"),
        (["x", "--from-stage", "trian"], "stages are validate, anomalies, train"),
    ],
)
def test_what_cannot_be_run_again_is_refused(arguments: list[str], words: str, prefect_api: str) -> None:
    done = retry(arguments[0], prefect_api, *arguments[1:])
    assert done.returncode == 2, done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def retry(run_id: str, prefect_api: str, *more: str) -> subprocess.CompletedProcess[str]:
    """The documented command."""
    environment = os.environ | {"PREFECT_API_URL": prefect_api}
    command = [str(Path(sys.executable).with_name("capforecast")), "rerun", run_id, *more]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_retry_keeps_its_cut_off_and_goes_on_although_the_source_has_grown(
    fleet_folder: Path, units: list[str], tmp_path: Path, prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, growing = units[:2], tmp_path / "fleet"
    shutil.copytree(fleet_folder, growing)
    lake = tmp_path / "lake"
    with monkeypatch.context() as patch:
        patch.setenv("CAPFORECAST_FLOW__DRILL", f"risk:{units[0]}")
        error = start(growing, lake, refresh=True, business_units=names)
    seen = pd.read_parquet(growing / "observations.parquet")
    last = seen[seen["timestamp"] == seen["timestamp"].max()]
    later = pd.concat([seen, last.assign(timestamp=last["timestamp"] + pd.Timedelta(days=1))])
    later.to_parquet(growing / "observations.parquet", index=False)
    following = start(growing, lake, business_units=names)
    done = retry(error.outcome["run_id"], prefect_api)
    assert done.returncode == 0, done.stdout + done.stderr
    again = [f"{stage}:{units[0]}" for stage in ANSWERS[1:]]
    assert executed(lake, error.outcome["run_id"], 2) == sorted(again + OF_FLEET)
    days = {path.parents[1].name: json.loads(path.read_text()) for path in lake.glob("reports/*/*/*/summary.json")}
    assert len(days) == 2
    assert following["published"]["as_of"][:10] == max(days)[6:]
    assert all(summary["complete"] for summary in days.values())


def test_on_a_retry_in_another_order_no_unit_gets_another_units_result(
    fleet_folder: Path, units: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import Scheduled

    from flows.capacity import capacity_run

    names = units[:2]
    with monkeypatch.context() as patch:
        patch.setenv("CAPFORECAST_FLOW__DRILL", f"train:{names[1]}")
        error = start(fleet_folder, tmp_path / "lake", business_units=names)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(error.outcome["run_id"], Scheduled(), force=True)
        run = client.read_flow_run(error.outcome["run_id"])
    monkeypatch.setattr("flows.capacity.chosen", lambda wanted, known: list(reversed(names)))
    parameters = run.parameters | {"business_units": list(reversed(names))}
    state = run_flow(flow=capacity_run, flow_run=run, parameters=parameters, return_type="state")
    result = state.result()
    assert [unit["business_unit"] for unit in result["units"]] == sorted(names)
    for unit in result["units"]:
        addresses = [reference["uri"] for reference in unit["references"].values()]
        own = [address for address in addresses if "business_unit=_fleet/" not in address]  # but for shapes and prices
        assert len(own) >= len(addresses) - 2
        assert all(f"business_unit={unit['business_unit']}/" in address for address in own)
    assert executed(tmp_path / "lake", error.outcome["run_id"], 2) == sorted(
        [f"{stage}:{names[1]}" for stage in ("train", "champion", *ANSWERS)] + OF_FLEET
    )
