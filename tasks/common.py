"""What every stage task shares: its job, its cache key, its retries, and the record that it was executed."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from prefect import Task, task
from prefect.cache_policies import CachePolicy
from prefect.tasks import exponential_backoff
from pydantic import BaseModel, ConfigDict

from capforecast import stages
from capforecast.configuration import config_hash
from capforecast.errors import CapforecastError
from capforecast.exchange import RunKey, Unit
from capforecast.fingerprint import code_fingerprint
from capforecast.lake.claims import Claims
from capforecast.lake.runs import note_execution
from capforecast.lake.store import Store
from capforecast.schema import FLEET, Reference
from capforecast.settings import Settings
from tasks.distributed import computing
from tasks.results import results_of

log = logging.getLogger("capforecast.run")
T = TypeVar("T")


class DrillError(RuntimeError):
    """A failure asked for by `flow.drill`, to rehearse a retry."""


class Job(BaseModel):
    """What all stages of one attempt of a run share. Not part of a cache key as such: see StageKey."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store_url: str
    settings: Settings
    run: RunKey
    refresh: bool = False
    from_stage: str | None = None  # run this stage and all after it anew
    decides: bool = True  # does a run that only trains decide who is champion?
    quiet: bool = False  # is nobody told: no delivery, no events?

    def anew(self, stage: str) -> bool:
        """Is the stage to run anew, whatever is cached?"""
        if self.from_stage is None or stage not in stages.ORDER:
            return self.refresh
        return self.refresh or stages.ORDER.index(stage) >= stages.ORDER.index(self.from_stage)

    @property
    def anew_in_units(self) -> bool:
        """Is any stage of a business unit to run anew?"""
        return any(self.anew(stage) for stage in stages.OF_UNIT)

    @cached_property
    def store(self) -> Store:
        """The lake."""
        return Store(self.store_url, self.settings.storage)

    @property
    def results(self) -> Any:
        """Where Prefect keeps the JSON results of tasks: the store's `results/`, or the block `flow.result_block`."""
        return results_of(self.store, self.settings.storage, self.settings.flow.result_block)

    def address(self, reference: Reference) -> str:
        """Where a person opens a referenced object."""
        address = self.store.address(reference.uri)
        return address if "://" in address else Path(address).as_uri()

    @property
    def claims(self) -> Claims:
        """The periods this run may write. One object per run and process, whoever asks."""
        return _claims.setdefault((self.store.url, self.run.run_id), Claims(self.store, self.run.run_id))


_claims: dict[tuple[str, str], Claims] = {}


@dataclass
class StageKey(CachePolicy):
    """Cache key of a stage: what it reads (by content hash), code and config; the run only where `per_run`.

    Settings that only stages on actions read are part of it where `actions`: a new price trains no model. The key names
    the stage and the business unit, so that results are readable and no unit can adopt another's.
    """

    per_run: bool = False
    actions: bool = False

    def compute_key(self, task_ctx: Any, inputs: dict[str, Any], flow_parameters: Any, **kwargs: Any) -> str | None:
        """`<stage>-<business unit>-<hash>`."""
        job: Job = inputs["job"]
        given = {name: _plain(value) for name, value in inputs.items() if name != "job"}
        parts = [task_ctx.task.name, given, config_hash(job.settings, actions=self.actions), code_fingerprint()]
        if self.per_run:
            parts.append(job.run.run_id)
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        unit = re.sub(r"[^A-Za-z0-9]+", "-", str(inputs.get("business_unit", "fleet"))).strip("-")[:40]
        return f"{task_ctx.task.name}-{unit}-{digest[:40]}"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def may_pass(task: Any, task_run: Any, state: Any) -> bool:
    """Retry only what can pass when tried again: storage and network, never bad input or a bug."""
    try:
        state.result()
    except CapforecastError as error:
        return error.retryable
    except (ConnectionError, TimeoutError, BlockingIOError):
        return True
    except Exception:
        return False
    return False


def stage_task(
    name: str, *, per_run: bool = False, actions: bool = False, run_name: str | None = None
) -> Callable[[Callable[..., T]], Task[..., T]]:
    """Decorator: a Prefect task for one stage, cached by StageKey, its result kept as JSON."""
    return task(
        name=name,
        task_run_name=run_name or f"{name}-{{business_unit}}",
        cache_policy=StageKey(per_run=per_run, actions=actions),
        persist_result=True,
        result_serializer="json",
        retry_condition_fn=may_pass,
        retry_jitter_factor=0.5,
    )


def configured(stage: Task[..., T], job: Job, *, refresh: bool = False) -> Task[..., T]:
    """The task with the job's storage, retries and timeout."""
    flow = job.settings.flow
    return stage.with_options(
        result_storage=job.results,
        retries=flow.retries,
        retry_delay_seconds=exponential_backoff(flow.retry_delay_seconds),
        timeout_seconds=_most_seconds(stage.name, job.settings),
        refresh_cache=job.anew(stage.name) or refresh,
    )


def _most_seconds(stage: str, settings: Settings) -> int:
    """How long a stage may take; one that waits for a job elsewhere, that job's time on top."""
    elsewhere = settings.sagemaker.most_seconds if stage == "train" and settings.sagemaker.train else 0
    return settings.flow.stage_timeout_seconds + elsewhere


def run_stage(stage: Task[..., Any], job: Job, **inputs: Any) -> Any:
    """Call a stage task; a cached result whose objects are gone or changed does not count, the stage runs again.

    Not so for `ingest`, which is kept for its run only: raw history grows with other runs, and a retry must keep the
    cut-off it began with. Should a unit still have to read what has changed since, it says so.
    """
    state = configured(stage, job)(job=job, **inputs, return_state=True)
    result = state.result()
    about = {"stage": stage.name, "business_unit": inputs.get("business_unit", FLEET)}
    title = _title(**about)
    if stage.name != "ingest" and not whole(job, result):
        log.warning("%s: its cached result is no longer in the lake as it was, running it again", title)
        result = configured(stage, job, refresh=True)(job=job, **inputs)
    elif state.name == "Cached":
        log.info("%s: nothing changed, reused", title, extra=about | {"event": "stage_reused"})
    return result


def whole(job: Job, result: Any) -> bool:
    """Are all objects that a result refers to in the lake, as they were?"""
    return all(stages.is_whole(job.store, reference) for reference in references_in(result))


def references_in(result: Any) -> list[Reference]:
    """All references in a JSON result."""
    if isinstance(result, dict):
        if set(result) == set(Reference.model_fields):
            return [Reference.model_validate(result)]
        return [found for value in result.values() for found in references_in(value)]
    if isinstance(result, list):
        return [found for value in result for found in references_in(value)]
    return []


def _title(stage: str, business_unit: str) -> str:
    return stage if business_unit == FLEET else f"{business_unit} {stage}"


def executed(job: Job, stage: str, business_unit: str, work: Callable[[], T]) -> T:
    """Do a stage's work, note in the run's record that it was executed, and log it."""
    about = {"stage": stage, "business_unit": business_unit}
    title = _title(stage, business_unit)
    log.info("%s: started", title, extra=about | {"event": "stage_started"})
    started = time.perf_counter()
    if job.settings.flow.drill == f"{stage}:{business_unit}":
        raise DrillError(f"drill: flow.drill is set to {job.settings.flow.drill!r}; unset it and retry")
    with computing(job.settings.flow):
        result = work()
    seconds = time.perf_counter() - started
    note_execution(job.store, job.run, stage, business_unit, seconds)
    log.info("%s: done in %.1f s", title, seconds, extra=about | {"event": "stage_done", "seconds": seconds})
    return result


def added_references(
    stage: Callable[[Store, Settings, Unit], dict[str, Reference]], job: Job, unit: dict[str, Any]
) -> dict[str, Any]:
    """Call a stage of one business unit; the references it adds, as JSON."""
    added = stage(job.store, job.settings, Unit.model_validate(unit))
    return {name: reference.model_dump(mode="json") for name, reference in added.items()}


def slug(name: str) -> str:
    """A name as Prefect takes it in keys of artifacts and ids; different names give different ones."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return words[:40] if words == name else f"{words[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}".lstrip("-")
