"""The cut-off that a flow run is asked for by a word is the date it was first scheduled for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from capforecast.errors import UsageError
from capforecast.exchange import RunKey
from capforecast.settings import Settings
from flows import dates
from tasks.common import Job


def job(**flow: Any) -> Job:
    settings = Settings.model_validate({"flow": flow, "calendar": {"country": "GB", "subdivision": "ENG"}})
    return Job(store_url="unused", settings=settings, run=RunKey(run_id="r", attempt=1))


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> Any:
    def at(text: str) -> None:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
        monkeypatch.setattr(
            dates, "runtime", type("R", (), {"flow_run": type("F", (), {"scheduled_start_time": start})})
        )

    return at


@pytest.mark.parametrize(
    ("start", "zone", "word", "expected"),
    [
        ("2026-11-23T06:00", "UTC", "scheduled", "2026-11-23"),
        ("2026-11-22T23:30", "Europe/Berlin", "scheduled", "2026-11-23"),  # UTC still has the day before
        ("2026-11-23T03:00", "America/New_York", "scheduled", "2026-11-22"),
        ("2026-06-14T23:30", "Europe/London", "business-day", "2026-06-15"),  # a Monday there, in summer time
        ("2026-11-22T06:00", "UTC", "business-day", "2026-11-20"),  # a Sunday
        ("2026-12-28T06:00", "Europe/London", "business-day", "2026-12-24"),  # Boxing Day, observed on the Monday
    ],
)
def test_a_word_is_the_date_of_the_scheduled_start_in_the_business_time_zone(
    scheduled: Any, start: str, zone: str, word: str, expected: str
) -> None:
    scheduled(start)
    assert dates.resolved(word, job(time_zone=zone)) == expected


@pytest.mark.parametrize(
    ("start", "zone", "said"),
    [
        ("2026-11-22T21:00", "Asia/Tokyo", True),  # 06:00 on the 23rd, which begins in UTC three hours later
        ("2026-11-23T06:00", "Asia/Tokyo", False),
        ("2026-10-25T00:30", "Europe/London", False),  # the night in which clocks go back
        ("2026-11-22T06:00", "UTC", False),
    ],
)
def test_a_cut_off_that_had_not_come_yet_is_warned_of(
    scheduled: Any, caplog: pytest.LogCaptureFixture, start: str, zone: str, said: bool
) -> None:
    scheduled(start)
    dates.resolved("scheduled", job(time_zone=zone))
    assert [record.levelname for record in caplog.records].count("WARNING") == said


def test_a_date_and_none_stay_as_they_are() -> None:
    assert dates.resolved("2026-11-21", job()) == "2026-11-21"
    assert dates.resolved("2026-11-21T14:00", job()) == "2026-11-21T14:00"
    assert dates.resolved(None, job()) is None


@pytest.mark.parametrize("text", ["yesterday", "business day", "2026-13-01", ""])
def test_what_is_neither_word_nor_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no date"):
        dates.resolved(text, job())


def test_late_starts_retries_and_reruns_keep_the_date(prefect_api: str, tmp_path: Path) -> None:
    """A run scheduled for yesterday that starts late, fails, is retried by Prefect and later run again by a person."""
    from prefect import flow, runtime
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import AwaitingRetry, Scheduled

    seen: list[str | None] = []

    @flow(name="asks-for-its-date", retries=1)
    def asks() -> None:
        seen.append(dates.resolved("scheduled", job()))
        if runtime.flow_run.run_count < 3:
            raise RuntimeError("not yet")

    due = datetime.now(UTC) - timedelta(days=1)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(asks, state=Scheduled(scheduled_time=due))
        run_flow(asks, flow_run=run, return_type="state")
        client.set_flow_run_state(run.id, AwaitingRetry(scheduled_time=datetime.now(UTC)), force=True)
        run_flow(asks, flow_run=client.read_flow_run(run.id), return_type="state")
    assert seen == [due.date().isoformat()] * 3
