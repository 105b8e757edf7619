"""Telling people that a report is there. A delivery that fails is an outcome, never the end of a run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from capforecast.configuration import secret
from capforecast.errors import CapforecastError, LakeError
from capforecast.lake.store import Store
from capforecast.report.deliver import DeliveryError, Login, patiently, post, send_mail
from capforecast.report.messages import Message, email, message_of, slack
from capforecast.report.summary import RunSummary
from capforecast.schema import Reference
from capforecast.settings import DeliverySettings, Settings

log = logging.getLogger(__name__)
_LINKED = {"html": "page", "pdf": "PDF", "workbook": "workbook"}


def delivers(settings: DeliverySettings) -> bool:
    """Is anybody to be told?"""
    return settings.webhook_url_env is not None or settings.smtp_host is not None


def deliver(
    store: Store,
    settings: Settings,
    references: Mapping[str, Reference],
    environment: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Tell everybody named in the settings; one row each: `channel`, `to`, `sent`, `problem`.

    references: those of a published report's files.  environment: in place of the process's own, for the secrets.
    Nothing is raised for what fails: it is a warning, and the row says why.
    """
    asked = settings.delivery
    channels: list[tuple[str, str, Callable[[Message], None]]] = []
    if asked.webhook_url_env is not None:
        channels.append(("webhook", asked.webhook_url_env, partial(_to_webhook, asked, environment)))
    if asked.smtp_host is not None:
        pdf = references.get("pdf")
        by_mail = partial(_by_mail, asked, environment, None if pdf is None else partial(store.fetch, pdf))
        channels.append(("e-mail", ", ".join(asked.smtp_to), by_mail))
    problem = ""
    try:
        message = _message(store, asked, references)
    except (CapforecastError, ValidationError) as error:
        problem = f"the summary cannot be read ({str(error).splitlines()[0]})"
    rows = []
    for channel, to, send in channels:
        why = problem or _sent(send, message)
        if why:
            log.warning("report not delivered by %s: %s; `capforecast deliver` sends it again", channel, why)
        else:
            log.info("report delivered by %s to %s", channel, to)
        rows.append({"channel": channel, "to": to, "sent": not why, "problem": why})
    return rows


def _message(store: Store, asked: DeliverySettings, references: Mapping[str, Reference]) -> Message:
    summary = RunSummary.model_validate_json(store.fetch(references["summary"]))
    links = {name: link_to(store, asked, references[kind]) for kind, name in _LINKED.items() if kind in references}
    return message_of(summary, links)


def link_to(store: Store, asked: DeliverySettings, reference: Reference) -> str:
    """Address under which people open a file of the store."""
    if asked.base_url is not None:
        return f"{asked.base_url}/{quote(reference.uri)}"
    address = store.address(reference.uri)
    return address if "://" in address else Path(address).absolute().as_uri()


def _sent(send: Callable[[Message], None], message: Message) -> str:
    """Send; returns why it could not be, or ""."""
    try:
        send(message)
    except (DeliveryError, CapforecastError) as error:
        return str(error)
    except Exception as error:  # a message must not end a run of hours; no text of it: it may hold a secret
        return f"unexpected {type(error).__name__}"
    return ""


def _to_webhook(asked: DeliverySettings, environment: Mapping[str, str] | None, message: Message) -> None:
    url = secret(asked.webhook_url_env, "delivery.webhook_url_env", environment)
    patiently(lambda: post(url, slack(message), asked.timeout_seconds), asked.retries)


def _by_mail(
    asked: DeliverySettings,
    environment: Mapping[str, str] | None,
    pdf: Callable[[], bytes] | None,
    message: Message,
) -> None:
    login = Login(
        secret(asked.smtp_user_env, "delivery.smtp_user_env", environment),
        secret(asked.smtp_password_env, "delivery.smtp_password_env", environment),
    )
    try:
        content = pdf() if pdf is not None else None
    except LakeError as error:
        raise DeliveryError(f"the PDF cannot be read ({error})") from None
    mail = email(message, asked.smtp_from, asked.smtp_to, content)
    patiently(lambda: send_mail(asked, login, mail), asked.retries)
