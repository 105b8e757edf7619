"""What was asked of a monitoring system and answered, series by series: where the next ingest goes on.

One table per system and cadence: of each series the spans that were read, and those that were asked for in vain. A
span that was read and holds no value is a gap of the system's; one that was missed is a hole, which is asked for
again. The table is written last, after the observations that it speaks of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol

import numpy as np
import pandas as pd

from capforecast.lake.datasets import parse_table, write_table
from capforecast.lake.intervals import NONE, Integers, Intervals, joined, minus, union
from capforecast.lake.segments import unit_segment
from capforecast.lake.store import Store
from capforecast.schema import SERVER_ID, BoolArray, Cadence

FOLDER = "raw/marks"
COLUMN, STATE, SINCE, UNTIL, SYSTEM = "column", "state", "since", "until", "system"
COLUMNS = (SERVER_ID, COLUMN, STATE, SINCE, UNTIL)
READ, MISSED = "read", "missed"
SERIES = [SERVER_ID, COLUMN]


class Span(Protocol):
    """Periods from `since` until before `until`."""

    @property
    def since(self) -> pd.Timestamp: ...

    @property
    def until(self) -> pd.Timestamp: ...


class Unanswered(Protocol):
    """Of whom (none = all) and which column ("" = all) a span was asked for in vain."""

    @property
    def window(self) -> Span: ...

    @property
    def server_ids(self) -> tuple[str, ...]: ...

    @property
    def column(self) -> str: ...


def marks_key(source: str, identity: str, cadence: Cadence) -> str:
    """Key of the marks of a system; its identity goes in as a hash, whatever it holds."""
    system = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return f"{FOLDER}/source={unit_segment(source)}/system={system}/cadence={cadence}/part-0.parquet"


def load(store: Store, key: str) -> pd.DataFrame:
    """The marks (COLUMNS) as kept, none where nothing was read yet; raises DamagedObjectError."""
    if key not in store.keys(key.rsplit("/", 1)[0]):
        return empty()
    return parse_table(store.read(key), key, list(COLUMNS)).to_pandas()


def empty() -> pd.DataFrame:
    """Marks of a system of which nothing was read."""
    times = {name: pd.Series(dtype="datetime64[us, UTC]") for name in (SINCE, UNTIL)}
    return pd.DataFrame({name: pd.Series(dtype="str") for name in (SERVER_ID, COLUMN, STATE)} | times)


def save(store: Store, key: str, marks: pd.DataFrame, identity: str) -> None:
    """Publish the marks whole, with the system they are of."""
    write_table(store, key, marks[list(COLUMNS)].assign(**{SYSTEM: identity}))


def periods(times: pd.Series | pd.DatetimeIndex, cadence: Cadence) -> Integers:
    """Moments on the grid of a cadence as numbers of periods since 1970."""
    return np.asarray(pd.DatetimeIndex(times).as_unit("us").asi8 // (cadence.step // pd.Timedelta(microseconds=1)))


def moments(numbers: Integers, cadence: Cadence) -> pd.DatetimeIndex:
    """The same back."""
    micros = numbers * (cadence.step // pd.Timedelta(microseconds=1))
    return pd.DatetimeIndex(micros.astype("datetime64[us]"), tz="UTC")


def intervals(marks: pd.DataFrame, state: str, series: pd.DataFrame, cadence: Cadence) -> Intervals:
    """Spans of a state, of the series (server_id, column) listed, coded by their row there."""
    rows = marks[marks[STATE] == state]
    code = pd.MultiIndex.from_frame(series[SERIES]).get_indexer(pd.MultiIndex.from_frame(rows[SERIES]))
    known = code >= 0
    since, until = (periods(rows[name], cadence)[known] for name in (SINCE, UNTIL))
    return Intervals(code[known].astype(np.int64), since, until)


def after(
    marks: pd.DataFrame, asked: pd.DataFrame, window: Span, missed: Iterable[Unanswered], cadence: Cadence
) -> pd.DataFrame:
    """The marks once `asked` (series: server_id, column) was read in a window, but for what was missed.

    A hole that is read now is none any more; a span that was read before stays read, whatever was missed now.
    """
    series = pd.concat([marks[SERIES], asked[SERIES]]).drop_duplicates().sort_values(SERIES, ignore_index=True)
    code = pd.MultiIndex.from_frame(series).get_indexer(pd.MultiIndex.from_frame(asked[SERIES])).astype(np.int64)
    unread = [_holes(asked, code, each, cadence) for each in missed]
    holes = joined(NONE, *unread)
    whole = _spans(code, window, cadence)
    read = union(joined(intervals(marks, READ, series, cadence), minus(whole, holes)))
    left = minus(joined(intervals(marks, MISSED, series, cadence), holes), read)
    parts = [_rows(series, read, READ, cadence), _rows(series, left, MISSED, cadence)]
    return pd.concat(parts, ignore_index=True).sort_values([*SERIES, SINCE, STATE], ignore_index=True)


def without_lost(marks: pd.DataFrame, there: pd.DataFrame, looked: Span, *, before: bool) -> pd.DataFrame:
    """The marks without holes that nobody can fill: of series that are not `there` (server_id, column) where one
    looked, and (`before`) of what lies before that.

    Each of them would make every ingest look that far back. A series that comes back is asked for all it lacks.
    """
    gone = ~pd.MultiIndex.from_frame(marks[SERIES]).isin(pd.MultiIndex.from_frame(there[SERIES]))
    lost = gone & (marks[SINCE] >= looked.since)
    if before:
        lost |= marks[UNTIL] <= looked.since
    return marks[~lost | (marks[STATE] != MISSED)].reset_index(drop=True)


def _holes(asked: pd.DataFrame, code: Integers, missed: Unanswered, cadence: Cadence) -> Intervals:
    of_them: BoolArray = np.ones(len(asked), dtype=np.bool_)
    if missed.server_ids:
        of_them &= asked[SERVER_ID].isin(missed.server_ids).to_numpy(dtype=bool)
    if missed.column:
        of_them &= (asked[COLUMN] == missed.column).to_numpy(dtype=bool)
    return _spans(code[of_them], missed.window, cadence)


def _spans(code: Integers, window: Span, cadence: Cadence) -> Intervals:
    since, until = periods(pd.DatetimeIndex([window.since, window.until]), cadence)
    return Intervals(code, np.full(len(code), since), np.full(len(code), until))


def _rows(series: pd.DataFrame, found: Intervals, state: str, cadence: Cadence) -> pd.DataFrame:
    rows = series.take(found.code).reset_index(drop=True)
    times = {SINCE: moments(found.since, cadence), UNTIL: moments(found.until, cadence)}
    return rows.assign(**{STATE: state} | times)[list(COLUMNS)]
