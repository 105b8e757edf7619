"""Calls of AWS over HTTP, with what goes wrong on the way; nobody answers but the proxy."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from aws_server import ENVIRONMENT, use
from fault_proxy import FaultProxy, Rule

from capforecast.errors import ConfigError, SourceError, SourceRefusedError
from capforecast.settings_sources import CloudWatchAccount, CloudWatchSettings
from capforecast.sources.cloudwatch_calls import Calls, Counts, Place, Rate
from capforecast.sources.cloudwatch_errors import TooMuchError

pytest.importorskip("boto3")
HERE = Place("123456789012", "eu-west-1")
STS = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Account>'
    b"123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
JSON = {"Content-Type": "application/x-amz-json-1.0"}


def refused(code: str, message: str = "") -> bytes:
    """How CloudWatch refuses."""
    return json.dumps({"__type": f"com.amazonaws.cloudwatch#{code}", "message": message}).encode()


@pytest.fixture
def proxy(monkeypatch):
    with FaultProxy("http://127.0.0.1:1") as broken:
        use(monkeypatch, broken.url, "eu-west-1")
        broken.rules.append(Rule("GetCallerIdentity", status=200, body=STS, times=None))
        yield broken


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now, self.slept, self.lock = 0.0, [], threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds
            self.slept.append(seconds)

    def __call__(self) -> float:
        return self.now


def calls_of(clock: Clock, **given) -> Calls:
    calls = Calls(CloudWatchSettings(per_second=1e9, **given), clock.sleep, clock)
    assert calls.places() == [HERE]
    clock.now += 1
    clock.slept.clear()
    return calls


def listed(calls: Calls, counts: Counts | None = None) -> dict:
    return calls.ask(HERE, "cloudwatch", "list_metrics", counts or Counts(), Namespace="CWAgent")


EMPTY = Rule("ListMetrics", status=200, headers=JSON, body=b"{}", times=None)


@pytest.mark.parametrize(
    "rule",
    [
        Rule("ListMetrics", status=400, headers=JSON, body=refused("Throttling"), times=3),
        Rule("ListMetrics", status=400, headers=JSON, body=refused("ThrottlingException"), times=3),
        Rule("ListMetrics", status=429, body=b"slow down", times=3),
        Rule("ListMetrics", status=503, body=b"<html>busy</html>", times=3),
        Rule("ListMetrics", status=500, headers=JSON, body=refused("InternalServiceFault"), times=3),
        Rule("ListMetrics", drop=True, times=3),
        Rule("ListMetrics", status=200, body=b"\xa2\xff not JSON", times=3),
        Rule("ListMetrics", status=200, body=b"<html>please log in</html>", times=3),
    ],
)
def test_what_may_pass_is_asked_again(proxy, rule):
    clock, counts = Clock(), Counts()
    proxy.rules += [rule, EMPTY]
    assert listed(calls_of(clock), counts).get("Metrics", []) == []
    assert (counts.requests, counts.retries) == (4, 3)
    assert len(clock.slept) == 3
    assert all(slept <= limit for slept, limit in zip(clock.slept, (0.5, 1, 2), strict=True))


def test_a_service_that_says_how_long_to_wait_is_heeded(proxy):
    clock = Clock()
    proxy.rules += [Rule("ListMetrics", status=503, headers={"Retry-After": "7"}), EMPTY]
    listed(calls_of(clock))
    assert clock.slept == [7.0]


def test_the_budget_of_seconds_ends_the_repeats(proxy):
    clock, counts = Clock(), Counts()
    proxy.rules.append(Rule("ListMetrics", status=503, times=None))
    with pytest.raises(SourceError, match="list_metrics: 503") as raised:
        listed(calls_of(clock, retry_seconds=60), counts)
    assert raised.value.retryable
    assert clock.now <= 60
    assert counts.requests > 5
    clock, counts = Clock(), Counts()
    with pytest.raises(SourceError):
        listed(calls_of(clock, retry_seconds=0), counts)
    assert counts.requests == 1


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (403, "AccessDenied", SourceRefusedError, "not allowed.*docs/sources/cloudwatch.md"),
        (400, "UnrecognizedClientException", SourceRefusedError, "does not know the credentials"),
        (403, "ExpiredToken", SourceRefusedError, "expired"),
        (400, "ValidationError", TooMuchError, "ValidationError: bad dimension"),
    ],
)
def test_what_no_repeat_helps_is_said_at_once(proxy, status, code, kind, said):
    clock, counts = Clock(), Counts()
    proxy.rules.append(Rule("ListMetrics", status=status, headers=JSON, body=refused(code, "bad dimension")))
    with pytest.raises(kind, match=said):
        listed(calls_of(clock), counts)
    assert counts.requests == 1
    assert clock.slept == []


def test_neither_logs_nor_errors_hold_credentials(proxy, caplog, monkeypatch):
    monkeypatch.setenv("READER_ID", "the-external-id")
    proxy.rules += [
        Rule("AssumeRole", status=403, body=b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
    ]
    caplog.set_level(logging.INFO)
    role = CloudWatchAccount(role_arn="arn:aws:iam::111122223333:role/reader", external_id_variable="READER_ID")
    clock = Clock()
    calls = Calls(CloudWatchSettings(accounts=(role,), retry_seconds=0), clock.sleep, clock)
    (place,) = calls.places()
    assert place == Place("111122223333", "eu-west-1")
    with pytest.raises(SourceRefusedError) as raised:
        calls.ask(place, "cloudwatch", "list_metrics", Counts())
    assert any("the-external-id" in request.text for request in proxy.seen)
    told = f"{raised.value} {raised.value.__cause__} {caplog.text} {CloudWatchSettings(accounts=(role,))}"
    for secret in (*ENVIRONMENT.values(), "the-external-id"):
        assert secret not in told


def test_no_credentials_or_no_region_are_told_with_the_fix(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", *ENVIRONMENT):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ConfigError, match=r"remote\.cloudwatch\.regions"):
        Calls(CloudWatchSettings()).places()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with pytest.raises(SourceRefusedError, match="no AWS credentials"):
        Calls(CloudWatchSettings()).places()
    with pytest.raises(ConfigError, match=r"remote\.cloudwatch\.profile"):
        Calls(CloudWatchSettings(profile="nobody")).places()


@pytest.mark.parametrize("given", [{}, {"regions": ("eu-west-1",)}], ids=["AWS_REGION", "settings"])
def test_a_region_of_the_environment_or_of_the_settings_alone_is_enough(proxy, monkeypatch, given):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if given:
        monkeypatch.delenv("AWS_REGION")
    assert Calls(CloudWatchSettings(**given)).places() == [HERE]
    role = CloudWatchAccount(role_arn="arn:aws:iam::111122223333:role/reader")
    assert Calls(CloudWatchSettings(accounts=(role,), **given)).places() == [Place("111122223333", "eu-west-1")]


def test_the_region_of_one_account_is_no_other_accounts(proxy, monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    role = CloudWatchAccount(role_arn="arn:aws:iam::111122223333:role/reader", regions=("eu-west-1",))
    with pytest.raises(ConfigError, match=r"remote\.cloudwatch\.regions"):
        Calls(CloudWatchSettings(accounts=(CloudWatchAccount(), role))).places()


def test_requests_begin_no_faster_than_allowed_over_all_threads():
    clock = Clock()
    rate = Rate(10, lambda: 0.0, clock.sleep)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: rate.wait(), range(20)))
    assert sorted(clock.slept) == pytest.approx([number / 10 for number in range(1, 20)])
