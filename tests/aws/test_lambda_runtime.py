"""The Lambda function by Amazon's own runtime client, in an environment that holds what the image holds.

Real: awslambdaric, S3 and SSM over HTTP (moto). Ours: the Runtime API that events come from (runtime_api.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lambda_samples as samples
import pytest
from aws_environments import python_of
from lambda_samples import DAYS, SETTINGS, WEEK, Bucket, observed
from runtime_api import ROOT, RuntimeApi

from capforecast import stages
from capforecast.exchange import RunKey
from capforecast.lake.store import Store

pytestmark = pytest.mark.aws
FILE = "incoming/week.parquet"
ANSWERS = ("processed", "quality", "forecasts", "risks", "servers", "backtests")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake in which a weekly run has trained."""
    folder = tmp_path_factory.mktemp("trained")
    samples.train(Store(folder / "lake"), folder)
    return folder / "lake"


@pytest.fixture
def data(bucket: str, template: Path) -> Bucket:
    """The same in a bucket."""
    store = Store(bucket)
    for file in sorted(path for path in template.rglob("*") if path.is_file()):
        store.put(file.relative_to(template).as_posix(), file.read_bytes())
    return Bucket(bucket)


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    """Where functions get their events from."""
    with RuntimeApi() as api:
        yield api


def environment(data: Bucket, **more: str) -> dict[str, str]:
    """That of the function."""
    own = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    settings = {f"CAPFORECAST_{name.upper().replace('.', '__')}": value for name, value in SETTINGS.items()}
    return own | settings | {"CAPFORECAST_STORE": data.lake} | more


def event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def test_it_answers_and_gives_the_bytes_of_a_run_elsewhere(
    api: RuntimeApi, data: Bucket, template: Path, tmp_path: Path
) -> None:
    with api.function(python_of("lambda"), environment(data)) as process:
        made = api.answer(event(data.delivered(FILE, observed(DAYS + WEEK))))
        again = api.answer(event(data.record(FILE)))
    assert not made.failed, made.content
    (record,) = made.content["records"]
    assert (record["status"], made.content["request_id"]) == ("done", made.id)
    assert again.content["records"][0]["status"] == "duplicate"
    lines = [json.loads(line) for line in process.lines]  # type: ignore[attr-defined]
    assert {line["request_id"] for line in lines} == {made.id, again.id}
    shutil.copytree(template, tmp_path / "here")
    here = Store(tmp_path / "here")
    (tmp_path / "week.parquet").write_bytes(observed(DAYS + WEEK))
    ingested = stages.ingest(here, samples.settings(), str(tmp_path / "week.parquet"))
    stages.serve(here, samples.settings(), ingested, RunKey(run_id="here", attempt=1))
    for unit in ("retail", "web"):
        for dataset in ANSWERS:
            key = f"{dataset}/cadence=daily/as_of=2026-05-08/business_unit={unit}/part-0.parquet"
            assert data.store.read(key) == here.read(key), key


def test_twenty_deliveries_at_once_to_four_functions_are_one_run(api: RuntimeApi, data: Bucket) -> None:
    delivered = event(data.delivered(FILE, observed(DAYS + WEEK)))
    with contextlib.ExitStack() as functions:
        for _ in range(4):
            functions.enter_context(api.function(python_of("lambda"), environment(data)))
        sent = [api.invoke(delivered) for _ in range(20)]
        assert all(each.done.wait(180) for each in sent)
    assert not [each.content for each in sent if each.failed]
    statuses = sorted(each.content["records"][0]["status"] for each in sent)
    assert statuses == ["done", *["duplicate"] * 19]
    assert len([key for key in data.store.keys("runs") if key.endswith("/manifest.json")]) == 1


def test_a_function_that_dies_at_work_leaves_nothing_that_stops_the_next(api: RuntimeApi, data: Bucket) -> None:
    delivered = event(data.delivered(FILE, observed(DAYS + WEEK)))
    with api.function(python_of("lambda"), environment(data)) as process:
        api.invoke(delivered)
        while not data.store.keys("processed/cadence=daily/as_of=2026-05-08"):
            assert process.poll() is None
        process.kill()
    with api.function(python_of("lambda"), environment(data)):
        waits = api.answer(delivered, seconds=23)  # it may still be alive, as far as anybody can tell
        assert waits.failed
        assert "is being made by another call" in waits.content["errorMessage"]
        for key in data.store.keys("locks"):  # five minutes later
            lease = json.loads(data.store.read(key))
            data.store.put(key, json.dumps(lease | {"renewed": lease["renewed"] - 301}).encode())
        made = api.answer(delivered)
    assert not made.failed, made.content
    assert made.content["records"][0]["status"] == "done"


def test_errors_come_back_as_lambda_tells_them_and_the_function_lives_on(api: RuntimeApi, data: Bucket) -> None:
    delivered = event(data.delivered(FILE, observed(DAYS + WEEK)))
    with api.function(python_of("lambda"), environment(data)):
        late = api.answer(delivered, seconds=10)
        good = api.answer(delivered)
    assert late.failed
    assert late.content["errorType"] == "RecordsLeftError"
    assert "1 of 1 events were not done, try again" in late.content["errorMessage"]
    assert good.content["records"][0]["status"] == "done"


def test_wrong_settings_are_told_with_their_place(api: RuntimeApi, data: Bucket) -> None:
    with api.function(python_of("lambda"), environment(data, CAPFORECAST_FORECAST__HORIZON="9")):
        made = api.answer(event(data.record(FILE)))
    assert (made.failed, made.content["errorType"]) == (True, "ConfigError")
    assert "environment CAPFORECAST_FORECAST__HORIZON: unknown key" in made.content["errorMessage"]


def test_settings_come_from_the_parameter_store(api: RuntimeApi, data: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    path = f"/capforecast/{uuid.uuid4().hex[:8]}"
    boto3.client("ssm").put_parameter(Name=f"{path}/aws_lambda/incoming", Value="drop/", Type="SecureString")
    with api.function(python_of("lambda"), environment(data, CAPFORECAST_SSM_PATH=path)):
        made = api.answer(event(data.delivered("drop/x.parquet", observed(DAYS + WEEK)), data.record(FILE)))
    assert [each["status"] for each in made.content["records"]] == ["done", "ignored"]


def test_the_entry_of_the_image_copies_its_kernels_to_where_a_function_may_write(
    api: RuntimeApi, data: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image/kernel.nbi").write_bytes(b"a kernel")
    python = python_of("lambda")
    variables = environment(
        data,
        PATH=f"{python.parent}:{os.environ['PATH']}",
        NUMBA_CACHE_DIR=str(tmp_path / "kernels"),
        IMAGE_KERNELS=str(tmp_path / "image"),
    )
    entry = ["sh", str(ROOT / "deployments/docker/lambda.sh"), "deployments.lambda_handler.handler"]
    with api.function(python, variables, entry):
        made = api.answer(event(data.record("raw/x.csv")))
    assert not made.failed, made.content
    assert made.content["records"][0]["status"] == "ignored"
    assert (tmp_path / "kernels/kernel.nbi").read_bytes() == b"a kernel"
    assert not (tmp_path / "kernels.part").exists()
