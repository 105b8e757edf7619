"""Settings of reports, their delivery and alerts."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from capforecast.settings_base import Count, Section, variable_name

ReportFormat = Literal["pdf", "xlsx", "json", "html"]


class ReportSettings(Section):
    """What the report shows."""

    title: str = Field("Weekly capacity report", description="title on page 1")
    organisation: str = Field("", description="name printed beside the title")
    page_size: Literal["A4", "Letter"] = Field("A4", description="paper")
    top_risks: Count = Field(12, description="servers drawn as fan charts")
    table_rows: Count = Field(100, description="servers listed in print; the workbook lists all")
    formats: tuple[ReportFormat, ...] = Field(
        ("pdf", "xlsx", "json", "html"), description="files of a report; summary.json is written whether named or not"
    )
    per_business_unit: bool = Field(True, description="a report of each business unit beside that of the run")
    most_unit_pdfs: int = Field(
        50, ge=0, description="business units whose report is printed too, those with most servers at risk first"
    )
    processes: Count = Field(2, description="processes that draw reports side by side; changes no byte of them")

    @field_validator("formats")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))


class DeliverySettings(Section):
    """Who is told that a report is there. No secret stands here: only names of environment variables that hold them."""

    webhook_url_env: str | None = Field(
        None, description="environment variable with the address of a Slack-compatible webhook; null = none"
    )
    smtp_host: str | None = Field(None, description="mail server; null = no e-mail")
    smtp_port: int = Field(587, ge=1, le=65535, description="its port")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="encryption: starttls (as a rule port 587), tls from the start (465), or none"
    )
    smtp_from: str = Field("", description="address that e-mails come from")
    smtp_to: tuple[str, ...] = Field((), description="addresses that e-mails go to")
    smtp_user_env: str | None = Field(
        None, description="environment variable with the user to log in as; null = no log-in"
    )
    smtp_password_env: str | None = Field(None, description="environment variable with the user's password")
    timeout_seconds: Count = Field(30, description="seconds to wait for webhook or mail server")
    retries: int = Field(2, ge=0, description="further tries of a delivery that may pass (connection, 5xx, busy)")
    base_url: str | None = Field(
        None, description="http(s) address under which the store's files open in a browser; null = the store's own"
    )

    @field_validator("webhook_url_env", "smtp_user_env", "smtp_password_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        return variable_name(name)

    @field_validator("smtp_from")
    @classmethod
    def _sender(cls, address: str) -> str:
        return _address(address) if address else address

    @field_validator("smtp_to")
    @classmethod
    def _receivers(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_address(each) for each in addresses))

    @field_validator("base_url")
    @classmethod
    def _opens(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if "@" in parts.netloc:
            raise ValueError("must hold no user or password: it is printed in every message")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no address; write https://host/path")
        return address.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> DeliverySettings:
        if self.smtp_host is not None and not (self.smtp_from and self.smtp_to):
            raise ValueError("`smtp_host` is given: `smtp_from` and `smtp_to` must say from whom and to whom")
        if (self.smtp_user_env is None) != (self.smtp_password_env is None):
            raise ValueError("`smtp_user_env` and `smtp_password_env` go together: give both or neither")
        if self.smtp_user_env is not None and self.smtp_security == "none":
            raise ValueError("`smtp_security` is none: the password would travel in the clear; use starttls or tls")
        return self


def _address(text: str) -> str:
    if not text.isascii() or not re.fullmatch(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+", text):
        raise ValueError(f"{text!r} is no e-mail address; write name@example.com")
    return text


class AlertSettings(Section):
    """What is worth an alert, and where alerts go (`capforecast setup`). No secret stands here."""

    new_critical: int = Field(
        1, ge=0, description="servers that became critical since the run before from which on it is an event; 0 = never"
    )
    scorecard_floor: float | None = Field(
        0.0,
        le=1,
        description="Brier skill of past warnings, at the horizon of the tier `high`, below which it is an event; "
        "null = never",
    )
    scorecard_events: Count = Field(30, description="breaches that must stand behind that skill to judge it")
    webhook_url_env: str | None = Field(
        None, description="environment variable with the address that alerts are posted to as JSON; null = none"
    )
    slack_url_env: str | None = Field(
        None, description="environment variable with the address of a Slack incoming webhook; null = none"
    )
    private_address: bool = Field(
        False, description="alerts may be posted to an address of a private network or of the server itself"
    )
    sns_topic: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$",
        description="ARN of the SNS topic that alerts are published to, by the deployment notify/notify; null = none",
    )
    runbook_url: str = Field(
        "docs/runbook.md", description="where people open the runbook; alerts point to its section on alerts"
    )

    @field_validator("webhook_url_env", "slack_url_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        return variable_name(name)
