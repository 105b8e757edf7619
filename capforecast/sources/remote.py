"""What every monitoring system is asked and what it answers: the contract between a source and the ingest.

A source is one file beside this one that implements `Remote`, and one line in `registry.py`. It holds no state and
writes nothing: what was asked before is kept by the lake (lake/marks.py), what to ask next is decided by
stages/collect.py, how fast by whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from capforecast.schema import Cadence

Pace = Callable[[int], None]  # called before each request with what it costs (1, or queries of a batch); may wait
Note = Callable[[str], None]  # a line for people who watch


def unpaced(cost: int) -> None:
    """As fast as the other side answers."""


@dataclass(frozen=True)
class Window:
    """Periods that begin in [since, until), UTC, both on the grid of the cadence."""

    since: pd.Timestamp
    until: pd.Timestamp


@dataclass(frozen=True)
class Missed:
    """Periods of series that were asked for and not answered; they are asked for again by the next ingest.

    server_ids: of whom; none = of all that were asked.  column: `<metric>_<statistic>`; "" = all.
    """

    window: Window
    reason: str
    server_ids: tuple[str, ...] = ()
    column: str = ""


@dataclass(frozen=True)
class Found:
    """What the other side has.

    inventory: dated rows (fleet/inventory.py), one or more of every server.
    series: server_id, column, of each series that can be read.  Further columns are the source's own (how to ask).
    missing: server_id ("" = of all), column, reason, remedy: what is not there, and how to get it.
    failed: what could not be looked for, and why: there may be series that are not in `series`.
    """

    inventory: pd.DataFrame
    series: pd.DataFrame
    missing: pd.DataFrame
    warnings: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """What reading would take.

    cost: USD by the source's list price of `priced`; None where it costs nothing.
    most: USD that may be spent without asking, by the settings; None = no limit. The ingest refuses what costs more.
    """

    requests: int
    values: int
    cost: float | None = None
    priced: str = ""
    notes: tuple[str, ...] = ()
    most: float | None = None


@dataclass(frozen=True)
class Answer:
    """What was read of one window.

    observations: server_id, timestamp [us, UTC] (begin of the period), `<metric>_<statistic>` float32 ...; sorted by
    server and time, one row each. NaN = nothing was measured, never zero; no row is without a value.
    missed: what could not be read.  A series that is in neither had nothing to say: a gap.
    """

    observations: pd.DataFrame
    missed: tuple[Missed, ...] = ()
    warnings: tuple[str, ...] = ()
    requests: int = 0
    retries: int = 0
    seconds: float = field(default=0.0, compare=False)


class Remote(Protocol):
    """A monitoring system. Raises SourceError (a CapforecastError) where nothing at all can be had of it."""

    @property
    def name(self) -> str:
        """As in the registry; marks are kept below it together with `identity`."""

    @property
    def address(self) -> str:
        """For people; without credentials."""

    @property
    def identity(self) -> str:
        """What tells this system from another one of its kind (address, account and regions, tenant), in one text."""

    def discover(self, window: Window) -> Found:
        """Servers, series and what is missing within the window."""

    def oldest(self, cadence: Cadence, now: pd.Timestamp) -> pd.Timestamp | None:
        """Since when it keeps data of this cadence; None = not known."""

    def estimate(self, found: Found, cadence: Cadence, window: Window) -> Estimate:
        """What reading all series of the window would take; asks nothing."""

    def longest(self, found: Found, cadence: Cadence) -> pd.Timedelta:
        """Longest window worth asking for in one `read` (its memory and limits); the ingest cuts at months too."""

    def read(
        self, found: Found, cadence: Cadence, window: Window, server_ids: Sequence[str], pace: Pace = unpaced
    ) -> Answer:
        """All series of `server_ids` in the window; what fails is in `missed`, the rest goes on."""
