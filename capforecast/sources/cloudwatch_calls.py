"""Calls of AWS for the source `cloudwatch`: clients per account and region, paced, repeated where that helps.

Retries are ours, not botocore's: the same for every service, counted, within a budget of seconds, by exponential
back-off with full jitter (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog 2015).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from capforecast.configuration import region, secret
from capforecast.errors import ConfigError
from capforecast.settings_sources import CloudWatchAccount, CloudWatchSettings
from capforecast.sources.cloudwatch_errors import may_pass, no_credentials, understood
from capforecast.sources.remote import Pace, unpaced

FIRST_WAIT, LONGEST_WAIT = 0.5, 20.0  # seconds


@dataclass(frozen=True, order=True)
class Place:
    """An account and a region of it."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}"


@dataclass
class Counts:
    """What calls took; of all threads together."""

    requests: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, requests: int = 0, retries: int = 0) -> None:
        """Count some more."""
        with self._lock:
            self.requests += requests
            self.retries += retries


class Rate:
    """At most so many requests begun per second, over all threads."""

    def __init__(self, per_second: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._gap, self._clock, self._sleep = 1 / per_second, clock, sleep
        self._next, self._lock = 0.0, threading.Lock()

    def wait(self) -> None:
        """Wait for the turn of one request."""
        with self._lock:
            now = self._clock()
            begin = max(now, self._next)
            self._next = begin + self._gap
        if begin > now:
            self._sleep(begin - now)


class Calls:
    """All that is asked of AWS. `sleep` and `clock` are replaced in tests."""

    def __init__(
        self,
        settings: CloudWatchSettings,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._sleep, self._clock = settings, sleep, clock
        self._rate = Rate(settings.per_second, clock, sleep)
        self._sessions: dict[str, Any] = {}  # by account
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.RLock()
        self._base: Any = None
        self._owner = ""

    @property
    def owner(self) -> str:
        """Account of the credentials themselves; asked once. Raises SourceError."""
        with self._lock:
            if not self._owner:
                client = self._client_of(self._session(), "sts", self._token_region())
                self._owner = str(
                    self._repeated(client, "get_caller_identity", "sts", Counts(), unpaced, {})["Account"]
                )
            return self._owner

    def places(self) -> list[Place]:
        """Accounts and regions that are read, sorted. Raises SourceError, ConfigError where there is no region."""
        found = set()
        for account in self._settings.accounts or (CloudWatchAccount(),):
            name = self._account(account)
            for where in account.regions or self._settings.regions or (self._default_region(),):
                found.add(Place(name, where))
        return sorted(found)

    def ask(
        self, place: Place, service: str, operation: str, counts: Counts, pace: Pace = unpaced, **arguments: Any
    ) -> dict[str, Any]:
        """The answer to one call.

        Raises SourceRefusedError where it is not allowed, TooMuchError where less may be answered, else SourceError.
        """
        return self._repeated(self._client(place, service), operation, f"{place} {service}", counts, pace, arguments)

    def pages(
        self, place: Place, service: str, operation: str, items: str, token: str, **arguments: Any
    ) -> Iterator[Any]:
        """All `items` of a listing. token: "NextToken" (asked and answered by that name), "nextToken", or "Marker"."""
        counts, more = Counts(), dict[str, Any]()
        while True:
            answer = self.ask(place, service, operation, counts, **arguments, **more)
            yield from answer.get(items, [])
            if not answer.get(token):
                return
            more = {token: answer[token]}

    def _account(self, account: CloudWatchAccount) -> str:
        """Its id; the session that reads it is made ready."""
        if account.role_arn is None:
            self._sessions.setdefault(self.owner, self._session())
            return self.owner
        name = account.role_arn.split(":")[4]
        with self._lock:
            if name not in self._sessions:
                self._sessions[name] = self._assumed(account)
        return name

    def _session(self) -> Any:
        """boto3's session of the credentials as they are."""
        with self._lock:
            if self._base is None:
                self._base = _new_session(self._settings.profile)
            return self._base

    def _own_region(self) -> str | None:
        """boto3 does not know AWS_REGION, which ECS, Lambda and people set."""
        return region() or self._session().region_name

    def _default_region(self) -> str:
        """Region that is read where none is named."""
        known = self._own_region()
        if not known:
            raise ConfigError(
                "no AWS region is known: name those to read in `remote.cloudwatch.regions`, or set AWS_REGION"
            )
        return known

    def _token_region(self) -> str:
        """Region whose STS is asked: any will do."""
        named = (*self._settings.regions, *(name for each in self._settings.accounts for name in each.regions))
        return self._own_region() or next(iter(named), None) or self._default_region()

    def _assumed(self, account: CloudWatchAccount) -> Any:
        """A session of a role, whose credentials are renewed before they end."""
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        base = self._session()._session  # botocore's own
        extra = {"RoleSessionName": "capforecast"}
        key = "remote.cloudwatch.accounts: external_id_variable"
        if account.external_id_variable:
            extra["ExternalId"] = secret(account.external_id_variable, key)
        own = base.get_credentials()
        if own is None:
            raise no_credentials()
        where = self._token_region()

        def client(service: str, **given: Any) -> Any:
            return base.create_client(service, region_name=where, config=_config(self._settings), **given)

        fetcher = AssumeRoleCredentialFetcher(client, own, account.role_arn, extra_args=extra)
        session = _new_session(self._settings.profile)
        session._session._credentials = DeferredRefreshableCredentials(
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )
        return session

    def _client(self, place: Place, service: str) -> Any:
        key = (place.account, place.region, service)
        with self._lock:  # making clients is not safe in threads, using them is
            if key not in self._clients:
                self._clients[key] = self._client_of(self._sessions[place.account], service, place.region)
            return self._clients[key]

    def _client_of(self, session: Any, service: str, region: str) -> Any:
        client = session.client(service, region_name=region, config=_config(self._settings))
        client.meta.events.register("after-call", _whole)
        return client

    def _repeated(
        self, client: Any, operation: str, where: str, counts: Counts, pace: Pace, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """One call, again while it may pass and the budget lasts."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        end, wait = self._clock() + self._settings.retry_seconds, FIRST_WAIT
        while True:
            pace(1)
            self._rate.wait()
            counts.add(requests=1)
            try:
                return dict(getattr(client, operation)(**arguments))
            except (ClientError, BotoCoreError, ResponseParserError, ValueError) as error:  # the last: no JSON, no text
                problem, asked_for = understood(error, f"{where} {operation}")
                pause = max(random.uniform(0, wait), asked_for)
                if not may_pass(error) or self._clock() + pause > end:
                    raise problem from None  # botocore's own may repeat what was sent
                self._sleep(pause)
                counts.add(retries=1)
                wait = min(2 * wait, LONGEST_WAIT)


def _new_session(profile: str | None) -> Any:
    """boto3's session whose answers keep times as they come: parsing them takes most of the time of a large answer."""
    try:
        import boto3
        from botocore.exceptions import ProfileNotFound
        from botocore.session import get_session
    except ImportError:
        raise ConfigError("the source cloudwatch needs boto3: pip install 'capforecast[aws]'") from None
    core = get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_as_it_is)
    try:
        return boto3.Session(botocore_session=core, profile_name=profile)
    except ProfileNotFound:
        raise ConfigError(
            f"AWS profile {profile!r} (remote.cloudwatch.profile) is in no AWS configuration file: add or correct it"
        ) from None


def _whole(http_response: Any, model: Any, **_: Any) -> None:
    """Raise ValueError for an answer that was cut short, or is a page of some proxy.

    botocore takes either, where JSON is spoken, for an answer that says nothing: all values would be gaps.
    """
    body, headers = http_response.content, http_response.headers
    length = headers.get("Content-Length", "")
    if length.isdigit() and "Content-Encoding" not in headers and int(length) != len(body):
        raise ValueError(f"{len(body)} of {length} bytes came")
    if model.service_model.resolved_protocol == "json" and http_response.status_code < 300:
        text = body.strip()
        if text and not (text.startswith(b"{") and text.endswith(b"}")):
            raise ValueError("the answer is not JSON")


def _as_it_is(value: Any) -> Any:
    return value


def _config(settings: CloudWatchSettings) -> Any:
    from botocore.config import Config

    return Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=min(10.0, settings.timeout_seconds),
        read_timeout=settings.timeout_seconds,
        max_pool_connections=settings.at_once + 1,
        user_agent_extra="capforecast",
    )
