"""Jobs submitted, followed and stopped, against a SageMaker of ours (tests/sagemaker_endpoint.py) and moto's."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator

import pytest
from sagemaker_endpoint import Body, Endpoint, FailedError

from capforecast.cloud.job_errors import JobError, LimitError, ServiceError
from capforecast.cloud.job_requests import Channel, Observations, Request, processing_request, training_request
from capforecast.cloud.jobs import Jobs, open_jobs
from capforecast.errors import AccessDeniedError, CapforecastError, ConfigError
from capforecast.settings import SageMakerSettings, StorageSettings

boto3 = pytest.importorskip("boto3")
SETTINGS = SageMakerSettings(
    role="arn:aws:iam::111122223333:role/jobs", image="111122223333.dkr.ecr.us-east-1.amazonaws.com/c:1",
    poll_seconds=0.01,
)  # fmt: skip
HERE = StorageSettings(region="us-east-1")
MODEL = {
    "ModelArtifacts": {"S3ModelArtifacts": "s3://b/out/model.tar.gz"},
    "FinalMetricDataList": [{"MetricName": "relative_mae", "Value": 0.81, "Timestamp": 1.0}],
}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for key, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(f"AWS_{key}", value)
    with Endpoint() as served:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", served.url)
        yield served


@pytest.fixture
def jobs(endpoint: Endpoint) -> Jobs:
    from botocore.config import Config

    client = boto3.client("sagemaker", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))
    return Jobs(client, 0.01)


def training(title: str = "web") -> Request:
    return training_request(SETTINGS, Channel("s3://b/m"), {"a": "1"}, output="s3://b/out", title=title)


def processing() -> Request:
    return processing_request(SETTINGS, Observations("s3://b/data"), output="s3://b/out")


def test_a_job_is_submitted_followed_to_its_end_and_its_states_are_told(
    endpoint: Endpoint, jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "capforecast")
    endpoint.work = lambda request: MODEL
    job = jobs.submit(training())
    state = jobs.follow(job)
    assert (state.status, state.model) == ("Completed", "s3://b/out/model.tar.gz")
    assert state.metrics == pytest.approx({"relative_mae": 0.81})
    told = [record.getMessage() for record in caplog.records]
    assert f"{job.name}: submitted" in told
    assert [line.split(": ")[1] for line in told if line.startswith(job.name)][-2:] == ["Training", "Completed"]
    assert endpoint.count("DescribeTrainingJob") >= 3


def test_the_same_question_again_pays_nothing(endpoint: Endpoint, jobs: Jobs) -> None:
    first = jobs.submit(training())
    again = jobs.submit(training())
    assert (first.attached, again.attached, again.name) == (False, True, first.name)
    jobs.follow(first)
    assert jobs.submit(training()).name == first.name
    assert endpoint.count("CreateTrainingJob") == 1
    assert jobs.submit(training("payments")).attached is False


def test_a_complete_job_whose_model_is_gone_is_done_again(endpoint: Endpoint, jobs: Jobs) -> None:
    jobs.follow(jobs.submit(training()))
    assert jobs.submit(training(), usable=lambda state: False).name == training().name(2)


def test_twenty_at_once_submit_one_job(endpoint: Endpoint, jobs: Jobs) -> None:
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(jobs.submit(training()).name)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == [training().name(1)] * 20
    assert len(endpoint.jobs) == 1


def test_a_failed_job_says_why_and_the_next_try_is_a_new_job(endpoint: Endpoint, jobs: Jobs) -> None:
    def fails(request: Body) -> Body:
        raise FailedError("AlgorithmError: forecast.horizon_days: must be a whole number, exit code: 1")

    endpoint.work = fails
    with pytest.raises(JobError, match=r"must be a whole number.*CloudWatch /aws/sagemaker/TrainingJobs") as failed:
        jobs.follow(jobs.submit(training()))
    assert not failed.value.retryable
    endpoint.work = lambda request: MODEL
    again = jobs.submit(training())
    assert again.name == training().name(2)
    assert jobs.follow(again).status == "Completed"


@pytest.mark.parametrize(
    "reason", ["InternalServerError: We encountered an internal error", "CapacityError: no capacity"]
)
def test_a_failed_machine_may_be_tried_again(endpoint: Endpoint, jobs: Jobs, reason: str) -> None:
    def fails(request: Body) -> Body:
        raise FailedError(reason)

    endpoint.work = fails
    with pytest.raises(JobError) as failed:
        jobs.follow(jobs.submit(processing()))
    assert failed.value.retryable


def test_a_stopped_job_is_told_as_such(endpoint: Endpoint, jobs: Jobs) -> None:
    endpoint.hangs = True
    job = jobs.submit(processing())
    assert jobs.stop(job) is True
    with pytest.raises(JobError, match="stopped"):
        jobs.follow(job)
    assert jobs.stop(job) is False


def test_a_job_that_ran_out_of_time_names_the_setting(endpoint: Endpoint, jobs: Jobs) -> None:
    endpoint.hangs = True
    job = jobs.submit(training())
    endpoint.jobs[job.name].status, endpoint.jobs[job.name].detail = "Stopped", "MaxRuntimeExceeded"
    with pytest.raises(JobError, match=r"sagemaker\.most_seconds"):
        jobs.follow(job)


def test_being_asked_to_wait_is_waited_for(endpoint: Endpoint, jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    job = jobs.submit(training())
    slow, gone = ("ThrottlingException", "Rate exceeded"), ("InternalFailure", "")
    endpoint.faults += [("DescribeTrainingJob", 400, *slow)] * 3 + [("DescribeTrainingJob", 500, *gone)]
    assert jobs.follow(job).status == "Completed"
    waits = [float(wait) for wait in re.findall(r"looking again in (\d+)", caplog.text)]
    assert len(waits) == 4


def test_a_job_that_is_not_known_yet_is_waited_for(endpoint: Endpoint, jobs: Jobs) -> None:
    job = jobs.submit(training())
    endpoint.faults += [("DescribeTrainingJob", 400, "ValidationException", "Requested resource not found.")] * 2
    assert jobs.follow(job).status == "Completed"


def test_who_is_silent_for_too_long_is_left_and_can_be_asked_again(endpoint: Endpoint) -> None:
    waited: list[float] = []
    patient = Jobs(boto3.client("sagemaker", region_name="us-east-1"), 15.0, sleep=waited.append)
    job = patient.submit(training())
    endpoint.faults += [("DescribeTrainingJob", 400, "ThrottlingException", "Rate exceeded")] * 400
    with pytest.raises(ServiceError) as silent:
        patient.follow(job)
    assert silent.value.retryable
    assert waited[:5] == [30.0, 60.0, 120.0, 150.0, 150.0]


@pytest.mark.parametrize(
    ("code", "message", "error", "said", "retryable"),
    [
        ("AccessDeniedException", "User x may not iam:PassRole", AccessDeniedError, "PassRole", False),
        ("ExpiredTokenException", "The security token is expired", AccessDeniedError, "expired", False),
        ("ThrottlingException", "Rate exceeded", ServiceError, "asks to wait", True),
        ("ResourceLimitExceeded", "The account-level service limit 'ml.m6i.xlarge for training' is 2 Instances, "
         "with current utilization of 2 Instances", LimitError, "no machine is free", True),
        ("ResourceLimitExceeded", "The account-level service limit 'ml.m6i.xlarge for training' is 0 Instances, "
         "with current utilization of 0 Instances", ConfigError, "quota", False),
        ("ValidationException", "Could not find the role", ConfigError, "Could not find the role", False),
        ("ValidationException", "1 validation error detected", ConfigError, "refuses the request", False),
    ],
)  # fmt: skip
def test_refusals_are_translated(
    endpoint: Endpoint, jobs: Jobs, code: str, message: str, error: type[CapforecastError], said: str, retryable: bool
) -> None:
    endpoint.faults.append(("CreateTrainingJob", 400, code, message))
    with pytest.raises(error, match=said) as refused:
        jobs.submit(training())
    assert refused.value.retryable is retryable


def test_a_machine_is_waited_for(endpoint: Endpoint, jobs: Jobs) -> None:
    busy = ("CreateTrainingJob", 400, "ResourceLimitExceeded", "limit is 2 Instances, with current utilization of 2")
    endpoint.faults += [busy] * 3
    assert jobs.submit_when_free(training(), 60).name == training().name(1)
    endpoint.faults += [busy]
    with pytest.raises(LimitError):
        jobs.submit_when_free(training("payments"), 0)


def test_no_credentials_no_region_and_no_answer_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="region"):
        open_jobs(SETTINGS, StorageSettings())
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigError, match="credentials"):
        open_jobs(SETTINGS, HERE).submit(training())
    with pytest.raises(ConfigError, match="nobody"):
        open_jobs(SETTINGS, StorageSettings(region="us-east-1", profile="nobody"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    from botocore.config import Config

    client = boto3.client("sagemaker", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ServiceError, match="cannot be reached"):
        Jobs(client, 1).submit(training())


def test_moto_takes_the_requests_too(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"ENDPOINT_URL": s3_server, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{key}", value)
    jobs = open_jobs(SETTINGS, HERE)
    for request in (training(), processing()):
        job = jobs.submit(request)
        assert jobs.follow(job).status == "Completed"
        assert jobs.submit(request).attached
