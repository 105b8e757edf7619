"""Sending a message: to a Slack-compatible webhook, and by e-mail. What went wrong is said without any secret."""

from __future__ import annotations

import json
import re
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from http.client import HTTPException, InvalidURL
from typing import Any, Never
from urllib.parse import unquote, urlsplit

from capforecast.settings import DeliverySettings

_BUSY = (408, 425, 429)  # answers of a web server after which trying again may help; 5xx too
_LONGEST_ANSWER = 200  # characters of an answer that are repeated
_MOST_READ = 4_000  # bytes of it; what may hold a secret is looked through before it is cut
_SHORTEST_SECRET = 6  # characters; shorter parts of an address hold none, and are parts of common words


class DeliveryError(Exception):
    """Why a message was not taken, in words; `passing`: may it be taken when it is sent again?"""

    def __init__(self, problem: str, *, passing: bool = False) -> None:
        super().__init__(problem)
        self.passing = passing


@dataclass(frozen=True)
class Login:
    """User and password of a mail server; "" = none."""

    user: str = ""
    password: str = ""


def patiently(send: Callable[[], None], retries: int, pause: Callable[[float], None] = time.sleep) -> None:
    """Send, and again after 1, 2, 4 ... seconds where that may help. Raises DeliveryError of the last try."""
    for attempt in range(retries + 1):
        try:
            return send()
        except DeliveryError as error:
            if attempt == retries or not error.passing:
                raise
        pause(2.0**attempt)


def post(url: str, content: Mapping[str, Any], timeout: float) -> None:
    """Send JSON to a webhook. Redirects are not followed. Raises DeliveryError, which does not name the address."""
    if not _is_web(url):
        raise DeliveryError("the address of the webhook is none that begins with https:// or http:// and names a host")
    body = json.dumps(content, ensure_ascii=False).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json; charset=utf-8"}, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout):
            return
    except urllib.error.HTTPError as error:
        said = _without(url, f"{error.code} {error.reason}{_answer(error)}")
        raise DeliveryError(
            f"the webhook answered {said[:_LONGEST_ANSWER]}", passing=error.code in _BUSY or error.code >= 500
        ) from None
    except (OSError, ValueError, HTTPException) as error:  # no connection, no answer in time, no HTTP, a bad address
        reason = getattr(error, "reason", error)
        known = reason if isinstance(reason, OSError) else type(error).__name__
        passing = isinstance(error, OSError | HTTPException) and not isinstance(error, InvalidURL)
        raise DeliveryError(f"the webhook cannot be reached ({known})", passing=passing) from None


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets of an IPv6 address that do not match
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _answer(error: urllib.error.HTTPError) -> str:
    """The beginning of what a web server says of a refusal, in brackets; "" where it does not come in time."""
    try:
        text = " ".join(error.read(_MOST_READ).decode(errors="replace").split())
    except (OSError, HTTPException):
        return ""
    return f" ({text})" if text else ""


def _without(url: str, text: str) -> str:
    """Text without what follows the host in an address: many servers repeat the path that they do not know."""
    secrets = [part for part in re.split(r"[/?&=#;]", url.partition("://")[2])[1:] if len(part) >= _SHORTEST_SECRET]
    for part in {*secrets, *map(unquote, secrets)}:
        text = text.replace(part, "***")
    return text


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is posted to one address must not go to another, nor become a GET."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


def send_mail(settings: DeliverySettings, login: Login, mail: EmailMessage) -> None:
    """Send an e-mail by the mail server of the settings. Raises DeliveryError naming server and reason."""
    for name, value in (("Date", formatdate()), ("Message-ID", make_msgid(domain=settings.smtp_from.split("@")[1]))):
        del mail[name]
        mail[name] = value
    where = f"mail server {settings.smtp_host}:{settings.smtp_port}"
    try:
        with _connected(settings) as server:
            if login.user:
                server.login(login.user, login.password)
            refused = server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        _refuse(where, error.recipients)
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode(errors="replace")
        answer = " ".join(text.split())[:_LONGEST_ANSWER]
        raise DeliveryError(f"{where} answered {error.smtp_code} {answer}", passing=error.smtp_code < 500) from None
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(f"{where}: {error} Is `delivery.smtp_security` right?") from None
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or error.reason or "failed"
        raise DeliveryError(f"{where}: no secure connection ({why}). Is `delivery.smtp_security` right?") from None
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"{where} cannot be reached ({error})", passing=True) from None
    if refused:
        _refuse(where, refused)


def _connected(settings: DeliverySettings) -> smtplib.SMTP:
    host, port, timeout = settings.smtp_host or "", settings.smtp_port, settings.timeout_seconds
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=timeout, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port, timeout=timeout)
    if settings.smtp_security == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server


def _refuse(where: str, refused: Mapping[str, tuple[int, bytes]]) -> Never:
    """Some or all addresses were refused; sent again, those that were not would get it twice."""
    names: Sequence[str] = sorted(refused)
    raise DeliveryError(f"{where} refused {', '.join(names)}")
