"""`capforecast ingest` and `capforecast sources`: what they do, and how it is shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from capforecast import stages
from capforecast.configuration import Loaded, config_folder, usable_store
from capforecast.errors import UsageError
from capforecast.exchange import Ingested
from capforecast.lake.claims import Claims
from capforecast.lake.store import Store
from capforecast.schema import Cadence
from capforecast.settings import Settings
from capforecast.sources.registry import SOURCES, source
from capforecast.stages.collected import MissingSeries
from deployments import console, progress

FILES = "files"
SHOWN = 10  # servers and rows that a table names; --json tells all
CHECK_WAITS = 15.0  # seconds a check waits for retries in all
NOT_ALL = 4  # exit code: something was not read, the rest was


def ingest_files(loaded: Loaded, path: str | None, inventory: str | None, as_json: bool) -> int:
    """Bring files into the lake, as a run does at its beginning; returns the exit code."""
    if path is None:
        raise UsageError("--from files needs --source: a Parquet or CSV file, a folder, or a glob")
    store = Store(usable_store(loaded), loaded.settings.storage)
    with progress.shown("reading"), Claims(store, f"ingest-{uuid.uuid4().hex[:12]}") as claims:
        made = stages.ingest(store, loaded.settings, path, inventory, claims=claims)
    if as_json:
        console.show_json(made.model_dump(mode="json", exclude={"observations"}))
    else:
        _show_files(store, made)
    return 0


def _show_files(store: Store, made: Ingested) -> None:
    console.show_text(
        f"{made.rows_used} of {made.rows_read} rows of {made.servers} servers went into {store.url}; "
        f"{made.rows_rejected} were set aside, {made.duplicates} said nothing new. Data end at {made.as_of}."
    )


def ingest_remote(loaded: Loaded, name: str, *, as_json: bool, quiet: bool = False, **asked: Any) -> int:
    """Bring what is new of a monitoring system into the lake (`collect_named`); returns the exit code."""
    ingest_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}-{uuid.uuid4().hex[:6]}"
    with (
        _lake(usable_store(loaded), keep=not asked.get("dry_run")) as url,
        progress.shown(f"asking {name}", quiet=quiet, of="windows"),
    ):
        store = Store(url, loaded.settings.storage)
        made = stages.collect_named(store, loaded.settings, name, ingest_id, **asked)
    if as_json:
        console.show_json(made.model_dump(mode="json") | {"complete": made.complete, "values": made.values})
    else:
        show_collected(made, store.url)
    return 0 if made.complete else NOT_ALL


@contextmanager
def _lake(url: str, *, keep: bool) -> Iterator[str]:
    """Where the lake is; a folder of its own for who only looks and has none: opening a lake makes its folder."""
    if keep or "://" in url or Path(url).expanduser().is_dir():
        yield url
        return
    with TemporaryDirectory(prefix="capforecast-") as nowhere:
        yield nowhere


def refuse_source(name: str, path: str | None) -> None:
    """Raise UsageError for a name that is none, and for --source beside a monitoring system."""
    if name not in SOURCES:
        raise UsageError(f"{name!r} is no source; one of: {', '.join([*SOURCES, FILES])}")
    if path is not None:
        raise UsageError(f"--source is for --from files; of {name} give --url or a settings file (--config)")


def show_collected(made: stages.Collected, lake: str) -> None:
    """What an ingest did, or would do."""
    found = ", ".join(f"{name} of {count}" for name, count in made.columns.items()) or "none"
    console.show_text(f"{made.address}: {made.servers} servers, {made.series} series ({found})")
    expected = made.expected
    cost = "" if expected.cost is None else f", about {expected.cost:.2f} USD ({expected.priced})"
    if made.dry_run and not made.planned and made.series:
        console.show_text(f"nothing to read: all there is up to {_day(made.until)} was read before")
    elif made.dry_run:
        console.show_text(
            f"would read {_windows(made.planned)} from {_day(made.since)} to {_day(made.until)}: {expected.requests} "
            f"requests, at most {expected.values:,} values{cost}. Nothing was written."
        )
    else:
        requests = sum(window.requests for window in made.windows)
        retries = sum(window.retries for window in made.windows)
        console.show_text(
            f"read {len(made.windows)} of {_windows(made.planned)} up to {_day(made.until)}: {requests} requests, "
            f"{retries} repeated, {made.values:,} values{cost}. In {lake}; record {stages.record_key(made.ingest_id)}"
        )
    for note in expected.notes:
        console.show_text(f"note: {note}")
    _show_trouble(made.missed, made.missing, made.warnings, made.failed, made.missed_more, made.missing_more)
    if not made.series:
        console.show_text(f"no server was found between {_day(made.since)} and {_day(made.until)}: nothing was read")
    elif not made.dry_run:
        console.show_text(f"next: capforecast run --store {lake}")


def _windows(count: int) -> str:
    return f"{count} window{'' if count == 1 else 's'}"


def _day(text: str) -> str:
    return text[:16].replace("T", " ").removesuffix(" 00:00")


def _show_trouble(
    missed: Sequence[stages.MissedSpan],
    missing: Sequence[MissingSeries],
    warnings: Sequence[str],
    failed: Sequence[str],
    missed_more: int = 0,
    missing_more: int = 0,
) -> None:
    for each in missed[:SHOWN]:
        whom = (
            f"{each.servers} servers ({', '.join(each.server_ids[:3])} ...)"
            if each.servers > 3
            else (", ".join(each.server_ids) or "all servers")
        )
        console.show_text(
            f"not read: {each.column or 'all columns'} of {whom}, {_day(each.since)} to {_day(each.until)}: "
            f"{each.reason}; the next ingest asks again"
        )
    if len(missed) + missed_more > SHOWN:
        console.show_text(f"not read: {len(missed) + missed_more - SHOWN} spans more (--json tells them)")
    kinds = _kinds(missing)
    for (reason, remedy, servers), columns in kinds[:SHOWN]:
        named = [name for name in servers if name]
        count = f"{len(named)} server{'s' if len(named) > 1 else ''}"
        whom = f" on {count} ({', '.join(named[:3])}{' ...' if len(named) > 3 else ''})" if named else ""
        what = ", ".join(filter(None, columns)) or "everything"
        console.show_text(f"missing: {what}{whom}: {reason}{f'; {remedy}' if remedy else ''}")
    if len(kinds) > SHOWN or missing_more:
        console.show_text("missing: more of it stands in --json and in the record of the ingest")
    for text in failed[:SHOWN]:
        console.show_text(f"not looked for: {text}; the next ingest asks again")
    for text in warnings[:SHOWN]:
        console.show_text(f"warning: {text}")


def _kinds(missing: Sequence[MissingSeries]) -> list[tuple[tuple[str, str, tuple[str, ...]], list[str]]]:
    """(reason, remedy, servers), and all columns that are missing of these for it: statistics of a metric are one."""
    servers: dict[tuple[str, str, str], list[str]] = {}
    for row in missing:
        servers.setdefault((row.column, row.reason, row.remedy), []).append(row.server_id)
    columns: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (column, reason, remedy), named in servers.items():
        columns.setdefault((reason, remedy, tuple(named)), []).append(column)
    return list(columns.items())


def list_sources(as_json: bool) -> None:
    """Which systems can be read."""
    rows = [{"source": FILES, "what": "Parquet and CSV files (README.md)", "settings": "source, inventory"}]
    about = {"prometheus": "Prometheus, Mimir, Thanos, VictoriaMetrics", "cloudwatch": "Amazon CloudWatch"}
    rows += [
        {"source": name, "what": about.get(name, name), "settings": f"remote, remote.{name}"}
        for name in sorted(SOURCES)
    ]
    console.show_json(rows) if as_json else console.show_table(rows)


def check(loaded: Loaded, name: str, days: int, *, spend: bool, as_json: bool) -> int:
    """Look at a monitoring system; returns the exit code: 0 when it can be read, 4 when a part of it can, or none."""
    settings = _impatient(loaded.settings, name)
    remote = source(name, settings)
    now = pd.Timestamp.now(tz="UTC").floor("s").as_unit("us")
    with progress.shown(f"asking {remote.address}"):
        found = stages.check_source(settings, remote, now, days, spend=spend)
    if as_json:
        console.show_json(found.model_dump(mode="json") | {"fit": found.fit})
    else:
        _show_checked(found, settings)
    return 0 if found.fit else NOT_ALL


def _impatient(settings: Settings, name: str) -> Settings:
    """The settings with short waits between retries: somebody sits before a check."""
    if name not in SOURCES:
        return settings
    own = getattr(settings.remote, name)
    quick = own.model_copy(update={"retry_seconds": min(own.retry_seconds, CHECK_WAITS)})
    return settings.model_copy(update={"remote": settings.remote.model_copy(update={name: quick})})


def _show_checked(found: stages.Checked, settings: Settings) -> None:
    kept = f"; may hold data from {_day(found.oldest)} on" if found.oldest else ""
    units = ", ".join(f"{name or 'unassigned'} {count}" for name, count in list(found.business_units.items())[:SHOWN])
    console.show_text(
        f"{found.address} answers: {found.servers} servers, {found.series} series{kept}. {found.cadence} values from "
        f"{_day(found.since)} to {_day(found.until)} took {found.requests} requests and {found.seconds:.1f} s."
    )
    if units:
        how = ": name the labels or tags that hold them in the settings, or give ingest an --inventory"
        console.show_text(f"business units: {units}{how if set(found.business_units) == {''} else ''}")
    if found.columns:
        console.show_table(
            [
                {"column": each.column, "servers": each.servers, "coverage %": round(100 * each.coverage, 1),
                 "complete": each.complete, "empty": each.empty}
                for each in found.columns
            ]
        )  # fmt: skip
    worst = [each for each in found.coverage if any(share < 1 for share in each.coverage.values())][:SHOWN]
    for each in worst:
        told = ", ".join(f"{name} {100 * share:.0f} %" for name, share in each.coverage.items())
        console.show_text(f"not complete: {each.server_id}: {told}")
    _show_trouble(found.missed, found.missing, found.warnings, found.failed)
    _show_verdict(found, settings)


def _show_verdict(found: stages.Checked, settings: Settings) -> None:
    daily, least = found.cadence is Cadence.DAILY, settings.quality
    days = least.min_days_daily if daily else least.min_days_hourly
    if found.oldest and (kept := (pd.Timestamp(found.until) - pd.Timestamp(found.oldest)).days) < days:
        console.show_text(
            f"warning: it keeps {kept} days, and a forecast of {found.cadence} values takes {days} at least: ingest "
            "daily from now on, for the lake keeps what it forgets, and let it keep more itself"
        )
    if not found.series:
        console.show_text(f"not fit: no server was found between {_day(found.since)} and {_day(found.until)}")
    elif not found.fit:
        console.show_text("not quite fit: a part could not be read; what that was stands above")
    else:
        lacks = " without what is missing above" if found.missing else ""
        console.show_text(
            f"fit{lacks}. next: capforecast ingest --from {found.source} --store lake --dry-run, with the same --url "
            "or --config"
        )


def example(name: str) -> str:
    """A commented settings file for a source; raises UsageError for a name that is none."""
    known = sorted({FILES, *SOURCES})
    if name not in known:
        raise UsageError(f"{name!r} is no source; one of: {', '.join(known)}")
    return (config_folder() / f"examples/{name}.yaml").read_text(encoding="utf-8")
