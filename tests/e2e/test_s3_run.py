"""The weekly run on S3: the same bytes as on a folder, failure and retry, the command line, and no secret anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lakes import start

from capforecast.errors import ConflictError
from capforecast.lake.claims import Claims
from capforecast.lake.datasets import PER_UNIT
from capforecast.lake.store import Store
from capforecast.schema import Cadence

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PER_RUN = ("raw/", "runs/", "results/", "logs/", "locks/")  # carry clock times or run ids
UNITS = 4


@pytest.fixture(scope="module")
def environment(prefect_api: str, s3_server: str) -> dict[str, str]:
    """What a process needs to work on S3: where the server is, and credentials."""
    return {
        "PREFECT_API_URL": prefect_api,
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }


@pytest.fixture(scope="module", autouse=True)
def _here(environment: dict[str, str]) -> Iterator[None]:
    """The same for the tests' own process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield


def new_bucket(s3_server: str) -> str:
    name = f"lake-{uuid.uuid4().hex[:12]}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{name}", method="PUT"))
    return f"s3://{name}/fleet/lake"


def call(*arguments: object, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    outer = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("AWS_SH", "AWS_CON")) or "AWS_" not in name
    }
    return subprocess.run(
        list(map(str, arguments)),
        cwd=cwd,
        env=outer | {"PYTHONPATH": str(ROOT), "CAPFORECAST_REPORT__PER_BUSINESS_UNIT": "false"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def run_command(fleet: Path, store: object) -> list[object]:
    source = ["--source", fleet / "observations.parquet", "--inventory", fleet / "inventory.csv"]
    return [BIN / "capforecast", "run", *source, "--store", store, "--horizon", "14d", "--json"]


def data_outputs(store: Store) -> dict[str, bytes]:
    return {key: store.read(key) for key in store.keys("") if not key.startswith(PER_RUN)}


def executed(store: Store, run_id: str, attempt: int) -> list[str]:
    notes = [json.loads(store.read(key)) for key in store.keys(f"runs/{run_id}/attempt={attempt}/executed")]
    return sorted(f"{note['stage']}:{note['business_unit']}" for note in notes)


@pytest.fixture(scope="module")
def s3_lake(s3_server: str) -> str:
    return new_bucket(s3_server)


@pytest.fixture(scope="module")
def cli_run(
    fleet_folder: Path, s3_lake: str, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """`capforecast run` into the bucket, from a folder of its own."""
    here = tmp_path_factory.mktemp("here")
    done = call(*run_command(fleet_folder, s3_lake), cwd=here, environment=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"here": here, "said": done.stdout + done.stderr}


def test_folder_and_bucket_hold_the_same_bytes(cli_run: dict[str, Any], s3_lake: str, sound: Any) -> None:
    folder = {name: data for name, data in sound.outputs.items() if not name.startswith(PER_RUN)}
    bucket = data_outputs(Store(s3_lake))
    assert {key.split("/")[0] for key in folder} == {*PER_UNIT, "models", "reports"} - {"trained"}  # no new servers
    assert set(bucket) == set(folder)
    assert [key for key in folder if bucket[key] != folder[key]] == []


def test_the_command_line_says_where_things_are(cli_run: dict[str, Any], s3_lake: str) -> None:
    lake = Store(s3_lake)
    assert cli_run["store"] == s3_lake
    for name in ("pdf", "workbook", "summary_json", "log"):
        assert cli_run[name].startswith(f"{s3_lake}/")
        lake.read(cli_run[name].removeprefix(f"{s3_lake}/"))
    lines = lake.read(cli_run["log"].removeprefix(f"{s3_lake}/")).decode().splitlines()
    assert {"stage_started", "stage_done"} <= {json.loads(line).get("event") for line in lines}
    assert list(cli_run["here"].iterdir()) == []  # the log went along, nothing is left behind


def test_results_are_json_below_the_store_and_a_second_run_reuses_them(
    cli_run: dict[str, Any], s3_lake: str, fleet_folder: Path
) -> None:
    lake = Store(s3_lake)
    results = lake.keys("results")
    assert len(results) >= 4 * UNITS
    assert all(lake.read(key).lstrip().startswith(b"{") for key in results)
    before = data_outputs(lake)
    again = start(fleet_folder, s3_lake)
    champions = [f"champion:{unit['business_unit']}" for unit in again["units"]]
    assert executed(lake, again["run_id"], 1) == sorted(["ingest:_fleet", "decided:_fleet", *champions])
    assert data_outputs(lake) == before


@pytest.mark.parametrize("kind", ["bucket", "folder"])
def test_a_second_run_of_a_period_that_is_being_written_is_refused(
    kind: str, cli_run: dict[str, Any], s3_lake: str, fleet_folder: Path, tmp_path: Path
) -> None:
    lake = Store(s3_lake if kind == "bucket" else tmp_path / "lake")
    before = data_outputs(lake)
    with Claims(lake, "another-run") as other:
        other.period(Cadence.DAILY, pd.Timestamp(cli_run["summary"]["as_of"]))
        refused = start(fleet_folder, lake.url, refresh=True)
    assert isinstance(refused, ConflictError)
    assert "is being written by run another-run, process" in str(refused)
    assert data_outputs(lake) == before


def test_the_secret_is_in_no_output_result_record_log_or_parameter(cli_run: dict[str, Any], s3_lake: str) -> None:
    from prefect.client.orchestration import get_client

    lake = Store(s3_lake)
    assert SECRET not in cli_run["said"]
    assert [key for key in lake.keys("") if SECRET.encode() in lake.read(key)] == []
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(cli_run["run_id"])
        assert SECRET not in run.model_dump_json()
        logs = client.read_logs(limit=200)
        blocks = client.read_block_documents(include_secrets=True)
    assert logs
    assert not any(SECRET in line.message for line in logs)
    kept = [block for block in blocks if block.block_type and block.block_type.slug == "capforecast-lake-results"]
    assert kept
    assert not any(SECRET in block.model_dump_json() for block in kept)


def test_a_failed_unit_is_retried_from_the_failed_stage(
    fleet_folder: Path, s3_server: str, s3_lake: str, cli_run: dict[str, Any], environment: dict[str, str]
) -> None:
    lake = Store(new_bucket(s3_server))
    unit = cli_run["summary"]["business_units"][2]["name"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAPFORECAST_FLOW__DRILL", f"forecast:{unit}")
        error = start(fleet_folder, lake.url)
    assert list(error.problems) == [unit]
    run_id = error.outcome["run_id"]
    command = [BIN / "prefect", "flow-run", "retry", run_id, "--entrypoint", "flows/capacity.py:capacity_run"]
    retry = call(*command, cwd=ROOT, environment=environment)
    assert retry.returncode == 0, retry.stdout + retry.stderr
    assert executed(lake, run_id, 2) == sorted(
        [f"{stage}:{unit}" for stage in ("forecast", "risk", "pools", "warnings", "drift", "sizing")]
        + ["fleet-pools:_fleet", "scorecard:_fleet", "actions:_fleet", "report:_fleet"]
    )
    assert data_outputs(lake) == data_outputs(Store(s3_lake))


def test_a_run_with_a_failed_unit_ends_with_4_and_gives_its_period_free(
    fleet_folder: Path, s3_server: str, cli_run: dict[str, Any], environment: dict[str, str], tmp_path: Path
) -> None:
    lake = Store(new_bucket(s3_server))
    unit = cli_run["summary"]["business_units"][0]["name"]
    drill = environment | {"CAPFORECAST_FLOW__DRILL": f"validate:{unit}"}
    failed = call(*run_command(fleet_folder, lake.url), "--business-unit", unit, cwd=tmp_path, environment=drill)
    assert failed.returncode == 1, failed.stderr  # no unit finished
    assert "capforecast rerun" in json.loads(failed.stdout)["retry"]
    with Claims(lake, "another-run") as other:
        other.period(Cadence.DAILY, pd.Timestamp(cli_run["summary"]["as_of"]))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"store": "s3://no-such-bucket/lake"}, 2, "no bucket 'no-such-bucket'"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 1, "no answer from http://127.0.0.1:9"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, 2, "no AWS credentials found"),
    ],
)
def test_what_cannot_work_is_refused_before_the_run_starts(
    change: dict[str, str | None],
    code: int,
    words: str,
    s3_lake: str,
    fleet_folder: Path,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    store = change.get("store") or s3_lake
    # a Prefect that answers nobody: the refusal must come before it is asked
    given: dict[str, Any] = environment | {
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "CAPFORECAST_STORAGE__RETRIES": "1",
    }
    given |= {"AWS_METADATA_ENDPOINT": "http://127.0.0.1:9"} | change
    given = {name: value for name, value in given.items() if value is not None}
    done = call(*run_command(fleet_folder, store), cwd=tmp_path, environment=given)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    doctor = call(BIN / "capforecast", "doctor", "--store", store, "--json", cwd=tmp_path, environment=given)
    (check,) = [check for check in json.loads(doctor.stdout) if check["name"] == "store"]
    assert not check["ok"]
    assert words in check["found"]
    assert "runbook" in check["fix"]


def test_doctor_approves_of_a_bucket_that_works(s3_lake: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = call(BIN / "capforecast", "doctor", "--store", s3_lake, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stdout
    assert f"ok   store: {s3_lake}: written, refused to overwrite" in done.stdout
