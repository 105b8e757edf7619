"""config/work-pools.yaml against Prefect's own templates, and how it is filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
import yaml
from prefect_lint import problems, read

from capforecast.errors import ConfigError
from deployments.work_pools import Pool, pools, template

ROOT = Path(__file__).parents[1]
ECS = {
    "AWS_REGION": "eu-west-2",
    "CAPACITY_API_URL": "https://prefect.example.com/api",
    "CAPACITY_ECS_AUTH_SECRET_ARN": "arn:secret",
    "CAPACITY_ECS_CLUSTER": "fleet",
    "CAPACITY_ECS_EXECUTION_ROLE_ARN": "arn:execution",
    "CAPACITY_ECS_LOG_GROUP": "/capforecast",
    "CAPACITY_ECS_SECURITY_GROUPS": "sg-1",
    "CAPACITY_ECS_SUBNETS": "subnet-1, subnet-2",
    "CAPACITY_ECS_TASK_ROLE_ARN": "arn:task",
    "CAPACITY_ECS_VPC_ID": "vpc-1",
    "CAPACITY_IMAGE": "registry.example.com/capforecast:0.1.0",
}


def defaults(made: dict[str, Any]) -> dict[str, Any]:
    return {name: each.get("default") for name, each in made["variables"]["properties"].items()}


def filled(name: str, variables: dict[str, str]) -> dict[str, Any]:
    return template(name, pools().work_pools[name], variables)


def test_pools_and_queues_are_those_that_deployments_name() -> None:
    document = read((ROOT / "prefect.yaml").read_text())
    assert problems(document) == []
    used = {deployment["work_pool"]["work_queue_name"] for deployment in document["deployments"]}
    assert used == set(pools().queues)
    assert set(pools().work_pools) == {"capacity-process", "capacity-docker", "capacity-ecs"}
    env = document["deployments"][0]["work_pool"]["job_variables"]["env"]
    for name, pool in pools().work_pools.items():
        assert env.items() <= pool.job_variables["env"].items(), name  # also for a deployment of somebody's own


def test_a_pool_of_ecs_takes_all_that_is_of_an_account_from_the_environment() -> None:
    found = defaults(filled("capacity-ecs", ECS))
    assert found["network_configuration"]["subnets"] == ["subnet-1", "subnet-2"]
    assert found["memory"] == 16384  # a number, as the worker wants it
    assert found["cloudwatch_logs_options"]["awslogs-group"] == "/capforecast"
    assert found["env"]["PREFECT_API_URL"] == "https://prefect.example.com/api"
    text = (ROOT / "config/work-pools.yaml").read_text()
    assert "arn:aws" not in text
    assert not any(word.isdigit() and len(word) == 12 for word in text.replace(":", " ").split())  # an account


def test_what_is_missing_in_the_environment_is_named_all_at_once() -> None:
    known = {name: value for name, value in ECS.items() if name not in ("CAPACITY_IMAGE", "CAPACITY_ECS_VPC_ID")}
    with pytest.raises(
        ConfigError, match=r"'capacity-ecs': set CAPACITY_ECS_VPC_ID, CAPACITY_IMAGE in the environment"
    ):
        filled("capacity-ecs", known)


def test_a_pool_of_containers_is_hardened_out_of_reach_of_runs() -> None:
    made = filled("capacity-docker", {})
    assert made["job_configuration"]["privileged"] is False
    assert made["job_configuration"]["container_create_kwargs"]["cap_drop"] == ["ALL"]
    assert "volumes" not in {name for name, value in defaults(made).items() if value == [""]}
    assert "AWS_ENDPOINT_URL" not in defaults(made)["env"]  # empty is left out: it would be an address
    volumes = filled("capacity-docker", {"CAPACITY_DOCKER_VOLUMES": "/srv/a:/data:ro,/srv/b:/b"})
    assert defaults(volumes)["volumes"] == ["/srv/a:/data:ro", "/srv/b:/b"]


def test_what_is_fixed_in_a_pool_of_containers_is_known_to_its_worker() -> None:
    pytest.importorskip("prefect_docker", reason="prefect-docker is not installed here")
    from prefect_docker.worker import DockerWorkerJobConfiguration

    made = filled("capacity-docker", {})
    assert set(made["job_configuration"]) <= set(DockerWorkerJobConfiguration.model_fields)


def test_a_worker_makes_a_job_of_each_pool() -> None:
    """What Prefect itself does with a template when a run is due."""
    import asyncio

    from prefect.workers.process import ProcessJobConfiguration
    from prefect_aws.workers.ecs_worker import ECSJobConfiguration

    given, nobody = {"env": {"MINE": "1"}}, AsyncMock()  # no server is asked: the templates name no blocks
    ecs = asyncio.run(ECSJobConfiguration.from_template_and_values(filled("capacity-ecs", ECS), given, client=nobody))
    assert ecs.task_run_request["overrides"]["taskRoleArn"] == "arn:task"
    assert ecs.env["MINE"] == "1"
    assert ecs.env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    pool = filled("capacity-process", {})
    process = asyncio.run(ProcessJobConfiguration.from_template_and_values(pool, given, client=nobody))
    assert process.env["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


def test_a_misspelt_job_variable_or_key_is_refused(tmp_path: Path) -> None:
    pool = Pool(type="ecs", description="x", job_variables={"memroy": 1})
    with pytest.raises(ConfigError, match=r"'mine': no job variable memroy; there are .*memory"):
        template("mine", pool, {})
    path = tmp_path / "work-pools.yaml"
    for broken in ({"queues": {}, "pools": {}}, {"queues": {"a": {"priorty": 1}}, "work_pools": {}}):
        path.write_text(yaml.safe_dump(broken))
        with pytest.raises(ConfigError, match=r"Extra inputs are not permitted"):
            pools(path)


def test_a_size_that_is_no_number_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Memory: '16g' is no whole number"):
        filled("capacity-ecs", ECS | {"CAPACITY_ECS_MEMORY": "16g"})
