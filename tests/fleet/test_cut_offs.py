"""The dates of a backfill."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.errors import UsageError
from capforecast.fleet.cut_offs import cut_offs, parse_date

TODAY = date(2026, 11, 28)
DAYS = st.dates(date(2016, 1, 1), TODAY)


def written(start: str, end: str, every: str) -> list[str]:
    return [str(day) for day in cut_offs(date.fromisoformat(start), date.fromisoformat(end), every, TODAY)]


def test_steps_begin_at_the_start_and_never_pass_the_end() -> None:
    weeks = written("2026-01-04", "2026-11-22", "week")
    assert (len(weeks), weeks[0], weeks[1], weeks[-1]) == (47, "2026-01-04", "2026-01-11", "2026-11-22")
    assert written("2026-01-04", "2026-01-20", "week") == ["2026-01-04", "2026-01-11", "2026-01-18"]
    assert written("2025-12-28", "2026-03-01", "month") == ["2025-12-28", "2026-01-28", "2026-02-28"]
    assert written("2024-02-28", "2024-03-01", "day") == ["2024-02-28", "2024-02-29", "2024-03-01"]
    assert written("2026-01-04", "2026-02-04", "14d") == ["2026-01-04", "2026-01-18", "2026-02-01"]
    assert written("2026-11-28", "2026-11-28", "month") == ["2026-11-28"]


@settings(max_examples=60, deadline=None)
@given(DAYS, st.integers(0, 500), st.sampled_from(["day", "week", "3d", "90d"]))
def test_every_step_is_there_once_in_order_and_none_too_many(start: date, span: int, every: str) -> None:
    end = min(start + timedelta(days=span), TODAY)
    found = cut_offs(start, end, every, TODAY)
    apart = {"day": 1, "week": 7, "3d": 3, "90d": 90}[every]
    assert found[0] == start
    assert {later - day for day, later in itertools.pairwise(found)} <= {timedelta(days=apart)}
    assert found[-1] <= end < found[-1] + timedelta(days=apart)


@settings(max_examples=40, deadline=None)
@given(DAYS.filter(lambda day: day.day <= 28), st.integers(0, 1500))
def test_months_keep_their_day(start: date, span: int) -> None:
    end = min(start + timedelta(days=span), TODAY)
    found = cut_offs(start, end, "month", TODAY)
    assert found[0] == start
    assert {day.day for day in found} == {start.day}
    assert found == sorted(set(found))
    assert found[-1] <= end
    assert len(found) == (found[-1].year - start.year) * 12 + found[-1].month - start.month + 1
    assert (end - found[-1]).days < 31


@pytest.mark.parametrize(
    ("start", "end", "every", "message"),
    [
        ("2026-02-01", "2026-01-01", "week", "--start 2026-02-01 is after --end 2026-01-01"),
        ("2026-11-01", "2026-11-29", "week", "in the future: the last cut-off possible is 2026-11-28"),
        ("2026-01-31", "2026-03-31", "month", "start on day 1 to 28"),
        ("2026-01-01", "2026-03-31", "fortnight", "write day, week, month, or a number of days"),
        ("2026-01-01", "2026-03-31", "0d", "write day, week, month"),
        ("2016-01-01", "2026-03-31", "day", "3743 dates .* at most 600"),
    ],
)
def test_dates_that_make_no_sense_are_refused_with_the_fix(start: str, end: str, every: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        written(start, end, every)


@pytest.mark.parametrize("text", ["2026-1-04", "20260104", "2026-02-30", "yesterday", ""])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--start .* is no date; write it as"):
        parse_date(text, "--start")
