"""From a monitoring system to the lake, window by window, going on where the last ingest stopped.

A window is the unit of writing: all its series are read, then its observations are added, then the marks say so. Killed
anywhere and repeated, an ingest does again what had no mark, and adding the same observations again adds nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pandas as pd

from capforecast.errors import SourceError, SourceRefusedError, UsageError
from capforecast.lake import leases, raw
from capforecast.lake import marks as kept
from capforecast.lake.intervals import joined
from capforecast.lake.store import Store
from capforecast.schema import SERVER_ID, Cadence
from capforecast.settings import Settings
from capforecast.sources import registry
from capforecast.sources.remote import Answer, Estimate, Found, Pace, Remote, Window, unpaced
from capforecast.stages.answers import check_answer, keep_inventory, without_reserved
from capforecast.stages.collected import (
    MOST_ROWS,
    Asked,
    Collected,
    Done,
    Expected,
    done_of,
    missing_series,
    told_of,
    write_record,
)
from capforecast.stages.gaps import without_values
from capforecast.stages.intake import given_inventory, parse_as_of
from capforecast.stages.windows import Part, Reach, looked_at, needs, parts, servers_of

log = logging.getLogger(__name__)


def collect_named(
    store: Store,
    settings: Settings,
    system: str,
    ingest_id: str,
    *,
    since: str | None = None,
    until: str | None = None,
    refill: bool = False,
    dry_run: bool = False,
    spend: bool = False,
    inventory: str | None = None,
    pace: Pace = unpaced,
) -> Collected:
    """`collect` now, of a system by its name and of what people write: dates, and a file with an inventory.

    Raises UsageError for a name or a time that is none, InputError for an inventory that cannot be read.
    """
    asked = Asked(
        ingest_id=ingest_id,
        now=pd.Timestamp.now(tz="UTC").floor("s").as_unit("us"),
        since=None if since is None else parse_as_of(since),
        until=None if until is None else parse_as_of(until),
        refill=refill,
        dry_run=dry_run,
        spend=spend,
        inventory=None if inventory is None else given_inventory(settings, inventory),
    )
    return collect(store, settings, registry.source(system, settings), asked, pace=pace)


@dataclass(frozen=True)
class _Ingest:
    """One ingest: where from, where to, and under which key the marks stand."""

    store: Store
    source: Remote
    cadence: Cadence
    asked: Asked

    @property
    def key(self) -> str:
        return kept.marks_key(self.source.name, self.source.identity, self.cadence)

    @property
    def claim(self) -> str:
        return "ingest-" + "-".join(part.split("=")[1] for part in self.key.split("/") if "=" in part)

    def marks(self) -> pd.DataFrame:
        return kept.load(self.store, self.key)

    def mark(self, marks: pd.DataFrame) -> None:
        kept.save(self.store, self.key, marks, self.source.identity)


def collect(
    store: Store, settings: Settings, source: Remote, asked: Asked, *, pace: Pace = unpaced, owner: str = ""
) -> Collected:
    """Read what the lake does not have yet of a monitoring system.

    owner: who holds the claim on the system while it is read (a run; its own retry goes on at once).
    What could not be read is in the result, and asked for again by the next ingest. Raises SourceError where nothing
    can be had at all (what was read before stays), SourceRefusedError where it would cost more than is allowed,
    ConflictError where another ingest reads the same system, UsageError for a span without a complete period.
    """
    ingest = _Ingest(store, source, settings.remote.period, asked)
    if asked.dry_run:
        planned = _plan(ingest, settings)[2]
        _refuse_nothing(planned)
        return planned
    lease = leases.acquire(store, ingest.claim, owner=owner or asked.ingest_id)
    try:
        found, plan, planned = _plan(ingest, settings)
        _refuse_nothing(planned)
        refuse_cost(planned.expected, asked.spend)
        _begin(ingest, found, plan, planned)
        done, problem = _read_all(ingest, found, plan, pace, lease)
    finally:
        lease.release()
    result = told_of(planned, done, problem)
    write_record(store, result)
    if problem is not None:
        raise problem
    return result


def _plan(ingest: _Ingest, settings: Settings) -> tuple[Found, list[Part], Collected]:
    """What there is, what of it is asked for, and both in words."""
    source, cadence, asked = ingest.source, ingest.cadence, ingest.asked
    reach = _reach(settings, cadence, asked)
    oldest = source.oldest(cadence, asked.now)
    oldest = None if oldest is None else oldest.ceil(cadence.frequency)
    marks = ingest.marks()
    window = looked_at(marks, reach, cadence, oldest)
    found = without_reserved(source.discover(window))
    wanted = needs(found.series, marks, reach, cadence, oldest)
    if asked.refill:
        wanted = joined(wanted, without_values(ingest.store, found.series, cadence, window))
    plan = parts(wanted, cadence, source.longest(found, cadence))
    expected = expected_of([source.estimate(part.of(found), cadence, part.window) for part in plan])
    return found, plan, Collected(
        ingest_id=asked.ingest_id, source=source.name, address=source.address, cadence=cadence,
        now=asked.now.isoformat(), since=window.since.isoformat(), until=window.until.isoformat(),
        dry_run=asked.dry_run, servers=int(found.series[SERVER_ID].nunique()), series=len(found.series),
        columns={str(name): int(count) for name, count in found.series["column"].value_counts().sort_index().items()},
        planned=len(plan), expected=expected, warnings=found.warnings, failed=found.failed,
        missing=tuple(missing_series(found.missing)),
        missing_more=max(0, len(found.missing) - MOST_ROWS),
    )  # fmt: skip


def _refuse_nothing(planned: Collected) -> None:
    """Raise SourceError where no series was found, and that may be for what failed."""
    if planned.failed and not planned.series:
        raise SourceError(f"{planned.address}: {'; '.join(planned.failed[:3])}")


def _reach(settings: Settings, cadence: Cadence, asked: Asked) -> Reach:
    """How far to look; raises UsageError where no complete period lies in it."""
    remote, step = settings.remote, cadence.step
    end = (asked.now - pd.Timedelta(minutes=remote.settle_minutes)).floor(cadence.frequency)
    if asked.until is not None:
        end = min(end, asked.until.floor(cadence.frequency))
    begin = (end - pd.Timedelta(days=remote.history_days)).floor("D")
    since = None if asked.since is None else asked.since.floor(cadence.frequency)
    if since is None and asked.refill:
        since = begin
    if since is not None and since + step > end:
        raise UsageError(
            f"no complete {'day' if cadence is Cadence.DAILY else 'hour'} lies between {since:%Y-%m-%d %H:%M} and "
            f"{end:%Y-%m-%d %H:%M} UTC; give an earlier --since, or a later --until"
        )
    return Reach(begin, end, since, overlap=-(-remote.overlap_hours * cadence.per_day // 24))


def expected_of(each: list[Estimate]) -> Expected:
    """What several windows take together."""
    costs = [part.cost for part in each if part.cost is not None]
    limits = [part.most for part in each if part.most is not None]
    return Expected(
        requests=sum(part.requests for part in each),
        values=sum(part.values for part in each),
        cost=round(sum(costs), 4) if costs else None,
        priced=next((part.priced for part in each if part.priced), ""),
        most=min(limits) if limits else None,
        notes=list(dict.fromkeys(note for part in each for note in part.notes)),
    )


def refuse_cost(expected: Expected, spend: bool) -> None:
    """Raise SourceRefusedError where more would be spent than the settings allow, unless people said `spend`."""
    if expected.cost is not None and expected.most is not None and expected.cost > expected.most and not spend:
        raise SourceRefusedError(
            f"reading this would cost about {expected.cost:.2f} USD ({expected.priced}), and {expected.most:.2f} USD "
            "may be spent without asking: give --yes, a later --since, or raise the limit in the settings"
        )


def _begin(ingest: _Ingest, found: Found, plan: list[Part], planned: Collected) -> None:
    """Keep the inventory, and mark all that is going to be asked for as holes: killed, the next ingest knows them."""
    known = marks = ingest.marks()
    if not found.failed:
        looked = Window(pd.Timestamp(planned.since), pd.Timestamp(planned.until))
        marks = kept.without_lost(marks, found.series, looked, before=ingest.asked.since is None)
    for part in plan:
        series = part.of(found).series
        marks = kept.after(marks, series, part.window, [_Nothing(part.window)], ingest.cadence)
    with ingest.store.lock("raw"):
        if len(found.inventory) or ingest.asked.inventory is not None:
            keep_inventory(ingest.store, found.inventory, ingest.asked)
        if not marks.equals(known):
            ingest.mark(marks)


@dataclass(frozen=True)
class _Nothing:
    """A window that was not read yet."""

    window: Window
    server_ids: tuple[str, ...] = ()
    column: str = ""


def _read_all(
    ingest: _Ingest, found: Found, plan: list[Part], pace: Pace, lease: leases.Lease
) -> tuple[list[Done], SourceError | None]:
    """Window after window, until all are read or nothing more can be had; then why."""
    log.info("%d windows of %s", len(plan), ingest.source.address, extra={"event": "units", "stages": len(plan)})
    done: list[Done] = []
    for part in plan:
        title = f"{part.window.since:%Y-%m-%d} to {part.window.until:%Y-%m-%d}, {len(part.rows)} series"
        log.info("%s: started", title, extra={"event": "stage_started", "stage": title})
        some = part.of(found)
        try:
            answer = ingest.source.read(some, ingest.cadence, part.window, servers_of(some), pace)
        except SourceError as error:
            return done, error
        lease.check()
        _write(ingest, some, part.window, answer)
        done.append(done_of(part.window, len(some.series), answer))
        about = {"event": "stage_done", "stage": title}
        log.info("%s: %d rows, %d spans missed", title, len(answer.observations), len(answer.missed), extra=about)
    return done, None


def _write(ingest: _Ingest, some: Found, window: Window, answer: Answer) -> None:
    """Observations first, marks last: a mark says that what it speaks of is there."""
    check_answer(answer.observations, some, window, ingest.cadence)
    with ingest.store.lock("raw"):
        if len(answer.observations):
            raw.add_observations(ingest.store, ingest.cadence, answer.observations, ingest.asked.now)
        ingest.mark(kept.after(ingest.marks(), some.series, window, answer.missed, ingest.cadence))
