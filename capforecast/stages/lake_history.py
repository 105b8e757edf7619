"""The history that the lake holds already, as the input of a run: nothing is read from a source."""

from __future__ import annotations

import logging

import pandas as pd

from capforecast.errors import NoUsableInputError
from capforecast.exchange import Ingested, Result
from capforecast.fleet import inventory as inventories
from capforecast.fleet import panel as panels
from capforecast.lake import raw
from capforecast.lake.claims import Claims
from capforecast.lake.datasets import INVENTORY_KEY, read_table, unit_key, write_table
from capforecast.lake.store import Store
from capforecast.schema import BUSINESS_UNIT, INGESTED_AT, TIMESTAMP, Cadence, Reference
from capforecast.settings import Settings
from capforecast.sources import tally
from capforecast.sources.rejects import Rejects
from capforecast.stages.intake import AS_OF, nothing_arrived, parse_as_of, parse_known_at, price_list, shape_catalogue

log = logging.getLogger(__name__)
_RECENT = 3  # months that say when the last complete period of the lake ended


class InLake(Result):
    """History that is there: fields as of `Ingested`."""

    cadence: Cadence
    as_of: str
    observations: list[Reference]
    inventory: Reference
    known_at: str | None
    business_units: list[str]
    servers: int

    @property
    def cut_off(self) -> pd.Timestamp:
        """`as_of` as a timestamp."""
        return pd.Timestamp(self.as_of)


def from_lake(
    store: Store,
    settings: Settings,
    cadence: Cadence | None = None,
    as_of: str | None = None,
    known_at: str | None = None,
    claims: Claims | None = None,
) -> Ingested:
    """The history that is in the lake already, without a source; by default up to its last complete period.

    cadence: default that of the setting `source.cadence`, else the daily one, where there is any.
    known_at: only rows that had arrived by then; `as_of`: by the cut-off, or all before it where none had.
    claims: the run's claims; the period is claimed before anything of it is written (notebooks may leave it out).
    Raises NoUsableInputError where the lake holds none, UsageError for a time that is none, ConflictError where another
    run is writing the same period.
    """
    shapes, listed = shape_catalogue(settings), price_list(settings)
    seen = in_lake(store, settings, cadence, as_of, known_at)
    if claims is not None:
        claims.period(seen.cadence, seen.cut_off)
    cadence, cut = seen.cadence, seen.cut_off
    return Ingested(
        **dict(seen),
        shapes=write_table(store, unit_key("shapes", cadence, cut), shapes),
        prices=write_table(store, unit_key("prices", cadence, cut), listed),
        quarantine=_earlier(store, unit_key("quarantine", cadence, cut), Rejects().frame()),
        validation=_earlier(store, unit_key("validation", cadence, cut), tally.frame((), Rejects().frame())),
        files=0, files_refused=0, rows_read=0, rows_used=0, rows_rejected=0, values_rejected=0, duplicates=0,
        rejected_by_reason={},
    )  # fmt: skip


def in_lake(
    store: Store,
    settings: Settings,
    cadence: Cadence | None = None,
    as_of: str | None = None,
    known_at: str | None = None,
) -> InLake:
    """What `from_lake` would take, without a claim and without writing anything; raises as it does."""
    until = parse_known_at(known_at) if known_at and known_at != AS_OF else None
    given = parse_as_of(as_of) if as_of else None
    rows, stated = raw.get_inventory(store), store.reference(INVENTORY_KEY)
    cadence, (first, end) = _span(store, settings, cadence)
    if rows is None or stated is None:
        raise NoUsableInputError(f"{store.url} holds observations and no inventory: ingest once more")
    last = _last_period(store, cadence, until)
    cut = given if given is not None else last
    if not first < cut <= end:
        raise NoUsableInputError(
            f"as_of {cut.isoformat()}: {store.url} holds {cadence} observations from {first:%Y-%m} to before "
            f"{end:%Y-%m}"
        )
    if last < cut:
        log.warning("the lake's last complete period ends at %s, before the cut-off %s: ingest first", last, cut)
    observations = raw.observation_references(store, cadence, cut)
    known = _known(store, observations, cut, until, known_at)
    servers = inventories.at(rows, cut)
    return InLake(
        cadence=cadence,
        as_of=cut.isoformat(),
        observations=observations,
        inventory=stated.model_copy(update={"rows": len(rows)}),
        known_at=None if known is None else known.isoformat(),
        business_units=sorted(servers[BUSINESS_UNIT].unique()),
        servers=len(servers),
    )


def _span(
    store: Store, settings: Settings, cadence: Cadence | None
) -> tuple[Cadence, tuple[pd.Timestamp, pd.Timestamp]]:
    """The cadence meant, and the months of which the lake holds it."""
    if cadence is None and settings.source.cadence != "auto":
        cadence = Cadence(settings.source.cadence)
    for each in Cadence:
        span = raw.span(store, each) if cadence in (None, each) else None
        if span is not None:
            return each, span
    raise NoUsableInputError(
        f"{store.url} holds no{f' {cadence}' if cadence else ''} observations: ingest some, or give a source"
    )


def _known(
    store: Store, months: list[Reference], cut: pd.Timestamp, until: pd.Timestamp | None, asked: str | None
) -> pd.Timestamp | None:
    """The moment of knowledge; raises NoUsableInputError where nothing had arrived by one that people named."""
    if asked == AS_OF:
        if raw.any_arrived(store, months, cut):
            return cut
        log.info("nothing had arrived by %s, when the lake was not kept yet: all rows before it are seen", cut)
        return None
    if until is not None and not raw.any_arrived(store, months, until):
        raise nothing_arrived(cut, until)
    return until


def _last_period(store: Store, cadence: Cadence, known_at: pd.Timestamp | None) -> pd.Timestamp:
    """End of the last complete period of what had arrived by `known_at`."""
    months = raw.observation_references(store, cadence, known_at or pd.Timestamp.max.tz_localize("UTC"))[-_RECENT:]
    times = [read_table(store, month, [TIMESTAMP, INGESTED_AT]).to_pandas() for month in months]
    seen = pd.concat(times, ignore_index=True) if times else None
    if seen is not None and known_at is not None:
        seen = seen[(seen[INGESTED_AT] <= known_at) & (seen[TIMESTAMP] < known_at)]
    if seen is None or seen.empty:
        raise NoUsableInputError(
            f"nothing in {store.url} had arrived by {known_at.isoformat() if known_at else 'now'}; give a later "
            "--known-at"
        )
    return panels.default_as_of(seen, cadence)


def _earlier(store: Store, key: str, empty: pd.DataFrame) -> Reference:
    """What a delivery left of that cut-off, or nothing: another reader of the lake must not wipe it out."""
    return store.reference(key) or write_table(store, key, empty)
