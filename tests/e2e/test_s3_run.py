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
from conftest import SECRET

from capforecast.lake.claims import Claims
from capforecast.lake.store import Store
from capforecast.schema import Cadence

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
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


def call(*arguments: object, cwd: Path, environment: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, arguments)),
        cwd=cwd,
        env=os.environ | environment | {"PYTHONPATH": str(ROOT)} | more,
        capture_output=True,
        text=True,
        check=False,
    )


def run_command(fleet: Path, store: object) -> list[object]:
    source = ["--source", fleet / "observations.parquet", "--inventory", fleet / "inventory.csv"]
    return [BIN / "capforecast", "run", *source, "--store", store, "--horizon", "14", "--json"]


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


def test_folder_and_bucket_hold_the_same_bytes(
    cli_run: dict[str, Any], s3_lake: str, fleet_folder: Path, tmp_path: Path
) -> None:
    from flows.capacity import capacity_run

    capacity_run(
        source=str(fleet_folder / "observations.parquet"),
        inventory=str(fleet_folder / "inventory.csv"),
        store=str(tmp_path / "lake"),
        overrides={"forecast.horizon_days": 14, "forecast.horizon_hours": 14},
    )
    folder, bucket = data_outputs(Store(tmp_path / "lake")), data_outputs(Store(s3_lake))
    kinds = {"inventory", "processed", "quality", "quarantine", "forecasts", "backtests", "risks", "servers"}
    assert {key.split("/")[0] for key in folder} == kinds | {"models", "reports"}
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
    cli_run: dict[str, Any], s3_lake: str, fleet_folder: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    lake = Store(s3_lake)
    results = lake.keys("results")
    assert len(results) >= 4 * UNITS
    assert all(lake.read(key).lstrip().startswith(b"{") for key in results)
    before = data_outputs(lake)
    again = call(*run_command(fleet_folder, s3_lake), cwd=tmp_path, environment=environment)
    assert again.returncode == 0, again.stderr
    assert executed(lake, json.loads(again.stdout)["run_id"], 1) == ["ingest:_fleet"]
    assert data_outputs(lake) == before


def test_a_second_run_of_a_period_that_is_being_written_is_refused(
    cli_run: dict[str, Any], s3_lake: str, fleet_folder: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    lake = Store(s3_lake)
    before = data_outputs(lake)
    as_of = pd.Timestamp(cli_run["summary"]["as_of"])
    with Claims(lake, "another-run") as other:
        other.period(Cadence.DAILY, as_of)
        refused = call(*run_command(fleet_folder, s3_lake), "--refresh", cwd=tmp_path, environment=environment)
    assert refused.returncode == 1
    assert "is being written by run another-run, process" in refused.stderr
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
    failed = call(
        *run_command(fleet_folder, lake.url),
        cwd=ROOT,
        environment=environment,
        CAPFORECAST_FLOW__DRILL=f"forecast:{unit}",
    )
    assert failed.returncode == 4, failed.stderr
    result = json.loads(failed.stdout)
    retry = call(*result["retry"].split(), cwd=ROOT, environment=environment)
    assert retry.returncode == 0, retry.stdout + retry.stderr
    assert executed(lake, result["run_id"], 2) == sorted([f"forecast:{unit}", f"risk:{unit}", "report:_fleet"])
    assert data_outputs(lake) == data_outputs(Store(s3_lake))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"store": "s3://no-such-bucket/lake"}, 2, "no bucket 'no-such-bucket'"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 1, "no answer from http://127.0.0.1:9"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 2, "no AWS credentials found"),
    ],
)
def test_what_cannot_work_is_refused_before_the_run_starts(
    change: dict[str, str],
    code: int,
    words: str,
    s3_lake: str,
    fleet_folder: Path,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    store = change.get("store", s3_lake)
    more = {name: value for name, value in change.items() if name != "store"} | {"CAPFORECAST_STORAGE__RETRIES": "1"}
    # a Prefect that answers nobody: the refusal must come before it is asked
    done = call(
        *run_command(fleet_folder, store),
        cwd=tmp_path,
        environment=environment | {"PREFECT_API_URL": "http://127.0.0.1:9/api"},
        **more,
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    doctor = call(
        BIN / "capforecast", "doctor", "--store", store, "--json", cwd=tmp_path, environment=environment | more
    )
    (check,) = [check for check in json.loads(doctor.stdout) if check["name"] == "store"]
    assert not check["ok"]
    assert words in check["found"]
    assert "runbook" in check["fix"]


def test_doctor_approves_of_a_bucket_that_works(s3_lake: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = call(BIN / "capforecast", "doctor", "--store", s3_lake, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stdout
    assert f"ok   store: {s3_lake}: written, refused to overwrite" in done.stdout
