"""The weekly run: the fleet's flow and one subflow per business unit.

A subflow is wrapped in a task whose result is kept under a key of its own business unit, so that a retry of the run
takes each finished unit's result and no other's, in whatever order the units come (docs/decisions/0007).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from prefect import flow, runtime, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture, as_completed
from prefect.logging.handlers import APILogHandler
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.transactions import CommitMode, transaction

from capforecast import __version__, configuration, stages
from capforecast.errors import CapforecastError, ConfigError
from capforecast.exchange import Ingested, RunKey, Unit
from capforecast.fingerprint import code_fingerprint
from tasks.common import Job, StageKey, run_stage, whole
from tasks.data import anomalies, ingest, validate
from tasks.decisions import fleet_pools, pools, risk, scorecard, warnings
from tasks.models import forecast, train
from tasks.outputs import (
    report,
    show_pools,
    show_report,
    show_scorecard,
    show_sources,
    show_unit,
    write_record,
)

log = logging.getLogger("capforecast.run")
MOST_UNITS_AT_ONCE = 32
AFTER_VALIDATE = (anomalies, train, forecast, risk, pools, warnings)  # of a business unit, in this order
FLEET_STAGES = 4  # ingest, fleet-pools, scorecard, report


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


def _run_name() -> str:
    given = runtime.flow_run.parameters.get("as_of")
    return f"capacity-{str(given)[:10] if given else 'latest'}"


def _name_run(run: RunKey, as_of: str) -> None:
    """Name the run after its cut-off, which is known only once the source has been read."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(run.run_id, name=f"capacity-{as_of[:10]}")


def _unit_run_name() -> str:
    parameters = runtime.flow_run.parameters
    return f"{parameters['business_unit']}-{parameters['ingested']['as_of'][:10]}"


@flow(name="capacity-run", flow_run_name=_run_name, task_runner=ThreadPoolTaskRunner(max_workers=MOST_UNITS_AT_ONCE))
def capacity_run(
    source: str,
    inventory: str | None = None,
    store: str | None = None,
    as_of: str | None = None,
    known_at: str | None = None,
    business_units: list[str] | None = None,
    profile: str | None = None,
    config: str | None = None,
    overrides: dict[str, Any] | None = None,
    refresh: bool = False,
) -> dict[str, Any]:
    """Observations to report, for a whole fleet.

    Args:
        source: file, folder or glob of observations.
        inventory: file with the servers' business unit, region, criticality, sizes.
        store: folder or s3://bucket/prefix of the lake; default: the setting `store`.
        as_of: exclusive UTC cut-off; default: end of the source's last complete period.
        known_at: the run sees only rows that had arrived by then; default: all.
        business_units: only these; default: all.
        profile: settings profile, `local` or `aws`.
        config: a settings file of your own.
        overrides: settings by dotted key, e.g. {"forecast.horizon_days": 30}.
        refresh: run every stage anew, whatever is cached.
    """
    _library_logs_to_prefect()
    asked = (overrides or {}) | ({"store": store} if store else {})
    loaded = configuration.load(profile, Path(config) if config else None, overrides=asked)
    settings = loaded.settings
    run = RunKey(run_id=str(runtime.flow_run.id), attempt=runtime.flow_run.run_count or 1)
    # a retry of a refreshed run goes on from where that run failed
    job = Job(
        store_url=configuration.usable_store(loaded), settings=settings, run=run, refresh=refresh and run.attempt == 1
    )
    job.store.probe()
    with job.claims:
        return _whole_run(job, business_units, source=source, inventory=inventory, as_of=as_of, known_at=known_at)


def _whole_run(job: Job, business_units: list[str] | None, **asked: str | None) -> dict[str, Any]:
    """The stages in order, and the attempt's record. Raises IncompleteRun when a unit failed."""
    run = job.run
    ingested = run_stage(ingest, job, **asked)
    job.claims.period(Ingested.model_validate(ingested).cadence, Ingested.model_validate(ingested).cut_off)
    _name_run(run, ingested["as_of"])
    show_sources(job, ingested)
    chosen = _chosen(business_units, ingested["business_units"])
    units, problems = _all_units(job, ingested, chosen)
    job.claims.check()
    sums = run_stage(fleet_pools, job, ingested=ingested, units=units)
    show_pools(job, sums)
    extras = sums | _scorecard(job, ingested, units, chosen)
    published = run_stage(report, job, ingested=ingested, units=units, problems=problems, extras=extras)
    show_report(job, published)
    outcome = {
        "run_id": run.run_id,
        "attempt": run.attempt,
        "store": job.store_url,
        "units": units,
        "published": published,
    }
    manifest = {
        "run_id": run.run_id,
        "attempt": run.attempt,
        "parameters": {key: value for key, value in runtime.flow_run.parameters.items() if value is not None},
        "version": __version__,
        "code": code_fingerprint(),
        "config": configuration.config_hash(job.settings),
        "settings": job.settings.model_dump(mode="json"),
        "ingested": ingested,
        "units": {unit["business_unit"]: unit for unit in units},
        "problems": problems,
        "fleet": extras,
        "published": published,
    }
    write_record(job, manifest, units, published)
    if problems:
        raise IncompleteRun(problems, outcome)
    return outcome


@flow(name="business-unit-run", flow_run_name=_unit_run_name, persist_result=True, result_serializer="json")
def business_unit_run(job: Job, ingested: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """One business unit: validate, anomalies, train, forecast, risk, pools, and the warnings of the past."""
    unit = Unit.model_validate(run_stage(validate, job, ingested=ingested, business_unit=business_unit))
    for stage in AFTER_VALIDATE:
        needed = unit.only(stages.NEEDS[stage.name]).model_dump(mode="json")
        added = run_stage(stage, job, unit=needed, business_unit=business_unit)
        unit = Unit.model_validate(unit.model_dump() | {"references": unit.references | added})
    show_unit(job, unit.model_dump(mode="json"), business_unit)
    return unit.model_dump(mode="json")


@task(
    name="business-unit",
    task_run_name="{business_unit}",
    tags=["capforecast"],
    cache_policy=StageKey(per_run=True),
    persist_result=True,
    result_serializer="json",
)
def business_unit_task(job: Job, ingested: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """The subflow of a business unit. EAGER: its stages keep their results even when a later one fails."""
    with transaction(commit_mode=CommitMode.EAGER):
        return business_unit_run.with_options(result_storage=job.results)(job, ingested, business_unit)


def _all_units(job: Job, ingested: dict[str, Any], names: list[str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run the units, a few at once; the results of those that finished, and why the others did not."""
    progress = create_progress_artifact(progress=0.0, key="business-units", description="Business units done")
    results: dict[str, dict[str, Any]] = {}
    problems: dict[str, str] = {}
    waiting, active = list(names), {}
    expected = FLEET_STAGES + (1 + len(AFTER_VALIDATE)) * len(names)
    log.info("%d business units", len(names), extra={"event": "units", "units": names, "stages": expected})
    while waiting or active:
        while waiting and len(active) < min(job.settings.flow.concurrent_units, MOST_UNITS_AT_ONCE):
            name = waiting.pop(0)
            active[_submit(job, ingested, name)] = name
        done = next(iter(as_completed(list(active))))
        name = active.pop(done)
        outcome = _outcome(job, ingested, name, done)
        if isinstance(outcome, dict):
            results[name] = outcome
        else:
            problems[name] = outcome
            log.error("%s: %s", name, outcome, extra={"event": "unit_failed", "business_unit": name})
        update_progress_artifact(progress, progress=100.0 * (len(results) + len(problems)) / len(names))
    return [results[name] for name in sorted(results)], problems


def _scorecard(job: Job, ingested: dict[str, Any], units: list[dict[str, Any]], covered: list[str]) -> dict[str, Any]:
    """How past warnings of the finished units fared: references to the scorecard's tables."""
    needed = [Unit.model_validate(unit).only(stages.NEEDS[scorecard.name]).model_dump(mode="json") for unit in units]
    scored: dict[str, Any] = run_stage(scorecard, job, ingested=ingested, units=needed, covered=covered)
    show_scorecard(job, scored)
    return scored


def _submit(job: Job, ingested: dict[str, Any], name: str, *, refresh: bool = False) -> PrefectFuture[dict[str, Any]]:
    unit_task = business_unit_task.with_options(result_storage=job.results, refresh_cache=job.refresh or refresh)
    return unit_task.submit(job, ingested, name)


def _outcome(
    job: Job, ingested: dict[str, Any], name: str, future: PrefectFuture[dict[str, Any]]
) -> dict[str, Any] | str:
    """A unit's result, or why there is none. One of an earlier attempt counts only while its objects are there."""
    future.wait()
    result = future.state.result(raise_on_failure=False)
    if isinstance(result, dict) and not whole(job, result):
        log.warning("%s: its result is no longer in the lake as it was: running it again", name)
        again = _submit(job, ingested, name, refresh=True)
        again.wait()
        result = again.state.result(raise_on_failure=False)
    if isinstance(result, dict):
        return result
    return f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else "ended without a result"


def _chosen(wanted: list[str] | None, known: list[str]) -> list[str]:
    unknown = sorted(set(wanted or []) - set(known))
    if unknown:
        raise ConfigError(f"no business unit is called {', '.join(map(repr, unknown))}; known: {', '.join(known)}")
    return sorted(set(wanted)) if wanted else known


def _library_logs_to_prefect() -> None:
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
