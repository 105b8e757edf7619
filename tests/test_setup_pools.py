"""`capforecast setup pools` on a real server: ours as the file has them, what people set left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate

from capforecast.errors import ConfigError
from deployments.setup_pools import set_up_pools
from deployments.setup_server import server
from deployments.work_pools import pools

DOCKER = {"CAPACITY_POOL": "capacity-docker"}


@pytest.fixture
def client(prefect_api: str) -> Iterator[Any]:
    """A client of a server that has none of our pools; nor afterwards."""
    with server() as client:
        yield client
        for name in ours(client):
            client.delete_work_pool(name)


def ours(client: Any) -> list[str]:
    return [pool.name for pool in client.read_work_pools() if pool.name in pools().work_pools]


def done(client: Any, environment: dict[str, str], **more: Any) -> str:
    (row,) = set_up_pools(client, environment=environment, **more)
    return str(row["done"])


def queues(client: Any, pool: str) -> dict[str, tuple[int, int | None]]:
    found = client.request(
        "POST", "/work_pools/{work_pool_name}/queues/filter", path_params={"work_pool_name": pool}, json={}
    ).json()
    return {each["name"]: (each["priority"], each["concurrency_limit"]) for each in found}


def test_a_second_time_changes_nothing_and_a_dry_run_never_does(client: Any) -> None:
    assert done(client, {}, dry_run=True) == "would be created"
    assert ours(client) == []
    assert done(client, {}) == "created"
    assert done(client, {}) == "unchanged"
    wanted = {name: (queue.priority, queue.concurrency_limit) for name, queue in pools().queues.items()}
    assert queues(client, "capacity-process") == wanted


def test_the_environment_chooses_the_pool_and_what_differs_is_brought_up_to_date(client: Any) -> None:
    assert done(client, DOCKER) == "created"
    assert ours(client) == ["capacity-docker"]
    assert done(client, DOCKER | {"CAPACITY_DOCKER_MEMORY": "16g"}) == "updated"
    template = client.read_work_pool("capacity-docker").base_job_template
    assert template["variables"]["properties"]["mem_limit"]["default"] == "16g"


def test_a_pool_made_by_prefect_gets_its_queues_and_keeps_limit_and_pause(client: Any) -> None:
    client.create_work_pool(WorkPoolCreate(name="capacity-process", type="process", concurrency_limit=7))
    client.update_work_pool("capacity-process", WorkPoolUpdate(is_paused=True))
    assert done(client, {}, dry_run=True) == "would be updated"
    assert done(client, {}) == "updated"
    assert queues(client, "capacity-process")["reports"] == (2, 1)
    pool = client.read_work_pool("capacity-process")
    assert (pool.concurrency_limit, pool.is_paused) == (7, True)


def test_what_cannot_be_is_refused_before_anything_is_made(client: Any) -> None:
    with pytest.raises(ConfigError, match=r"CAPACITY_POOL: no work pool 'elsewhere'; there are capacity-docker, "):
        done(client, {"CAPACITY_POOL": "elsewhere"})
    with pytest.raises(ConfigError, match=r"set AWS_REGION, CAPACITY_API_URL, "):
        done(client, {"CAPACITY_POOL": "capacity-ecs"})
    assert ours(client) == []
    client.create_work_pool(WorkPoolCreate(name="capacity-docker", type="process"))
    with pytest.raises(ConfigError, match=r"of type 'process', not 'docker'"):
        done(client, DOCKER)
