"""Settings of where and how runs go: the store, flows, Lambda, SageMaker, Athena, logs."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from capforecast.settings_base import Count, Section, time_zone


class StorageSettings(Section):
    """How an s3:// store is reached. Never credentials: those come from the AWS chain of the process."""

    endpoint: str | None = Field(None, description="http(s) address of an S3 server other than AWS; null = AWS")
    region: str | None = Field(None, description="AWS region of the bucket; null = as AWS_REGION or the profile says")
    profile: str | None = Field(
        None, description="profile of ~/.aws with the credentials; null = as the AWS chain says"
    )
    encryption: Literal["none", "AES256", "aws:kms"] = Field(
        "none", description="server-side encryption asked for on every write; none = what the bucket does by itself"
    )
    kms_key: str | None = Field(None, description="ARN or id of the KMS key for aws:kms; null = the account's own")
    retries: int = Field(
        18, ge=0, description="further tries of a request that may pass (5xx, connection); 18 outlast half a minute"
    )
    timeout_seconds: Count = Field(60, description="seconds a request may take, and after which none is tried again")

    @field_validator("endpoint")
    @classmethod
    def _reachable(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if "@" in parts.netloc:  # not repeated in the message: it holds a password
            raise ValueError("must hold no user or password; give credentials through the AWS chain")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no address; write https://host or http://host:port")
        return address.rstrip("/")

    @model_validator(mode="after")
    def _key_is_used(self) -> StorageSettings:
        if self.kms_key is not None and self.encryption != "aws:kms":
            raise ValueError(f"`kms_key` is given, but `encryption` is {self.encryption}; set it to aws:kms")
        return self


class FlowSettings(Section):
    """How Prefect runs it."""

    fan_out: Literal["inline", "deployment"] = Field(
        "inline",
        description="business units as subflows of the run's own process, or each as a flow run of `unit_deployment`",
    )
    unit_deployment: str = Field(
        "business-unit-run/business-unit",
        pattern=r"^[^/]+/[^/]+$",
        description="deployment that runs one business unit",
    )
    poll_seconds: float = Field(2.0, gt=0, description="seconds between two looks at the flow run of a business unit")
    concurrent_units: Count = Field(2, description="business units worked on at once")
    result_block: str | None = Field(
        None,
        description="S3Bucket block of prefect-aws that keeps task results; null = `results/` of the lake",
    )
    task_runner: Literal["threads", "dask"] = Field(
        "threads", description="where blocks of a business unit's series are computed; results do not depend on it"
    )
    dask_address: str | None = Field(
        None, description="scheduler of a Dask cluster, tcp://host:8786; null = a cluster of this machine"
    )
    dask_workers: Count = Field(2, description="processes of the Dask cluster of this machine")
    restarts: int = Field(
        3, ge=0, description="automatic restarts of a crashed run; then it fails and waits for people"
    )
    time_zone: str = Field(
        "UTC",
        description="IANA name of the zone whose date a run takes that is asked for `scheduled` or `business-day`",
    )
    retries: int = Field(2, ge=0, description="further tries of a task whose error may pass (storage, network)")
    retry_delay_seconds: float = Field(2.0, ge=0, description="first delay; doubles, with jitter")
    stage_timeout_seconds: Count = Field(3600, description="a stage that takes longer fails")
    drill: str | None = Field(
        None, description="`stage:business unit` that fails on purpose, to rehearse a retry; null = none"
    )

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        return time_zone(name)


class LambdaSettings(Section):
    """What the Lambda function does with events, and what it keeps for itself."""

    incoming: str = Field(
        "incoming/",
        min_length=1,
        description="objects whose key begins so are observations to forecast from; others are ignored, with a reason",
    )
    suffixes: tuple[str, ...] = Field(
        (".parquet", ".csv", ".csv.gz"), min_length=1, description="and whose key ends in one of these"
    )
    inventory: str | None = Field(
        None,
        description="inventory that such events are read with, as s3://bucket/key; null = that of the lake",
    )
    reserve_seconds: Count = Field(
        20, description="seconds of the function's time that are kept for ending in order; less left = nothing is begun"
    )


class SageMakerSettings(Section):
    """Jobs of SageMaker: what they run on. Never credentials: those come from the AWS chain of the process."""

    train: bool = Field(False, description="a run trains by SageMaker jobs, one per business unit, and follows them")
    role: str | None = Field(None, description="ARN of the role that jobs run as; null = none can be submitted")
    image: str | None = Field(None, description="address of the image `sagemaker`, by digest; null = likewise")
    output: str | None = Field(
        None, description="s3://bucket/prefix that jobs write to; null = `sagemaker/` of the lake's bucket and prefix"
    )
    instance_type: str = Field("ml.m6i.xlarge", pattern=r"^ml\.", description="machine of a job")
    instances: Count = Field(1, description="machines of a processing job; training takes one")
    volume_gib: Count = Field(30, description="disk of each machine, GiB")
    most_seconds: Count = Field(7200, description="a job that runs longer is stopped by SageMaker")
    poll_seconds: float = Field(15.0, gt=0, description="seconds between two looks at a job")
    kms_key: str | None = Field(None, description="KMS key for disks and what jobs write; null = AWS's own")
    subnets: tuple[str, ...] = Field((), description="subnets of jobs; none = the network of SageMaker")
    security_groups: tuple[str, ...] = Field((), description="security groups of jobs; with subnets only")
    tags: dict[str, str] = Field(default_factory=dict, description="tags of jobs, beside `application: capforecast`")

    @field_validator("role")
    @classmethod
    def _is_role(cls, role: str | None) -> str | None:
        if role is not None and not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", role):
            raise ValueError(f"{role!r} is no role; write it as arn:aws:iam::<account of 12 digits>:role/<name>")
        return role

    @model_validator(mode="after")
    def _whole_network(self) -> SageMakerSettings:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("`subnets` and `security_groups` go together: give both, or neither")
        return self


class AthenaSettings(Section):
    """Queries by Athena instead of DuckDB (`capforecast query --engine athena`)."""

    workgroup: str | None = Field(None, description="workgroup that queries run in; null = none can be run")
    database: str | None = Field(None, description="Glue database of the tables; null = none can be run")
    output: str | None = Field(
        None, pattern=r"^s3://", description="s3://bucket/prefix for answers; null = as the workgroup says"
    )
    most_scanned_gib: float = Field(
        10.0, gt=0, description="GiB; a query that is seen to have read more is cancelled (the workgroup has its own)"
    )
    usd_per_tb: float = Field(5.0, ge=0, description="price of a terabyte read, USD, for the cost that is shown")
    timeout_seconds: Count = Field(600, description="seconds after which a query that has not ended is cancelled")


class LogSettings(Section):
    """Logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level shown and written")
