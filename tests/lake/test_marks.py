"""Marks of what was read of a monitoring system."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from capforecast.errors import DamagedObjectError
from capforecast.lake import marks
from capforecast.lake.store import Store
from capforecast.schema import Cadence

DAY = Cadence.DAILY


def day(number: int) -> pd.Timestamp:
    return pd.Timestamp(2026, 1, number, tz="UTC")


@dataclass(frozen=True)
class Span:
    since: pd.Timestamp
    until: pd.Timestamp


@dataclass(frozen=True)
class Missed:
    window: Span
    server_ids: tuple[str, ...] = ()
    column: str = ""


def series(*names: str) -> pd.DataFrame:
    return pd.DataFrame([name.split(".") for name in names], columns=["server_id", "column"]).astype("str")


def told(frame: pd.DataFrame) -> list[tuple[str, str, int, int]]:
    return [
        (f"{row.server_id}.{row.column}", row.state, row.since.day, row.until.day)
        for row in frame.itertuples(index=False)
    ]


def test_what_is_read_grows_together_and_what_was_missed_is_a_hole() -> None:
    both = series("a.cpu", "b.cpu")
    one = marks.after(marks.empty(), both, Span(day(1), day(5)), [Missed(Span(day(2), day(3)), ("b",))], DAY)
    assert told(one) == [("a.cpu", "read", 1, 5), ("b.cpu", "read", 1, 2), ("b.cpu", "missed", 2, 3),
                         ("b.cpu", "read", 3, 5)]  # fmt: skip
    two = marks.after(one, both, Span(day(5), day(8)), [], DAY)
    assert told(two)[:2] == [("a.cpu", "read", 1, 8), ("b.cpu", "read", 1, 2)]
    mended = marks.after(two, series("b.cpu"), Span(day(2), day(4)), [], DAY)
    assert told(mended) == [("a.cpu", "read", 1, 8), ("b.cpu", "read", 1, 8)]


def test_missing_it_now_does_not_undo_that_it_was_read() -> None:
    one = marks.after(marks.empty(), series("a.cpu"), Span(day(1), day(5)), [], DAY)
    again = marks.after(one, series("a.cpu"), Span(day(3), day(7)), [Missed(Span(day(3), day(7)))], DAY)
    assert told(again) == [("a.cpu", "read", 1, 5), ("a.cpu", "missed", 5, 7)]


def test_a_column_is_missed_for_itself() -> None:
    both = series("a.cpu", "a.mem")
    found = marks.after(marks.empty(), both, Span(day(1), day(3)), [Missed(Span(day(1), day(3)), (), "mem")], DAY)
    assert told(found) == [("a.cpu", "read", 1, 3), ("a.mem", "missed", 1, 3)]


def test_they_are_kept_by_system_and_cadence_without_its_name_in_the_key(tmp_path: Path) -> None:
    store, identity = Store(tmp_path), "https://prometheus.example.com tenant=blue"
    key = marks.marks_key("prometheus", identity, DAY)
    assert "example" not in key
    assert key != marks.marks_key("prometheus", identity, Cadence.HOURLY)
    assert key != marks.marks_key("prometheus", identity + "2", DAY)
    assert marks.load(store, key).empty
    made = marks.after(marks.empty(), series("a.cpu"), Span(day(1), day(5)), [], DAY)
    marks.save(store, key, made, identity)
    pd.testing.assert_frame_equal(marks.load(store, key), made)
    assert marks.load(store, key).equals(made)  # dtypes too: what has not changed is not written again
    store.put(key, b"PAR1 no more")
    with pytest.raises(DamagedObjectError, match="raw/marks"):
        marks.load(store, key)
