"""`capforecast setup blocks`: what automations and flows find on the Prefect server by name.

`capforecast-results` keeps task results in the lake's bucket (`flow.result_block`), `capforecast-alerts` and
`capforecast-slack` hold the addresses that alerts go to. A block is written only where it is not there or is another.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from capforecast.configuration import Loaded, secret, usable_store
from capforecast.errors import ConfigError
from capforecast.lake.connection import place_of
from capforecast.settings import AlertSettings, StorageSettings

if TYPE_CHECKING:
    from prefect.blocks.core import Block
    from prefect_aws import S3Bucket

RESULTS, WEBHOOK, SLACK = "capforecast-results", "capforecast-alerts", "capforecast-slack"
FOLDER = "results"  # of the lake
CONNECT_SECONDS = 5
SLACK_ADDRESS = re.compile(r"https://hooks\.slack(-gov)?\.com/services/[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]+/?")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
Row = dict[str, Any]


def set_up_blocks(
    loaded: Loaded, *, with_keys: bool = False, dry_run: bool = False, environment: Mapping[str, str] | None = None
) -> list[Row]:
    """Make or update the blocks that the settings ask for; a row for each: `block`, `done`, `about`.

    with_keys: keep the AWS keys of the environment in the block, for workers that have none of their own.
    Raises ConfigError, LakeError; nothing is written before all blocks are known to work.
    """
    variables = os.environ if environment is None else environment
    asked = loaded.settings.alerts
    makers: list[tuple[str, Callable[[], tuple[Block | None, str]]]] = [
        (RESULTS, lambda: _results(loaded, variables if with_keys else None)),
        (WEBHOOK, lambda: _webhook(asked, variables)),
        (SLACK, lambda: _slack(asked, variables)),
    ]
    made = [(name, *make()) for name, make in makers]
    return [_saved(name, block, about, dry_run) for name, block, about in made]


def _saved(name: str, block: Block | None, about: str, dry_run: bool) -> Row:
    if block is None:
        return {"block": name, "done": "left out", "about": about}
    kind = block.get_block_type_slug()
    before = _there(type(block), name)
    done = "created" if before is None else "unchanged" if _content(before) == _content(block) else "updated"
    if done != "unchanged" and not dry_run:
        block.save(name, overwrite=True, _sync=True)
    return {"block": f"{kind}/{name}", "done": f"would be {done}" if dry_run else done, "about": about}


def _there(kind: type[Block], name: str) -> Block | None:
    """The block of that kind and name; one that cannot be read any more counts as none."""
    try:
        found: Block = kind.load(name, _sync=True)
    except (ValueError, RuntimeError):
        return None
    return found


def _content(block: Block) -> Any:
    """What a block holds, secrets in the clear: to be compared, never shown."""
    return _public(block.model_dump(mode="json", context={"include_secrets": True}, serialize_as_any=True))


def _public(content: Any) -> Any:
    """Without what the server adds (`_block_document_id` and the like), at every depth."""
    if not isinstance(content, dict):
        return content
    return {key: _public(value) for key, value in content.items() if not key.startswith("_")}


def _results(loaded: Loaded, keys: Mapping[str, str] | None) -> tuple[S3Bucket | None, str]:
    """The block for task results, proven to keep them. None where the lake is a folder, and keeps them itself."""
    place = place_of(usable_store(loaded))
    if place.bucket is None:
        return None, "the store is a folder and keeps results itself"
    try:
        from prefect_aws import S3Bucket

        from tasks.results import probe_bucket
    except ImportError:
        raise ConfigError(
            "results in a bucket need prefect-aws: pip install -c requirements.lock 'capforecast[aws]'"
        ) from None
    options = loaded.settings.storage
    folder = "/".join(filter(None, (place.prefix, FOLDER)))
    block = S3Bucket(bucket_name=place.bucket, bucket_folder=folder, credentials=_credentials(options, keys))
    probe_bucket(block)
    held = "with keys of the environment" if keys is not None else "without keys: those of each worker"
    note = "" if options.encryption == "none" else f"; written without {options.encryption}: the bucket must ask for it"
    return block, f"s3://{place.bucket}/{folder}, {held}{note}"


def _credentials(options: StorageSettings, keys: Mapping[str, str] | None) -> Any:
    from prefect_aws import AwsCredentials
    from prefect_aws.client_parameters import AwsClientParameters

    reach = AwsClientParameters(
        endpoint_url=options.endpoint,
        config={
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": options.timeout_seconds,
            "retries": {"total_max_attempts": options.retries + 1, "mode": "standard"},
        },
    )
    who = {"profile_name": options.profile} if keys is None else _kept(keys)
    return AwsCredentials(region_name=options.region, aws_client_parameters=reach, **who)


def _kept(variables: Mapping[str, str]) -> dict[str, str]:
    """Keys that may be kept in a block: lasting ones. Raises ConfigError."""
    missing = [name for name in _KEYS if not variables.get(name)]
    if missing:
        raise ConfigError(f"--with-keys: {' and '.join(missing)} not set in this environment")
    if variables.get("AWS_SESSION_TOKEN"):
        raise ConfigError("--with-keys: these keys are temporary (AWS_SESSION_TOKEN is set) and would soon be refused")
    return dict(zip(("aws_access_key_id", "aws_secret_access_key"), (variables[name] for name in _KEYS), strict=True))


def _webhook(asked: AlertSettings, variables: Mapping[str, str]) -> tuple[Block | None, str]:
    """The block that alerts are posted to as JSON."""
    from prefect.blocks.webhook import Webhook

    address = secret(asked.webhook_url_env, "alerts.webhook_url_env", variables)
    if not address:
        return None, "alerts.webhook_url_env is not set"
    private = refuse_private(address, "alerts.webhook_url_env", asked.private_address)
    block = Webhook(
        method="POST", url=address, headers={"Content-Type": "application/json"}, allow_private_urls=private
    )  # fmt: skip
    return block, f"alerts as JSON to {urlsplit(address).hostname}{' (private)' if private else ''}"


def _slack(asked: AlertSettings, variables: Mapping[str, str]) -> tuple[Block | None, str]:
    """The block that alerts are sent to Slack with."""
    from prefect.blocks.notifications import SlackWebhook

    address = secret(asked.slack_url_env, "alerts.slack_url_env", variables)
    if not address:
        return None, "alerts.slack_url_env is not set"
    if not SLACK_ADDRESS.fullmatch(address):  # not repeated in the message
        raise ConfigError(
            "alerts.slack_url_env: the variable does not hold the address of a Slack incoming webhook "
            "(https://hooks.slack.com/services/...); for another service use alerts.webhook_url_env"
        )
    return SlackWebhook(url=address, allow_private_urls=False), f"alerts to Slack at {urlsplit(address).hostname}"


def refuse_private(address: str, key: str, allowed: bool) -> bool:
    """Is the address of a private network? Raises ConfigError where that is not `allowed`, or it is none at all.

    A Prefect server that posts wherever a block says could be made to ask the servers beside it (SSRF): private
    addresses are allowed only to those who say so, and only where the address is one. The address is in no message.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{key}: the variable holds no http(s) address")
    if not _is_private(parts.hostname):
        return False
    if not allowed:
        raise ConfigError(
            f"{key}: {parts.hostname} is an address of a private network or of this machine, which Prefect would "
            "refuse when an alert is due; set alerts.private_address to true where that is meant"
        )
    return True


def _is_private(host: str) -> bool:
    """Does the name stand for an address that is not of the public internet? One unknown here does not."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(not ipaddress.ip_address(str(each).partition("%")[0]).is_global for each in found)
