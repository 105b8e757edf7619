"""Input that cannot be used is refused before Prefect is loaded: no flow starts, no server, nothing is written."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pandas as pd

from capforecast import stages
from capforecast.configuration import Loaded, usable_store
from capforecast.errors import NoUsableInputError, UsageError
from capforecast.fleet import inventory as inventories
from capforecast.lake import raw
from capforecast.lake.store import Store
from capforecast.schema import BUSINESS_UNIT, TIMESTAMP, UNASSIGNED, Cadence
from capforecast.settings import Settings
from capforecast.sources.files import Batch, read_files, read_head
from capforecast.sources.paths import find_files

WHOLE_UP_TO = 64 << 20  # bytes on disk; a larger source is read whole only once, by the run itself


def refuse_unusable(
    loaded: Loaded,
    source: str | None,
    inventory: str | None,
    as_of: str | None,
    known_at: str | None,
    business_units: list[str] | None = None,
) -> None:
    """Raise what the run's first stage would raise for this input, or UsageError for a business unit nobody knows.

    A source of up to 64 MiB is read whole, which takes about a second; of a larger one every file is opened and its
    head must make sense: the rest is judged by the run. What is worth a warning is said by the run.
    Without a source the lake must hold observations.
    """
    refuse_lone_inventory(source, inventory)
    if as_of not in (None, stages.SCHEDULED, stages.BUSINESS_DAY):
        stages.parse_as_of(as_of)
    if known_at not in (None, stages.AS_OF):
        stages.parse_known_at(known_at)
    settings, url = loaded.settings, loaded.settings.store
    if settings.sagemaker.train:
        stages.refuse_without_lake(settings, usable_store(loaded))
    lake = None if "://" in url else Path(url).expanduser().resolve()
    if source is None:
        _refuse_empty(url, lake, settings, set(business_units or []))
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        paths = find_files(source, lake)
        if sum(_size(path) for path in paths) <= WHOLE_UP_TO:
            batch = read_files(source, settings, inventory, lake)
            if (
                business_units and lake is not None
            ):  # a bucket is not asked for the business units it knows: the run does that
                _refuse_strangers(set(business_units), batch, lake, settings)
        else:
            _heads(paths, settings)
    finally:
        logging.disable(before)


def refuse_lone_inventory(source: str | None, inventory: str | None) -> None:
    """Raise UsageError for an inventory without observations to go with it."""
    if source is None and inventory is not None:
        raise UsageError(
            "--inventory goes with --source; without a source the lake's own inventory is used: bring yours into it by "
            "capforecast ingest --inventory"
        )


def _refuse_empty(url: str, lake: Path | None, settings: Settings, wanted: set[str]) -> None:
    """Raise UsageError without a lake or for a unit unknown to it, NoUsableInputError without observations in it."""
    if lake is not None and not lake.is_dir():
        raise UsageError(f"there is no lake at {url}: give --source, or fill it by capforecast ingest")
    store = Store(url if lake is None else lake, settings.storage)
    if all(raw.span(store, cadence) is None for cadence in Cadence):
        raise NoUsableInputError(
            f"the lake {store.url} holds no observations: give --source, or fill it by capforecast ingest"
        )
    if wanted:
        _refuse_unlisted(wanted, [raw.get_inventory(store)])


def history_begins(loaded: Loaded, source: str | None, inventory: str | None) -> tuple[date, int] | None:
    """The first day of the source and the lake together, and the days of history a series must have.

    None where that is not known without reading much: of a source over 64 MiB, or a lake in a bucket.
    """
    settings, url = loaded.settings, loaded.settings.store
    if "://" in url:
        return None
    lake = Path(url).expanduser().resolve()
    if source is None:
        return _lake_begins(lake, settings)
    paths = find_files(source, lake)
    if sum(_size(path) for path in paths) > WHOLE_UP_TO:
        return None
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        batch = read_files(source, settings, inventory, lake)
    finally:
        logging.disable(before)
    first = batch.observations[TIMESTAMP].min().date()
    kept = raw.span(Store(lake, settings.storage), batch.cadence) if lake.is_dir() else None
    return (first if kept is None else min(first, kept[0].date())), _least(settings, batch.cadence)


def _lake_begins(lake: Path, settings: Settings) -> tuple[date, int] | None:
    for cadence in Cadence:
        kept = raw.span(Store(lake, settings.storage), cadence) if lake.is_dir() else None
        if kept is not None:
            return kept[0].date(), _least(settings, cadence)
    return None


def _least(settings: Settings, cadence: Cadence) -> int:
    """Days of history a series must have."""
    return settings.quality.min_days_daily if cadence is Cadence.DAILY else settings.quality.min_days_hourly


def _refuse_strangers(wanted: set[str], batch: Batch, lake: Path, settings: Settings) -> None:
    """Raise UsageError for a business unit that stands neither in the source nor in the lake, at whatever date."""
    kept = raw.get_inventory(Store(lake, settings.storage)) if lake.is_dir() else None
    _refuse_unlisted(wanted, [batch.inventory, kept])


def _refuse_unlisted(wanted: set[str], inventory: list[pd.DataFrame | None]) -> None:
    listed = [inventories.normalise(rows)[BUSINESS_UNIT] for rows in inventory if rows is not None]
    known = sorted(pd.concat(listed).fillna(UNASSIGNED).unique()) if listed else []
    strangers = sorted(wanted - {*known, UNASSIGNED})
    if strangers:
        raise UsageError(f"no business unit is called {', '.join(map(repr, strangers))}; known: {', '.join(known)}")


def _heads(paths: list[Path], settings: Settings) -> None:
    problems = [problem for problem in (read_head(path, settings) for path in paths) if problem]
    if len(problems) == len(paths):
        raise NoUsableInputError("; ".join(problems[:3]))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
