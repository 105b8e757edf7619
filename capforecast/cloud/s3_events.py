"""What an event says: which objects came into which bucket, or that a schedule is due. Parsing only, nothing is asked.

Read are notifications of S3 itself, its events by EventBridge, either of them inside messages of SQS or SNS, and
schedules. An event that says nothing of use is answered with a reason, one by one, never with an exception.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from capforecast.settings import LambdaSettings

_DEPTH = 4  # an event in a message of SNS in a message of SQS, and one to spare
_SHOWN = 200  # characters of something that cannot be read


@dataclass(frozen=True)
class NewObject:
    """An object that was written.  etag: of what was written, "" where the event does not say.

    message: id of the message of SQS that the event came in, "" elsewhere.
    """

    bucket: str
    key: str
    etag: str = ""
    message: str = ""

    @property
    def name(self) -> str:
        """As people write it."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Due:
    """A schedule that is due: forecast what is in the lake.  id: of this one firing, "" where nothing says so.

    as_of: cut-off, cadence: daily or hourly; None = of the lake's latest.
    """

    id: str = ""
    as_of: str | None = None
    cadence: str | None = None
    message: str = ""

    @property
    def name(self) -> str:
        """As people write it."""
        return " ".join(filter(None, ("schedule", self.cadence, self.as_of)))


@dataclass(frozen=True)
class Passed:
    """An event, or a part of one, that asks for nothing.  malformed: it should have been something else."""

    name: str
    reason: str
    malformed: bool = False
    message: str = ""


Asked = NewObject | Due | Passed


def parse(event: object) -> list[Asked]:
    """All that an event asks for, in its order."""
    return list(_parse(event, "", 0))


def in_messages(event: object) -> bool:
    """Does the event hold messages of an SQS queue, which are answered message by message?"""
    records = event.get("Records") if isinstance(event, Mapping) else None
    first = records[0] if isinstance(records, list) and records else None
    return isinstance(first, Mapping) and first.get("eventSource") == "aws:sqs"


def why_not(found: NewObject, settings: LambdaSettings) -> str:
    """Why an object holds no observations to forecast from, by its key alone; "" where it does."""
    if found.key.endswith("/"):
        return "a folder's own object"
    if not found.key.startswith(settings.incoming):
        return f"its key does not begin with {settings.incoming} (aws_lambda.incoming)"
    if not found.key.lower().endswith(tuple(suffix.lower() for suffix in settings.suffixes)):
        return f"its key does not end in {', '.join(settings.suffixes)} (aws_lambda.suffixes)"
    return ""


def _parse(event: object, message: str, depth: int) -> Iterator[Asked]:
    if not isinstance(event, Mapping) or depth > _DEPTH:
        yield _unreadable(event, "is no event of S3, EventBridge or SQS, and no schedule", message)
    elif "Records" in event:
        yield from _records(event["Records"], message, depth)
    elif event.get("Event") == "s3:TestEvent":
        yield Passed("s3:TestEvent", "S3 only tries whether its notifications arrive", message=message)
    elif event.get("source") == "aws.s3":
        yield _from_bridge(event, message)
    elif event.get("source") == "aws.events" or event.get("detail-type") == "Scheduled Event" or "schedule" in event:
        yield _due(event, message)
    elif event.get("Type") == "Notification" and "Message" in event:  # of SNS, in a message of SQS
        yield from _inside(event["Message"], message, depth)
    else:
        yield _unreadable(event, "is no event of S3, EventBridge or SQS, and no schedule", message)


def _records(records: object, message: str, depth: int) -> Iterator[Asked]:
    if not isinstance(records, list) or not records:
        yield _unreadable(records, "`Records` holds no record", message)
        return
    for record in records:
        if not isinstance(record, Mapping):
            yield _unreadable(record, "is no record", message)
        elif record.get("eventSource") == "aws:sqs":
            yield from _inside(record.get("body"), str(record.get("messageId", "")), depth)
        elif record.get("EventSource") == "aws:sns":
            yield from _inside(_at(record, "Sns", "Message"), message, depth)
        else:
            yield _from_s3(record, message)


def _inside(text: object, message: str, depth: int) -> Iterator[Asked]:
    """The event in the body of a message."""
    try:
        event = json.loads(text if isinstance(text, str) else "")
    except (ValueError, RecursionError):
        yield _unreadable(text, "the message holds no JSON", message)
        return
    yield from _parse(event, message, depth + 1)


def _from_s3(record: Mapping[str, Any], message: str) -> Asked:
    """A record of S3's own notifications. Its key is encoded as in a form: `+` is a space, `%2B` a plus."""
    name = str(record.get("eventName", ""))
    found = _object(_at(record, "s3", "bucket", "name"), _at(record, "s3", "object"), "eTag", message)
    if isinstance(found, Passed):
        return found
    found = NewObject(found.bucket, unquote_plus(found.key), found.etag, message)
    if not name.removeprefix("s3:").startswith("ObjectCreated:"):
        return Passed(found.name, f"the event {name!r} is not about a new object", message=message)
    return found


def _from_bridge(event: Mapping[str, Any], message: str) -> Asked:
    """An event of S3 by EventBridge. Its key stands as it is, unlike in S3's own notifications."""
    found = _object(_at(event, "detail", "bucket", "name"), _at(event, "detail", "object"), "etag", message)
    kind = event.get("detail-type")
    if isinstance(found, NewObject) and kind != "Object Created":
        return Passed(found.name, f"the event {kind!r} is not about a new object", message=message)
    return found


def _object(bucket: object, described: object, etag: str, message: str) -> NewObject | Passed:
    """Bucket, key and etag as both kinds of events describe them."""
    key = described.get("key") if isinstance(described, Mapping) else None
    if not (isinstance(bucket, str) and bucket and isinstance(key, str) and key):
        return _unreadable({"bucket": bucket, "object": described}, "names no bucket or no key", message)
    tag = described.get(etag) if isinstance(described, Mapping) else None
    return NewObject(bucket, key, tag.strip('"') if isinstance(tag, str) else "", message)


def _due(event: Mapping[str, Any], message: str) -> Due | Passed:
    given = {name: event.get(name) for name in ("id", "as_of", "cadence")}
    wrong = [name for name, value in given.items() if not (value is None or isinstance(value, str))]
    if wrong:
        return _unreadable(event, f"`{wrong[0]}` of the schedule must be text", message)
    return Due(given["id"] or "", given["as_of"] or None, given["cadence"] or None, message)


def _at(event: object, *path: str) -> Any:
    """What stands at a path of keys; None where it does not go on."""
    for key in path:
        event = event.get(key) if isinstance(event, Mapping) else None
    return event


def _unreadable(what: object, reason: str, message: str) -> Passed:
    text = what if isinstance(what, str) else json.dumps(what, default=str)
    return Passed(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...", reason, malformed=True, message=message)
