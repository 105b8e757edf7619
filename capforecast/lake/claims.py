"""The periods a run writes: one run at a time per cadence and cut-off, so that two cannot mix their partitions."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import pandas as pd

from capforecast.lake import leases
from capforecast.lake.datasets import as_of_segment
from capforecast.lake.store import Store
from capforecast.schema import Cadence


def refuse_foreign(store: Store, owner: str, cadence: Cadence, as_of: pd.Timestamp) -> None:
    """Raise ConflictError where a period is claimed by another run than `owner`: who works for that run must stop."""
    leases.refuse_foreign(store, _name(cadence, as_of), owner)


def holder(store: Store, cadence: Cadence, as_of: pd.Timestamp) -> str:
    """The run that is writing a period, in words; "" = none."""
    return leases.held_by(store, _name(cadence, as_of))


def _name(cadence: Cadence, as_of: pd.Timestamp) -> str:
    return f"{cadence}-{as_of_segment(as_of)}"


class Claims:
    """The leases one run holds, each taken once, released together. Use it as a context manager."""

    def __init__(self, store: Store, owner: str) -> None:
        """`owner`: the run. Its own retry takes the claims over at once, any other run is refused."""
        self._store, self._owner = store, owner
        self._held: dict[str, leases.Lease] = {}

    def period(self, cadence: Cadence, as_of: pd.Timestamp) -> None:
        """Claim the partitions of a period; raises ConflictError naming the run that is writing them."""
        name = _name(cadence, as_of)
        if name not in self._held:
            self._held[name] = leases.acquire(self._store, name, owner=self._owner)

    def check(self) -> None:
        """Raise ConflictError where another run has taken a claim over."""
        for lease in self._held.values():
            lease.check()

    def release(self) -> None:
        """Give all claims up."""
        while self._held:
            self._held.popitem()[1].release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
