"""What the Lambda function does with one event: bring the object, forecast once per content, answer from the record."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capforecast import stages
from capforecast.cloud import s3_events
from capforecast.cloud.s3_events import Asked, Due, NewObject, Passed
from capforecast.cloud.s3_objects import Fetched, fetch, split
from capforecast.configuration import config_hash
from capforecast.errors import (
    CapforecastError,
    ConflictError,
    InputError,
    MissingObjectError,
    OutOfTimeError,
    StaleReferenceError,
    UsageError,
)
from capforecast.exchange import Ingested, RunKey
from capforecast.fingerprint import code_fingerprint
from capforecast.forecast import pointers
from capforecast.lake import leases, runs
from capforecast.lake.claims import Claims
from capforecast.lake.remembering import Remembering
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings

log = logging.getLogger(__name__)
PAUSE_SECONDS = 0.5  # between two looks at a run that another function is doing
OTHERS_SECONDS = 240.0  # most that runs of other data of the same period are waited for: dozens may come at once


@dataclass(frozen=True)
class Job:
    """The lake, the settings, whose request this is, and the seconds that may still be used."""

    store: Store
    settings: Settings
    request_id: str
    seconds_left: Callable[[], float]

    def in_time(self) -> bool:
        """May something new be begun?"""
        return self.seconds_left() > 0


@dataclass(frozen=True)
class Answer:
    """What became of one event. status: done, duplicate, ignored, failed or postponed.

    again: may the same event pass when it is delivered again, once people have mended what is wrong?
    served: what the run made (stages.Served).
    message: id of the message of SQS that it came in.
    """

    event: str
    status: str
    reason: str = ""
    again: bool = False
    served: dict[str, Any] | None = None
    message: str = ""

    def shown(self) -> dict[str, Any]:
        """As the function's answer and the log tell it."""
        told = {"event": self.event, "status": self.status, "reason": self.reason}
        return told | (self.served or {})


def answer(asked: Asked, job: Job) -> Answer:
    """Do what an event asks for; never raises."""
    if isinstance(asked, Passed):
        return Answer(asked.name, "failed" if asked.malformed else "ignored", asked.reason, message=asked.message)
    reason = _why_not(asked, job) if isinstance(asked, NewObject) else ""
    if reason:
        return Answer(asked.name, "ignored", reason, message=asked.message)
    try:
        if not job.in_time():
            raise OutOfTimeError("too little of the function's time is left to begin")
        status, served, reason = _object(asked, job) if isinstance(asked, NewObject) else _due(asked, job)
        return Answer(asked.name, status, reason, served=served, message=asked.message)
    except (OutOfTimeError, ConflictError, StaleReferenceError) as error:
        return Answer(asked.name, "postponed", str(error), again=True, message=asked.message)
    except CapforecastError as error:
        # a wrong role, wrong settings or no model: nothing may be lost in silence, people must mend it
        again = not isinstance(error, InputError)
        return Answer(asked.name, "failed", str(error), again=again, message=asked.message)
    except Exception as error:  # of code that is wrong, or memory that is short: the other events must still be done
        log.exception("%s: unexpected error", asked.name)
        reason = f"unexpected {type(error).__name__}: {error}"
        return Answer(asked.name, "failed", reason, again=True, message=asked.message)


def _why_not(asked: NewObject, job: Job) -> str:
    """Why an object is passed over; "" = it is not. What the function writes must never call it."""
    if f"{asked.name}/".startswith(f"{job.store.url}/"):
        return f"it is of the lake {job.store.url}: let `aws_lambda.incoming` name another prefix"
    return s3_events.why_not(asked, job.settings.aws_lambda)


Done = tuple[str, dict[str, Any] | None, str]  # status, what was served, reason


def _object(asked: NewObject, job: Job) -> Done:
    """Forecast from an object that has come, unless this very content was done already."""
    settings = job.settings
    with tempfile.TemporaryDirectory(prefix="capforecast-") as scratch:
        try:
            found = _brought(asked.bucket, asked.key, Path(scratch), job, asked.etag)
        except (MissingObjectError, StaleReferenceError) as error:  # what follows it has an event of its own
            return "ignored", None, str(error)
        listed = _inventory(Path(scratch), job)
        run_id = _run_id(settings, asked.bucket, asked.key, found.sha256, "" if listed is None else listed.sha256)
        inventory = None if listed is None else str(listed.file)

        def take(store: Store, claims: Claims) -> Ingested:
            return stages.ingest(store, settings, str(found.file), inventory, claims=claims)

        return _once(job, run_id, take)


def _due(asked: Due, job: Job) -> Done:
    """Forecast from what the lake holds; the same firing is done once, or without an id the same history by the same
    champions.
    """

    asked_of_lake = (job.settings, _cadence(asked.cadence), asked.as_of)
    seen = stages.in_lake(job.store, *asked_of_lake)
    run_id = _run_id(job.settings, asked.id, seen.as_of, "" if asked.id else _known(job, seen))

    def take(store: Store, claims: Claims) -> Ingested:
        return stages.from_lake(store, *asked_of_lake, claims=claims)

    return _once(job, run_id, take)


def _known(job: Job, seen: stages.InLake) -> str:
    """History, prices and sizes, and champions of now."""
    champions = [pointers.highest(job.store, seen.cadence, name) for name in seen.business_units]
    tables = [stages.shape_catalogue(job.settings), stages.price_list(job.settings)]
    return json.dumps([seen.model_dump(mode="json"), [table.to_csv(index=False) for table in tables], champions])


def _cadence(name: str | None) -> Cadence | None:
    try:
        return None if name is None else Cadence(name)
    except ValueError:
        raise UsageError(f"cadence {name!r} of the schedule: use daily or hourly") from None


def _brought(bucket: str, key: str, scratch: Path, job: Job, etag: str = "") -> Fetched:
    """An object in a folder named like its key, so that reports of its rows name it."""
    parts = [re.sub(r"[^\w.=-]|^\.+$", "_", part, flags=re.ASCII) for part in (bucket, *key.split("/")[:-1])]
    folder = scratch.joinpath(*filter(None, parts))
    folder.mkdir(parents=True, exist_ok=True)
    return fetch(bucket, key, folder, job.settings.storage, etag)


def _inventory(scratch: Path, job: Job) -> Fetched | None:
    address = job.settings.aws_lambda.inventory
    return None if address is None else _brought(*split(address), scratch / "inventory", job)


def _run_id(settings: Settings, *parts: str) -> str:
    """The same for the same content, settings and code, so that duplicates are one run."""
    digest = hashlib.sha256()
    for part in (*parts, config_hash(settings), code_fingerprint()):
        digest.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
    return f"lambda-{digest.hexdigest()[:20]}"


def _once(job: Job, run_id: str, take: Callable[[Store, Claims], Ingested]) -> Done:
    """Do a run, unless it is done, or somebody is doing it: then wait for that and answer from its record.

    A record with problems from before this call does not count: whoever asks again has mended them, or hopes so.
    Raises OutOfTimeError where it is not done in time; ConflictError or StaleReferenceError where runs of other data
    write the same period for too long.
    """
    patience = time.monotonic() + OTHERS_SECONDS
    before = runs.newest_manifest(job.store, run_id)
    seen = 0 if before is None else int(before["attempt"])
    while True:
        made = _record(job.store, run_id, seen)
        if made is not None:
            return "duplicate", made, f"done before, by run {run_id}"
        if not job.in_time():
            raise OutOfTimeError(f"run {run_id} is being made by another call and was not done in time")
        try:
            lease = leases.acquire(job.store, run_id, owner=job.request_id)
        except ConflictError:
            time.sleep(PAUSE_SECONDS)
            continue
        try:
            made = _record(job.store, run_id, seen)  # who held the lease may have finished since we looked
            if made is not None:
                return "duplicate", made, f"done before, by run {run_id}"
            served = _make(job, run_id, take)
            return "done", served.model_dump(mode="json"), _said(served)
        except (ConflictError, StaleReferenceError) as error:
            if time.monotonic() > patience or not job.in_time():
                raise
            log.info("%s; once more", error)
        finally:
            lease.release()
        time.sleep(PAUSE_SECONDS)


def _make(job: Job, run_id: str, take: Callable[[Store, Claims], Ingested]) -> stages.Served:
    store = Remembering(job.store)
    run = RunKey(run_id=run_id, attempt=runs.next_attempt(store, run_id))
    with Claims(store, run_id) as claims:
        ingested = take(store, claims)
        return stages.serve(store, job.settings, ingested, run, in_time=job.in_time, check=claims.check)


def _record(store: Store, run_id: str, seen: int) -> dict[str, Any] | None:
    """What a finished run answered; None where it has not finished, or has problems and is no later than `seen`."""
    manifest = runs.newest_manifest(store, run_id)
    if manifest is None or (manifest["problems"] and manifest["attempt"] <= seen):
        return None
    return dict(manifest["served"])


def _said(served: stages.Served) -> str:
    """What must be known of a run that is done."""
    missing = [f"{name} is missing: {problem}" for name, problem in served.problems.items()]
    instead = [
        f"{unit.business_unit}: champion is a {unit.fell_back} model; its stored fall-back, the fleet engine, answered"
        for unit in served.business_units
        if unit.fell_back is not None
    ]
    return "; ".join([*missing, *instead])
