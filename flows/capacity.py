"""The weekly run: from observations to the report of the whole fleet, one subflow per business unit."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from capforecast import stages
from capforecast.exchange import Unit
from flows.start import history, job_of, manifest_of, run_name
from flows.units import MOST_UNITS_AT_ONCE, IncompleteRun, all_units, chosen
from tasks.alerts import announce_alerts
from tasks.common import Job, run_stage
from tasks.decisions import actions, decided, fleet_pools, scorecard
from tasks.outputs import deliver, report, show_actions, show_pools, show_report, show_scorecard, write_record

FLEET_STAGES = 6  # ingest, fleet-pools, scorecard, decided, actions, report


@flow(
    name="capacity-run",
    flow_run_name=lambda: run_name("capacity"),
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_UNITS_AT_ONCE),
)
def capacity_run(
    source: str | None = None,
    inventory: str | None = None,
    store: str | None = None,
    as_of: str | None = None,
    known_at: str | None = None,
    business_units: list[str] | None = None,
    profile: str | None = None,
    config: str | None = None,
    overrides: dict[str, Any] | None = None,
    retrain: Literal["always", "when_needed", "never"] | None = None,
    refresh: bool = False,
    quiet: bool = False,
) -> dict[str, Any]:
    """Observations to report, for a whole fleet.

    Args:
        source: Observations: file, folder, glob or s3:// address, as the worker sees it. Without: what the lake
            holds, as the flow `ingest` keeps it.
        inventory: File with the servers' business unit, region, criticality, sizes. Without: all of one unit,
            `unassigned`.
        store: Lake: folder or s3://bucket/prefix. Default: the setting `store` of the worker.
        as_of: Exclusive UTC cut-off, yyyy-mm-dd. Or `scheduled`: the date this run was scheduled for. Or
            `business-day`: that date, or the last business day before it. Default: end of the last complete period.
        known_at: Only rows that had arrived by this date or time; `as_of`: by the cut-off. Default: all rows before the
            cut-off.
        business_units: Only these business units. Default: all.
        profile: Settings profile: `local` (one machine, a folder) or `aws` (a bucket, workers). Default: none.
        config: Settings file of your own, as the worker sees it.
        overrides: Single settings by dotted key, such as {"forecast.horizon_days": 30}. No secrets: parameters are
            shown to all.
        retrain: Train `always`, only `when_needed` (the champion will not do), or `never` (forecast with each unit's
            champion). Default: the setting `models.retrain`.
        refresh: Run every stage anew, whatever is cached.
        quiet: Tell nobody: no delivery, no alerts. For reports of the past.
    """
    asked = (overrides or {}) | ({"store": store} if store else {}) | ({"models.retrain": retrain} if retrain else {})
    job = job_of(profile, config, asked, refresh=refresh).model_copy(update={"quiet": quiet})
    with job.claims:
        given = {"source": source, "inventory": inventory, "as_of": as_of, "known_at": known_at}
        return report_run(job, "capacity", business_units, **given)


def report_run(job: Job, kind: str, business_units: list[str] | None, **asked: str | None) -> dict[str, Any]:
    """The stages in order, and the attempt's record. Raises IncompleteRun when a unit failed."""
    ingested = history(job, kind, **asked)
    names = chosen(business_units, ingested["business_units"])
    units, problems = all_units(job, ingested, names, fleet_stages=FLEET_STAGES)
    job.claims.check()
    sums = run_stage(fleet_pools, job, ingested=ingested, units=units)
    show_pools(job, sums)
    extras = sums | _scorecard(job, ingested, units, names) | _actions(job, ingested, units, names)
    published = run_stage(report, job, ingested=ingested, units=units, problems=problems, extras=extras)
    show_report(job, published)
    if not job.quiet:
        run_stage(announce_alerts, job, units=units, published=published)
    if stages.delivers(job.settings.delivery) and not job.quiet:
        deliver(job, published)
    outcome = {
        "run_id": job.run.run_id,
        "attempt": job.run.attempt,
        "store": job.store_url,
        "units": units,
        "published": published,
    }
    record = manifest_of(job, ingested, units, problems, fleet=extras, published=published)
    write_record(job, record, units, published)
    if problems:
        raise IncompleteRun(problems, outcome)
    return outcome


def _scorecard(job: Job, ingested: dict[str, Any], units: list[dict[str, Any]], covered: list[str]) -> dict[str, Any]:
    """How past warnings of the finished units fared: references to the scorecard's tables."""
    needed = [Unit.model_validate(unit).only(stages.NEEDS[scorecard.name]).model_dump(mode="json") for unit in units]
    scored: dict[str, Any] = run_stage(scorecard, job, ingested=ingested, units=needed, covered=covered)
    show_scorecard(job, scored)
    return scored


def _actions(job: Job, ingested: dict[str, Any], units: list[dict[str, Any]], covered: list[str]) -> dict[str, Any]:
    """Advice for the servers of the finished units: references to its tables, none where no unit finished."""
    told = run_stage(decided, job, ingested=ingested)
    if not units:
        return {}
    needed = [Unit.model_validate(unit).only(stages.NEEDS[actions.name]).model_dump(mode="json") for unit in units]
    made: dict[str, Any] = run_stage(actions, job, ingested=ingested, units=needed, covered=covered, decided=told)
    show_actions(job, made)
    return made
