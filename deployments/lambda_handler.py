"""The Lambda function: forecasts for data that has come to a bucket, or on a schedule, by the champions.

    deployments.lambda_handler.handler

Settings come from the environment (CAPFORECAST_STORE, ...) over those of the Parameter Store below the path in
CAPFORECAST_SSM_PATH, over the profile `aws`. How it is set up: docs/aws-compute.md.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Any

from capforecast import configuration
from capforecast.cloud import s3_events, ssm
from capforecast.configuration import Loaded
from capforecast.errors import CapforecastError
from capforecast.lake import leases
from capforecast.lake.store import Store
from deployments import lambda_logs
from deployments.lambda_work import Answer, Job, answer

log = logging.getLogger("deployments.lambda")
LEVELS = {"failed": logging.ERROR, "postponed": logging.WARNING}
FRESH_SECONDS = 300.0  # how long settings count that a warm function has read
AGAIN_SECONDS = 30.0  # and after which the Parameter Store is asked again where it was silent


class RecordsLeftError(CapforecastError):
    """Events that were not done, and may be when they are delivered again."""

    retryable = True


@dataclass(frozen=True)
class _Ready:
    """What a warm function keeps from call to call."""

    loaded: Loaded
    store: Store
    until: float


_ready: _Ready | None = None


def handler(event: object, context: Any = None) -> dict[str, Any]:
    """Answer an event of S3, EventBridge or SQS, or a schedule.

    Returns the request's id, its seconds and a record per event: `status` (done, duplicate, ignored, failed,
    postponed), `reason`, and of a run what it made. For messages of SQS instead `batchItemFailures`, the ids of those
    to deliver again; the records are in the log. Raises ConfigError, and RecordsLeftError where an event was not done
    that may be when Lambda delivers it again.
    """
    began, request_id = time.monotonic(), str(getattr(context, "aws_request_id", ""))
    lambda_logs.begin(request_id)
    leases.be_in(str(getattr(context, "log_stream_name", None) or ""))  # a stream belongs to one sandbox
    try:
        ready = _prepared(began)
    except CapforecastError as error:
        log.error("%s", error)
        raise
    settings = ready.loaded.settings
    lambda_logs.begin(request_id, settings.log.level)
    reserve = settings.aws_lambda.reserve_seconds
    job = Job(ready.store, settings, request_id, lambda: _seconds_left(context) - reserve)
    answers = [_told(answer(asked, job)) for asked in s3_events.parse(event)]
    reply = {
        "request_id": request_id,
        "seconds": round(time.monotonic() - began, 3),
        "records": [each.shown() for each in answers],
    }
    counts = {status: sum(each.status == status for each in answers) for status in {each.status for each in answers}}
    log.info("answered", extra={"seconds": reply["seconds"], "counts": dict(sorted(counts.items()))})
    if s3_events.in_messages(event):
        return {"batchItemFailures": [{"itemIdentifier": message} for message in _failed_messages(answers)]}
    left = [each for each in answers if each.again]
    if left:
        told = "; ".join(f"{each.event}: {each.reason}" for each in left)
        raise RecordsLeftError(f"{len(left)} of {len(answers)} events were not done, try again: {told}")
    return reply


def _told(made: Answer) -> Answer:
    """The same, once it is in the log."""
    level = (
        logging.ERROR if made.status == "failed" else logging.WARNING if made.status == "postponed" else logging.INFO
    )
    log.log(level, "%s: %s", made.event, made.status, extra={"record": made.shown()})
    return made


def _failed_messages(answers: list[Answer]) -> list[str]:
    """Messages that are to come again, and in the end into the queue of those that nobody could read."""
    return list(dict.fromkeys(each.message for each in answers if each.status in ("failed", "postponed")))


def _seconds_left(context: Any) -> float:
    return float("inf") if context is None else float(context.get_remaining_time_in_millis()) / 1000


def _prepared(now: float) -> _Ready:
    """Settings and lake; read anew where what is kept has become old, but kept while the Parameter Store is silent."""
    global _ready
    if _ready is not None and now <= _ready.until:
        return _ready
    try:
        loaded = _settings()
    except CapforecastError as error:
        if _ready is None or not error.retryable:
            raise
        log.warning("%s; settings of before are used", error)
        _ready = replace(_ready, until=now + AGAIN_SECONDS)
        return _ready
    store = Store(configuration.usable_store(loaded), loaded.settings.storage)
    _ready = _Ready(loaded, store, now + FRESH_SECONDS)
    return _ready


def _settings() -> Loaded:
    path = configuration.parameter_path()
    if path is None:
        return configuration.load("aws")
    kept = ssm.parameters(path, configuration.region())
    return configuration.load("aws", parameters=kept.values, secret=kept.secret)
