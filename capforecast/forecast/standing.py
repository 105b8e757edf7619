"""Where the models of a business unit stand: what its pointer records say, and whether a version can be used."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from capforecast.errors import MissingObjectError, ModelError, StaleReferenceError
from capforecast.forecast import pointers, registry
from capforecast.forecast.decision import Contender, too_short
from capforecast.forecast.pointers import Record, version_of
from capforecast.lake.datasets import read_table
from capforecast.lake.store import Store
from capforecast.schema import METRIC, SERVER_ID, Cadence, Reference


@dataclass(frozen=True)
class Standing:
    """What the pointer records of a business unit say.

    records: those that can be read, oldest first.  last: number of the newest, readable or not.
    """

    records: list[Record]
    last: int | None

    @property
    def newest(self) -> Record | None:
        """The newest record that can be read."""
        return self.records[-1] if self.records else None

    @property
    def broken(self) -> str | None:
        """What is wrong when the newest record of all cannot be read."""
        seen = self.newest.number if self.newest else None
        return None if seen == self.last else f"champion record {self.last:06d} cannot be read"

    @property
    def rejected(self) -> set[str]:
        """Versions that somebody rolled back from and nobody chose since. Going back to one of them undoes a rollback:
        what it is undone from was not bad.
        """
        out: set[str] = set()
        before: Record | None = None
        for record in self.records:
            undone = record.pointer.version in out
            if record.pointer.action == "rolled_back" and before is not None and not undone:
                out.add(before.pointer.version)
            out.discard(record.pointer.version)
            before = record
        return out

    def until(self, as_of: pd.Timestamp) -> list[Record]:
        """Records of models that have seen nothing at or after `as_of`."""
        return [record for record in self.records if record.pointer.cut_off <= as_of]


def stand(store: Store, cadence: Cadence, business_unit: str, *, skip_broken: bool) -> Standing:
    """Read the records, without those that cannot be read; of the newest, unless `skip_broken`, raises ModelError."""
    records, broken = pointers.readable(store, cadence, business_unit)
    last = max([*(record.number for record in records), *broken], default=None)
    if last in broken and not skip_broken:
        raise broken[last]
    return Standing(records, last)


def contender(store: Store, manifest: Reference) -> Contender:
    """A version as promotion sees it; raises ModelError, MissingObjectError or StaleReferenceError."""
    made = registry.read_manifest(store, manifest)
    columns = [SERVER_ID, METRIC, "bucket", "relative_mae"]
    errors = read_table(store, registry.evidence(store, manifest), columns).to_pandas()
    return Contender(manifest, version_of(manifest), made.cut_off, made.horizon, made.recipe, errors)


def problem_of(store: Store, manifest: Reference, cadence: Cadence, horizon: int) -> str | None:
    """Why a version cannot forecast so many periods: missing, changed, unreadable, or too short; None = it can."""
    problem = registry.check(store, manifest)
    if problem is not None:
        return problem
    try:
        found = contender(store, manifest)
    except (ModelError, MissingObjectError, StaleReferenceError) as error:
        return str(error)
    return f"it {too_short(found, cadence, horizon)}" if found.horizon < horizon else None
