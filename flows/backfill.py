"""Reports of past dates, one after the other, each as of its own date with nothing later visible.

A report looks at the one before it (drift, changes, the champion), so dates go in order. What is finished is recorded
in the lake under a key of what was asked and of the report before, so that a backfill that was stopped goes on where
it was, and a date that was mended makes those after it be looked at again. The training of later dates may run beside
the report of the current one: it decides nothing, and the full run of its date then finds the model made.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from prefect import flow, runtime, task
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import MissingResult
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.transactions import CommitMode, transaction
from pydantic import Field

from capforecast.configuration import config_hash
from capforecast.errors import CapforecastError, ConfigError, MissingObjectError
from capforecast.exchange import Published
from capforecast.fingerprint import code_fingerprint
from capforecast.fleet.cut_offs import cut_offs
from capforecast.lake import backfills, runs
from capforecast.settings import Settings
from flows.capacity import capacity_run
from flows.children import ChildError, ensure_child
from flows.start import job_of
from flows.train import train
from flows.units import IncompleteRun
from tasks.common import Job, whole

log = logging.getLogger("capforecast.run")
MOST_AT_ONCE = 8
REPORT_DEPLOYMENT, TRAIN_DEPLOYMENT = "capacity-run/ad-hoc", "train/train"
Row = dict[str, Any]  # of a date: as_of, status, tiers, seconds, run_id, published, reason
_ahead: ContextVar[bool] = ContextVar("ahead", default=False)


class IncompleteBackfill(CapforecastError):
    """Some dates were not finished; the same backfill again does those, and looks again at those after them."""

    def __init__(self, outcome: dict[str, Any], codes: set[int]) -> None:
        """`outcome`: what the backfill made all the same; `codes`: exit codes of what went wrong."""
        self.outcome = outcome
        rows = outcome["dates"]
        missing = [row for row in rows if row["reason"]]
        nothing = all(row["status"] == "failed" for row in rows)
        self.exit_code = (codes.pop() if len(codes) == 1 else 1) if nothing else 4
        told = "; ".join(f"{row['as_of']} ({row['reason']})" for row in missing)
        super().__init__(f"{len(missing)} of {len(rows)} dates did not finish: {told}")


@dataclass(frozen=True)
class Asked:
    """What is asked of every date."""

    source: str | None
    inventory: str | None
    business_units: list[str] | None
    known_at: str | None
    profile: str | None
    config: str | None
    overrides: dict[str, Any] | None
    refresh: bool

    def of(self, job: Job, as_of: str) -> dict[str, Any]:
        """Parameters of a run of one date."""
        return {
            "source": self.source,
            "inventory": self.inventory,
            "store": job.store_url,
            "as_of": as_of,
            "known_at": self.known_at,
            "business_units": self.business_units,
            "profile": self.profile,
            "config": self.config,
            "overrides": self.overrides,
            "retrain": job.settings.models.retrain,
            "refresh": self.refresh,
            "quiet": True,  # alerts and messages of weeks that are over help nobody
        }

    def key(self, job: Job, before: list[str] | None = None) -> str:
        """Key of a date's record: what is asked, settings, code, and the report before (hashes of its files)."""
        asked = [self.source, self.inventory, sorted(set(self.business_units or [])), self.known_at]
        models = job.settings.models.model_dump(mode="json")  # whether it trains, and who becomes champion
        parts = [*asked, models, config_hash(job.settings, actions=True), code_fingerprint(), before]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


@flow(
    name="backfill",
    flow_run_name=lambda: "backfill-{start}-{end}".format(**runtime.flow_run.parameters),
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),
)
def backfill(
    start: date,
    end: date,
    every: str = "week",
    source: str | None = None,
    inventory: str | None = None,
    store: str | None = None,
    business_units: list[str] | None = None,
    known_at: str | None = "as_of",
    max_concurrent: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = 2,
    profile: str | None = None,
    config: str | None = None,
    overrides: dict[str, Any] | None = None,
    retrain: Literal["always", "when_needed", "never"] | None = None,
    refresh: bool = False,
) -> dict[str, Any]:
    """Reports of past dates, each with nothing later visible. Finished dates are not done again: start it as often as
    needed.

    Args:
        start: First date, an exclusive UTC cut-off: the report is of what was known the evening before.
        end: Last date; done itself where the steps from `start` meet it.
        every: Step: day, week, month, or a number of days such as 14d.
        source: Observations: file, folder, glob or s3:// address, as the worker sees it. Without: what the lake
            holds.
        inventory: File with the servers' business unit, region, criticality, sizes. Without: all of one unit,
            `unassigned`.
        store: Lake: folder or s3://bucket/prefix. Default: the setting `store` of the worker.
        business_units: Only these business units. Default: all.
        known_at: Each date sees only rows that had arrived by `as_of` (its own cut-off, where the source says when rows
            arrived) or by a date. Null: all rows before its cut-off.
        max_concurrent: Dates worked on at once: one report, and beside it the training of the dates that follow.
        profile: Settings profile: `local` (one machine, a folder) or `aws` (a bucket, workers). Default: none.
        config: Settings file of your own, as the worker sees it.
        overrides: Single settings by dotted key, such as {"forecast.horizon_days": 30}. No secrets: parameters are
            shown to all.
        retrain: Train `always`, only `when_needed`, or `never` (each unit's champion of then). Default: the setting
            `models.retrain`.
        refresh: Make every date anew, whatever is finished.
    """
    dates = [day.isoformat() for day in cut_offs(start, end, every)]
    asked = (overrides or {}) | ({"store": store} if store else {}) | ({"models.retrain": retrain} if retrain else {})
    job = job_of(profile, config, asked)
    each = Asked(source, inventory, business_units, known_at, profile, config, overrides, refresh)
    log.addFilter(_mark)
    rows, codes = _all_dates(job, each, dates, max_concurrent)
    shown = [_shown(row) for row in rows]
    create_table_artifact(key="backfill", table=shown, description=f"Reports from {start} to {end}, every {every}")
    outcome = {"run_id": job.run.run_id, "attempt": job.run.attempt, "store": job.store_url, "dates": rows}
    if any(row["reason"] for row in rows):
        raise IncompleteBackfill(outcome, codes)
    return outcome


def _all_dates(job: Job, asked: Asked, dates: list[str], max_concurrent: int) -> tuple[list[Row], set[int]]:
    """A row per date, in order, and the exit codes of what went wrong."""
    progress = create_progress_artifact(progress=0.0, key="dates", description="Dates done")
    ahead = Ahead(job, asked, max_concurrent - 1)
    rows: list[Row] = []
    codes: set[int] = set()
    before: list[str] | None = None
    for number, as_of in enumerate(dates, 1):
        place = {"as_of": as_of, "number": number, "dates": len(dates)}
        key = asked.key(job, before)
        row = _finished(job, asked, as_of, key)
        if row is None:
            log.info("%s: date %d of %d", as_of, number, len(dates), extra=place | {"event": "date_started"})
            ahead.follow(as_of, dates[number:])
            row, code = _made(job, asked, as_of, key)
            codes |= {code} if code else set()
        rows.append(row)
        if not row["reason"]:
            before = _hashes(row["published"])
        log.info("%s: %s", as_of, row["status"], extra=place | {"event": "date_done", "status": row["status"]})
        update_progress_artifact(progress, progress=100.0 * number / len(dates))
    return rows, codes


def _finished(job: Job, asked: Asked, as_of: str, key: str) -> Row | None:
    """The date's row where it was finished before and its report is in the lake as it was."""
    row = backfills.finished(job.store, as_of, key)
    if row is None or (asked.refresh and row["backfill"] != job.run.run_id) or not whole(job, row["published"]):
        return None
    return row | {"status": "already done"}


def _made(job: Job, asked: Asked, as_of: str, key: str) -> tuple[Row, int | None]:
    """The date's row, and the exit code of what went wrong. Raises nothing that is about this date alone."""
    started = time.monotonic()
    made = date_run(job, asked, as_of, key, return_state=True).result(raise_on_failure=False)
    row: Row = {"as_of": as_of, "status": "done", "reason": "", "seconds": round(time.monotonic() - started, 1)}
    row |= {"run_id": "", "tiers": {}, "published": {}, "backfill": job.run.run_id}
    if isinstance(made, IncompleteRun) and not made.all_failed:
        return row | _facts(made.outcome) | {"status": "incomplete", "reason": str(made)}, 4
    if not isinstance(made, dict):
        known = isinstance(made, CapforecastError)
        reason = str(made) if known else f"{type(made).__name__}: {made}"
        log.error("%s: %s", as_of, reason, extra={"event": "date_failed", "as_of": as_of})
        return row | {"status": "failed", "reason": reason}, made.exit_code if known else 1
    row |= _facts(made)
    backfills.note(job.store, as_of, key, row)
    return row, None


def _facts(outcome: dict[str, Any]) -> Row:
    published = outcome["published"]
    return {"run_id": outcome["run_id"], "tiers": published["tiers"], "published": published}


def _hashes(published: dict[str, Any]) -> list[str]:
    return [reference.sha256 for _, reference in sorted(Published.model_validate(published).references.items())]


def _shown(row: Row) -> Row:
    """The row as people see it."""
    return {
        "date": row["as_of"],
        **row["tiers"],
        "status": row["status"],
        "reason": row["reason"],
        "run": row["run_id"],
    }


@task(name="date", task_run_name="{as_of}", cache_policy=NO_CACHE)
def date_run(job: Job, asked: Asked, as_of: str, key: str) -> dict[str, Any]:
    """The full run of one date, here or as a run of a deployment. EAGER: its stages keep results when it fails."""
    parameters = asked.of(job, as_of)
    if job.settings.flow.fan_out == "deployment":
        return _by_deployment(job, parameters, _once(job, asked, f"backfill:{as_of}:{key}"))
    with transaction(commit_mode=CommitMode.EAGER):
        state = capacity_run(**parameters, return_state=True)
        try:
            return dict(state.result())
        except MissingResult:  # the answer of a busy server was lost: what the run left on record counts
            made = runs.newest_manifest(job.store, str(state.state_details.flow_run_id))
            if made is None or not state.is_completed():
                raise
            return made


def _once(job: Job, asked: Asked, key: str) -> str:
    """Idempotency key of a run of a deployment: of this lake, and where all is made anew of this backfill alone."""
    lake = hashlib.sha256(job.store_url.encode()).hexdigest()[:12]
    return f"{key}:{lake}:{job.run.run_id}" if asked.refresh else f"{key}:{lake}"


def _by_deployment(job: Job, parameters: dict[str, Any], key: str) -> dict[str, Any]:
    """The date's report by a run of the deployment `capacity-run/ad-hoc`, as its record in the lake says.

    One of this key that completed while nobody waited counts, unless its report is no longer there as it was, or was
    made by other settings or code: then it is run again.
    """
    made = _child_of(job, parameters, key, again=False)
    if made is None or not whole(job, made["published"]) or not _like(job, made):
        made = _child_of(job, parameters, key, again=True)
    if made is None:
        raise MissingObjectError(
            f"the run of {parameters['as_of']} left no record in {job.store_url}: did it use another lake?"
        )
    if not _like(job, made):
        raise ConfigError(
            f"flow run {made['run_id']} used other settings or code than this backfill: give settings by `profile`, "
            "`config` or `overrides`, which the worker sees too, and bring it to one version of the code"
        )
    return made


def _like(job: Job, made: dict[str, Any]) -> bool:
    """Was it made by this code, and by settings that come to the same?"""
    if made["code"] != code_fingerprint():
        return False
    used = Settings.model_validate(made["settings"])
    return config_hash(used, actions=True) == config_hash(job.settings, actions=True)


def _child_of(job: Job, parameters: dict[str, Any], key: str, *, again: bool) -> dict[str, Any] | None:
    name, by = f"capacity-{parameters['as_of']}", f"attempt {job.run.attempt} of {job.run.run_id}"
    poll = job.settings.flow.poll_seconds
    run = ensure_child(REPORT_DEPLOYMENT, key, parameters, name=name, asked_by=by, again=again, poll_seconds=poll)
    return runs.newest_manifest(job.store, str(run.id))


class Ahead:
    """Trains later dates beside the report of the current one, at most `most` at once."""

    def __init__(self, job: Job, asked: Asked, most: int) -> None:
        """Nothing is trained ahead where training depends on the champion of then, or all is made anew anyway."""
        self._job, self._asked = job, asked
        self._most = most if job.settings.models.retrain == "always" and not asked.refresh else 0
        self._at_work: dict[str, PrefectFuture[None]] = {}

    def follow(self, as_of: str, later: Sequence[str]) -> None:
        """`as_of` comes now: wait for its own training and any before, and begin with those of the next."""
        for each in [each for each in self._at_work if each <= as_of]:
            self._at_work.pop(each).wait()
        for each in later[: self._most]:
            if each not in self._at_work:
                self._at_work[each] = train_ahead.submit(self._job, self._asked, each)


@task(name="train-ahead", task_run_name="train-{as_of}", cache_policy=NO_CACHE)
def train_ahead(job: Job, asked: Asked, as_of: str) -> None:
    """Train the models of a date and decide nothing. What goes wrong is seen again, and told, by the date's own run."""
    _ahead.set(True)
    parameters = asked.of(job, as_of) | {"retrain": "always", "decide": False}
    del parameters["quiet"]  # a training tells nobody anyway
    try:
        if job.settings.flow.fan_out == "deployment":
            key = _once(job, asked, f"backfill-train:{as_of}:{asked.key(job)}")
            by = f"attempt {job.run.attempt} of {job.run.run_id}"
            ensure_child(TRAIN_DEPLOYMENT, key, parameters, name=f"train-{as_of}", asked_by=by)
            return
        with transaction(commit_mode=CommitMode.EAGER):
            train(**parameters)
    except (CapforecastError, ChildError) as error:
        log.warning("%s: training ahead: %s", as_of, error)


def _mark(record: logging.LogRecord) -> bool:
    """Say of a line whether it is about work ahead, for those who follow the date at work."""
    record.ahead = _ahead.get()
    return True
