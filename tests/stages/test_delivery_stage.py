"""Who is told of a report: a failure is a row and a warning, and no secret leaves the environment."""

from __future__ import annotations

import logging
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from report_samples import report_data, servers_frame

from capforecast import stages
from capforecast.lake.store import Store
from capforecast.report.deliver import DeliveryError, Login
from capforecast.schema import Reference
from capforecast.settings import DeliverySettings, Settings
from capforecast.stages import delivery

MAIL = {"smtp_host": "mail.example.com", "smtp_from": "us@example.com", "smtp_to": ("a@example.com",)}
SECRETS = {"HOOK": "https://hooks.example.com/T0/hunter1", "MAIL_USER": "us", "MAIL_PASSWORD": "hunter2"}


class Sent:
    """What left, in place of sending it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.posted: list[tuple[str, Any]] = []
        self.mailed: list[tuple[Login, EmailMessage]] = []
        self.problem: Exception | None = None
        monkeypatch.setattr(delivery, "post", self.post)
        monkeypatch.setattr(delivery, "send_mail", lambda settings, login, mail: self.mailed.append((login, mail)))

    def post(self, url: str, content: Any, timeout: float) -> None:
        if self.problem is not None:
            raise self.problem
        self.posted.append((url, content))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def files(store: Store) -> dict[str, Reference]:
    summary = report_data(servers_frame(20)).summary.model_dump_json().encode()
    return {
        "summary": store.put("reports/summary.json", summary),
        "pdf": store.put("reports/business_unit=a%20b/capacity-report.pdf", b"%PDF"),
    }


def told(
    store: Store, files: dict[str, Reference], environment: dict[str, str] | None = None, **asked: Any
) -> list[dict[str, Any]]:
    settings = Settings().model_copy(update={"delivery": DeliverySettings.model_validate({"retries": 0} | asked)})
    return stages.deliver(store, settings, files, SECRETS if environment is None else environment)


def test_webhook_and_mail_get_the_report(store: Store, files: dict[str, Reference], sent: Sent) -> None:
    login = {"smtp_user_env": "MAIL_USER", "smtp_password_env": "MAIL_PASSWORD"}
    rows = told(store, files, webhook_url_env="HOOK", **MAIL, **login, base_url="https://reports.example.com/lake/")
    assert [(row["channel"], row["sent"], row["problem"]) for row in rows] == [
        ("webhook", True, ""),
        ("e-mail", True, ""),
    ]
    ((url, content),) = sent.posted
    assert url == SECRETS["HOOK"]
    assert "https://reports.example.com/lake/reports/business_unit%3Da%2520b/capacity-report.pdf|PDF" in str(content)
    (((user, password), mail),) = [((login.user, login.password), mail) for login, mail in sent.mailed]
    assert (user, password) == ("us", "hunter2")
    assert [part.get_content() for part in mail.iter_attachments()] == [b"%PDF"]
    assert "hunter" not in str(rows)


def test_what_fails_is_a_row_and_a_warning_and_the_rest_is_sent(
    store: Store, files: dict[str, Reference], sent: Sent, caplog: pytest.LogCaptureFixture
) -> None:
    for problem, words in (
        (DeliveryError("the webhook answered 404"), "answered 404"),
        (KeyError("hunter1"), "KeyError"),
    ):
        sent.problem = problem
        with caplog.at_level(logging.WARNING):
            rows = told(store, files, webhook_url_env="HOOK", **MAIL)
        assert [row["sent"] for row in rows] == [False, True]
        assert words in rows[0]["problem"]
        assert "capforecast deliver" in caplog.text
        assert "hunter" not in caplog.text + str(rows)


def test_a_secret_that_is_not_set_is_named(store: Store, files: dict[str, Reference], sent: Sent) -> None:
    (row,) = told(store, files, {}, webhook_url_env="HOOK")
    assert "`delivery.webhook_url_env` names the environment variable HOOK, which is not set" in row["problem"]
    assert not sent.posted


def test_a_report_that_is_gone_is_said_of_every_way(store: Store, files: dict[str, Reference], sent: Sent) -> None:
    store.delete("reports/summary.json")
    assert [row["sent"] for row in told(store, files, webhook_url_env="HOOK", **MAIL)] == [False, False]


def test_without_base_url_links_are_the_stores_own(store: Store, files: dict[str, Reference]) -> None:
    link = delivery.link_to(store, DeliverySettings(), files["pdf"])
    assert link.startswith("file:///")
    assert stages.delivers(DeliverySettings()) is False
