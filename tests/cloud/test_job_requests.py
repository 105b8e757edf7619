"""Requests for SageMaker jobs, held against the service's own description of them (bounds, patterns, choices)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from capforecast.cloud.job_requests import Channel, Observations, Request, processing_request, training_request
from capforecast.errors import ConfigError
from capforecast.settings import SageMakerSettings

ROLE = "arn:aws:iam::111122223333:role/capforecast-jobs"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/capforecast@sha256:" + "0" * 64
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PLAIN = SageMakerSettings(role=ROLE, image=IMAGE)
WHOLE = PLAIN.model_copy(
    update={
        "kms_key": KEY, "subnets": ("subnet-1",), "security_groups": ("sg-1",), "tags": {"owner": "ops team"},
        "instances": 3, "volume_gib": 50, "most_seconds": 600,
    }
)  # fmt: skip
DATA = Observations(
    "s3://b/data", "s3://b/inventory.csv", "2026-11-23", None, ("EU & West", "web"), {"forecast.horizon_days": "30"}
)


def faults(shape: Any, value: Any, at: str = "") -> list[str]:
    """What botocore's description of the service has against a request; stricter than botocore's own check."""
    told, found = shape.metadata, []
    if shape.type_name == "structure":
        found += [f"{at}.{name} is missing" for name in shape.required_members if name not in value]
        found += [f"{at}.{name} is not known" for name in value if name not in shape.members]
        for name in set(value) & set(shape.members):
            found += faults(shape.members[name], value[name], f"{at}.{name}")
    elif shape.type_name in ("list", "map"):
        if not told.get("min", 0) <= len(value) <= told.get("max", 10**9):
            found.append(f"{at} has {len(value)} entries")
        for part in value if shape.type_name == "list" else value.values():
            found += faults(shape.member if shape.type_name == "list" else shape.value, part, f"{at}[]")
        if shape.type_name == "map":
            found += [problem for key in value for problem in faults(shape.key, key, f"{at} key")]
    elif shape.type_name == "string":
        pattern = told.get("pattern", "").replace(r"\p{L}\p{Z}\p{N}", r"\w ")
        if not isinstance(value, str) or not told.get("min", 0) <= len(value) <= told.get("max", 10**9):
            found.append(f"{at} {value!r} has a wrong length")
        elif (pattern and not re.fullmatch(pattern, value)) or value not in (shape.enum or [value]):
            found.append(f"{at} {value!r} is not allowed")
    elif shape.type_name in ("integer", "long", "float", "double"):
        if not told.get("min", value) <= value <= told.get("max", value):
            found.append(f"{at} {value} is out of bounds")
    elif shape.type_name == "boolean" and not isinstance(value, bool):
        found.append(f"{at} {value!r} is no boolean")
    return found


def judged(request: Request) -> list[str]:
    """The service's faults of a request."""
    boto3 = pytest.importorskip("boto3")
    model = boto3.client("sagemaker", region_name="eu-west-1").meta.service_model
    return faults(model.operation_model(f"Create{request.kind.capitalize()}Job").input_shape, request.named(1))


def training(settings: SageMakerSettings = PLAIN, title: str = "web", **told: str) -> Request:
    return training_request(settings, Channel("s3://b/m", manifest=True), told, output="s3://b/out", title=title)


@pytest.mark.parametrize("settings", [PLAIN, WHOLE])
@pytest.mark.parametrize("kind", ["training", "processing"])
def test_requests_keep_every_bound_of_the_service(settings: SageMakerSettings, kind: str) -> None:
    if kind == "training":
        assert judged(training(settings, **{"forecast.horizon_days": "30", "business_unit": "EU & West"})) == []
    else:
        environment = {"OPENBLAS_CORETYPE": "Haswell"}
        assert judged(processing_request(settings, DATA, output="s3://b/out", environment=environment)) == []


def test_the_judge_finds_faults() -> None:
    request = training(PLAIN.model_copy(update={"role": "me", "instance_type": "ml.abacus", "volume_gib": -1}))
    request.body["Colour"] = "red"
    found = "\n".join(judged(request))
    for what in ("RoleArn 'me'", "ml.abacus", "VolumeSizeInGB -1", "Colour is not known"):
        assert what in found


def test_what_is_encrypted_isolated_tagged_and_bounded() -> None:
    body = training(WHOLE).named(1)
    assert body["ResourceConfig"]["VolumeKmsKeyId"] == body["OutputDataConfig"]["KmsKeyId"] == KEY
    assert body["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert body["EnableNetworkIsolation"] is True
    assert body["StoppingCondition"] == {"MaxRuntimeInSeconds": 600}
    assert {"Key": "application", "Value": "capforecast"} in body["Tags"]
    assert {"Key": "owner", "Value": "ops team"} in body["Tags"]
    assert body["ResourceConfig"]["InstanceCount"] == 1  # training takes one machine, whatever `instances` says
    body = processing_request(WHOLE, DATA, output="s3://b/out").named(1)
    assert body["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == KEY
    assert body["ProcessingOutputConfig"]["KmsKeyId"] == KEY
    assert body["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True
    assert body["NetworkConfig"]["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}


def test_observations_are_shared_out_and_the_inventory_is_not() -> None:
    body = processing_request(WHOLE, DATA, output="s3://b/out").named(1)
    spread = {one["InputName"]: one["S3Input"]["S3DataDistributionType"] for one in body["ProcessingInputs"]}
    assert spread == {"observations": "ShardedByS3Key", "inventory": "FullyReplicated"}
    words = body["AppSpecification"]["ContainerArguments"]
    assert words == [
        "--as-of", "2026-11-23", "--business-unit", "EU & West", "--business-unit", "web", "--setting",
        "forecast.horizon_days=30",
    ]  # fmt: skip


def test_metrics_are_found_in_what_training_prints() -> None:
    from capforecast.cloud.training_metrics import lines

    definitions = training().body["AlgorithmSpecification"]["MetricDefinitions"]
    log = "\n".join(lines({"relative_mae": 0.8312, "coverage_80": 0.79}))
    found = {each["Name"]: re.findall(each["Regex"], log) for each in definitions}
    assert found["relative_mae"] == ["0.8312"]
    assert found["coverage_80"] == ["0.79"]


def test_the_same_question_has_the_same_name_and_another_has_another() -> None:
    asked = training(**{"forecast.horizon_days": "30"})
    assert asked.name(1) == training(**{"forecast.horizon_days": "30"}).name(1)
    assert asked.name(1) == training(WHOLE.model_copy(update=PLAIN.model_dump() | {"tags": {"a": "b"}}),
                                     **{"forecast.horizon_days": "30"}).name(1)  # fmt: skip
    others = [
        training(**{"forecast.horizon_days": "31"}),
        training(PLAIN.model_copy(update={"image": IMAGE[:-1] + "1"}), **{"forecast.horizon_days": "30"}),
        Request(asked.kind, asked.title, asked.body, content="other data"),
    ]
    assert len({each.name(1) for each in [asked, *others]}) == 4
    assert asked.name(2) != asked.name(1)


@pytest.mark.parametrize("title", ["", "EU & West/Süd", "x" * 200, "---", "日本", "-a-"])
def test_names_are_valid_whatever_a_business_unit_is_called(title: str) -> None:
    for number in (1, 99):
        assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", training(title=title).name(number))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"role": None}, "`sagemaker.role` is not set"),
        ({"image": None}, "`sagemaker.image` is not set"),
        ({"most_seconds": 10**7}, "runs 2419200 at most"),
        ({"tags": {str(i): "" for i in range(60)}}, "50 tags at most"),
    ],
)
def test_what_cannot_be_submitted_is_said_before(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        training(PLAIN.model_copy(update=settings))


def test_several_machines_need_a_common_cut_off() -> None:
    with pytest.raises(ConfigError, match="--as-of"):
        processing_request(WHOLE, Observations("s3://b/data"), output="s3://b/out")


def test_what_does_not_fit_a_job_is_said() -> None:
    with pytest.raises(ConfigError, match="120 settings differ"):
        training(**{f"k{i}": "1" for i in range(120)})
    with pytest.raises(ConfigError, match="too long"):
        training(k="x" * 3000)
    many = Observations("s3://b/data", as_of="2026-11-23", business_units=tuple(map(str, range(60))))
    with pytest.raises(ConfigError, match="50 business units and settings"):
        processing_request(PLAIN, many, output="s3://b/out")
    with pytest.raises(ConfigError, match="s3://bucket/prefix only"):
        training_request(PLAIN, Channel("/data"), {}, output="s3://b/out")
