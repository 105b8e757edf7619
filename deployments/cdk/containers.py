"""Tasks of ECS: one image, a role to start and a role to run for each, logs in one group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from deployments.cdk import policies
from deployments.cdk.context import Stage


class Tasks:
    """Makes task definitions of the image `worker` on one cluster."""

    def __init__(
        self,
        stage: Stage,
        cluster: ecs.ICluster,
        image: ecr.IRepository,
        group: logs.ILogGroup,
        streams: str,
        secret: str,
    ) -> None:
        self.stage, self.cluster, self.image, self.group = stage, cluster, image, group
        self.streams, self.secret = streams, secret

    def starting_role(self, scope: Construct, name: str, more: Sequence[iam.PolicyStatement] = ()) -> iam.Role:
        """What ECS uses to start a task."""
        statements = policies.start_tasks(self.image, self.streams, self.secret, more)
        return policies.role(scope, name, "ecs-tasks.amazonaws.com", statements, "capforecast: starting a task")

    def definition(
        self,
        scope: Construct,
        name: str,
        family: str,
        *,
        cpu: int,
        memory: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        secrets: Mapping[str, ecs.Secret],
        may: Sequence[iam.PolicyStatement],
        to_start: Sequence[iam.PolicyStatement] = (),
        health: str | None = None,
        port: int | None = None,
    ) -> ecs.FargateTaskDefinition:
        """A task of one container.  may: what its role allows; to_start: what ECS needs beside image, logs, password.

        health: Python that fails while the container is not healthy.
        """
        role = policies.role(scope, f"{name}Role", "ecs-tasks.amazonaws.com", may, f"capforecast: the task {family}")
        starting = self.starting_role(scope, f"{name}StartingRole", to_start)
        made = ecs.FargateTaskDefinition(
            scope,
            name,
            family=f"{self.stage.prefix}-{family}",
            cpu=cpu,
            memory_limit_mib=memory,
            # CDK would give both a second time what they have, and more
            task_role=role.without_policy_updates(),
            execution_role=starting.without_policy_updates(),
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        made.add_container(
            "prefect",
            image=ecs.ContainerImage.from_ecr_repository(self.image, self.stage.images["worker"]),
            command=list(command),
            user="10001:10001",
            environment=dict(environment),
            secrets=dict(secrets),
            logging=ecs.LogDriver.aws_logs(stream_prefix=family, log_group=self.group),
            linux_parameters=_without_rights(scope, name),
            # Not read-only: a volume of Fargate belongs to root, so /scratch could not be written on one
            readonly_root_filesystem=False,
            port_mappings=[ecs.PortMapping(container_port=port)] if port else None,
            stop_timeout=Duration.seconds(120),
            health_check=None if health is None else _health(health),
        )
        return made


def _without_rights(scope: Construct, name: str) -> ecs.LinuxParameters:
    made = ecs.LinuxParameters(scope, f"{name}Linux", init_process_enabled=True)
    made.drop_capabilities(ecs.Capability.ALL)
    return made


def _health(program: str) -> ecs.HealthCheck:
    return ecs.HealthCheck(
        command=["CMD", "python", "-c", program],
        interval=Duration.seconds(30),
        timeout=Duration.seconds(10),
        retries=3,
        start_period=Duration.seconds(180),
    )
