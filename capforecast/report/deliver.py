"""Sending a message: to a Slack-compatible webhook, and by e-mail. What went wrong is said without any secret."""

from __future__ import annotations

import json
import smtplib
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Never
from urllib.parse import urlsplit

from capforecast.settings import DeliverySettings

_BUSY = (408, 425, 429)  # answers of a web server after which trying again may help; 5xx too
_LONGEST_ANSWER = 200  # characters of an answer that are repeated


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
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise DeliveryError("the address of the webhook does not begin with https:// or http://")
    body = json.dumps(content, ensure_ascii=False).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json; charset=utf-8"}, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout):
            return
    except urllib.error.HTTPError as error:
        answer = error.read(_LONGEST_ANSWER).decode(errors="replace").strip()
        said = f"the webhook answered {error.code} {error.reason}" + (f" ({answer})" if answer else "")
        raise DeliveryError(said, passing=error.code in _BUSY or error.code >= 500) from None
    except (OSError, ValueError) as error:  # no connection, no answer in time, an address that cannot be
        reason = getattr(error, "reason", error)
        known = reason if isinstance(reason, OSError) else type(error).__name__
        raise DeliveryError(f"the webhook cannot be reached ({known})", passing=isinstance(error, OSError)) from None


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
