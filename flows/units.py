"""A business unit's subflow, and all of them, a few at a time: what the flows of the fleet share.

A subflow is wrapped in a task whose result is kept under a key of its own business unit, so that a retry of the run
takes each finished unit's result and no other's, in whatever order the units come (docs/decisions/0007).
"""

from __future__ import annotations

import logging
from typing import Any

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectFuture, as_completed
from prefect.transactions import CommitMode, transaction

from capforecast.errors import CapforecastError, ConfigError
from capforecast.lake.runs import write_plan
from flows.children import ChildError, plan_of, unit_by_child
from flows.unit import business_unit_run, most_stages
from tasks.common import Job, StageKey, whole

log = logging.getLogger("capforecast.run")
MOST_UNITS_AT_ONCE = 32


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


@task(
    name="business-unit",
    task_run_name="{business_unit}",
    cache_policy=StageKey(per_run=True, actions=True),  # its stages include some on actions
    persist_result=True,
    result_serializer="json",
)
def business_unit_task(job: Job, ingested: dict[str, Any], business_unit: str, only_model: bool) -> dict[str, Any]:
    """A business unit, here or by a flow run of its own. EAGER: stages keep results even when a later one fails."""
    if job.settings.flow.fan_out == "deployment":
        return _by_child(job, ingested, business_unit, only_model)
    with transaction(commit_mode=CommitMode.EAGER):
        unit_flow = business_unit_run.with_options(result_storage=job.results)
        return unit_flow(job, ingested, business_unit, only_model)


def _by_child(job: Job, ingested: dict[str, Any], business_unit: str, only_model: bool) -> dict[str, Any]:
    """The unit its own flow run made; one of other settings or code, or not in the lake as it was, is made again."""
    made = unit_by_child(job, ingested, business_unit, only_model, again=job.anew_in_units)
    if made is None or not whole(job, made):
        made = unit_by_child(job, ingested, business_unit, only_model, again=True)
    if made is None:
        raise ChildError(f"the flow run of {business_unit!r} completed without a record of what was asked of it")
    return made


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
    expected = fleet_stages + most_stages(job, only_model) * len(names)
    if job.settings.flow.fan_out == "deployment":
        write_plan(job.store, job.run, plan_of(job, ingested, only_model))
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


def _submit(
    job: Job, ingested: dict[str, Any], name: str, only_model: bool, *, refresh: bool = False
) -> PrefectFuture[dict[str, Any]]:
    unit_task = business_unit_task.with_options(result_storage=job.results, refresh_cache=job.anew_in_units or refresh)
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
