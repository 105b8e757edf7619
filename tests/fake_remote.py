"""A monitoring system of known values, which fails where it is told to: what the tests of the ingest read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from capforecast.errors import SourceError
from capforecast.schema import SERVER_ID, TIMESTAMP, Cadence
from capforecast.settings import Settings
from capforecast.sources.remote import Answer, Estimate, Found, Missed, Pace, Window, unpaced

HERE: FakeRemote | None = None  # what `here` gives, as the registry asks for it


def here(settings: Settings) -> FakeRemote:
    """The system of a test that registers this module."""
    assert HERE is not None
    return HERE


@dataclass
class FakeRemote:
    """Servers s0, s1, ... with `columns`; the value is told by `value`, NaN in what is in `gaps`.

    fails: (server, column, first period, end): asked for one of these, the periods come back as missed.
    dies_at: number of the read (from 0) that raises SourceError.
    """

    servers: int = 4
    columns: tuple[str, ...] = ("cpu_p95", "mem_p95")
    begins: str = "2025-01-01"
    gaps: tuple[tuple[str, pd.Timestamp, pd.Timestamp], ...] = ()
    fails: tuple[tuple[str, str, pd.Timestamp, pd.Timestamp], ...] = ()
    dies_at: int | None = None
    keeps: pd.Timedelta | None = None
    most_days: int = 40
    cost: float | None = None
    most: float | None = None
    inventory: pd.DataFrame | None = None
    shift: float = 0.0  # added to all values: another truth, told later
    name: str = "fake"
    address: str = "fake://here"
    identity: str = "fake://here tenant=1"
    reads: list[tuple[Window, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    def ids(self) -> list[str]:
        """Its servers."""
        return [f"s{number}" for number in range(self.servers)]

    def value(self, servers: np.ndarray, column: str, times: pd.DatetimeIndex) -> np.ndarray:
        """A value [R] that tells the server, column and time apart."""
        number = np.array([int(name[1:]) for name in servers])
        days = np.asarray((times - pd.Timestamp("2025-01-01", tz="UTC")) / pd.Timedelta(hours=1))
        return ((number * 7 + self.columns.index(column) * 3 + days) % 97 + self.shift).astype(np.float32)

    def discover(self, window: Window) -> Found:
        """All series, whatever the window."""
        pairs = [(server, column) for server in self.ids() for column in self.columns]
        series = pd.DataFrame(pairs, columns=["server_id", "column"]).astype("str")
        rows = pd.DataFrame({SERVER_ID: self.ids(), "business_unit": "fakes"})
        missing = pd.DataFrame(
            [("", "disk_p95", "it has no disks", "plug one in")], columns=["server_id", "column", "reason", "remedy"]
        )
        return Found(rows if self.inventory is None else self.inventory, series, missing)

    def oldest(self, cadence: Cadence, now: pd.Timestamp) -> pd.Timestamp | None:
        """As told."""
        return None if self.keeps is None else now - self.keeps

    def estimate(self, found: Found, cadence: Cadence, window: Window) -> Estimate:
        """One request a series."""
        values = len(found.series) * int((window.until - window.since) / cadence.step)
        return Estimate(len(found.series), values, self.cost, "a list of today" if self.cost else "", most=self.most)

    def longest(self, found: Found, cadence: Cadence) -> pd.Timedelta:
        """As told."""
        return pd.Timedelta(days=self.most_days)

    def read(
        self, found: Found, cadence: Cadence, window: Window, server_ids: Sequence[str], pace: Pace = unpaced
    ) -> Answer:
        """The values of the window, without what fails."""
        if self.dies_at is not None and len(self.reads) >= self.dies_at:
            raise SourceError("fake://here does not answer")
        pace(1)
        self.reads.append((window, tuple(server_ids), tuple(sorted(found.series["column"].unique()))))
        grid = pd.date_range(
            max(window.since, pd.Timestamp(self.begins, tz="UTC")),
            window.until,
            freq=cadence.frequency,
            inclusive="left",
        )
        rows = pd.MultiIndex.from_product([sorted(server_ids), grid.as_unit("us")], names=[SERVER_ID, TIMESTAMP])
        frame = rows.to_frame(index=False).astype({SERVER_ID: "str"})
        missed = []
        for column, part in found.series.groupby("column"):
            values = self.value(frame[SERVER_ID].to_numpy(), str(column), pd.DatetimeIndex(frame[TIMESTAMP]))
            asked = frame[SERVER_ID].isin(part[SERVER_ID]).to_numpy()
            for server, since, until in self.gaps:
                times = frame[TIMESTAMP].between(since, until, "left")
                asked = asked & ~((frame[SERVER_ID] == server) & times).to_numpy()
            for server, name, since, until in self.fails:
                span = Window(max(since, window.since), min(until, window.until))
                if name == column and server in set(part[SERVER_ID]) and span.since < span.until:
                    times = frame[TIMESTAMP].between(span.since, span.until, "left")
                    asked = asked & ~((frame[SERVER_ID] == server) & times).to_numpy()
                    missed.append(Missed(span, "it was told to fail", (server,), name))
            frame[str(column)] = np.where(asked, values, np.nan).astype(np.float32)
        given = frame.drop(columns=[SERVER_ID, TIMESTAMP]).notna().any(axis=1)
        return Answer(frame[given].reset_index(drop=True), tuple(missed), requests=len(found.series), seconds=0.1)
