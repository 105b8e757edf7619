"""Cut-offs at regular steps between two dates: what a backfill makes reports of."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from capforecast.errors import UsageError

MOST_DATES = 600  # eleven years of weeks; more is a slip of the pen more often than a wish
SAFE_DAY = 28  # the last day that every month has


def cut_offs(start: date, end: date, every: str, today: date | None = None) -> list[date]:
    """`start` and every step after it up to `end`, both included where they are steps; at least one date.

    every: `day`, `week` (of `start`'s weekday), `month` (`start`'s day of the month), or `Nd` (N days).
    today: the last date whose cut-off has passed; default: of the clock, UTC. Raises UsageError that names the fix.
    """
    today = today or datetime.now(UTC).date()
    if start > end:
        raise UsageError(f"--start {start} is after --end {end}: give the earlier date as --start")
    if end > today:
        raise UsageError(f"--end {end} is in the future: the last cut-off possible is {today}")
    found = _months(start, end) if every == "month" else _steps(start, end, _days(every))
    if len(found) > MOST_DATES:
        raise UsageError(
            f"{len(found)} dates from {start} to {end} every {every}; at most {MOST_DATES} at once: make several parts"
        )
    return found


def parse_date(text: str, option: str) -> date:
    """A date written yyyy-mm-dd; raises UsageError."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is no date; write it as 2026-11-22") from None


def _days(every: str) -> int:
    known = {"day": 1, "week": 7}
    match = re.fullmatch(r"(\d{1,4})d", every)
    days = known.get(every) or (int(match[1]) if match else 0)
    if not days:
        raise UsageError(f"--every {every!r}: write day, week, month, or a number of days such as 14d")
    return days


def _steps(start: date, end: date, days: int) -> list[date]:
    return [start + timedelta(days=past) for past in range(0, (end - start).days + 1, days)]


def _months(start: date, end: date) -> list[date]:
    if start.day > SAFE_DAY:
        raise UsageError(
            f"--every month from {start}: not every month has a day {start.day}; start on day 1 to {SAFE_DAY}"
        )
    months = range(start.year * 12 + start.month - 1, end.year * 12 + end.month)
    found = [date(month // 12, month % 12 + 1, start.day) for month in months]
    return [day for day in found if day <= end]
