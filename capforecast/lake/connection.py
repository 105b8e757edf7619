"""What a store's address names, how it is opened (obstore), and its errors in our words.

Credentials are never handled here: boto3, where it is installed (extra `aws`), walks the usual AWS chain including
profiles; without it obstore takes the environment, or the role of the container or instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, S3Store, from_url

from capforecast.errors import AccessDeniedError, ConfigError, ConflictError, LakeError, MissingObjectError
from capforecast.settings import StorageSettings

# The storage library draws each delay between the first and `base` times the one before, and by its own figures (0.1 s,
# base 2) gives up within 3 seconds or so. By these, 18 tries take more than 35 seconds in 999 of 1000 cases.
BACKOFF: Any = {"init_backoff": timedelta(seconds=0.5), "max_backoff": timedelta(seconds=5), "base": 4}
CONNECT_SECONDS = 5
_BUCKET = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[^?#]*))?")


@dataclass(frozen=True)
class Place:
    """Where a store lives: its address, and the bucket or folder behind it."""

    url: str
    bucket: str | None = None
    prefix: str = ""
    folder: Path | None = None


def place_of(url: str) -> Place:
    """Read an address: a folder, `file://...`, `memory://` (tests) or `s3://bucket/prefix`. Raises ConfigError."""
    if url.startswith("memory://"):
        return Place(url)
    if url.startswith("s3://"):
        match = _BUCKET.fullmatch(url.rstrip("/"))
        prefix = (match["prefix"] or "") if match else ""
        if match is None or {"", ".", ".."} & set(prefix.split("/") if prefix else ()):
            raise ConfigError(f"store {_without_user(url)!r}: write s3://<bucket>/<prefix>")
        return Place(url.rstrip("/"), bucket=match["bucket"], prefix=prefix)
    if "://" in url and not url.startswith("file://"):
        raise ConfigError(f"store {_without_user(url)!r}: give a folder or s3://<bucket>/<prefix>")
    return Place(url, folder=Path(url.removeprefix("file://")).expanduser().resolve())


def open_place(place: Place, options: StorageSettings) -> Any:
    """The storage library's store for a place. Raises ConfigError where it cannot be opened."""
    try:
        if place.bucket is not None:
            return _open_bucket(place, options)
        if place.folder is None:
            return MemoryStore()
        if place.url.startswith("file://"):
            return from_url(place.url, mkdir=True)
        return LocalStore(place.folder, mkdir=True)
    except (OSError, ValueError, BaseError) as error:
        fix = "give a folder you may write" if place.bucket is None else "mend storage.* or the AWS_ variables"
        raise ConfigError(f"store {place.url!r} cannot be opened ({_first_line(error)}); {fix}") from None


def _open_bucket(place: Place, options: StorageSettings) -> Any:
    config: Any = {"conditional_put": "etag"}
    if options.endpoint:
        config["aws_endpoint_url_s3"] = options.endpoint  # the one name that beats every variable of the environment
    if options.encryption != "none":
        config["server_side_encryption"] = options.encryption
    if options.kms_key:
        config["sse_kms_key_id"] = options.kms_key
    provider = _credentials(options)
    region = options.region or (provider.config.get("region") if provider else None)
    if region:
        config["region"] = region
    limit = timedelta(seconds=options.timeout_seconds)
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        config=config,
        # http only where the endpoint is written that way; AWS's own address is always https
        client_options={"allow_http": True, "timeout": limit, "connect_timeout": timedelta(seconds=CONNECT_SECONDS)},
        retry_config={"max_retries": options.retries, "retry_timeout": limit, "backoff": BACKOFF},
        credential_provider=provider,
    )


def _credentials(options: StorageSettings) -> Any:
    """boto3's credential chain, or None to leave it to obstore. Raises ConfigError."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        if options.profile is None:
            return None
        raise ConfigError(
            f"AWS profile {options.profile!r} (storage.profile or AWS_PROFILE) needs boto3: "
            "pip install 'capforecast[aws]'"
        ) from None
    try:
        session = boto3.Session(profile_name=options.profile)
        if session.get_credentials() is None:
            raise ConfigError(_NO_CREDENTIALS)
        return Boto3CredentialProvider(session)
    except BotoCoreError as error:
        raise ConfigError(f"AWS credentials cannot be read ({_first_line(error)}); mend the profile") from None


_NO_CREDENTIALS = (
    "no AWS credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (with the extra "
    "capforecast[aws]), or run where a role is attached"
)


@contextmanager
def translated(action: str, key: str, place: Place, options: StorageSettings) -> Iterator[None]:
    """Turn the storage library's exceptions into ours. Of a bucket's answer only its code is repeated."""
    try:
        yield
    except AlreadyExistsError:
        raise ConflictError(f"{key} exists already in {place.url} and is never overwritten") from None
    except (OSError, ValueError, AssertionError, BaseError) as error:
        if place.bucket is not None:
            raise _bucket_error(error, action, key, place, options) from None
        if isinstance(error, FileNotFoundError):
            raise MissingObjectError(f"{key} is not in the store") from None
        raise LakeError(f"cannot {action} {key}: {_first_line(error)}") from error


def _bucket_error(error: Exception, action: str, key: str, place: Place, options: StorageSettings) -> Exception:
    """What a bucket's refusal means to the person who runs this."""
    text = str(error)
    code = next(iter(re.findall(r"<Code>(\w+)</Code>", text)), "")
    server = options.endpoint or "AWS"
    where = f"store {place.url}"
    if "/latest/api/token" in text or "/latest/meta-data" in text or "169.254.170." in text:
        return ConfigError(f"{where}: {_NO_CREDENTIALS}")  # the last of the chain, a role, was asked in vain
    if code == "NoSuchBucket" or (isinstance(error, FileNotFoundError) and action in ("write", "create", "list")):
        return ConfigError(f"{where}: {server} has no bucket {place.bucket!r}; create it, or mend `store`")
    if isinstance(error, FileNotFoundError):
        return MissingObjectError(f"{key} is not in the store")
    if isinstance(error, ValueError):
        return LakeError(f"cannot {action} {key}: {_first_line(error)}")
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed") or "redirect without LOCATION" in text:
        return ConfigError(f"{where}: bucket {place.bucket!r} is in another region; set storage.region or AWS_REGION")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or code in ("ExpiredToken", "InvalidToken"):
        return AccessDeniedError(
            f"{where}: access denied ({code or 'no reason given'}) to {action} {key} in bucket {place.bucket!r}; check "
            "the credentials in use and that their policy grants what docs/runbook.md lists"
        )
    if "error sending request" in text or "operation timed out" in text:
        return LakeError(
            f"{where}: no answer from {server} (cannot {action} {key}); check the network and storage.endpoint "
            "(AWS_ENDPOINT_URL)"
        )
    status = next(iter(re.findall(r"status code: (\d{3}[\w ]*)", text)), "").strip()
    return LakeError(f"{where}: cannot {action} {key}: {' '.join(filter(None, (status, code))) or _first_line(error)}")


def _without_user(url: str) -> str:
    """The address without what may be secret: a user and password, or a signature behind it."""
    return re.sub(r"[?#].*", "?...", re.sub(r"//[^/@]*@", "//", url))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
