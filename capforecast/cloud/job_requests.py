"""What SageMaker is asked for: `create_processing_job` and `create_training_job` as plain data, nothing is sent here.

A job's name is made of what is asked, so that whoever asks for the same again finds the job that is there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from capforecast.cloud.training_metrics import DEFINITIONS
from capforecast.errors import ConfigError
from capforecast.settings import SageMakerSettings

Kind = Literal["training", "processing"]
Body = dict[str, Any]
LONGEST_NAME = 63  # characters of a job's name: letters, digits and single hyphens between them
MOST_SECONDS: dict[Kind, int] = {"training": 28 * 86_400, "processing": 9 * 86_400}  # what SageMaker allows
MOST_HYPERPARAMETERS, LONGEST_KEY, LONGEST_VALUE = 100, 256, 2500
MOST_MACHINES, MOST_TAGS, MOST_ARGUMENTS, LONGEST_ARGUMENT = 100, 50, 100, 256
OUTPUT, OBSERVATIONS, INVENTORY = "/opt/ml/processing/output", "observations", "inventory"
INPUT = "/opt/ml/processing/input"
PROCESSING = ("python", "-m", "deployments.sagemaker.processing")
TRIES = 2  # of a job whose machine failed (InternalServerError), made by SageMaker itself


@dataclass(frozen=True)
class Request:
    """A job that is asked for. `body` is the request without the job's name; `title` the part of it people choose."""

    kind: Kind
    title: str
    body: Body
    content: str = ""  # hash of what lies at the addresses of the body, where these do not say it themselves

    @property
    def stem(self) -> str:
        """`capforecast-<kind>-<title>-<hash>`: the same for the same question; tags are no part of it."""
        asked = {key: value for key, value in self.body.items() if key != "Tags"}
        text = json.dumps([asked, self.content], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        short = {"training": "train", "processing": "process"}[self.kind]
        words = re.sub(r"[^A-Za-z0-9]+", "-", self.title).strip("-")[:24].strip("-")
        return "-".join(filter(None, ("capforecast", short, words, digest)))

    def name(self, number: int) -> str:
        """Name of the job that is the `number`-th try of this question, from 1."""
        made = self.stem if number == 1 else f"{self.stem}-{number}"
        if len(made) > LONGEST_NAME:
            raise ValueError(f"a job's name of {len(made)} characters")
        return made

    def named(self, number: int) -> Body:
        """The whole request."""
        key = "TrainingJobName" if self.kind == "training" else "ProcessingJobName"
        return {key: self.name(number), **self.body}


@dataclass(frozen=True)
class Channel:
    """Input of a training job: a prefix, or with `manifest` a file that names a prefix and keys below it."""

    uri: str
    manifest: bool = False


@dataclass(frozen=True)
class Observations:
    """Input of a processing job. The objects of `uri` are shared out among machines, one business unit to an object."""

    uri: str
    inventory: str | None = None
    as_of: str | None = None
    known_at: str | None = None
    business_units: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)  # dotted key -> text


def training_request(
    settings: SageMakerSettings,
    channel: Channel,
    hyperparameters: Mapping[str, str],
    *,
    output: str,
    title: str = "",
    content: str = "",
    environment: Mapping[str, str] | None = None,
) -> Request:
    """A training job of one machine that reads `channel` as `train` and writes its model below `output`.

    output: s3://bucket/prefix.  environment: variables of the container.  Raises ConfigError where
    role or image is not set, or a limit of SageMaker is passed.
    """
    _check_hyperparameters(hyperparameters)
    machine = {"InstanceCount": 1, **_machine(settings)}
    body = {
        "AlgorithmSpecification": {
            "TrainingImage": _said(settings, "image"),
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": regex} for name, regex in DEFINITIONS.items()],
        },
        "RoleArn": _said(settings, "role"),
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": _source(channel)}}],
        "OutputDataConfig": {"S3OutputPath": _address(output, "output")} | _key(settings, "KmsKeyId"),
        "ResourceConfig": machine,
        "StoppingCondition": _stopping(settings, "training"),
        "HyperParameters": dict(sorted(hyperparameters.items())),
        "Environment": dict(sorted((environment or {}).items())),
        "EnableNetworkIsolation": True,  # SageMaker itself fetches the channel and takes the model away
        "RetryStrategy": {"MaximumRetryAttempts": TRIES},
        "Tags": _tags(settings),
    }
    network = _network(settings)
    return Request("training", title, body | ({"VpcConfig": network} if network else {}), content)


def processing_request(
    settings: SageMakerSettings,
    asked: Observations,
    *,
    output: str,
    content: str = "",
    environment: Mapping[str, str] | None = None,
) -> Request:
    """A processing job that makes units of observations: a partial lake below `output`, ready to train on.

    Raises ConfigError as `training_request`, and where several machines have no cut-off in common.
    """
    if settings.instances > MOST_MACHINES:
        raise ConfigError(f"`sagemaker.instances` is {settings.instances}; a job has {MOST_MACHINES} machines at most")
    if settings.instances > 1 and asked.as_of is None:
        raise ConfigError(
            f"{settings.instances} machines (`sagemaker.instances`) see different data and would cut it off at "
            "different times: say the cut-off by --as-of"
        )
    body = {
        "AppSpecification": {
            "ImageUri": _said(settings, "image"),
            "ContainerEntrypoint": list(PROCESSING),
            **_arguments(asked),
        },
        "RoleArn": _said(settings, "role"),
        "ProcessingInputs": _inputs(asked),
        "ProcessingOutputConfig": {
            "Outputs": [{
                "OutputName": "lake",
                "S3Output": {
                    "S3Uri": _address(output, "output"), "LocalPath": OUTPUT, "S3UploadMode": "EndOfJob",
                },
            }],
            **_key(settings, "KmsKeyId"),
        },
        "ProcessingResources": {"ClusterConfig": {"InstanceCount": settings.instances, **_machine(settings)}},
        "StoppingCondition": _stopping(settings, "processing"),
        "Environment": dict(sorted((environment or {}).items())),
        "NetworkConfig": _isolated(settings),
        "Tags": _tags(settings),
    }  # fmt: skip
    return Request("processing", "", body, content)


def _inputs(asked: Observations) -> list[Body]:
    given = [(OBSERVATIONS, asked.uri, "ShardedByS3Key")]
    if asked.inventory:
        given.append((INVENTORY, asked.inventory, "FullyReplicated"))
    return [
        {
            "InputName": name,
            "S3Input": {
                "S3Uri": _address(uri, name), "LocalPath": f"{INPUT}/{name}", "S3DataType": "S3Prefix",
                "S3InputMode": "File", "S3DataDistributionType": spread, "S3CompressionType": "None",
            },
        }
        for name, uri, spread in given
    ]  # fmt: skip


def _arguments(asked: Observations) -> Body:
    words: list[str] = []
    for option, value in (("--as-of", asked.as_of), ("--known-at", asked.known_at)):
        words += [option, value] if value else []
    for name in sorted(set(asked.business_units)):
        words += ["--business-unit", name]
    for key, text in sorted(asked.settings.items()):
        words += ["--setting", f"{key}={text}"]
    if len(words) > MOST_ARGUMENTS or max(map(len, words), default=0) > LONGEST_ARGUMENT:
        raise ConfigError(
            f"a processing job takes {MOST_ARGUMENTS // 2} business units and settings of its own at most, each of "
            f"{LONGEST_ARGUMENT} characters: put your settings into the image's default.yaml"
        )
    return {"ContainerArguments": words} if words else {}


def _source(channel: Channel) -> Body:
    kind = "ManifestFile" if channel.manifest else "S3Prefix"
    uri = _address(channel.uri, "channel")
    return {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}


def _machine(settings: SageMakerSettings) -> Body:
    size = {"InstanceType": settings.instance_type, "VolumeSizeInGB": settings.volume_gib}
    return size | _key(settings, "VolumeKmsKeyId")


def _key(settings: SageMakerSettings, name: str) -> Body:
    return {name: settings.kms_key} if settings.kms_key else {}


def _stopping(settings: SageMakerSettings, kind: Kind) -> Body:
    most = MOST_SECONDS[kind]
    if settings.most_seconds > most:
        raise ConfigError(f"`sagemaker.most_seconds` is {settings.most_seconds}; a {kind} job runs {most} at most")
    return {"MaxRuntimeInSeconds": settings.most_seconds}


def _network(settings: SageMakerSettings) -> Body:
    if not settings.subnets:
        return {}
    return {"Subnets": list(settings.subnets), "SecurityGroupIds": list(settings.security_groups)}


def _isolated(settings: SageMakerSettings) -> Body:
    """Nothing goes in or out but what SageMaker itself carries; what machines say to each other is encrypted."""
    made: Body = {"EnableNetworkIsolation": True, "EnableInterContainerTrafficEncryption": settings.instances > 1}
    network = _network(settings)
    return made | ({"VpcConfig": network} if network else {})


def _tags(settings: SageMakerSettings) -> list[dict[str, str]]:
    tags = {"application": "capforecast"} | settings.tags
    if len(tags) > MOST_TAGS:
        raise ConfigError(f"`sagemaker.tags`: a job has {MOST_TAGS} tags at most, ours included, not {len(tags)}")
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _said(settings: SageMakerSettings, key: str) -> str:
    """A setting without which no job can be asked for."""
    value: str | None = getattr(settings, key)
    if value:
        return value
    what = {"role": "the ARN of the role that jobs run as", "image": "the address of the image `sagemaker` in ECR"}
    raise ConfigError(
        f"no SageMaker job can be submitted: `sagemaker.{key}` is not set; give {what[key]} (docs/aws-compute.md), "
        f"e.g. CAPFORECAST_SAGEMAKER__{key.upper()}=..."
    )


def _address(uri: str, what: str) -> str:
    if not re.fullmatch(r"s3://[^/]+(/.*)?", uri) or len(uri) > 1024:
        raise ConfigError(f"{what} {uri!r}: SageMaker reads and writes s3://bucket/prefix only")
    return uri


def _check_hyperparameters(given: Mapping[str, str]) -> None:
    if len(given) > MOST_HYPERPARAMETERS:
        raise ConfigError(
            f"{len(given)} settings differ from default.yaml; a training job takes {MOST_HYPERPARAMETERS} at most: "
            "train without SageMaker, or put your settings into the image's default.yaml"
        )
    for key, text in given.items():
        if len(key) > LONGEST_KEY or len(text) > LONGEST_VALUE or "\n" in text:
            raise ConfigError(
                f"setting `{key[:80]}` is too long for a training job ({LONGEST_VALUE} characters on one line)"
            )
