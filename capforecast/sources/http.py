"""A client that does not hurt whom it asks: few requests at a time, a limit per second, retries that wait.

Retried are refused and broken connections, 429 and 5xx: after growing, jittered waits, or when Retry-After says. The
waits of one piece of work share a budget; once it is spent, each request is tried once. Redirects are not followed
(credentials would go along). Secrets are read when a request is made, and are in no message.
"""

from __future__ import annotations

import base64
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from capforecast.configuration import secret
from capforecast.errors import ConfigError, SourceError, SourceRefusedError
from capforecast.settings_sources import PrometheusSettings
from capforecast.sources.http_body import MOST_BYTES, TooLargeError, whole
from capforecast.sources.remote import Pace, unpaced

log = logging.getLogger(__name__)

RETRIED = (429, 500, 502, 503, 504)
_FIRST_WAIT, _LONGEST_WAIT, _ATTEMPTS = 0.5, 30.0, 8
_TOLD_WAIT = 1.5  # seconds; people are told of waits from that on
Sleep = Callable[[float], None]


class TooSlowError(SourceError):
    """The answer did not come in time, twice: a smaller question may do better."""


class TooMuchSaidError(SourceError):
    """The answer is larger than is taken: a smaller question may do."""


@dataclass
class Work:
    """What one piece of work has cost, counted by all its threads.  budget: seconds its retries may wait in all."""

    budget: float
    pace: Pace = unpaced
    requests: int = 0
    retries: int = 0
    answered: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def may_wait(self, seconds: float) -> bool:
        """Take the seconds from the budget; False where they are not left."""
        with self.lock:
            if seconds > self.budget:
                return False
            self.budget -= seconds
            self.retries += 1
            return True

    def count(self, *, answered: bool) -> None:
        """A request was made; did anything come back that can be used?"""
        with self.lock:
            self.requests += 1
            self.answered += answered


class Client:
    """Asks one address. `sleep` may be replaced in tests. Raises ConfigError for files that cannot be used."""

    def __init__(self, settings: PrometheusSettings, key: str, sleep: Sleep = time.sleep) -> None:
        self.settings, self.key, self.sleep = settings, key, sleep
        self._next, self._turn = 0.0, threading.Lock()
        self._client = httpx.Client(
            verify=self._trust(), timeout=httpx.Timeout(settings.timeout_seconds, connect=10.0), follow_redirects=False,
            limits=httpx.Limits(max_connections=settings.at_once + 1),
        )  # fmt: skip

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        work: Work,
        retried: Callable[[httpx.Response], bool] = lambda answer: answer.status_code in RETRIED,
    ) -> httpx.Response:
        """The answer to one request that is not to be retried, whatever its status.

        Raises SourceError where none came, TooSlowError where it took too long, TooMuchSaidError where it is too large,
        SourceRefusedError for 401 and 403.
        """
        slow = 0
        for attempt in range(_ATTEMPTS):
            answer, why = self._once(method, path, parameters, work)
            if answer is not None and not retried(answer):
                return self._checked(answer)
            slow += _status(answer) == 504 or (answer is None and why.startswith("no answer within"))
            if slow == 2:
                raise TooSlowError(f"{self.settings.url}: {why}")
            if attempt == _ATTEMPTS - 1 or not work.may_wait(wait := _wait(answer, attempt)):
                break
            if wait >= _TOLD_WAIT:
                text = f"{self.settings.url}: {why}; trying again in {wait:.0f} s"
                log.warning("%s", text, extra={"event": "waiting"})
            self.sleep(wait)
        fix = f"is it running, and is `{self.key}.url` right?" if answer is None else "try again later"
        raise SourceError(f"{self.settings.url}: {why}, after {attempt + 1} attempts; {fix}")

    def clean(self, text: str) -> str:
        """The text, should it repeat one of our secrets, without it; at most 300 characters."""
        for held in self._secrets():
            text = text.replace(held, "***")
        return " ".join(text.split())[:300]

    def _once(
        self, method: str, path: str, parameters: Mapping[str, str], work: Work
    ) -> tuple[httpx.Response | None, str]:
        """(answer or None, what is wrong should it be retried)."""
        work.pace(1)
        self._wait_for_turn()
        given, answer = dict(parameters), None
        body, query = (given, None) if method == "POST" else (None, given)
        try:
            answer = whole(
                self._client, method, self.settings.url + path, seconds=2 * self.settings.timeout_seconds,
                headers=self._headers(), data=body, params=query,
            )  # fmt: skip
            why = f"answered {answer.status_code}: {self.clean(answer.text)}" if answer.is_error else ""
        except httpx.ConnectTimeout:
            why = "could not be reached within 10 s"
        except httpx.TimeoutException:
            why = f"no answer within {self.settings.timeout_seconds:g} s (remote.prometheus.timeout_seconds)"
        except TooLargeError:
            raise TooMuchSaidError(f"{self.settings.url}: answered more than {MOST_BYTES >> 20} MiB") from None
        except (httpx.HTTPError, ssl.SSLError) as error:
            why = self._broken(error)
        work.count(answered=answer is not None and answer.status_code not in RETRIED)
        return answer, why

    def _broken(self, error: Exception) -> str:
        said = self.clean(str(error)) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in said:
            raise SourceRefusedError(
                f"{self.settings.url}: its certificate cannot be verified ({said}); name the certificate of who issued "
                f"it: {self.key}.ca_file"
            )
        return f"connection failed ({said})"

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        """The answer, unless it sends us away."""
        status, url = answer.status_code, self.settings.url
        if status in (401, 403):
            how = "it wants to know who asks" if status == 401 else "who asks may not read it"
            raise SourceRefusedError(
                f"{url}: answered {status}, {how}; see token_file, username and tenant below {self.key}"
                f" ({self.clean(answer.text)})"
            )
        if 300 <= status < 400:
            to = urlsplit(answer.headers.get("location", ""))
            place = f"{to.scheme}://{to.hostname}{f':{to.port}' if to.port else ''}" if to.hostname else "another path"
            raise SourceRefusedError(f"{url}: redirects to {place}{to.path}, which is not followed; set {self.key}.url")
        return answer

    def _wait_for_turn(self) -> None:
        """Begin requests no faster than `per_second`."""
        with self._turn:
            now = time.monotonic()
            wait = self._next - now
            self._next = max(now, self._next) + 1 / self.settings.per_second
        if wait > 0:
            self.sleep(wait)

    def _headers(self) -> dict[str, str]:
        settings, headers = self.settings, {"User-Agent": "capforecast"}
        if settings.tenant is not None:
            headers[settings.tenant_header] = settings.tenant
        if token := self._secret("token"):
            headers["Authorization"] = f"Bearer {token}"
        elif settings.username:
            headers["Authorization"] = f"Basic {_basic(settings.username, self._secret('password'))}"
        return headers

    def _secrets(self) -> list[str]:
        password = self._secret("password")
        pair = _basic(self.settings.username, password) if self.settings.username else ""
        return [held for held in (self._secret("token"), pair, password) if held]

    def _secret(self, what: str) -> str:
        """What the file or variable of this secret holds, "" where neither is named."""
        file: str | None = getattr(self.settings, f"{what}_file")
        if file is None:
            variable: str | None = getattr(self.settings, f"{what}_variable")
            return secret(variable, f"{self.key}.{what}_variable")
        try:
            held = Path(file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"`{self.key}.{what}_file`: {file} cannot be read ({type(error).__name__})") from None
        if not held or not held.isascii() or "\n" in held:
            raise ConfigError(f"`{self.key}.{what}_file`: {file} should hold one line of plain text and nothing else")
        return held

    def _trust(self) -> ssl.SSLContext:
        settings = self.settings
        for name in ("ca_file", "cert_file", "key_file"):
            file: str | None = getattr(settings, name)
            if file is not None and not Path(file).expanduser().is_file():
                raise ConfigError(f"`{self.key}.{name}`: {file} does not exist")
        try:
            context = ssl.create_default_context(cafile=_path(settings.ca_file))
            if settings.cert_file is not None:
                context.load_cert_chain(str(_path(settings.cert_file)), _path(settings.key_file))
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"`{self.key}`: ca_file, cert_file or key_file is no PEM file that fits ({error})"
            ) from None
        return context


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _path(file: str | None) -> str | None:
    return None if file is None else str(Path(file).expanduser())


def _status(answer: httpx.Response | None) -> int:
    return 0 if answer is None else answer.status_code


def _wait(answer: httpx.Response | None, attempt: int) -> float:
    """Seconds until the next attempt: as Retry-After says, else growing with jitter (half to all of the step)."""
    step = min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT)
    asked = _retry_after(answer.headers.get("retry-after", "")) if answer is not None else 0.0
    return max(asked, step * random.uniform(0.5, 1.0))


def _retry_after(text: str) -> float:
    """Seconds of a Retry-After header (a number or a date), 0 where there is none."""
    if text.strip().isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        aware = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
