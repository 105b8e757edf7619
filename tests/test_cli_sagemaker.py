"""`capforecast sagemaker` and `capforecast models import` as one types them, with a SageMaker of ours and moto's S3."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sagemaker_container import packed
from sagemaker_endpoint import Body, Endpoint, FailedError
from versions import publish

from capforecast.exchange import Unit
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.stages.handover import hand_over

Call = Callable[..., Any]
pytest.importorskip("boto3")


@pytest.fixture
def aws(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A SageMaker, role and image; the lake is `bucket`."""
    with Endpoint() as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", served.url)
        monkeypatch.setenv("CAPFORECAST_SAGEMAKER__ROLE", "arn:aws:iam::111122223333:role/jobs")
        monkeypatch.setenv("CAPFORECAST_SAGEMAKER__IMAGE", "111122223333.dkr.ecr.us-east-1.amazonaws.com/c:1")
        monkeypatch.setenv("CAPFORECAST_SAGEMAKER__POLL_SECONDS", "0.01")
        yield served


@pytest.fixture
def data(bucket: str) -> str:
    """Observations in the bucket."""
    Store(f"{bucket}/data").put("retail.csv", b"server_id,timestamp,cpu_p95\n")
    return f"{bucket}/data"


def prepares(request: Body) -> Body:
    """A processing job that makes one business unit of nothing, on each of its machines."""
    written = Store(request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"])
    unit = Unit(cadence=Cadence.DAILY, as_of="2026-11-23T00:00:00+00:00", business_unit="retail", servers=0, series=0,
                usable=0, horizon=7, references={})  # fmt: skip
    machines = request["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
    for number in range(machines):
        hand_over(written, written, unit)
        written.put(f"algo-{number + 1}/units/retail.json", written.read("units/retail.json"))
        written.delete("units/retail.json")
    return {}


def read(call: Call, *words: object, code: int = 0) -> Any:
    done = call("sagemaker", *words, "--json")
    assert done.code == code, done.err
    return json.loads(done.out)


def test_without_submit_the_request_is_shown_and_nothing_is_sent(
    call: Call, aws: Endpoint, bucket: str, data: str
) -> None:
    made = read(call, "process", "--source", data, "--store", bucket, "--as-of", "2026-11-23", "--instances", 2)
    assert (made["submitted"], made["note"]) == (False, "")
    assert made["request"]["ProcessingJobName"] == made["job"]
    assert made["request"]["ProcessingResources"]["ClusterConfig"]["InstanceCount"] == 2
    assert made["output"].startswith(f"{bucket}/sagemaker/jobs/capforecast-process-")
    done = call("sagemaker", "train", "--data", made["output"], "--store", bucket, "--dry-run", "--horizon", "30d")
    assert '"forecast.horizon_days": "30"' in done.out
    assert "nothing was sent: add --submit" in done.out
    assert aws.calls == []


def test_a_dry_run_needs_no_account(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPFORECAST_SAGEMAKER__ROLE", "arn:aws:iam::111122223333:role/jobs")
    monkeypatch.setenv("CAPFORECAST_SAGEMAKER__IMAGE", "image")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = read(call, "process", "--source", "s3://b/data", "--output", "s3://b/out")
    assert "provisional" in made["note"]
    assert made["request"]["RoleArn"].endswith("role/jobs")


def test_a_job_is_submitted_followed_and_attached_to(call: Call, aws: Endpoint, bucket: str, data: str) -> None:
    aws.work = prepares
    words = ("process", "--source", data, "--store", bucket, "--submit")
    sent = read(call, *words)
    aws.finish()
    assert (sent["submitted"], sent["attached"], sent["status"]) == (True, False, "")
    ended = call("sagemaker", *words, "--follow")
    assert ended.code == 0, ended.err
    assert f"{sent['job']}: was there already, attached to it, Completed" in ended.out
    assert f"{sent['job']}: Completed" in ended.err
    assert "then: capforecast sagemaker train --data" in ended.out
    assert "business units: retail" in ended.out
    assert aws.count("CreateProcessingJob") == 1
    Store(data).put("web.csv", b"more data")  # is another question
    assert read(call, *words)["job"] != sent["job"]
    assert aws.count("CreateProcessingJob") == 2


def test_a_unit_that_two_machines_made_is_refused(call: Call, aws: Endpoint, bucket: str, data: str) -> None:
    aws.work = prepares
    words = ("--source", data, "--store", bucket, "--as-of", "2026-11-23", "--instances", 2, "--submit", "--follow")
    done = call("sagemaker", "process", *words)
    assert done.code == 3
    assert "'retail' stands twice" in done.err


def test_units_of_which_no_object_has_data_are_named(call: Call, aws: Endpoint, bucket: str, data: str) -> None:
    def with_one_unseen(request: Body) -> Body:
        prepares(request)
        written = Store(request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"])
        written.put("algo-1/shard.json", b'{"business_units": ["retail"], "left": ["silent"]}')
        return {}

    aws.work = with_one_unseen
    done = call("sagemaker", "process", "--source", data, "--store", bucket, "--submit", "--follow")
    assert "business units: retail\nbusiness units of which no object has data: silent\n" in done.out


def test_a_failed_job_ends_with_its_reason(call: Call, aws: Endpoint, bucket: str, data: str) -> None:
    def fails(request: Body) -> Body:
        raise FailedError("AlgorithmError: InputError: no column server_id")

    aws.work = fails
    done = call("sagemaker", "train", "--data", data, "--store", bucket, "--submit", "--follow")
    assert done.code == 1
    assert "InputError: no column server_id" in done.err


@pytest.mark.parametrize("stops", [False, True])
def test_ctrl_c_leaves_the_job_or_stops_it_where_asked(
    call: Call, aws: Endpoint, bucket: str, data: str, monkeypatch: pytest.MonkeyPatch, stops: bool
) -> None:
    from capforecast.cloud import jobs

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    aws.hangs = True
    monkeypatch.setattr(jobs.Jobs.__init__, "__defaults__", (interrupted,))
    words = ("train", "--data", data, "--store", bucket, "--submit", "--follow")
    done = call("sagemaker", *words, *(["--stop-on-interrupt"] if stops else []))
    assert done.code == 130
    assert ("told to stop" in done.err) is stops
    assert ("aws sagemaker stop-training-job" in done.err) is not stops
    assert aws.count("StopTrainingJob") == stops
    assert [job.status for job in aws.jobs.values()] == ["Stopped" if stops else "InProgress"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("process", "--source", "data/", "--output", "s3://b/out"), 2, "s3://bucket/prefix only"),
        (("process", "--source", "s3://b/data"), 2, "cannot write to"),
        (("train", "--data", "s3://b/d", "--output", "s3://b/out", "--follow"), 2, "--follow needs --submit"),
        (("train", "--data", "s3://b/d", "--submit", "--dry-run"), 2, "contradict"),
        (("train", "--data", "s3://b/d", "--submit", "--stop-on-interrupt"), 2, "needs --follow"),
        (("process", "--source", "s3://b/d", "--output", "s3://b/o", "--instances", 2), 2, "--as-of"),
        (("process", "--source", "s3://b/d", "--output", "s3://b/o", "--as-of", "soon"), 2, "soon"),
    ],
)
def test_what_cannot_be_meant_is_said(
    call: Call, aws: Endpoint, words: tuple[object, ...], code: int, said: str
) -> None:
    done = call("sagemaker", *words)
    assert done.code == code
    assert said in done.err
    assert aws.calls == []


def test_an_empty_input_is_no_job(call: Call, aws: Endpoint, bucket: str) -> None:
    done = call("sagemaker", "train", "--data", f"{bucket}/nothing", "--store", bucket, "--submit")
    assert done.code == 3
    assert "there is nothing at" in done.err
    assert aws.calls == []


def test_no_role_is_said_with_the_setting(call: Call, bucket: str, data: str) -> None:
    done = call("sagemaker", "train", "--data", data, "--store", bucket, "--submit")
    assert done.code == 2
    assert "CAPFORECAST_SAGEMAKER__IMAGE" in done.err


def test_a_run_that_trains_by_jobs_needs_a_lake_in_a_bucket(
    call: Call, aws: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPFORECAST_SAGEMAKER__TRAIN", "true")
    done = call("run", "--source", tmp_path, "--store", tmp_path / "lake")
    assert done.code == 2
    assert "SageMaker cannot read" in done.err


def test_a_model_is_imported_and_nobody_is_replaced(call: Call, tmp_path: Path) -> None:
    made = publish(Store(tmp_path / "model"), business_unit="retail")
    file = tmp_path / "model.tar.gz"
    file.write_bytes(packed(tmp_path / "model"))
    lake = tmp_path / "lake"
    done = call("models", "import", file, "--store", lake, "--json")
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)
    assert (row["business_unit"], row["note"], row["champion"]) == ("retail", "new", "none yet")
    assert row["version"] == made.uri.split("/")[-2]
    assert "was there" in call("models", "import", file, "--store", lake).out
    (row,) = json.loads(call("models", "import", file, "--store", lake, "--decide", "--json").out)
    assert row["champion"] == row["version"]
    assert "first" in row["why"]
    publish(Store(tmp_path / "worse"), "2026-11-24", error=2.0, business_unit="retail")
    (worse,) = json.loads(call("models", "import", tmp_path / "worse", "--store", lake, "--decide", "--json").out)
    assert (worse["note"], worse["champion"]) == ("new", row["version"])
    assert "2.500 times the champion" in worse["why"]
