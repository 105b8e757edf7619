from __future__ import annotations

import urllib.request

import pytest
from commands import Call


def make_workgroup(server: str) -> None:
    body = b'{"Name": "capacity", "Configuration": {"BytesScannedCutoffPerQuery": 10737418240}}'
    headers = {
        "X-Amz-Target": "AmazonAthena.CreateWorkGroup",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/athena/aws4_request",
    }
    urllib.request.urlopen(urllib.request.Request(server, data=body, headers=headers))


def test_the_workgroup_is_looked_up(call: Call, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_workgroup(s3_server)
    monkeypatch.setenv("CAPFORECAST_ATHENA__WORKGROUP", "capacity")
    half = call("doctor", "--store", bucket)
    assert "FAIL athena" in half.out
    assert "athena.database" in half.out
    monkeypatch.setenv("CAPFORECAST_ATHENA__DATABASE", "fleet")
    done = call("doctor", "--store", bucket)
    assert "workgroup capacity takes queries, at most 10 GiB a query" in done.out
    assert done.code == 0
    monkeypatch.setenv("CAPFORECAST_ATHENA__WORKGROUP", "elsewhere")
    assert call("doctor", "--store", bucket).code == 1


def test_a_half_of_sagemaker_is_told(call: Call, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "sagemaker" not in call("doctor", "--store", bucket).out
    monkeypatch.setenv("CAPFORECAST_SAGEMAKER__TRAIN", "true")
    monkeypatch.setenv("CAPFORECAST_SAGEMAKER__ROLE", "arn:aws:iam::111122223333:role/jobs")
    half = call("doctor", "--store", bucket)
    assert half.code == 1
    assert "not set: sagemaker.image" in half.out
    monkeypatch.setenv("CAPFORECAST_SAGEMAKER__IMAGE", "111122223333.dkr.ecr.us-east-1.amazonaws.com/sagemaker:1")
    assert call("doctor", "--store", bucket).code == 0
