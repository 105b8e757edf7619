"""Settings of the Parameter Store, by moto over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from capforecast.cloud import ssm
from capforecast.configuration import load
from capforecast.errors import ConfigError

Put = Callable[..., None]


@pytest.fixture
def path(bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A path of its own; `bucket` says where moto is."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return f"/tests/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def put(path: str) -> Put:
    """Puts a parameter whose name begins with the path."""
    import boto3

    client = boto3.client("ssm")

    def parameter(name: str, value: str, kind: str = "String") -> None:
        client.put_parameter(Name=f"{path}{name}", Value=value, Type=kind, Overwrite=True)

    return parameter


def test_all_pages_are_read_and_secret_ones_decrypted_and_marked(path: str, put: Put) -> None:
    for number in range(23):  # ten to a page
        put(f"/metrics/m{number}/unit", "percent")
    put("/forecast/horizon_days", "30")
    put("/report/title", "Fleet of Zürich", "SecureString")
    found = ssm.parameters(path)
    assert len(found.values) == 25
    assert found.values["forecast/horizon_days"] == "30"
    assert found.values["report/title"] == "Fleet of Zürich"
    assert found.secret == {"report/title"}
    settings = load(parameters=found.values, secret=found.secret, environment={}).settings
    assert (settings.forecast.horizon_days, settings.report.title) == (30, "Fleet of Zürich")


def test_only_what_is_below_the_path_counts(path: str, put: Put) -> None:
    put("/forecast/horizon_days", "30")
    put("-other/forecast/horizon_days", "60")
    assert ssm.parameters(f"{path}/").values == {"forecast/horizon_days": "30"}


@pytest.mark.parametrize("wrong", ["capforecast/prod", "/", ""])
def test_a_path_that_is_none_says_how_to_write_one(wrong: str, bucket: str) -> None:
    with pytest.raises(ConfigError, match=r"begins with /, such as /capforecast/prod"):
        ssm.parameters(wrong)


def test_an_empty_path_says_what_to_write_there(path: str) -> None:
    with pytest.raises(ConfigError, match=rf"nothing is there; write settings as {path}/forecast/horizon_days"):
        ssm.parameters(path)


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("AccessDeniedException", ConfigError, "allow ssm:GetParametersByPath on it, and kms:Decrypt"),
        ("ThrottlingException", ssm.ParametersError, "try again"),
        ("InvalidKeyId", ConfigError, "mend the path, or the key it names"),
    ],
)
def test_a_refusal_names_path_and_fix(
    path: str, monkeypatch: pytest.MonkeyPatch, code: str, error: type[Exception], said: str
) -> None:
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

    def refuse(self: Any, operation: str, *_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    with pytest.raises(error, match=said) as caught:
        ssm.parameters(path)
    assert path in str(caught.value)
    assert getattr(caught.value, "retryable", False) is (error is ssm.ParametersError)


def test_nobody_there_may_pass_when_tried_again(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(ssm, "SECONDS", 0.2)
    with pytest.raises(ssm.ParametersError, match="cannot be reached"):
        ssm.parameters(path)
