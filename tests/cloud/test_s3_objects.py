"""Objects of a bucket, fetched to a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from capforecast.cloud import s3_objects
from capforecast.cloud.s3_objects import fetch, split
from capforecast.errors import CapforecastError, ConfigError, LakeError, MissingObjectError, StaleReferenceError
from capforecast.settings import StorageSettings

boto3 = pytest.importorskip("boto3")
QUICK = StorageSettings(retries=0)


@pytest.fixture(autouse=True)
def _own_client() -> None:
    """Clients are kept for the life of a process; the environment changes from test to test."""
    s3_objects._client.cache_clear()


@pytest.fixture
def name(bucket: str) -> str:
    """A bucket, by its name."""
    return bucket.removeprefix("s3://").split("/")[0]


def put(name: str, key: str, data: bytes) -> str:
    """The object's etag."""
    return str(boto3.client("s3").put_object(Bucket=name, Key=key, Body=data)["ETag"]).strip('"')


@pytest.mark.parametrize(
    "key", ["incoming/a.csv", "incoming/a b+c%2B&=é#?.csv", "incoming//../x.csv", "incoming/.hidden.csv.gz"]
)
def test_an_object_of_any_key_comes_whole_into_the_folder(name: str, tmp_path: Path, key: str) -> None:
    data = bytes(range(256)) * 10_000
    etag = put(name, key, data)
    found = fetch(name, key, tmp_path, QUICK, etag)
    assert found.file.parent == tmp_path
    assert found.file.name.endswith(".csv.gz" if key.endswith(".gz") else ".csv")
    assert found.file.read_bytes() == data
    assert found.sha256 == hashlib.sha256(data).hexdigest()


def test_what_was_written_again_is_not_taken_for_what_was_announced(name: str, tmp_path: Path) -> None:
    old = put(name, "a.csv", b"old")
    put(name, "a.csv", b"new")
    with pytest.raises(StaleReferenceError, match=r"s3://.*/a\.csv was written again"):
        fetch(name, "a.csv", tmp_path, QUICK, old)
    assert fetch(name, "a.csv", tmp_path, QUICK).file.read_bytes() == b"new"


def test_gone_objects_missing_buckets_and_silent_servers_are_told_apart(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingObjectError, match=r"a\.csv is gone"):
        fetch(name, "a.csv", tmp_path, QUICK)
    with pytest.raises(ConfigError, match="no such bucket"):
        fetch("no-bucket-of-that-name", "a.csv", tmp_path, QUICK)
    with pytest.raises(LakeError, match="cannot be read") as silent:
        fetch(name, "a.csv", tmp_path, StorageSettings(retries=0, endpoint="http://127.0.0.1:9"))
    assert silent.value.retryable
    s3_objects._client.cache_clear()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CapforecastError, match="no AWS credentials"):
        fetch(name, "a.csv", tmp_path, QUICK)


def test_addresses_name_bucket_and_key() -> None:
    assert split("s3://bucket/a/b.csv") == ("bucket", "a/b.csv")
    for wrong in ("bucket/a.csv", "s3://bucket", "s3://bucket/"):
        with pytest.raises(ConfigError, match="write s3://<bucket>/<key>"):
            split(wrong)
