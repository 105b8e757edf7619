"""The cut-off of a run that is asked for by a word: the date it was scheduled for, or a business day."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from prefect import runtime

from capforecast.fleet.calendar import last_business_day
from capforecast.stages import BUSINESS_DAY, SCHEDULED, parse_as_of
from tasks.common import Job

log = logging.getLogger("capforecast.run")


def resolved(as_of: str | None, job: Job) -> str | None:
    """The cut-off meant: a date or time as given, None as it is, a word resolved for the flow run that asks.

    `scheduled` is the date for which the run was first scheduled, `business-day` that date, or the last business day
    before it. Prefect keeps the first scheduled time through late starts, retries and re-runs, so the date stays.
    Raises UsageError for what is neither a word nor a date.
    """
    if as_of not in (SCHEDULED, BUSINESS_DAY):
        if as_of is not None:
            parse_as_of(as_of)
        return as_of
    zone = job.settings.flow.time_zone
    start = runtime.flow_run.scheduled_start_time
    day = scheduled_date(start, zone)
    if as_of == BUSINESS_DAY:
        day = last_business_day(day, job.settings.calendar)
    log.info("as of %s: %s, in %s", day, as_of, zone)
    cut_off = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if cut_off > start:
        log.warning(
            "the cut-off, %s 00:00 UTC, lies %.1f hours after this run was due: its last day may not "
            "be whole; schedule it later in the day, or set flow.time_zone to UTC",
            day,
            (cut_off - start).total_seconds() / 3600,
        )
    return day.isoformat()


def scheduled_date(start: datetime, zone: str) -> date:
    """The date of a scheduled start, which Prefect keeps in UTC, on the calendar of a time zone."""
    return start.astimezone(ZoneInfo(zone)).date()
