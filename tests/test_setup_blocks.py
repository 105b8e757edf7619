"""`capforecast setup`: what needs no server, and blocks on a real one."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from commands import program

from capforecast.configuration import load
from capforecast.errors import ConfigError, LakeError
from deployments.setup_blocks import refuse_private, set_up_blocks

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOOK = "https://93.184.215.14/hook/not-to-be-seen"


def loaded(**overrides: Any) -> Any:
    return load(environment={}, overrides={key.replace("__", "."): value for key, value in overrides.items()})


def rows(found: list[dict[str, Any]]) -> dict[str, str]:
    return {row["block"]: row["done"] for row in found}


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "localhost", "192.168.0.9"])
def test_a_private_address_is_refused_unless_it_is_meant(host: str) -> None:
    with pytest.raises(ConfigError, match=r"alerts\.private_address") as refused:
        refuse_private(f"http://{host}/secret", "alerts.webhook_url_env", False)
    assert "secret" not in str(refused.value)
    assert refuse_private(f"http://{host}/secret", "alerts.webhook_url_env", True)


def test_a_public_address_is_never_allowed_to_become_private(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not refuse_private(HOOK, "alerts.webhook_url_env", True)

    def unknown(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert not refuse_private("https://hooks.example.com/x", "alerts.webhook_url_env", True)
    with pytest.raises(ConfigError, match="no http"):
        refuse_private("hooks.example.com", "alerts.webhook_url_env", True)


def test_without_a_server_named_it_asks_which() -> None:
    ended = program("setup", "all", PREFECT_API_URL="")  # in this process another test's server may be at work
    assert ended.returncode == 2
    assert "which Prefect server is meant? Set PREFECT_API_URL" in ended.stderr


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from capforecast.errors import CapforecastError
    from deployments.setup_server import server

    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(CapforecastError, match=r"no answer from the Prefect server at http://127\.0\.0\.1:9/api"),
        server(),
    ):
        pass


def test_slack_takes_only_an_address_of_slack(prefect_api: str) -> None:
    asked = loaded(alerts__slack_url_env="SLACK", store="lake")
    with pytest.raises(ConfigError, match="not hold the address of a Slack") as refused:
        set_up_blocks(asked, environment={"SLACK": "https://example.com/services/secret"})
    assert "secret" not in str(refused.value)
    good = {"SLACK": "https://hooks.slack.com/services/T000/B000/XXXX"}
    assert rows(set_up_blocks(asked, environment=good))["slack-webhook/capforecast-slack"] == "created"


def test_a_webhook_is_made_once_kept_and_brought_up_to_date(prefect_api: str) -> None:
    from prefect.blocks.webhook import Webhook

    asked, name = loaded(alerts__webhook_url_env="HOOK", store="lake"), "webhook/capforecast-alerts"
    assert rows(set_up_blocks(asked, environment={"HOOK": HOOK}, dry_run=True))[name] == "would be created"
    made = [rows(set_up_blocks(asked, environment={"HOOK": HOOK}))[name] for _ in range(2)]
    assert made == ["created", "unchanged"]
    found = set_up_blocks(asked, environment={"HOOK": HOOK + "/2"})
    assert rows(found) == {
        "capforecast-results": "left out", name: "updated", "capforecast-slack": "left out",
    }  # fmt: skip
    assert "not-to-be-seen" not in json.dumps(found)
    kept: Any = Webhook.load("capforecast-alerts", _sync=True)
    assert (kept.url.get_secret_value(), kept.allow_private_urls) == (HOOK + "/2", False)


def test_a_variable_that_is_named_and_not_set_is_an_error() -> None:
    with pytest.raises(ConfigError, match="HOOK, which is not set"):
        set_up_blocks(loaded(alerts__webhook_url_env="HOOK", store="lake"), environment={})


def test_results_are_tried_in_the_bucket_before_their_block_is_kept(
    prefect_api: str, bucket: str, s3_server: str
) -> None:
    from prefect_aws import S3Bucket

    asked = loaded(store=bucket, storage__endpoint=s3_server, storage__region="us-east-1", storage__retries=1)
    name = "s3-bucket/capforecast-results"
    assert [rows(set_up_blocks(asked, environment={}))[name] for _ in range(2)] == ["created", "unchanged"]
    block: Any = S3Bucket.load("capforecast-results", _sync=True)
    assert f"s3://{block.bucket_name}/{block.bucket_folder}" == f"{bucket}/results"
    assert block.credentials.aws_secret_access_key is None
    assert block.credentials.aws_client_parameters.config["retries"]["total_max_attempts"] == 2
    block.write_path("x", b"1", _sync=True)
    assert block.read_path("x", _sync=True) == b"1"
    objects = block.credentials.get_s3_client().list_objects_v2(Bucket=block.bucket_name)["Contents"]
    assert [each["Key"] for each in objects] == ["fleet/lake/results/x"]  # nothing is left of the trials

    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET}
    found = set_up_blocks(asked, with_keys=True, environment=keys)
    assert rows(found)[name] == "updated"
    assert SECRET not in json.dumps(found)
    held: Any = S3Bucket.load("capforecast-results", _sync=True)
    assert held.credentials.aws_secret_access_key.get_secret_value() == SECRET
    assert SECRET not in repr(held)
    with pytest.raises(ConfigError, match="temporary"):
        set_up_blocks(asked, with_keys=True, environment=keys | {"AWS_SESSION_TOKEN": "x"})

    missing = loaded(store="s3://no-such-bucket/x", storage__endpoint=s3_server, storage__region="us-east-1")
    with pytest.raises(LakeError, match=r"results cannot be kept in bucket 'no-such-bucket'"):
        set_up_blocks(missing, environment={})


def test_a_lake_in_a_folder_keeps_its_results_itself(tmp_path: Path) -> None:
    (row,) = [row for row in set_up_blocks(loaded(store=str(tmp_path)), environment={}) if "results" in row["block"]]
    assert (row["done"], row["about"]) == ("left out", "the store is a folder and keeps results itself")
