"""A fleet that never was, seeded: what a demo runs on and what tests know the truth of.

Levels differ by server and type; weekly (hourly input: daily) rhythm, growth, quarter ends, holidays, a shopping
season, level shifts, resizes, moves, incidents, autocorrelated noise, memory and traffic that follow the CPU, disks
that fill, outages, late and repeated rows, and servers that cannot be forecast.

A fleet is made block by block of servers, each from random streams of its own: server i is the same in a fleet of ten
and of ten thousand, and memory does not grow with the fleet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from capforecast.errors import UsageError
from capforecast.fleet import truth
from capforecast.fleet.synthetic_clock import Clock
from capforecast.fleet.synthetic_load import Lives, live
from capforecast.fleet.synthetic_rows import Rows, delivered, rows_of, settled
from capforecast.fleet.synthetic_servers import Servers, cast, inventory_of
from capforecast.schema import INGESTED_AT, SERVER_ID, TIMESTAMP, BoolArray, Cadence, FloatArray

END = pd.Timestamp("2026-03-02", tz="UTC")  # a Monday; a quarter end and a holiday lie in the next 90 days
_BLOCK_PERIODS = 300_000  # server-periods made at once: about 150 MB


@dataclass(frozen=True)
class Fleet:
    """What to make: how many servers, over the `days` before `end` (exclusive, midnight UTC), from which seed.

    dirty: with lost rows and values, outages, late rows, duplicates that agree and that differ, and corrections; then
    rows carry ingested_at.  Servers that are gappy or silent by their story are there either way.
    """

    servers: int = 48
    days: int = 730
    cadence: Cadence = Cadence.DAILY
    seed: int = 7
    end: pd.Timestamp = END
    dirty: bool = True

    def __post_init__(self) -> None:
        if self.servers < 1 or self.days < 1:
            raise UsageError(f"a fleet has at least 1 server and 1 day, not {self.servers} and {self.days}")
        if self.end != self.end.normalize():
            raise UsageError(f"a fleet ends at midnight UTC, not {self.end.isoformat()}; name a day")

    @cached_property
    def clock(self) -> Clock:
        """Its time."""
        return Clock(self.end.as_unit("us"), self.days, self.cadence)

    def cast(self) -> Servers:
        """All its servers."""
        return cast(0, self.servers, self.days, self.seed)

    def inventory(self) -> pd.DataFrame:
        """Dated rows with every column of the contract, and server_type; sorted by server and date."""
        return inventory_of(self.cast(), self.clock.start, self.clock.end)

    def blocks(self, size: int | None = None) -> Iterator[Block]:
        """The fleet, `size` servers at a time, in order of number; what is made does not depend on `size`."""
        step = size or max(_BLOCK_PERIODS // len(self.clock.timestamps), 1)
        for first in range(0, self.servers, step):
            servers = cast(first, min(first + step, self.servers), self.days, self.seed)
            lives = live(servers, self.clock)
            there = delivered(servers, self.clock, self.dirty)
            yield Block(self, servers, lives, there, settled(servers, lives, there, self.dirty))


@dataclass(frozen=True)
class Block:
    """Some servers of a fleet with all that happened to them. there [N, T]: a row was delivered; known: column ->
    float32 [N, T], what holds in the end, NaN = not observed."""

    fleet: Fleet
    servers: Servers
    lives: Lives
    there: BoolArray
    known: dict[str, FloatArray]

    def rows(self) -> Rows:
        """Observations as delivered."""
        return rows_of(self.servers, self.fleet.clock, self.known, self.there, self.fleet.dirty)

    def breaches(self) -> pd.DataFrame:
        """Every date on which a server really breached."""
        return truth.truth_breaches(self.servers, self.fleet.clock, self.known)

    def events(self) -> pd.DataFrame:
        """What happened to the servers, and when."""
        return truth.truth_events(self.servers, self.fleet.clock, self.lives, self.fleet.dirty)

    def described(self) -> pd.DataFrame:
        """The parameters behind the servers' values."""
        return truth.truth_servers(self.servers, self.fleet.clock)


def generate(
    servers: int = 48,
    days: int = 730,
    cadence: Cadence = Cadence.DAILY,
    seed: int = 7,
    end: pd.Timestamp = END,
    dirty: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(observations, inventory) of a synthetic fleet (see Fleet) in memory; `synthetic_files.write` needs less of it.

    Observations: server_id, timestamp, cpu_p95, cpu_mean, mem_p95, disk_p95 (percent), net_in_p95, net_out_p95
    (Mbit/s), float32, three decimals (traffic: six); dirty: ingested_at.
    The same arguments give the same frames in every process.
    """
    fleet = Fleet(servers, days, cadence, seed, end.floor("D"), dirty)
    frames = [_frame(block) for block in fleet.blocks()]
    return pd.concat(frames, ignore_index=True), fleet.inventory()


def _frame(block: Block) -> pd.DataFrame:
    rows = block.rows()
    columns = {
        SERVER_ID: pd.Index(block.servers.server_id, dtype="str").take(rows.server),
        TIMESTAMP: block.fleet.clock.timestamps.take(rows.time),
    }
    arrival = {} if rows.ingested_at is None else {INGESTED_AT: pd.DatetimeIndex(rows.ingested_at, tz="UTC")}
    return pd.DataFrame(columns | rows.values | arrival)
