"""`capforecast setup pools`: makes work pools and their queues on the server what config/work-pools.yaml says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from capforecast.errors import ConfigError
from deployments.work_pools import Pool, Pools, Queue, pools, template

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import WorkPool

PROCESS = "capacity-process"
CHOSEN = "CAPACITY_POOL"
Row = dict[str, Any]


def set_up_pools(
    client: SyncPrefectClient, *, dry_run: bool = False, environment: Mapping[str, str] | None = None
) -> list[Row]:
    """Create or update the pool that CAPACITY_POOL names, else capacity-process; a row: `pool`, `done`, `about`.

    A pool's own limit, and whether it is paused, stay as people set them. Raises ConfigError before anything is made.
    """
    variables = os.environ if environment is None else environment
    file = pools()
    name = variables.get(CHOSEN) or PROCESS
    if name not in file.work_pools:
        raise ConfigError(f"{CHOSEN}: no work pool {name!r}; there are {', '.join(sorted(file.work_pools))}")
    return [_pool(client, name, file, template(name, file.work_pools[name], variables), dry_run)]


def _pool(client: SyncPrefectClient, name: str, file: Pools, wanted: dict[str, Any], dry_run: bool) -> Row:
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate

    pool, before = file.work_pools[name], _there(client, name)
    if before is not None and before.type != pool.type:
        raise ConfigError(f"work pool {name!r} of this server is of type {before.type!r}, not {pool.type!r}")
    done = "created" if before is None else "unchanged" if _same(before, pool, wanted) else "updated"
    if not dry_run:
        if before is None:
            client.create_work_pool(
                WorkPoolCreate(name=name, type=pool.type, description=pool.description, base_job_template=wanted)
            )
        elif done == "updated":
            client.update_work_pool(name, WorkPoolUpdate(description=pool.description, base_job_template=wanted))
    changed = file.queues if before is None and dry_run else _queues(client, name, file.queues, dry_run)
    if done == "unchanged" and changed:
        done = "updated"
    about = f"{pool.type}; queues {', '.join(file.queues)}"
    return {"pool": name, "done": f"would be {done}" if dry_run else done, "about": about}


def _there(client: SyncPrefectClient, name: str) -> WorkPool | None:
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_work_pool(name)
    except ObjectNotFound:
        return None


def _same(before: WorkPool, pool: Pool, wanted: dict[str, Any]) -> bool:
    return before.description == pool.description and before.base_job_template == wanted


def _queues(client: SyncPrefectClient, pool: str, wanted: dict[str, Queue], dry_run: bool) -> list[str]:
    """Make the pool's queues as they should be; names of those that were not. Queues of others stay.

    In order of priority, since the server moves others out of the way of one that is set.
    """
    changed = []
    for name, queue in sorted(wanted.items(), key=lambda item: item[1].priority):
        there = {each["name"]: each for each in _read(client, pool)}
        content = queue.model_dump()
        if name in there and all(there[name][key] == value for key, value in content.items()):
            continue
        changed.append(name)
        if dry_run:
            continue
        if name in there:
            client.request("PATCH", "/work_pools/{work_pool_name}/queues/{name}",
                           path_params={"work_pool_name": pool, "name": name}, json=content)  # fmt: skip
        else:
            client.request("POST", "/work_pools/{work_pool_name}/queues",
                           path_params={"work_pool_name": pool}, json=content | {"name": name})  # fmt: skip
    return changed


def _read(client: SyncPrefectClient, pool: str) -> list[dict[str, Any]]:
    answer = client.request(
        "POST", "/work_pools/{work_pool_name}/queues/filter", path_params={"work_pool_name": pool}, json={"limit": 200}
    )
    found: list[dict[str, Any]] = answer.json()
    return found
