"""The store on S3: against a real S3 server over HTTP, and against servers that fail in ways of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obstore
import pytest

from capforecast.errors import AccessDeniedError, ConfigError, ConflictError, LakeError, MissingObjectError
from capforecast.lake.store import Store
from capforecast.settings import StorageSettings

ROOT = Path(__file__).parents[2]
HASTY = {"retries": 1, "timeout_seconds": 1}


@pytest.fixture
def store(bucket: str) -> Store:
    return Store(bucket)


def test_objects_go_in_and_out_below_the_prefix(store: Store, bucket: str, s3_server: str) -> None:
    reference = store.put("a/business_unit=50%25 ü/part-0.parquet", b"content", rows=3)
    assert store.fetch(reference) == b"content"
    assert store.keys("a") == [reference.uri]
    assert store.address(reference.uri) == f"{bucket}/{reference.uri}"
    name, prefix = bucket.removeprefix("s3://").split("/", 1)
    elsewhere = Store(f"s3://{name}")
    assert elsewhere.keys(prefix) == [f"{prefix}/{reference.uri}"]
    store.delete(reference.uri)
    store.delete(reference.uri)
    with pytest.raises(MissingObjectError, match="is not in the store"):
        store.read(reference.uri)


def test_create_never_overwrites(store: Store) -> None:
    store.create("runs/1/manifest.json", b"first")
    with pytest.raises(ConflictError, match="never overwritten"):
        store.create("runs/1/manifest.json", b"second")
    assert store.read("runs/1/manifest.json") == b"first"


def test_a_listing_is_whole_beyond_one_page(store: Store) -> None:
    keys = [f"many/{number:04d}" for number in range(1050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b""), keys))
    assert store.keys("many") == keys


def test_a_large_object_goes_in_parts_and_comes_back_whole(store: Store) -> None:
    data = bytes(range(256)) * 80_000  # 20 MB
    reference = store.put("large", data)
    assert store.fetch(reference) == data
    parts = obstore.head(store._objects, "large")["e_tag"]
    assert parts is not None
    assert "-" in parts  # so S3 names what was put together from parts
    with pytest.raises(ConflictError):
        store.create("large", data[::-1])


@pytest.mark.parametrize("size", [10, 12_000_000])
@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        (
            {"encryption": "aws:kms", "kms_key": "arn:aws:kms:eu-west-1:1:key/k"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-west-1:1:key/k",
            },
        ),
        ({}, {"x-amz-server-side-encryption": None}),
    ],
)
def test_encryption_is_asked_for_on_every_write(
    size: int, options: dict[str, str], headers: dict[str, str | None], bucket: str
) -> None:
    store = Store(bucket, StorageSettings.model_validate(options))
    store.put("put", b"x" * size)
    store.create("create", b"x" * size)
    for key in ("put", "create"):
        address = obstore.sign(store._objects, "GET", key, timedelta(minutes=1))
        with urllib.request.urlopen(address) as answer:
            assert {name: answer.headers.get(name) for name in headers} == headers


def test_the_probe_leaves_nothing_behind(store: Store) -> None:
    store.probe()
    assert store.keys("") == []


def test_a_missing_bucket_is_named_with_the_fix(bucket: str) -> None:
    store = Store("s3://no-such-bucket/lake")
    for attempt in (store.probe, lambda: store.read("a"), lambda: store.keys("a")):
        with pytest.raises(ConfigError, match="no bucket 'no-such-bucket'; create it, or mend `store`"):
            attempt()


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://UPPER/x", "s3://bucket//x", "s3://b/../x", "ftp://host/x"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"s3://<bucket>/<prefix>"):
        Store(url)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        Store("s3://user:hunter2@bucket/x")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError) as signed:
        Store("s3://bucket/x?X-Amz-Signature=hunter2")
    assert "hunter2" not in str(signed.value)
    with pytest.raises(ValueError, match="no user or password") as refused:
        StorageSettings(endpoint="https://user:hunter2@host")
    assert "hunter2" not in refused.value.errors()[0]["msg"]


@pytest.mark.timeout(60)
def test_an_endpoint_where_nobody_listens_is_told_in_time(bucket: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    store = Store("s3://bucket/lake", StorageSettings(endpoint=address, **HASTY))
    with pytest.raises(LakeError, match=f"no answer from {address}.*storage.endpoint"):
        store.probe()


@pytest.mark.timeout(60)
def test_a_server_that_never_answers_is_told_in_time(bucket: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store = Store("s3://bucket/lake", StorageSettings(endpoint=address, **HASTY))
        with pytest.raises(LakeError, match=f"no answer from {address}"):
            store.probe()


def test_no_credentials_are_told_with_the_fix(bucket: str, monkeypatch: pytest.MonkeyPatch, s3_server: str) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"no AWS credentials found; set AWS_ACCESS_KEY_ID"):
        Store(bucket, StorageSettings(endpoint=s3_server, **HASTY)).probe()


WITH_BOTO3 = """
import datetime, sys
import obstore
from capforecast.errors import ConfigError
from capforecast.lake.store import Store
from capforecast.settings import StorageSettings

def said(profile):
    try:
        store = Store(sys.argv[1], StorageSettings(profile=profile))
        store.put("a", b"x")
    except ConfigError as error:
        return str(error)
    address = obstore.sign(store._objects, "GET", "a", datetime.timedelta(minutes=1))
    return address.split("X-Amz-Credential=")[1].split("&")[0]

print(said("ops"), said(None), said("nobody"), sep="\\n")
"""


def with_boto3(bucket: str, credentials: Path, **environment: str) -> list[str]:
    """What a process with boto3, as the extra `aws` brings it, says of the profiles ops, none and nobody."""
    (packages,) = (ROOT / ".venv-services").glob("lib/*/site-packages")
    outer = {name: value for name, value in os.environ.items() if name not in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE")}
    outer |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{packages}", "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    outer |= {"AWS_EC2_METADATA_DISABLED": "true"} | environment
    command = [sys.executable, "-c", WITH_BOTO3, bucket]
    return subprocess.run(command, env=outer, capture_output=True, text=True, check=True).stdout.splitlines()


def test_profiles_and_the_whole_chain_count_with_boto3(bucket: str, tmp_path: Path) -> None:
    keys = "aws_access_key_id = {}\naws_secret_access_key = s\n"
    (tmp_path / "own").write_text("[ops]\n" + keys.format("AKIAOPS"))
    ops, nothing, nobody = with_boto3(bucket, tmp_path / "own")
    assert ops.startswith("AKIAOPS")
    assert "no AWS credentials found" in nothing
    assert "profile (nobody) could not be found" in nobody
    (tmp_path / "own").write_text("[default]\n" + keys.format("AKIADEFAULT") + "[ops]\n" + keys.format("AKIAOPS"))
    assert with_boto3(bucket, tmp_path / "own")[1].startswith("AKIADEFAULT")
    assert with_boto3(bucket, tmp_path / "own", AWS_ACCESS_KEY_ID="AKIAENV")[1].startswith("AKIAENV")


def test_a_profile_without_boto3_names_the_extra(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match=r"profile 'ops'.*pip install 'capforecast\[aws\]'"):
        Store(bucket, StorageSettings(profile="ops"))


@pytest.fixture
def answering(bucket: str) -> Iterator[Callable[..., Store]]:
    """A store whose server gives these answers, one after the other, the last one for ever."""
    servers = []

    def start(*answers: tuple[int, str], **options: object) -> Store:
        given = list(answers)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                status, code = given.pop(0) if len(given) > 1 else given[0]
                body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.send_header("etag", '"1"')
                self.end_headers()
                self.wfile.write(body)

            do_PUT = do_GET = do_POST = do_HEAD = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Store("s3://bucket/lake", StorageSettings(endpoint=f"http://127.0.0.1:{server.server_port}", **options))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_denied_access_names_bucket_and_policy(code: str, answering: Callable[..., Store]) -> None:
    with pytest.raises(AccessDeniedError, match=rf"access denied \({code}\) to create .* in bucket 'bucket'.*runbook"):
        answering((403, code)).probe()


def test_what_may_pass_is_tried_again(answering: Callable[..., Store]) -> None:
    store = answering((503, "SlowDown"), (500, "InternalError"), (200, ""), retries=3)
    store.put("a", b"x")
    with pytest.raises(LakeError, match=r"cannot write a: 503 Service Unavailable SlowDown"):
        answering((503, "SlowDown"), retries=1).put("a", b"x")


def test_a_bucket_of_another_region_is_told(answering: Callable[..., Store]) -> None:
    with pytest.raises(ConfigError, match=r"another region; set storage\.region"):
        answering((301, "PermanentRedirect")).put("a", b"x")


def test_a_server_that_overwrites_what_may_only_be_created_is_refused(store: Store) -> None:
    """rclone and s3rver do: leases would not hold there."""
    create = store.create
    store.create = lambda key, data: store.put(key, data)  # type: ignore[method-assign, assignment]
    with pytest.raises(ConfigError, match="ignores If-None-Match"):
        store.probe()
    store.create = create  # type: ignore[method-assign]
    assert store.keys("") == []


def test_the_secret_is_in_no_error(answering: Callable[..., Store]) -> None:
    for answers in ([(403, "SignatureDoesNotMatch")], [(400, "Odd")], [(404, "NoSuchBucket")]):
        with pytest.raises((LakeError, ConfigError)) as caught:
            answering(*answers).put("a", b"x")
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in repr(caught.value)
        assert caught.value.__cause__ is None
