"""From a source to the lake, and the cut-off of a run."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pandas as pd

from capforecast.actions import prices
from capforecast.configuration import config_folder
from capforecast.errors import NoUsableInputError, UsageError
from capforecast.exchange import Ingested
from capforecast.fleet import inventory as inventories
from capforecast.fleet import panel as panels
from capforecast.fleet.shapes import load as load_shapes
from capforecast.lake import raw
from capforecast.lake.claims import Claims
from capforecast.lake.datasets import read_frame, unit_key, write_table
from capforecast.lake.store import Store
from capforecast.schema import BUSINESS_UNIT, INGESTED_AT, TIMESTAMP
from capforecast.settings import Settings
from capforecast.sources import tally
from capforecast.sources.files import Batch, read_files
from capforecast.sources.inventories import read_inventory
from capforecast.sources.rejects import Rejects

log = logging.getLogger(__name__)
SCHEDULED, BUSINESS_DAY = "scheduled", "business-day"  # cut-offs that flows resolve from the scheduled start of the run
AS_OF = "as_of"  # as `known_at`: the cut-off itself


def ingest(
    store: Store,
    settings: Settings,
    source: str,
    inventory: str | None = None,
    as_of: str | None = None,
    known_at: str | None = None,
    claims: Claims | None = None,
) -> Ingested:
    """Read a source into the lake and fix the run's cut-off.

    `as_of`: exclusive UTC cut-off, ISO 8601; default: the end of the source's last complete period.
    `known_at`: the run sees only rows that had arrived by then (ingested_at of the source where it has one, else the
    moment the lake read them); `as_of`: by the cut-off, where the source says when its rows arrived, else all before
    it; default: all.
    `claims`: the run's claims; the period is claimed before anything of it is written (notebooks may leave it out).
    Raises InputError where nothing can be used, UsageError for a time that is none, StageError where a row was lost,
    ConflictError where another run is writing the same period.
    """
    until = parse_known_at(known_at) if known_at and known_at != AS_OF else None
    given = parse_as_of(as_of) if as_of else None
    shapes, listed = shape_catalogue(settings), price_list(settings)
    batch = read_files(source, settings, inventory, without=store.folder)
    tally.check(batch.tallies, batch.rejects)
    cut = given if given is not None else _cut_off(batch, until)
    if known_at == AS_OF:
        until = _known_by(batch, cut)
    if claims is not None:
        claims.period(batch.cadence, cut)
    with store.lock("raw"):
        raw.add_observations(store, batch.cadence, batch.observations, pd.Timestamp.now(tz="UTC"))
        known = raw.get_inventory(store)
        rows = inventories.merge(batch.inventory.head(0) if known is None else known, batch.inventory)
        inventory_reference = raw.put_inventory(store, rows)
        observations = raw.observation_references(store, batch.cadence, cut)
    if until is not None and not raw.any_arrived(store, observations, until):
        raise nothing_arrived(cut, until)
    servers = inventories.at(rows, cut)
    reasons = batch.rejects["reason"].value_counts().sort_index()
    quarantine = write_table(store, unit_key("quarantine", batch.cadence, cut), batch.rejects)
    counted = tally.frame(batch.tallies, batch.rejects)
    validation = write_table(store, unit_key("validation", batch.cadence, cut), counted)
    log.info("read %d rows of %d servers, %d rejected", batch.rows_read, len(servers), batch.rows_rejected)
    return Ingested(
        cadence=batch.cadence,
        as_of=cut.isoformat(),
        observations=observations,
        inventory=inventory_reference,
        shapes=write_table(store, unit_key("shapes", batch.cadence, cut), shapes),
        prices=write_table(store, unit_key("prices", batch.cadence, cut), listed),
        quarantine=quarantine,
        validation=validation,
        known_at=None if until is None else until.isoformat(),
        business_units=sorted(servers[BUSINESS_UNIT].unique()),
        servers=len(servers),
        files=len(counted),
        files_refused=int(counted["refused"].sum()),
        rows_read=batch.rows_read,
        rows_used=batch.rows_used,
        rows_rejected=batch.rows_rejected,
        values_rejected=int(counted["values_rejected"].sum()),
        duplicates=batch.duplicates,
        rejected_by_reason={str(key): int(value) for key, value in reasons.items()},
    )


def given_inventory(settings: Settings, path: str) -> pd.DataFrame:
    """An inventory file of the user's own, to be laid over what a monitoring system says; raises InputError."""
    rejects = Rejects()
    rows, _ = read_inventory(Path(path).expanduser(), settings, rejects)
    refused = rejects.frame()
    if len(refused):
        log.warning("%s: %d entries were refused: %s", path, len(refused), refused["reason"].value_counts().to_dict())
    return rows


def nothing_arrived(cut: pd.Timestamp, known_at: pd.Timestamp) -> NoUsableInputError:
    """What is wrong where a run may see nothing at all."""
    return NoUsableInputError(
        f"nothing before {cut.isoformat()} had arrived by {known_at.isoformat()}: rows without ingested_at arrive "
        "when the lake first reads them; give a later --known-at, or a source that says when its rows arrived"
    )


def shape_catalogue(settings: Settings) -> pd.DataFrame:
    """The catalogue shipped, with the user's own laid over it; raises ConfigError."""
    own = settings.inventory.shapes
    return load_shapes([config_folder() / "prices/shapes.csv", *([Path(own).expanduser()] if own else [])])


def price_list(settings: Settings) -> pd.DataFrame:
    """The prices of the settings as a table of the lake; raises ConfigError."""
    return prices.to_table(prices.configured(settings.prices, config_folder() / "prices"))


def _cut_off(batch: Batch, known_at: pd.Timestamp | None) -> pd.Timestamp:
    """End of the last complete period of what the source had delivered by `known_at`."""
    seen = batch.observations
    if known_at is not None:
        if INGESTED_AT in seen:
            seen = seen[~(seen[INGESTED_AT] > known_at)]
        seen = seen[seen[TIMESTAMP] < known_at]
        if seen.empty:
            raise NoUsableInputError(
                f"nothing of the source had arrived by {known_at.isoformat()}; give a later --known-at"
            )
    return panels.default_as_of(seen, batch.cadence)


def _known_by(batch: Batch, cut: pd.Timestamp) -> pd.Timestamp | None:
    """The cut-off as the moment of knowledge; None where the source does not say when its rows arrived."""
    seen = batch.observations
    told = int(seen[INGESTED_AT].notna().sum()) if INGESTED_AT in seen else 0
    if not told:
        log.info("the source does not say when its rows arrived (ingested_at): all rows before the cut-off are seen")
        return None
    if told < len(seen):
        log.warning(
            "%d of %d rows of the source do not say when they arrived (ingested_at): they are not seen by a run that "
            "knows only what had arrived by its cut-off",
            len(seen) - told,
            len(seen),
        )
    return cut


def parse_as_of(text: str) -> pd.Timestamp:
    """A cut-off given as text, in UTC, at a full hour; raises UsageError."""
    return _moment(text).floor("h").as_unit("us")


def parse_known_at(text: str) -> pd.Timestamp:
    """A moment of knowledge given as text, in UTC; raises UsageError."""
    return _moment(text).as_unit("us")


def _moment(text: str) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(text if re.match(r"(19|2\d)\d{2}-\d{2}-\d{2}", text) else "")
    except ValueError:
        moment = pd.NaT
    if moment is pd.NaT:
        raise UsageError(f"{text!r} is no date; write it as 2026-11-23 or 2026-11-23T14:00")
    return moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")


def source_overview(store: Store, ingested: Ingested, rows: int = 200) -> list[dict[str, Any]]:
    """What became of each file's rows, those with the most rejected rows first."""
    counted = read_frame(store, ingested.validation).drop(columns="sha256")
    worst = counted.sort_values(["refused", "rejected_share"], ascending=False, kind="stable").head(rows)
    found: list[dict[str, Any]] = json.loads(worst.round(4).to_json(orient="records"))
    return found
