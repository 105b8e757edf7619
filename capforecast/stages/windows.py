"""What the next ingest asks a monitoring system for: which series in which windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from capforecast.lake import marks as kept
from capforecast.lake.intervals import Integers, Intervals, clipped, joined, minus
from capforecast.schema import SERVER_ID, Cadence
from capforecast.sources.remote import Found, Window

MOST_SPANS = 6  # different spans of one month that are asked apart; what is left is asked in one, too much of it


@dataclass(frozen=True)
class Part:
    """A window, and the rows of `Found.series` that are asked for in it."""

    window: Window
    rows: Integers

    def of(self, found: Found) -> Found:
        """What was found, of these series alone."""
        return replace(found, series=found.series.take(self.rows).reset_index(drop=True))


@dataclass(frozen=True)
class Reach:
    """How far an ingest looks. All on the grid of the cadence, UTC.

    begin: from when series are read that are not known yet.  end: exclusive, of the last period that has settled.
    since: asked for by people; None = known series go on where they were left.  overlap: periods read again.
    """

    begin: pd.Timestamp
    end: pd.Timestamp
    since: pd.Timestamp | None
    overlap: int


def looked_at(marks: pd.DataFrame, reach: Reach, cadence: Cadence, oldest: pd.Timestamp | None) -> Window:
    """The window in which there may be something to ask for: where to look for series."""
    first = reach.since or reach.begin
    if len(marks) and reach.since is None:
        read = marks[marks[kept.STATE] == kept.READ]
        last = read.groupby(kept.SERIES, sort=False)[kept.UNTIL].max()
        holes = marks.loc[marks[kept.STATE] == kept.MISSED, kept.SINCE]
        first = min([*([last.max() - reach.overlap * cadence.step] if len(last) else []), *holes[:], reach.end])
    if oldest is not None:
        first = max(first, oldest)
    return Window(min(first, reach.end - cadence.step), reach.end)


def needs(
    series: pd.DataFrame, marks: pd.DataFrame, reach: Reach, cadence: Cadence, oldest: pd.Timestamp | None
) -> Intervals:
    """Periods to ask for, of each of `series` [S] (by row): what was never read, holes, and the overlap.

    A series that is not known is read from `reach.begin`, or `since`; a known one from where it was begun, or `since`.
    Nothing before `oldest`, which the system does not keep.
    """
    read = kept.intervals(marks, kept.READ, series, cadence)
    holes = kept.intervals(marks, kept.MISSED, series, cadence)
    begin, end = kept.periods(pd.DatetimeIndex([reach.begin, reach.end]), cadence)
    since = begin if reach.since is None else kept.periods(pd.DatetimeIndex([reach.since]), cadence)[0]
    every = np.arange(len(series), dtype=np.int64)
    first = np.full(len(series), np.iinfo(np.int64).max)
    for known in (read, holes):
        np.minimum.at(first, known.code, known.since)
    first = np.where(first == np.iinfo(np.int64).max, since, first)
    if reach.since is not None:
        first[:] = since
    mark = np.full(len(series), np.iinfo(np.int64).min)
    np.maximum.at(mark, read.code, read.until)
    known_ones = mark > np.iinfo(np.int64).min
    again = Intervals(every[known_ones], mark[known_ones] - reach.overlap, mark[known_ones])
    unread = minus(clipped(Intervals(every, first, np.full(len(series), end)), first, end), read)
    floor = first if oldest is None else np.maximum(first, kept.periods(pd.DatetimeIndex([oldest]), cadence)[0])
    wanted = joined(unread, clipped(again, first[again.code], end))
    return clipped(wanted, floor[wanted.code], end)


def parts(wanted: Intervals, cadence: Cadence, longest: pd.Timedelta) -> list[Part]:
    """Windows of at most a calendar month and `longest`, oldest first, each with the series it is for.

    Of each series and month one span is asked, from the first period wanted to the last; series of the same span go
    together.
    """
    if not len(wanted.code):
        return []
    most = max(1, longest // cadence.step)
    return [
        Part(Window(*kept.moments(np.array([first, min(first + most, until)]), cadence)), rows)
        for begin, end in _months(wanted, cadence)
        for since, until, rows in _groups(clipped(wanted, begin, end))
        for first in range(since, until, most)
    ]


def _months(wanted: Intervals, cadence: Cadence) -> Iterator[tuple[int, int]]:
    """First period of each month that is touched, and of the next."""
    first, last = kept.moments(np.array([wanted.since.min(), wanted.until.max() - 1]), cadence)
    begins = pd.date_range(first.tz_localize(None).to_period("M").start_time, last.tz_localize(None), freq="MS")
    for begin in begins.tz_localize("UTC"):
        since, until = kept.periods(pd.DatetimeIndex([begin, begin + pd.offsets.MonthBegin(1)]), cadence)
        yield int(since), int(until)


def _groups(wanted: Intervals) -> Iterator[tuple[int, int, Integers]]:
    """Spans of one month with the series of each; the rarest spans are put together where there are many."""
    if not len(wanted.code):
        return
    rows, place = np.unique(wanted.code, return_inverse=True)
    since = np.full(len(rows), np.iinfo(np.int64).max)
    until = np.full(len(rows), np.iinfo(np.int64).min)
    np.minimum.at(since, place, wanted.since)
    np.maximum.at(until, place, wanted.until)
    spans, group, count = np.unique(np.stack([since, until]), axis=1, return_inverse=True, return_counts=True)
    group = group.ravel()
    common = np.argsort(-count, kind="stable")[: MOST_SPANS - 1] if len(count) > MOST_SPANS else np.arange(len(count))
    for each in np.sort(common):
        yield int(spans[0, each]), int(spans[1, each]), rows[group == each]
    rest = ~np.isin(group, common)
    if rest.any():
        yield int(since[rest].min()), int(until[rest].max()), rows[rest]


def servers_of(found: Found) -> list[str]:
    """Servers of the series, sorted."""
    return sorted(map(str, found.series[SERVER_ID].unique()))
