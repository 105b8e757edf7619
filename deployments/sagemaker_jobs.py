"""`capforecast sagemaker`: requests from what the command line says, sent and followed where that is asked."""

from __future__ import annotations

import hashlib
import json
import logging
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from capforecast.cloud.job_requests import (
    Channel,
    Observations,
    Request,
    processing_request,
    training_request,
)
from capforecast.cloud.jobs import Job, Jobs, State, open_jobs
from capforecast.configuration import Loaded, kernel_variables, usable_store
from capforecast.errors import CapforecastError, ConfigError, MissingObjectError, NoUsableInputError
from capforecast.lake.store import Listed, Store
from capforecast.settings import Settings, StorageSettings
from capforecast.stages import AS_OF, parse_as_of, parse_known_at
from capforecast.stages.handover import handed, made_by_nobody
from capforecast.stages.training_jobs import hyperparameters, kept, named, output_of
from deployments.console import err

Row = dict[str, Any]
UNITS = {"business_units": "business units", "without_data": "business units of which no object has data"}


@dataclass(frozen=True)
class How:
    """What is to be done with a request."""

    submit: bool
    follow: bool
    stop_on_interrupt: bool
    output: str | None
    repeated: tuple[str, ...] = ()  # options of this command that the next one needs, too


def processing(
    loaded: Loaded,
    source: str,
    inventory: str | None,
    as_of: str | None,
    known_at: str | None,
    business_units: list[str],
    how: How,
) -> Row:
    """The processing job that makes units of observations; sent and followed where that is asked."""
    settings = loaded.settings
    if as_of is not None:
        parse_as_of(as_of)
    if known_at is not None and known_at != AS_OF:
        parse_known_at(known_at)
    asked = Observations(source, inventory, as_of, known_at, tuple(business_units), hyperparameters(settings))
    places = [place for place in (source, inventory) if place]
    content, note = _content(places, settings.storage, needed=how.submit)
    output = _output(loaded, how)
    same: Row = {"settings": settings.sagemaker, "asked": asked, "environment": kernel_variables()}
    request = processing_request(**same, output=output, content=content)
    # below a folder of its own: two jobs must not write over each other, and `sagemaker train` reads one of them
    request = processing_request(**same, output=f"{output}/{request.stem}", content=content)
    written = request.body["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    made = _carried_out(request, settings, how, note, lambda state: bool(Store(written, settings.storage).keys("")))
    next_step = ["capforecast", "sagemaker", "train", "--data", written, *how.repeated, "--submit", "--follow"]
    units = _units(written, settings) if made["status"] == "Completed" else {}
    return made | {"output": written, **units, "next": shlex.join(next_step)}


def _units(written: str, settings: Settings) -> Row:
    """Names of what a processing job made, and of what it was asked for, or an inventory lists, without any data.

    Raises InputError where two machines had a part of one unit each.
    """
    store = Store(written, settings.storage)
    made = [each.unit.business_unit for each in handed(store)]
    return {"business_units": made, "without_data": made_by_nobody(store)}


def training(loaded: Loaded, data: str, business_unit: str | None, how: How) -> Row:
    """The training job on units that are handed over at `data`; sent and followed where that is asked."""
    settings = loaded.settings
    told = hyperparameters(settings) | (named(business_unit) if business_unit else {})
    content, note = _content([data], settings.storage, needed=how.submit)
    request = training_request(
        settings.sagemaker, Channel(data), told, output=_output(loaded, how), title=business_unit or "",
        content=content, environment=kernel_variables(),
    )  # fmt: skip
    made = _carried_out(request, settings, how, note, lambda state: kept(state, settings))
    model = made.get("model") or f"{_output(loaded, how)}/{made['job']}/output/model.tar.gz"
    return made | {"model": model, "next": shlex.join(["capforecast", "models", "import", model, *how.repeated])}


def as_text(made: Row) -> str:
    """What was done, or would be, as lines for people."""
    if not made["submitted"]:
        note = f"\n{made['note']}" if made["note"] else ""
        return f"{json.dumps(made['request'], indent=2, ensure_ascii=False)}\nnothing was sent: add --submit{note}"
    what = "was there already, attached to it" if made["attached"] else "submitted"
    state = f", {made['status']}" if made["status"] else ""
    follow = [] if made["status"] else ["to follow it, give the same command with --follow"]
    units = [f"{words}: {', '.join(made[key])}" for key, words in UNITS.items() if made.get(key)]
    metrics = [", ".join(f"{name} {value:.4g}" for name, value in made.get("metrics", {}).items())]
    lines = [f"{made['job']}: {what}{state}", *units, *metrics, *follow, f"then: {made['next']}"]
    return "\n".join(filter(None, lines))


def _output(loaded: Loaded, how: How) -> str:
    """Where the job writes. Raises ConfigError where that is no bucket."""
    url = how.output or output_of(loaded.settings, usable_store(loaded))
    if not url.startswith("s3://"):
        raise ConfigError(
            f"a job cannot write to {url}: give --output s3://bucket/prefix, `sagemaker.output`, or a lake in a bucket "
            "(--store s3://bucket/prefix)"
        )
    return url.rstrip("/")


def _content(places: list[str], storage: StorageSettings, *, needed: bool) -> tuple[str, str]:
    """Hash of what lies at s3:// places, by key, size and time; and why it is not known, where that is not `needed`."""
    digest = hashlib.sha256()
    try:
        for place in places:
            for item in _objects(place, storage):
                digest.update(f"{item.key} {item.size} {item.modified.isoformat()}\n".encode())
    except CapforecastError as error:
        if needed:
            raise
        return "", f"the name is provisional, as the input could not be listed: {error}"
    return digest.hexdigest(), ""


def _objects(place: str, storage: StorageSettings) -> list[Listed]:
    """What lies below a prefix, or the one object of that name. Raises NoUsableInputError where there is nothing."""
    if not place.startswith("s3://"):
        raise ConfigError(f"{place}: SageMaker reads s3://bucket/prefix only; upload it first (aws s3 sync)")
    found = Store(place, storage).listed("")
    if found:
        return found
    folder, _, name = place.rpartition("/")
    try:
        if name and folder != "s3:/":
            return [Store(folder, storage).stat(name)]
    except MissingObjectError:
        pass
    raise NoUsableInputError(f"there is nothing at {place}")


def _carried_out(request: Request, settings: Settings, how: How, note: str, usable: Callable[[State], bool]) -> Row:
    """Show, or submit and follow. usable: is what a complete job has written still there?"""
    if not how.submit:
        return {
            "job": request.name(1), "submitted": False, "attached": False, "status": "", "note": note,
            "request": request.named(1),
        }  # fmt: skip
    jobs = open_jobs(settings.sagemaker, settings.storage)
    with _told():
        # who does not follow does not wait for a free machine either
        patience = settings.sagemaker.most_seconds if how.follow else 0.0
        job = jobs.submit_when_free(request, patience, usable=usable)
        made: Row = {"job": job.name, "submitted": True, "attached": job.attached, "status": "", "note": note}
        return made | (_followed(jobs, job, how) if how.follow else {})


def _followed(jobs: Jobs, job: Job, how: How) -> Row:
    try:
        state = jobs.follow(job)
    except KeyboardInterrupt:
        if how.stop_on_interrupt:
            stopped = jobs.stop(job)
            err.print(f"{job.name}: {'told to stop' if stopped else 'had ended already'}", soft_wrap=True)
        else:
            stop = f"aws sagemaker stop-{job.kind}-job --{job.kind}-job-name {job.name}"
            err.print(f"{job.name} goes on; to stop it: {stop}", soft_wrap=True)
        raise
    made: Row = {"status": state.status} | ({"model": state.model} if state.model else {})
    return made | ({"metrics": state.metrics} if state.metrics else {})


class _Lines(logging.Handler):
    """Log records as plain lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        err.print(record.getMessage(), markup=False, soft_wrap=True)


@contextmanager
def _told() -> Iterator[None]:
    """How a job goes, on standard error."""
    logger, handler = logging.getLogger("capforecast.cloud"), _Lines()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
