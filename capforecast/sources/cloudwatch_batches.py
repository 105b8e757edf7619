"""Which requests of GetMetricData a window takes: what goes into each, with which period, and what that costs.

Limits ("CloudWatch service quotas", API reference of GetMetricData): 500 metrics and 100,800 values to a request;
values are kept 15 days at 60 s, 63 days at 300 s, 455 days at 3,600 s. Up to five statistics of a metric in one request
are billed as one metric.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import pandas as pd

from capforecast.schema import SERVER_ID, Cadence
from capforecast.sources.cloudwatch_calls import Place
from capforecast.sources.cloudwatch_metrics import COARSE, FINE, Ask, Kind, Metric
from capforecast.sources.remote import Window

MOST_QUERIES, MOST_VALUES, BILLED_TOGETHER = 500, 100_800, 5
KEPT = pd.Timedelta(days=455)  # of hourly values
KEPT_FINE = pd.Timedelta(days=63)  # of values of five minutes
MARGIN = pd.Timedelta(hours=1)  # values end while they are asked for
COLUMN, PLACE, STATISTIC, ASK = "column", "place", "statistic", "ask"  # of the table of series


@dataclass(frozen=True, order=True)
class Span:
    """[since, until) in steps of `period` seconds."""

    since: pd.Timestamp
    until: pd.Timestamp
    period: int

    @property
    def points(self) -> int:
        """Values of one metric at the most."""
        return int((self.until - self.since).total_seconds()) // self.period


@dataclass(frozen=True, order=True)
class Query:
    """One metric and statistic."""

    metric: Metric
    statistic: str


@dataclass(frozen=True)
class Wanted:
    """A series of the table: its row, and how it is had."""

    row: int
    ask: Ask
    statistic: str  # ours

    @cached_property
    def queries(self) -> tuple[Query, ...]:
        """What it is made of."""
        return tuple(Query(metric, self.ask.statistic(self.statistic)) for metric in self.ask.metrics)


@dataclass(frozen=True)
class Batch:
    """Series that are asked for together; each is whole."""

    place: Place
    span: Span
    series: tuple[Wanted, ...]

    @cached_property
    def queries(self) -> list[Query]:
        """What is asked, each once, statistics of a metric beside each other."""
        return list(dict.fromkeys(query for each in self.series for query in each.queries))

    def requests(self) -> list[list[Query]]:
        """Queries by request, as far as is known before."""
        every = range(0, len(self.queries), MOST_QUERIES)
        return [self.queries[first : first + MOST_QUERIES] for first in every]

    def billed(self) -> int:
        """Metrics that are paid for."""
        paid = 0
        for queries in self.requests():
            of: dict[Metric, int] = defaultdict(int)
            for query in queries:
                of[query.metric] += 1
            paid += sum(-(-count // BILLED_TOGETHER) for count in of.values())
        return paid


def spans(kind: Kind, cadence: Cadence, window: Window, now: pd.Timestamp) -> list[Span]:
    """In which steps a window is asked for: each step is kept for all of its span.

    A level's statistic is computed by CloudWatch over the whole period.  An amount is read in five minutes, by the hour
    where these are no longer kept.
    """
    if kind != "amount":
        return [Span(window.since, window.until, int(cadence.step.total_seconds()))]
    fine = (now - KEPT_FINE + MARGIN).ceil(cadence.frequency)
    border = min(max(window.since, fine), window.until)
    both = (Span(window.since, border, COARSE), Span(border, window.until, FINE))
    return [span for span in both if span.since < span.until]


def batches(series: pd.DataFrame, cadence: Cadence, window: Window, now: pd.Timestamp) -> list[Batch]:
    """Requests for all of `series` (server_id, column, place, statistic, ask), in a fixed order.

    Small enough that no answer has more than one page; all of a server's metric is in one of them.
    """
    groups: dict[tuple[Place, Span], dict[tuple[str, str], list[Wanted]]] = defaultdict(lambda: defaultdict(list))
    of_kind = {kind: spans(kind, cadence, window, now) for kind in get_args(Kind)}
    columns = (series[name].array for name in (SERVER_ID, COLUMN, PLACE, STATISTIC, ASK))
    for row, (server, column, place, statistic, ask) in enumerate(zip(*columns, strict=True)):
        metric = column.rpartition("_")[0]
        for span in of_kind[ask.kind]:
            groups[place, span][server, metric].append(Wanted(row, ask, statistic))
    return [
        Batch(place, span, tuple(some))
        for (place, span), of in sorted(groups.items(), key=lambda item: item[0])
        for some in _filled([of[key] for key in sorted(of)], span)
    ]


def _filled(groups: list[list[Wanted]], span: Span) -> Iterator[list[Wanted]]:
    """Groups put together until a request is full; one that is larger stands alone."""
    most = max(1, min(MOST_QUERIES, MOST_VALUES // max(1, span.points)))
    held: list[Wanted] = []
    count = 0
    for group in groups:
        size = len({query for each in group for query in each.queries})
        if held and count + size > most:
            yield held
            held, count = [], 0
        held, count = held + group, count + size
    if held:
        yield held
