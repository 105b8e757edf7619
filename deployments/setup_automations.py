"""`capforecast setup automations`: makes our automations on the server what config/automations.yaml says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from capforecast.configuration import Loaded
from capforecast.errors import ConfigError
from deployments.automations import OURS, PREFIX, Places, entries, rendered
from deployments.setup_blocks import SLACK, WEBHOOK

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import Automation, AutomationCore

NOTIFY = "notify/notify"
_PAGE = 200
_LEFT = "tells somebody, and these settings `alerts` name no place; to silence it, switch it off in the UI"
Row = dict[str, Any]


def set_up_automations(client: SyncPrefectClient, loaded: Loaded, *, dry_run: bool = False) -> list[Row]:
    """Create, update and delete our automations; a row for each: `automation`, `done`, `about`.

    One that people have switched off stays off; where the settings name no place, those that tell one stay too, or a
    `setup` given without its settings would silence them. Raises ConfigError where a block or deployment is missing.
    """
    asked = loaded.settings.alerts
    places = _places(client, loaded, dry_run)
    found = entries()
    wanted = {made.name: made for made in rendered(found, places, asked.runbook_url)}
    silent = set() if places else {PREFIX + name for name in found} - set(wanted)
    there = {each.name: each for each in _ours(client)}
    rows = [_kept(client, made, there.get(name), dry_run) for name, made in wanted.items()]
    rows += [
        _deleted(client, each, dry_run) for name, each in there.items() if name not in wanted and name not in silent
    ]
    left = sorted(silent & set(there))
    rows += [{"automation": name, "done": "left", "about": _LEFT} for name in left]
    if not places and not left:
        rows.append({"automation": "", "done": "nobody is told", "about": "the settings `alerts` name no place"})
    return rows


def _kept(client: SyncPrefectClient, made: AutomationCore, before: Automation | None, dry_run: bool) -> Row:
    from prefect.events.schemas.automations import AutomationCore

    done, about = "created", made.description
    if before is not None:
        made = made.model_copy(update={"enabled": before.enabled})
        now = AutomationCore.model_validate(before.model_dump())
        done = "unchanged" if now.model_dump() == made.model_dump() else "updated"
        about += "" if before.enabled else " (switched off, and left so)"
    if not dry_run and before is None:
        client.create_automation(made)
    elif not dry_run and before is not None and done == "updated":
        client.update_automation(before.id, made)  # only what differs: an update forgets what it has seen
    return {"automation": made.name, "done": f"would be {done}" if dry_run else done, "about": about}


def _deleted(client: SyncPrefectClient, each: Automation, dry_run: bool) -> Row:
    if not dry_run:
        client.delete_automation(each.id)
    done = "would be deleted" if dry_run else "deleted"
    return {"automation": each.name, "done": done, "about": "not in the file"}


def _ours(client: SyncPrefectClient) -> list[Automation]:
    """Automations with our tag."""
    from prefect.client.schemas.sorting import AutomationSort

    found: list[Automation] = []
    while page := client.read_automations(sort=AutomationSort.NAME_ASC, limit=_PAGE, offset=len(found)):
        found += page
    return [each for each in found if OURS in each.tags]


def _places(client: SyncPrefectClient, loaded: Loaded, dry_run: bool) -> Places:
    """Ids of what the settings `alerts` name."""
    asked = loaded.settings.alerts
    return Places(
        webhook=_block(client, "webhook", WEBHOOK, dry_run) if asked.webhook_url_env else None,
        slack=_block(client, "slack-webhook", SLACK, dry_run) if asked.slack_url_env else None,
        sns=_deployment(client) if asked.sns_topic else None,
    )


def _block(client: SyncPrefectClient, kind: str, name: str, dry_run: bool) -> UUID:
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        if dry_run:  # `setup all --dry-run` has not made it either
            return UUID(int=0)
        raise ConfigError(
            f"this Prefect server has no block {kind}/{name}: `capforecast setup blocks` makes it"
        ) from None


def _deployment(client: SyncPrefectClient) -> UUID:
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment_by_name(NOTIFY).id
    except ObjectNotFound:
        raise ConfigError(
            f"alerts.sns_topic is set, and this Prefect server has no deployment {NOTIFY}: "
            "`prefect --no-prompt deploy --all` makes it"
        ) from None
