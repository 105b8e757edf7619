"""What it means that a table is not there as its run published it, in words a visitor can act on."""

from __future__ import annotations

from capforecast.dashboard.published import Run
from capforecast.errors import DamagedObjectError, LakeError, MissingObjectError, StaleReferenceError
from capforecast.lake import claims
from capforecast.lake.datasets import as_of_segment, parse_table
from capforecast.lake.store import Store
from capforecast.schema import Reference


def in_words(store: Store, run: Run | None, error: LakeError) -> str:
    """An error of the lake; where a run of the same date is replacing what is looked at, that, and what to do."""
    writer = "" if run is None or not isinstance(error, _OTHERWISE) else _writer(store, run)
    if not writer or run is None:
        return str(error)
    return (
        f"A run as of {as_of_segment(run.as_of)} is replacing its tables ({writer}): wait until it has ended, then "
        f"reload the page. Until then: {error}"
    )


_OTHERWISE = (MissingObjectError, StaleReferenceError, DamagedObjectError)


def _writer(store: Store, run: Run) -> str:
    """The run that holds the claim on a period, in words; "" where none does or that cannot be told."""
    try:
        return claims.holder(store, run.cadence, run.as_of)
    except LakeError:
        return ""


def refuse_damaged(store: Store, reference: Reference) -> None:
    """Raise DamagedObjectError where an object is no table at all, rather than another one than referenced."""
    parse_table(store.read(reference.uri), reference.uri)
