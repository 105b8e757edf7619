"""Settings of the monitoring systems that are read (sources/remote.py). No secret stands here.

A secret is named by the file or the environment variable that holds it, so that neither settings, parameters nor the
record of a run tell it.
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from capforecast.schema import INVENTORY_TEXT, STATISTICS, Cadence
from capforecast.settings_base import Count, Section, variable_name


class PoliteSettings(Section):
    """How hard a monitoring system may be asked."""

    at_once: Count = Field(2, description="requests that are under way at a time")
    per_second: float = Field(10.0, gt=0, description="requests begun per second at most, of all ingests of a worker")


class PrometheusSettings(PoliteSettings):
    """Prometheus and what speaks its HTTP API: Mimir, Thanos, VictoriaMetrics."""

    url: str = Field("", description="address, as far as before /api/v1; never with user and password")
    presets: tuple[Literal["node_exporter", "windows_exporter", "kubernetes", "kubernetes_containers"], ...] = Field(
        ("node_exporter",), description="what the servers are measured by: ready-made expressions for each"
    )
    metrics: dict[str, str | None] = Field(
        {}, description="own PromQL by metric, an instant vector with one series per server; null leaves a metric out"
    )
    select: dict[str, str] = Field({}, description="label -> regular expression that its whole value must match")
    by: tuple[str, ...] = Field((), description="labels that tell servers apart; none = those of the preset")
    server_id: str = Field(
        "", description="name of a server, of its labels: {host} is `instance` without its port; empty = the preset's"
    )
    labels: dict[str, str] = Field({}, description="label -> column of the inventory; equal names need no entry")
    info: str = Field("", description="metric whose labels describe servers, besides those of `up`; empty = none")
    resolution_minutes: int = Field(5, ge=1, le=60, description="minutes between the values a period's statistic is of")
    rate_minutes: Count = Field(5, description="minutes over which counters are turned into rates: 4 scrapes or more")
    aggregate: Literal["server", "here"] = Field(
        "server", description="where statistics of a period are computed: by subqueries of the server, or here"
    )
    max_points: Count = Field(11_000, description="values of a series per query at most; the server's own limit")
    max_samples: Count = Field(5_000_000, description="values a query may go through: servers x periods x resolution")
    partial: Literal["refuse", "accept"] = Field(
        "refuse", description="answers that lack a part of the data: refuse (asked again later), or accept with warning"
    )
    tenant: str | None = Field(None, description="tenant that is asked for (Mimir); null = none")
    tenant_header: str = Field("X-Scope-OrgID", description="header that names the tenant")
    parameters: dict[str, str] = Field({}, description="more parameters of each query, such as max_source_resolution")
    token_file: str | None = Field(None, description="file that holds the bearer token; read anew for each request")
    token_variable: str | None = Field(None, description="environment variable that holds the bearer token")
    username: str | None = Field(None, description="user of basic authentication")
    password_file: str | None = Field(None, description="file that holds the password")
    password_variable: str | None = Field(None, description="environment variable that holds the password")
    ca_file: str | None = Field(None, description="certificates trusted in place of the system's (PEM)")
    cert_file: str | None = Field(None, description="certificate shown to the server (mTLS, PEM)")
    key_file: str | None = Field(None, description="its key (PEM); null = in cert_file")
    timeout_seconds: float = Field(120.0, gt=0, description="seconds a query may take; then a smaller one is tried")
    retry_seconds: float = Field(300.0, ge=0, description="seconds waited for retries in all, of one window")

    _names = field_validator("token_variable", "password_variable")(variable_name)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        if not url:
            return url
        try:
            parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
        if not fits:
            raise ValueError("must be an address such as https://prometheus.example:9090")
        if "@" in parts.netloc:  # not repeated in the message: it is a secret
            raise ValueError("must not hold user and password: give `username`, and `password_file` or its variable")
        if parts.query or parts.fragment:
            raise ValueError("must end before `?` and `#`; parameters go into `parameters`, tokens into `token_file`")
        return url.rstrip("/").removesuffix("/api/v1")

    @field_validator("select", "labels")
    @classmethod
    def _label_names(cls, named: dict[str, str]) -> dict[str, str]:
        for name in named:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"{name!r} is not the name of a label")
        return named

    @field_validator("by")
    @classmethod
    def _labels_of_servers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._label_names(dict.fromkeys(names, "")))

    @field_validator("server_id")
    @classmethod
    def _template(cls, text: str) -> str:
        rest, labels = re.sub(r"\{[A-Za-z_][A-Za-z0-9_]*\}", "", text), re.search(r"\{\w+\}", text)
        if text and (not labels or "{" in rest or "}" in rest):
            raise ValueError(f"{text!r} must hold labels in braces, such as {{host}} or {{cluster}}/{{host}}")
        return text

    @field_validator("info")
    @classmethod
    def _metric_name(cls, name: str) -> str:
        if name and not re.fullmatch(r"[A-Za-z_:][A-Za-z0-9_:]*", name):
            raise ValueError(f"{name!r} is not the name of a metric")
        return name

    @field_validator("metrics")
    @classmethod
    def _metric_names(cls, metrics: dict[str, str | None]) -> dict[str, str | None]:
        for name, expression in metrics.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"{name!r} is not the name of a metric of ours: small letters, digits, underscores")
            if expression is not None and not expression.strip():
                raise ValueError(f"{name}: give PromQL, or null to leave the metric out")
        return metrics

    @field_validator("resolution_minutes")
    @classmethod
    def _divides(cls, minutes: int) -> int:
        if 60 % minutes:
            raise ValueError(f"{minutes} does not divide an hour: use 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60")
        return minutes

    @field_validator("tenant_header")
    @classmethod
    def _header(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name) or name.lower() in ("authorization", "cookie", "host"):
            raise ValueError("must be the name of a header that holds no secret, such as X-Scope-OrgID")
        return name

    @model_validator(mode="after")
    def _one_way_in(self) -> PrometheusSettings:
        token, password = self.token_file or self.token_variable, self.password_file or self.password_variable
        if (self.token_file and self.token_variable) or (self.password_file and self.password_variable):
            raise ValueError("a secret is in a file or in a variable: unset one of the two")
        if token and (self.username or password):
            raise ValueError("give a bearer token or a user with password, not both")
        if bool(self.username) != bool(password):
            raise ValueError("basic authentication takes `username` and `password_file` or `password_variable`")
        if self.key_file and not self.cert_file:
            raise ValueError("`key_file` takes `cert_file`")
        if not self.url.startswith("https:") and (self.cert_file or self.ca_file):
            raise ValueError("certificates are for `url` with https://")
        return self


class CloudWatchAccount(Section):
    """An AWS account that is read."""

    role_arn: str | None = Field(
        None,
        pattern=r"^arn:[a-z0-9-]+:iam::\d{12}:role/\S+$",
        description="role to assume; null = the credentials' own",
    )
    external_id_variable: str | None = Field(
        None, description="environment variable that holds the external id the role asks for; null = it asks for none"
    )
    regions: tuple[str, ...] = Field((), description="regions that are read of this account; none = `regions` of all")

    _names = field_validator("external_id_variable")(variable_name)


class CloudWatchSettings(PoliteSettings):
    """Amazon CloudWatch. Never credentials: those come from the AWS chain of the process."""

    regions: tuple[str, ...] = Field((), description="AWS regions that are read; none = that of the credentials")
    accounts: tuple[CloudWatchAccount, ...] = Field(
        (), description="accounts that are read, by the role to assume in each; none = that of the credentials"
    )
    profile: str | None = Field(None, description="AWS profile that the credentials come from; null = the usual chain")
    services: tuple[Literal["ec2", "rds", "ecs", "elasticache"], ...] = Field(
        ("ec2", "rds", "ecs", "elasticache"), min_length=1, description="services whose servers are read"
    )
    metrics: tuple[Literal["cpu", "mem", "disk", "net_in", "net_out", "disk_io"], ...] = Field(
        ("cpu", "mem", "disk", "net_in", "net_out"),
        min_length=1,
        description="metrics that are read where a service has them; disk_io (EBS) takes two requests per volume",
    )
    agent_namespace: str = Field("CWAgent", min_length=1, description="namespace the CloudWatch agent writes to")
    server_id: str = Field(
        "{id}", description="name of a server, of {id}, {name} (tag Name, else id), {account}, {region}, {service}"
    )
    tags: dict[str, tuple[str, ...]] = Field(
        {
            "business_unit": ("business_unit", "bu"),
            "owner": ("owner",),
            "environment": ("environment", "env"),
            "criticality": ("criticality",),
        },
        description="inventory column -> tags it is taken from, the first there is; case, - and _ do not count",
    )
    labels: tuple[str, ...] = Field(("Name",), description="further tags that are kept, as label_<tag>")
    only_tags: dict[str, str] = Field({}, description="read only servers whose tag has this value; empty = all")
    usd_per_thousand: float = Field(
        0.01, ge=0, description="USD for 1,000 metrics asked for by GetMetricData, by the price list of your region"
    )
    most_usd: float = Field(5.0, ge=0, description="USD an ingest may cost by the estimate before it asks")
    timeout_seconds: float = Field(60.0, gt=0, description="seconds after which an answer is no longer waited for")
    retry_seconds: float = Field(120.0, ge=0, description="seconds for which one request is repeated at the most")

    @field_validator("server_id")
    @classmethod
    def _template(cls, text: str) -> str:
        fields = ("id", "name", "account", "region", "service")
        try:
            filled = text.format_map(dict.fromkeys(fields, "x"))
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ValueError(
                f"{text!r}: only {', '.join('{' + name + '}' for name in fields)} can stand there"
            ) from error
        if not filled.strip() or not re.search(r"\{(id|name)\}", text):
            raise ValueError(f"{text!r} would give all servers one name: it must hold {{id}} or {{name}}")
        return text

    @field_validator("tags")
    @classmethod
    def _inventory_columns(cls, tags: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name in tags:
            if name not in INVENTORY_TEXT:
                raise ValueError(f"{name!r} is not a text column of the inventory; use {', '.join(INVENTORY_TEXT)}")
        return tags


class RemoteSettings(Section):
    """What `capforecast ingest` reads from a monitoring system, and how much of it again."""

    cadence: Literal["daily", "hourly"] = Field("daily", description="spacing of what is read: one value per period")
    statistics: tuple[str, ...] = Field(
        ("p95",), min_length=1, description="statistics of a period that are read: p95, mean, max"
    )
    history_days: Count = Field(
        400, description="days of history read of a series that the lake does not know yet, where the system keeps them"
    )
    overlap_hours: int = Field(
        48, ge=0, description="hours before the last period read that are read again, for values that arrive late"
    )
    settle_minutes: int = Field(
        15, ge=0, description="minutes after its end from which on a period is read: until then values still arrive"
    )
    prometheus: PrometheusSettings = PrometheusSettings()
    cloudwatch: CloudWatchSettings = CloudWatchSettings()

    @field_validator("statistics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in STATISTICS:
                raise ValueError(f"{name!r} is not a statistic; use any of {', '.join(STATISTICS)}")
        return tuple(dict.fromkeys(names))

    @property
    def period(self) -> Cadence:
        """The cadence that is read."""
        return Cadence(self.cadence)
