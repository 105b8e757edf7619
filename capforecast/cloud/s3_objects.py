"""Objects of any bucket, brought to a file of this machine: what was delivered, before it is in the lake."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from capforecast.errors import (
    AccessDeniedError,
    CapforecastError,
    ConfigError,
    LakeError,
    MissingObjectError,
    StaleReferenceError,
)
from capforecast.settings import StorageSettings

CONNECT_SECONDS = 5
_CHUNK = 1 << 20
_GONE = {"NoSuchKey", "404", "NoSuchVersion"}
_ELSEWHERE = {"PermanentRedirect", "AuthorizationHeaderMalformed", "301"}


@dataclass(frozen=True)
class Fetched:
    """An object's content as a file, and the sha256 of that."""

    file: Path
    sha256: str


def fetch(bucket: str, key: str, folder: Path, options: StorageSettings, etag: str = "") -> Fetched:
    """Bring an object into a folder, under the end of its key.  etag: of the content wanted, "" = any.

    Raises MissingObjectError where it is gone, StaleReferenceError where it holds something else by now, ConfigError,
    AccessDeniedError, or LakeError where the bucket does not answer.
    """
    try:
        import boto3  # noqa: F401  (botocore may be there without it)
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
    except ImportError:
        raise ConfigError("objects of a bucket need boto3: pip install 'capforecast[aws]'") from None
    name = f"s3://{bucket}/{key}"
    try:
        answer = _client(options).get_object(Bucket=bucket, Key=key)
        if etag and answer["ETag"].strip('"') != etag:
            raise StaleReferenceError(f"{name} was written again since the event")
        file, digest = folder / _file_name(key), hashlib.sha256()
        with file.open("wb") as kept:
            for chunk in answer["Body"].iter_chunks(_CHUNK):
                kept.write(chunk)
                digest.update(chunk)
    except NoCredentialsError:
        _client.cache_clear()
        raise ConfigError(f"{name}: no AWS credentials found where this runs") from None
    except ClientError as error:
        raise _refused(name, str(error.response.get("Error", {}).get("Code", "unknown"))) from None
    except BotoCoreError as error:
        raise LakeError(f"{name} cannot be read ({type(error).__name__}); check network and storage.endpoint") from None
    except OSError as error:
        raise LakeError(f"{name} cannot be kept in {folder} ({error.strerror or error}); is there room?") from None
    return Fetched(file, digest.hexdigest())


@lru_cache(maxsize=4)
def _client(options: StorageSettings) -> Any:
    """The client of a process: to make one takes a third of a second, to use one again nothing."""
    import boto3
    from botocore.config import Config

    limits = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=options.timeout_seconds,
        retries={"total_max_attempts": 1 + options.retries, "mode": "standard"},
    )
    session = boto3.Session(profile_name=options.profile, region_name=options.region)
    return session.client("s3", endpoint_url=options.endpoint, config=limits)


def split(address: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; raises ConfigError."""
    match = re.fullmatch(r"s3://([^/]+)/(.+)", address)
    if match is None:
        raise ConfigError(f"{address!r}: write s3://<bucket>/<key>")
    return match[1], match[2]


def _file_name(key: str) -> str:
    """The end of a key as a file name of any file system, its endings kept."""
    return re.sub(r"[^\w.=-]", "_", key.rsplit("/", 1)[-1], flags=re.ASCII)[-120:].lstrip(".") or "_"


def _refused(name: str, code: str) -> CapforecastError:
    if code in _GONE:
        return MissingObjectError(f"{name} is gone")
    if code == "NoSuchBucket":
        return ConfigError(f"{name}: there is no such bucket")
    if code in _ELSEWHERE:
        return ConfigError(f"{name}: the bucket is in another region; set storage.region or AWS_REGION")
    if code in ("AccessDenied", "403", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"):
        return AccessDeniedError(
            f"{name}: access denied ({code}); allow s3:GetObject, and s3:ListBucket, without which an object that is "
            "gone looks the same"
        )
    return LakeError(f"{name} cannot be read ({code})")
