"""Amazon CloudWatch as a source: EC2 with the CloudWatch agent's memory and disks, RDS, ECS, ElastiCache, EBS.

What a service reports is in cloudwatch_metrics.py, who there is in cloudwatch_servers.py, how a window is cut into
requests in cloudwatch_batches.py, and what these cost in cloudwatch_cost.py.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from capforecast.errors import SourceError, SourceRefusedError
from capforecast.schema import SERVER_ID, Cadence
from capforecast.settings import Settings
from capforecast.sources import cloudwatch_cost
from capforecast.sources import cloudwatch_found as tables
from capforecast.sources.cloudwatch_batches import COLUMN, KEPT, MARGIN, Span, batches
from capforecast.sources.cloudwatch_calls import Calls, Counts
from capforecast.sources.cloudwatch_data import Got
from capforecast.sources.cloudwatch_read import observations, read_all
from capforecast.sources.cloudwatch_servers import Notes, Server, of_place
from capforecast.sources.remote import Answer, Estimate, Found, Missed, Pace, Window, unpaced

NAME = "cloudwatch"
POLICY = "docs/sources/cloudwatch.md has the policy"
Clock = Callable[[], pd.Timestamp]


def from_settings(settings: Settings) -> CloudWatch:
    """The source as the settings describe it; asks nothing yet."""
    return CloudWatch(settings)


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC")


class CloudWatch:
    """`Remote` of CloudWatch (sources/remote.py). `now` tells what is still kept at which resolution."""

    def __init__(self, settings: Settings, calls: Calls | None = None, now: Clock = _now) -> None:
        self._settings, self._statistics = settings.remote.cloudwatch, settings.remote.statistics
        self._calls, self._now = calls or Calls(self._settings), now

    @property
    def name(self) -> str:
        """As in the registry."""
        return NAME

    @property
    def address(self) -> str:
        """Accounts and regions; asks AWS whose credentials these are."""
        return f"CloudWatch of {', '.join(map(str, self._calls.places()))}"

    @property
    def identity(self) -> str:
        """The account of the credentials: roles and regions may be added without reading all others again."""
        return f"aws {self._calls.owner}"

    def discover(self, window: Window) -> Found:
        """Servers as they are now, whatever the window. Raises SourceError where no service of any place answers."""
        notes = Notes()
        servers: list[Server] = []
        missing: list[tables.Row] = []
        problems: list[SourceError] = []
        places = self._calls.places()
        for place in places:
            for service in self._settings.services:
                try:
                    servers += of_place(self._calls, place, service, self._settings, notes)
                except SourceError as error:
                    problems.append(error)
                    notes.failed.append(f"{service} of {place} was not read: {error}")
                    remedy = f"allow it: {POLICY}" if isinstance(error, SourceRefusedError) else "ingest again"
                    missing.append(("", "", f"{service} of {place}: {error}", f"{remedy}, or leave the service out"))
        if len(problems) == len(places) * len(self._settings.services):
            raise problems[0]
        named, twice = tables.named(servers, self._settings.server_id)
        if not named and not problems:
            notes(f"no server was found in {', '.join(map(str, places))}: check regions, services and only_tags")
        return Found(
            tables.inventory(named, self._settings),
            tables.series(named, self._settings, self._statistics),
            tables.missing([*missing, *twice, *tables.lacks(named, self._settings, self._statistics)]),
            tuple(dict.fromkeys(notes.warnings)),
            tuple(dict.fromkeys(notes.failed)),
        )

    def oldest(self, cadence: Cadence, now: pd.Timestamp) -> pd.Timestamp | None:
        """Hourly values are kept 455 days."""
        return (now - KEPT + MARGIN).ceil(cadence.frequency)

    def estimate(self, found: Found, cadence: Cadence, window: Window) -> Estimate:
        """Requests, values and USD of reading all series of the window."""
        return cloudwatch_cost.estimate(found.series, cadence, window, self._now(), self._settings)

    def longest(self, found: Found, cadence: Cadence) -> pd.Timedelta:
        """A month, whatever there is: values of five minutes are turned into statistics batch by batch."""
        return pd.Timedelta(days=31)

    def read(
        self, found: Found, cadence: Cadence, window: Window, server_ids: Sequence[str], pace: Pace = unpaced
    ) -> Answer:
        """All series of `server_ids` in the window; what fails is in `missed`. Raises SourceError where all does."""
        begin, counts = time.monotonic(), Counts()
        series = found.series[found.series[SERVER_ID].isin(set(server_ids))].reset_index(drop=True)
        plan = batches(series, cadence, window, self._now())
        values = np.full((len(series), int((window.until - window.since) // cadence.step)), np.nan, dtype=np.float32)
        missed: dict[tuple[str, Span, str], list[str]] = defaultdict(list)
        said: Counter[str] = Counter()
        results = read_all(self._calls, plan, cadence, counts, pace, self._settings.at_once)
        for batch, part in zip(plan, results, strict=True):
            first = int((batch.span.since - window.since) // cadence.step)
            for row, some in part.rows.items():
                values[row, first : first + len(some)] = some
            for row, reason in part.failed.items():
                missed[series[COLUMN].iloc[row], batch.span, reason].append(series[SERVER_ID].iloc[row])
            said.update(part.got.warnings)
        _raise_if_nothing([part.got for part in results])
        return Answer(
            observations(series, values, window, cadence),
            tuple(
                Missed(Window(span.since, span.until), reason, tuple(sorted(servers)), column)
                for (column, span, reason), servers in sorted(missed.items())
            ),
            tuple(sorted(said)),
            counts.requests,
            counts.retries,
            time.monotonic() - begin,
        )


def _raise_if_nothing(results: Iterable[Got]) -> None:
    problems = [got.problem for got in results]
    if problems and all(problem is not None for problem in problems):
        raise next(problem for problem in problems if problem is not None)
