"""`capforecast setup limits`: how fast all workers together may ask a monitoring system, as limits of the server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from capforecast.sources.registry import SOURCES
from tasks.collect import limit_of

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from capforecast.settings import RemoteSettings

Row = dict[str, Any]


def set_up_limits(client: SyncPrefectClient, remote: RemoteSettings, *, dry_run: bool = False) -> list[Row]:
    """Create or update one global concurrency limit per kind of system; a row each: `limit`, `done`, `about`.

    Of the settings `remote.<system>.per_second`. One that people switched off stays off.
    """
    return [_limit(client, name, getattr(remote, name).per_second, dry_run) for name in sorted(SOURCES)]


def _limit(client: SyncPrefectClient, system: str, per_second: float, dry_run: bool) -> Row:
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, GlobalConcurrencyLimitUpdate
    from prefect.exceptions import ObjectNotFound

    name, slots = limit_of(system), max(1, math.ceil(per_second))
    try:
        before = client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        done = "created"
        if not dry_run:
            client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=name, limit=slots, slot_decay_per_second=per_second)
            )
    else:
        same = (before.limit, before.slot_decay_per_second) == (slots, per_second)
        done = "unchanged" if same else "updated"
        if not same and not dry_run:
            client.update_global_concurrency_limit(
                name, GlobalConcurrencyLimitUpdate(limit=slots, slot_decay_per_second=per_second)
            )
    about = f"{per_second:g} requests per second of all ingests together"
    return {"limit": name, "done": f"would be {done}" if dry_run else done, "about": about}
