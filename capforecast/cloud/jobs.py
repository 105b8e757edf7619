"""Jobs of SageMaker: submit, follow, stop, by boto3. What was asked before is answered by the job that is there.

Job names are made of what is asked (job_requests.py) and are never free again, so that a repeat finds its job: one
that runs or is complete is taken, after one that failed or was stopped the next number is submitted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from capforecast.cloud.job_errors import (
    JobError,
    JobExistsError,
    LimitError,
    MissingJobError,
    ServiceError,
    may_pass,
    translated,
)
from capforecast.cloud.job_requests import Kind, Request
from capforecast.errors import ConfigError
from capforecast.settings import SageMakerSettings, StorageSettings

log = logging.getLogger(__name__)
MOST_TRIES = 50  # numbers of one question
LONGEST_WAIT = 10  # times poll_seconds: how far the back-off goes while SageMaker does not answer
MOST_SILENT = 40  # looks in a row without an answer: about an hour and a half at 15 s
DONE = {"Completed", "Failed", "Stopped"}


@dataclass(frozen=True)
class Job:
    """A job that is there. `attached`: it was there before it was asked for this time."""

    kind: Kind
    name: str
    attached: bool = False


@dataclass(frozen=True)
class State:
    """What SageMaker says of a job."""

    status: str  # InProgress, Stopping, Completed, Failed, Stopped
    detail: str = ""  # of a training job: Starting, Downloading, Training, Uploading, MaxRuntimeExceeded, ...
    message: str = ""
    reason: str = ""  # why it failed
    model: str | None = None  # s3:// address of what was trained
    metrics: dict[str, float] = field(default_factory=dict)  # the last of each that training printed

    @property
    def ended(self) -> bool:
        """Will it change no more?"""
        return self.status in DONE


class Jobs:
    """SageMaker of one account and region. `client` is boto3's; `sleep` is replaced in tests."""

    def __init__(self, client: Any, poll_seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._poll, self._sleep = client, poll_seconds, sleep

    def submit(self, request: Request, *, usable: Callable[[State], bool] = lambda state: True) -> Job:
        """The job that answers a request: one that is there, else a new one.

        usable: does a complete job still answer it? (Its model may have been removed.)  Raises ConfigError where
        SageMaker refuses the request, AccessDeniedError, LimitError, ServiceError.
        """
        for number in range(1, MOST_TRIES + 1):
            name = request.name(number)
            state = self.state(request.kind, name)
            if state is None:
                return self._create(request, number)
            if state.status in ("InProgress", "Stopping") or (state.status == "Completed" and usable(state)):
                log.info("%s: is there already (%s), attached to it", name, state.status)
                return Job(request.kind, name, attached=True)
            log.info("%s: %s earlier, trying again", name, state.status.lower())
        raise JobError(f"{request.stem}: {MOST_TRIES} jobs failed; look at the last one's reason before you go on")

    def _create(self, request: Request, number: int) -> Job:
        create = getattr(self._client, f"create_{request.kind}_job")
        try:
            self._call(create, request.named(number))
        except JobExistsError:  # somebody else asked the same at the same time
            return Job(request.kind, request.name(number), attached=True)
        except MissingJobError as error:  # it misses something else, such as the role
            raise ConfigError(str(error)) from None
        log.info("%s: submitted", request.name(number))
        return Job(request.kind, request.name(number))

    def submit_when_free(self, request: Request, most_seconds: float, **how: Any) -> Job:
        """Submit, waiting where the account's machines are all taken; raises LimitError after `most_seconds`."""
        waited, wait = 0.0, self._poll
        while True:
            try:
                return self.submit(request, **how)
            except LimitError as error:
                if waited + wait > most_seconds:
                    raise
                log.info("%s: waits %.0f s, %s", request.stem, wait, error)
            self._sleep(wait)
            waited, wait = waited + wait, min(2 * wait, LONGEST_WAIT * self._poll)

    def state(self, kind: Kind, name: str) -> State | None:
        """How a job is; None where there is none of that name."""
        describe = getattr(self._client, f"describe_{kind}_job")
        try:
            return _state(kind, self._call(describe, {_name_key(kind): name}))
        except MissingJobError:
            return None

    def follow(self, job: Job) -> State:
        """Look at a job until it is complete, and log how it changes. A job that does not answer is asked less often.

        Raises JobError with SageMaker's reason where it failed or was stopped, ServiceError where SageMaker is silent
        for too long: the job goes on, and whoever asks the same again attaches to it.
        """
        said, silent, wait = "", 0, self._poll
        while True:
            try:
                state = self.state(job.kind, job.name)
                if state is None:  # not yet, right after it was submitted
                    raise ServiceError("SageMaker does not know it")
                silent, wait = 0, self._poll
            except ServiceError as error:
                silent, wait = silent + 1, min(2 * wait, LONGEST_WAIT * self._poll)
                if silent >= MOST_SILENT:
                    raise
                log.warning("%s: %s; looking again in %.0f s", job.name, error, wait)
                self._sleep(wait)
                continue
            line = " ".join(filter(None, (state.detail or state.status, f"({state.message})" if state.message else "")))
            if line != said:
                log.info("%s: %s", job.name, line, extra={"event": "job", "job": job.name, "status": state.status})
                said = line
            if state.ended:
                return _completed(job, state)
            self._sleep(wait)

    def stop(self, job: Job) -> bool:
        """Ask SageMaker to stop a job; False where it has ended by itself."""
        stop = getattr(self._client, f"stop_{job.kind}_job")
        try:
            self._call(stop, {_name_key(job.kind): job.name})
        except (ConfigError, MissingJobError):  # a job that has ended cannot be stopped: ValidationException
            return False
        return True

    def _call(self, method: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
        """One request; what comes back in our own words. Raises as `submit`."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

        try:
            answer: dict[str, Any] = method(**request)
        except ClientError as error:
            raise translated(error.response) from None
        except ParamValidationError as error:
            raise ConfigError(f"SageMaker would refuse the request: {' '.join(str(error).split())}") from None
        except NoCredentialsError:
            raise ConfigError("SageMaker: no AWS credentials found where this runs") from None
        except BotoCoreError as error:
            raise ServiceError(f"SageMaker cannot be reached ({type(error).__name__})") from None
        return answer


def open_jobs(settings: SageMakerSettings, storage: StorageSettings) -> Jobs:
    """SageMaker, by the settings `storage` (region, profile) and the AWS chain of the process. Raises ConfigError."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ConfigError("SageMaker needs boto3: pip install -c requirements.lock 'capforecast[aws]'") from None
    limits = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})
    try:
        session = boto3.Session(profile_name=storage.profile, region_name=storage.region)
        return Jobs(session.client("sagemaker", config=limits), settings.poll_seconds)
    except BotoCoreError as error:
        raise ConfigError(f"SageMaker: {error}; set storage.region (AWS_REGION) and storage.profile") from None


def _name_key(kind: Kind) -> str:
    return f"{kind.capitalize()}JobName"


def _state(kind: Kind, said: dict[str, Any]) -> State:
    if kind == "processing":
        reason = "; ".join(filter(None, (said.get("FailureReason"), said.get("ExitMessage"))))
        return State(said["ProcessingJobStatus"], reason=reason)
    steps = said.get("SecondaryStatusTransitions") or [{}]
    metrics = {each["MetricName"]: float(each["Value"]) for each in said.get("FinalMetricDataList") or []}
    return State(
        said["TrainingJobStatus"], said.get("SecondaryStatus", ""), steps[-1].get("StatusMessage", ""),
        said.get("FailureReason", ""), (said.get("ModelArtifacts") or {}).get("S3ModelArtifacts"), metrics,
    )  # fmt: skip


def _completed(job: Job, state: State) -> State:
    if state.status == "Completed":
        return state
    logs = f"its log: CloudWatch /aws/sagemaker/{job.kind.capitalize()}Jobs, streams {job.name}/..."
    if state.status == "Stopped":
        late = state.detail == "MaxRuntimeExceeded"
        why = (
            "it ran longer than `sagemaker.most_seconds`: raise it, or take a larger machine" if late else "by somebody"
        )
        raise JobError(f"{job.name} was stopped ({why}); {logs}")
    reason = state.reason or "SageMaker gives no reason"
    raise JobError(f"{job.name} failed: {reason}; {logs}", retryable=may_pass(reason))
