"""Messages to SNS, received by a queue of the same (moto) server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from capforecast.cloud.sns import publish, subject_of
from capforecast.errors import CapforecastError

boto3 = pytest.importorskip("boto3")


@pytest.fixture
def aws(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"ENDPOINT_URL": s3_server, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{key}", value)


def test_a_queue_gets_the_alert_as_json(aws: None) -> None:
    sns, sqs = (boto3.client(name, region_name="eu-west-1") for name in ("sns", "sqs"))
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    made = publish(topic, "capforecast: run-failed", "The run failed.", json.dumps({"alert": "run-failed"}))
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    received: dict[str, Any] = json.loads(message["Body"])
    assert received["MessageId"] == made
    assert received["Subject"] == "capforecast: run-failed"
    assert json.loads(received["Message"]) == {"alert": "run-failed"}


def test_a_topic_that_is_not_there_is_named(aws: None) -> None:
    missing = "arn:aws:sns:eu-west-1:111122223333:missing"
    with pytest.raises(CapforecastError, match=r"did not take the alert \(NotFound.*missing"):
        publish(missing, "subject", "text", "{}")


def test_a_server_that_does_not_answer_is_said_and_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "y"}.items():
        monkeypatch.setenv(f"AWS_{key}", value)
    with pytest.raises(CapforecastError, match="cannot be reached") as failed:
        publish("arn:aws:sns:eu-west-1:111122223333:alerts", "subject", "text", "{}")
    assert failed.value.retryable


@pytest.mark.parametrize(
    ("text", "subject"),
    [("a\nb", "a b"), ("Büro – x", "B ro x"), ("", "capforecast"), ("x" * 200, "x" * 97 + "...")],
)
def test_subjects_are_what_sns_takes(text: str, subject: str) -> None:
    assert subject_of(text) == subject
