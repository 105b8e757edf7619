"""A business unit's subflow, and all of them, a few at a time: what the flows of the fleet share.

A subflow is wrapped in a task whose result is kept under a key of its own business unit, so that a retry of the run
takes each finished unit's result and no other's, in whatever order the units come (docs/decisions/0007).
"""

from __future__ import annotations

import logging
from typing import Any

from prefect import flow, runtime, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectFuture, as_completed
from prefect.logging.handlers import APILogHandler
from prefect.transactions import CommitMode, transaction

from capforecast import stages
from capforecast.errors import CapforecastError, ConfigError
from capforecast.exchange import Unit
from tasks.common import Job, StageKey, run_stage, whole
from tasks.data import anomalies, validate
from tasks.decisions import pools, risk, sizing, warnings
from tasks.drift import announce_drift, drift
from tasks.models import champion, forecast, train, why_train
from tasks.outputs import show_unit

log = logging.getLogger("capforecast.run")
MOST_UNITS_AT_ONCE = 32
ANSWERS = (forecast, risk, pools, warnings, drift, sizing)  # what a unit's model is for, in this order


class IncompleteRun(CapforecastError):
    """The run finished, but some business units did not; a retry completes it."""

    def __init__(self, problems: dict[str, str], outcome: dict[str, Any]) -> None:
        """`problems`: why each missing unit failed; `outcome`: what the run made all the same."""
        self.problems, self.outcome = problems, outcome
        super().__init__(
            f"{len(problems)} business unit(s) did not finish: "
            + "; ".join(f"{name} ({problem})" for name, problem in sorted(problems.items()))
        )

    @property
    def all_failed(self) -> bool:
        """Did no unit finish?"""
        return not self.outcome["units"]


def _unit_run_name() -> str:
    parameters = runtime.flow_run.parameters
    return f"{parameters['business_unit']}-{parameters['ingested']['as_of'][:10]}"


@flow(name="business-unit-run", flow_run_name=_unit_run_name, persist_result=True, result_serializer="json")
def business_unit_run(
    job: Job, ingested: dict[str, Any], business_unit: str, only_model: bool = False
) -> dict[str, Any]:
    """One business unit: its snapshot and its model; unless `only_model`, what the model says of it as well."""
    unit = Unit.model_validate(run_stage(validate, job, ingested=ingested, business_unit=business_unit))
    if not only_model:
        unit = _next(job, anomalies, unit)
    if _trains(job, unit):
        unit = _next(job, train, unit)
    unit = _next(job, champion, unit)
    if not only_model:
        for stage in ANSWERS:
            unit = _next(job, stage, unit)
        show_unit(job, unit.model_dump(mode="json"), business_unit)
        announce_drift(job, unit.model_dump(mode="json"), business_unit)
    return unit.model_dump(mode="json")


def _next(job: Job, stage: Any, unit: Unit) -> Unit:
    """The unit with what a stage adds to it."""
    needed = unit.only(stages.NEEDS[stage.name]).model_dump(mode="json")
    added = run_stage(stage, job, unit=needed, business_unit=unit.business_unit)
    return Unit.model_validate(unit.model_dump() | {"references": unit.references | added})


def _trains(job: Job, unit: Unit) -> bool:
    """Does this run train a model of the unit, by the setting `models.retrain`?"""
    wanted = job.settings.models.retrain
    if wanted != "when_needed":
        return wanted == "always"
    needed = unit.only(stages.NEEDS["champion"]).model_dump(mode="json")
    reason: str = run_stage(why_train, job, unit=needed, business_unit=unit.business_unit)["reason"]
    log.info("%s: %s", unit.business_unit, f"trains, {reason}" if reason else "its champion will do")
    return bool(reason)


@task(
    name="business-unit",
    task_run_name="{business_unit}",
    tags=["capforecast"],
    cache_policy=StageKey(per_run=True),
    persist_result=True,
    result_serializer="json",
)
def business_unit_task(job: Job, ingested: dict[str, Any], business_unit: str, only_model: bool) -> dict[str, Any]:
    """The subflow of a business unit. EAGER: its stages keep their results even when a later one fails."""
    with transaction(commit_mode=CommitMode.EAGER):
        unit_flow = business_unit_run.with_options(result_storage=job.results)
        return unit_flow(job, ingested, business_unit, only_model)


def all_units(
    job: Job, ingested: dict[str, Any], names: list[str], *, only_model: bool = False, fleet_stages: int = 0
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run the units, a few at once; the results of those that finished, and why the others did not.

    fleet_stages: stages of the fleet that come besides, for those who watch the progress.
    """
    progress = create_progress_artifact(progress=0.0, key="business-units", description="Business units done")
    results: dict[str, dict[str, Any]] = {}
    problems: dict[str, str] = {}
    waiting, active = list(names), {}
    expected = fleet_stages + _stages_of_unit(job, only_model) * len(names)
    log.info("%d business units", len(names), extra={"event": "units", "units": names, "stages": expected})
    while waiting or active:
        while waiting and len(active) < min(job.settings.flow.concurrent_units, MOST_UNITS_AT_ONCE):
            name = waiting.pop(0)
            active[_submit(job, ingested, name, only_model)] = name
        done = next(iter(as_completed(list(active))))
        name = active.pop(done)
        outcome = _outcome(job, ingested, name, done, only_model)
        if isinstance(outcome, dict):
            results[name] = outcome
        else:
            problems[name] = outcome
            log.error("%s: %s", name, outcome, extra={"event": "unit_failed", "business_unit": name})
        update_progress_artifact(progress, progress=100.0 * (len(results) + len(problems)) / len(names))
    return [results[name] for name in sorted(results)], problems


def _stages_of_unit(job: Job, only_model: bool) -> int:
    """Most stages a unit goes through: validate, champion and, as the case may be, the others."""
    training = job.settings.models.retrain != "never"
    return 2 + training + (0 if only_model else 1 + len(ANSWERS))


def _submit(
    job: Job, ingested: dict[str, Any], name: str, only_model: bool, *, refresh: bool = False
) -> PrefectFuture[dict[str, Any]]:
    unit_task = business_unit_task.with_options(result_storage=job.results, refresh_cache=job.refresh or refresh)
    return unit_task.submit(job, ingested, name, only_model)


def _outcome(
    job: Job, ingested: dict[str, Any], name: str, future: PrefectFuture[dict[str, Any]], only_model: bool
) -> dict[str, Any] | str:
    """A unit's result, or why there is none. One of an earlier attempt counts only while its objects are there."""
    future.wait()
    result = future.state.result(raise_on_failure=False)
    if isinstance(result, dict) and not whole(job, result):
        log.warning("%s: its result is no longer in the lake as it was: running it again", name)
        again = _submit(job, ingested, name, only_model, refresh=True)
        again.wait()
        result = again.state.result(raise_on_failure=False)
    if isinstance(result, dict):
        return result
    return f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else "ended without a result"


def chosen(wanted: list[str] | None, known: list[str]) -> list[str]:
    """The business units of a run: those asked for, or all; raises ConfigError for a name nobody has."""
    unknown = sorted(set(wanted or []) - set(known))
    if unknown:
        raise ConfigError(f"no business unit is called {', '.join(map(repr, unknown))}; known: {', '.join(known)}")
    return sorted(set(wanted)) if wanted else known


def library_logs_to_prefect() -> None:
    """Show the library's log lines in the Prefect log, also when PREFECT_LOGGING_EXTRA_LOGGERS is not set."""
    library = logging.getLogger("capforecast")
    if not any(isinstance(handler, APILogHandler) for handler in library.handlers):
        library.addHandler(APILogHandler())
    if library.level == logging.NOTSET or library.level > logging.INFO:
        library.setLevel(logging.INFO)
    logging.getLogger("prefect.task_runs").addFilter(_without_timeout_notice)


def _without_timeout_notice(record: logging.LogRecord) -> bool:
    """Every task in a thread is told that its timeout waits for the current array operation to end: once is enough."""
    return "Timeouts in worker threads" not in record.getMessage()
