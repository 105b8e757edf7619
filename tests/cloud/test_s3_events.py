"""What events ask for: one answer per object, schedule or message, and never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.cloud.s3_events import Due, NewObject, Passed, in_messages, parse, why_not
from capforecast.settings import LambdaSettings

FILE = "incoming/week.parquet"


def record(key: str = FILE, name: str = "ObjectCreated:Put", **about: Any) -> dict[str, Any]:
    """A record of S3's own notification."""
    s3 = {"bucket": {"name": "data"}, "object": {"key": key, "eTag": "abc"} | about}
    return {"eventSource": "aws:s3", "eventName": name, "s3": s3}


def message(body: object, number: str = "m1") -> dict[str, Any]:
    """A record of SQS."""
    text = body if isinstance(body, str) else json.dumps(body)
    return {"eventSource": "aws:sqs", "messageId": number, "body": text}


def bridge(key: str, kind: str = "Object Created") -> dict[str, Any]:
    """An event of S3 by EventBridge."""
    detail = {"bucket": {"name": "data"}, "object": {"key": key, "etag": "abc"}}
    return {"source": "aws.s3", "detail-type": kind, "detail": detail}


def test_every_record_is_an_object_of_its_own_with_its_key_decoded() -> None:
    found = parse({"Records": [record("incoming/a+b%2Bc%C3%BC.csv"), record()]})
    assert found == [NewObject("data", "incoming/a b+cü.csv", "abc"), NewObject("data", FILE, "abc")]
    assert [each.name for each in found][1] == f"s3://data/{FILE}"


def test_eventbridge_gives_keys_as_they_are() -> None:
    assert parse(bridge("incoming/a+b%2B.csv")) == [NewObject("data", "incoming/a+b%2B.csv", "abc")]
    assert isinstance(parse(bridge(FILE, "Object Deleted"))[0], Passed)


def test_events_in_messages_of_sqs_and_sns_keep_the_message_they_came_in() -> None:
    inside_sns = {"Type": "Notification", "Message": json.dumps({"Records": [record()]})}
    event = {"Records": [message({"Records": [record()]}), message(inside_sns, "m2"), message(bridge(FILE), "m3")]}
    assert [each.message for each in parse(event)] == ["m1", "m2", "m3"]
    assert all(isinstance(each, NewObject) for each in parse(event))
    assert in_messages(event)
    assert not in_messages({"Records": [record()]})
    by_sns = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps({"Records": [record()]})}}]}
    assert parse(by_sns) == [NewObject("data", FILE, "abc")]


def test_schedules_of_both_kinds() -> None:
    fired = {"source": "aws.events", "detail-type": "Scheduled Event", "id": "e-1", "time": "2026-11-23T06:00:00Z"}
    assert parse(fired) == [Due("e-1")]
    own = {"schedule": "weekly", "as_of": "2026-11-23", "cadence": "hourly"}
    assert parse(own) == [Due("", "2026-11-23", "hourly")]
    (wrong,) = parse(own | {"as_of": 20261123})
    assert isinstance(wrong, Passed)
    assert (wrong.malformed, wrong.reason) == (True, "`as_of` of the schedule must be text")


@pytest.mark.parametrize(
    ("event", "reason", "malformed"),
    [
        ({"Event": "s3:TestEvent", "Bucket": "data"}, "only tries whether its notifications arrive", False),
        ({"Records": [record(name="ObjectRemoved:Delete")]}, "is not about a new object", False),
        ({"Records": []}, "`Records` holds no record", True),
        ({"Records": ["x"]}, "is no record", True),
        ({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]}, "names no bucket or no key", True),
        ({"Records": [message("not JSON")]}, "the message holds no JSON", True),
        ({"hello": "world"}, "is no event of S3, EventBridge or SQS", True),
        ("text", "is no event of S3, EventBridge or SQS", True),
        (None, "is no event of S3, EventBridge or SQS", True),
    ],
)
def test_what_asks_for_nothing_says_why(event: object, reason: str, malformed: bool) -> None:
    (found,) = parse(event)
    assert isinstance(found, Passed)
    assert reason in found.reason
    assert found.malformed is malformed


def test_one_bad_record_does_not_hide_the_others() -> None:
    found = parse({"Records": [record(), {"eventName": "x"}, record("incoming/b.csv")]})
    assert [type(each) for each in found] == [NewObject, Passed, NewObject]


def test_messages_inside_messages_come_to_an_end() -> None:
    event: dict[str, Any] = {"Records": [record()]}
    for _ in range(7):  # each level doubles the backslashes of the one inside
        event = {"Records": [message(event)]}
    (found,) = parse(event)
    assert isinstance(found, Passed)
    assert len(found.name) < 300


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (FILE, ""),
        ("incoming/deep/x.CSV.GZ", ""),
        ("incoming/", "a folder's own object"),
        ("outgoing/x.csv", "does not begin with incoming/"),
        ("incoming/readme.txt", "does not end in .parquet, .csv, .csv.gz"),
    ],
)
def test_prefix_and_suffix_decide_and_the_reason_names_the_setting(key: str, reason: str) -> None:
    said = why_not(NewObject("data", key), LambdaSettings())
    assert reason in said
    assert bool(said) is bool(reason)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["Records", "s3", "bucket", "object", "key", "name", "eventSource", "body", "source", "detail", "schedule", "x"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_no_event_raises_and_each_has_an_answer(event: Any) -> None:
    found = parse(event)
    assert found
    assert all(isinstance(each, (NewObject, Due, Passed)) for each in found)
    assert all(isinstance(each.name, str) for each in found)
