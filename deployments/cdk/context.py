"""What differs between dev and prod: the context of cdk.json, checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from aws_cdk import aws_logs as logs
from constructs import Construct, Node

IMAGES = ("worker", "lambda", "sagemaker")
PREFECT = ("server", "external", "none")
DIGEST_OR_TAG = re.compile(r"sha256:[0-9a-f]{64}|[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
NAME = re.compile(r"[a-z][a-z0-9]{1,15}")
FILE = Path(__file__).parent / "cdk.json"


class ContextError(ValueError):
    """A value of the context is missing, unknown or out of bounds."""


@dataclass(frozen=True)
class Stage:
    """The context of one stage. Whole in cdk.json; `-c key=value` gives another value for one deployment."""

    name: str  # dev, prod: part of every name
    retain: bool  # data outlive the stack; stacks refuse to be deleted
    customer_key: bool  # a KMS key of your own for bucket, queue, topic, logs of runs; else S3's keys
    cost_center: str
    alert_email: str  # subscriber of the topic; "" = none
    business_units: list[str]  # that Athena may ask for; by name (Web Shop), not percent-encoded
    images: dict[str, str]  # of each image its digest (sha256:...), or a tag
    schedule: str  # when the function forecasts, UTC
    function_memory_mib: int
    function_seconds: int
    stale_hours: int  # without a recorded run for that long: alarm
    athena_scan_gib: int  # a query that reads more is ended
    log_days: int
    noncurrent_days: int  # how long a version of an object is kept after it was replaced
    prefect: str  # server: with Postgres, in this VPC; external: at prefect_api_url; none: no VPC, no worker
    prefect_api_url: str
    nat_gateways: int  # 0: tasks have public addresses, and nothing may call them
    workers: int
    run_cpu: int  # of a flow run: units of CPU (1024 = one), MiB
    run_memory_mib: int
    database_class: str
    database_multi_az: bool
    github_repository: str  # owner/name whose workflows may deploy; "" = none

    def __post_init__(self) -> None:
        faults = [*_wrong_types(self), *_out_of_bounds(self)]
        if faults:
            raise ContextError(f"context of stage {self.name!r} in {FILE.name}: " + "; ".join(faults))

    @property
    def prefix(self) -> str:
        """What names of this stage begin with."""
        return f"capforecast-{self.name}"

    @property
    def retention(self) -> logs.RetentionDays:
        """`log_days` as CloudWatch takes it."""
        return RETENTIONS[self.log_days]


RETENTIONS = {
    7: logs.RetentionDays.ONE_WEEK, 30: logs.RetentionDays.ONE_MONTH, 90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR, 731: logs.RetentionDays.TWO_YEARS,
}  # fmt: skip
BOUNDS = {
    "function_memory_mib": (512, 10240), "function_seconds": (60, 900), "stale_hours": (1, 168),
    "athena_scan_gib": (1, 10240), "noncurrent_days": (1, 3650), "nat_gateways": (0, 2), "workers": (0, 10),
    "run_cpu": (1024, 16384), "run_memory_mib": (2048, 122880),
}  # fmt: skip

# What Fargate takes: memory from, to and in steps of so many MiB, by units of CPU.
FARGATE = {
    1024: (2048, 8192, 1024), 2048: (4096, 16384, 1024), 4096: (8192, 30720, 1024), 8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}  # fmt: skip
SCHEDULE = re.compile(r"cron\(\S+( \S+){5}\)|rate\((1 (minute|hour|day)|(?!1 )[1-9]\d* (minutes|hours|days))\)")
# What CloudFormation or AWS would refuse half way through a deployment.
FORMS = {
    "schedule": (SCHEDULE, "like cron(0 6 * * ? *) or rate(1 day)"),
    "alert_email": (re.compile(r"|[^@\s]+@[^@\s]+\.[^@\s]+"), "an address, or nothing"),
    "database_class": (re.compile(r"[a-z][a-z0-9]+\.[a-z0-9]+"), "like t4g.small, without `db.`"),
    "cost_center": (re.compile(r"[\w +=.:/@-]{1,256}"), "letters, digits and +-=.:/@"),
}


def stage_of(scope: Construct) -> Stage:
    """The stage that `-c stage=` names. Raises ContextError, naming the key and what it may be."""
    node = scope.node
    name = str(node.try_get_context("stage") or "dev")
    stages = node.try_get_context("stages") or json.loads(FILE.read_text())["context"]["stages"]
    if name not in stages:
        raise ContextError(f"no stage is called {name!r} in {FILE.name}; known: {', '.join(stages)}")
    return made(name, {**stages[name], **_given(node)})


def made(name: str, values: Mapping[str, Any]) -> Stage:
    """A stage of its values; raises ContextError where one is missing or unknown."""
    known = {field.name for field in fields(Stage)} - {"name"}
    missing, unknown = known - set(values), set(values) - known
    if missing or unknown:
        raise ContextError(f"context of stage {name!r} lacks {sorted(missing)}, and holds unknown {sorted(unknown)}")
    return Stage(name=name, **values)


def _given(node: Node) -> dict[str, Any]:
    """Values given by `-c key=value`; always text on the command line, so read as JSON where that is possible."""
    found = {field.name: node.try_get_context(field.name) for field in fields(Stage) if field.name != "name"}
    return {key: _read(value) for key, value in found.items() if value is not None}


def _read(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _wrong_types(stage: Stage) -> list[str]:
    kinds = {"bool": bool, "int": int, "str": str, "list[str]": list, "dict[str, str]": dict}
    wrong = [field for field in fields(stage) if type(getattr(stage, field.name)) is not kinds[str(field.type)]]
    return [f"{field.name} must be {field.type}, is {getattr(stage, field.name)!r}" for field in wrong]


def _out_of_bounds(stage: Stage) -> list[str]:
    if _wrong_types(stage):
        return []
    faults = [
        f"{key} must be {low} to {high}, is {getattr(stage, key)}"
        for key, (low, high) in BOUNDS.items()
        if not low <= getattr(stage, key) <= high
    ]
    faults += [
        f"{key} must be {told}, is {getattr(stage, key)!r}"
        for key, (form, told) in FORMS.items()
        if not form.fullmatch(getattr(stage, key))
    ]
    checks = {
        "business_units must be names": all(isinstance(name, str) and name.strip() for name in stage.business_units),
        f"run_memory_mib must be what Fargate takes with run_cpu: {FARGATE.get(stage.run_cpu, sorted(FARGATE))}": _fits(
            stage.run_cpu, stage.run_memory_mib
        ),
        "stage must be 2 to 16 small letters and digits": bool(NAME.fullmatch(stage.name)),
        f"images must name {', '.join(IMAGES)} by digest or tag": set(stage.images) == set(IMAGES)
        and all(DIGEST_OR_TAG.fullmatch(str(image)) for image in stage.images.values()),
        f"prefect must be one of {', '.join(PREFECT)}": stage.prefect in PREFECT,
        "prefect_api_url must begin with https:// and end in /api where prefect is external": stage.prefect
        != "external"
        or bool(re.fullmatch(r"https://\S+/api", stage.prefect_api_url)),
        f"log_days must be one of {sorted(RETENTIONS)}": stage.log_days in RETENTIONS,
        "github_repository must be owner/name": stage.github_repository == ""
        or bool(re.fullmatch(r"[\w.-]+/[\w.-]+", stage.github_repository)),
    }
    return faults + [told for told, holds in checks.items() if not holds]


def _fits(cpu: int, memory: int) -> bool:
    """Does Fargate have tasks of so many units of CPU and MiB?"""
    least, most, step = FARGATE.get(cpu, (1, 0, 1))
    return memory in range(least, most + 1, step)
