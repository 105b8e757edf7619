"""The Prefect server as one task of ECS, on Postgres of RDS: an option (`prefect: server`)."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from deployments.cdk.containers import Tasks
from deployments.cdk.context import Stage
from deployments.cdk.network import API_PORT, DATABASE_PORT, Network
from deployments.cdk.policies import allow

DOMAIN = "capforecast.internal"
# As in docker-compose.yml, but for Redis: API and services are one process here, so what they share may be in memory.
ENVIRONMENT = {
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    "PREFECT_SERVER_UI_API_URL": f"http://localhost:{API_PORT}/api",  # people come through a tunnel (docs/aws.md)
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_DATABASE_DRIVER": "postgresql+asyncpg",
    "PREFECT_SERVER_DATABASE_NAME": "prefect",
    # tasks of ECS take minutes to start; with 60 s a run that is about to start loses its slot to the next
    "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "300",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}
TUNNEL = tuple(f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data"))
READY = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{API_PORT}/api/ready', timeout=5)"


class Server(Construct):
    """Database, service and its name inside the VPC."""

    def __init__(
        self, scope: Construct, name: str, stage: Stage, network: Network, tasks: Tasks, auth: secrets.ISecret,
        key: kms.IKey | None,
    ) -> None:  # fmt: skip
        super().__init__(scope, name)
        self.api_url = f"http://server.{DOMAIN}:{API_PORT}/api"
        group, database_group = network.server_groups()
        self.database = _database(self, stage, network, database_group, key)
        credentials = self.database.secret
        assert credentials is not None
        definition = tasks.definition(
            self,
            "Task",
            "server",
            cpu=1024,
            memory=2048,
            command=["prefect", "server", "start", "--host", "0.0.0.0", "--port", str(API_PORT)],
            health=READY,
            environment={
                **ENVIRONMENT,
                "PREFECT_SERVER_DATABASE_HOST": self.database.db_instance_endpoint_address,
                "PREFECT_SERVER_DATABASE_PORT": str(DATABASE_PORT),
            },
            secrets={
                "PREFECT_SERVER_API_AUTH_STRING": ecs.Secret.from_secrets_manager(auth),
                "PREFECT_API_AUTH_STRING": ecs.Secret.from_secrets_manager(auth),
                "PREFECT_SERVER_DATABASE_USER": ecs.Secret.from_secrets_manager(credentials, "username"),
                "PREFECT_SERVER_DATABASE_PASSWORD": ecs.Secret.from_secrets_manager(credentials, "password"),
            },
            may=[allow("LetPeopleIn", TUNNEL, "*")],  # the tunnel to UI and API; AWS knows no resource for it
            to_start=[
                allow("ReadTheDatabasesPassword", "secretsmanager:GetSecretValue", credentials.secret_arn),
                *([] if key is None else [allow("DecryptIt", "kms:Decrypt", key.key_arn)]),
            ],
            port=API_PORT,
        )
        self.service = ecs.FargateService(
            self,
            "Service",
            cluster=tasks.cluster,
            task_definition=definition,
            desired_count=1,
            # never two at once: what API and services share is in the memory of one
            min_healthy_percent=0,
            max_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            assign_public_ip=network.public_ip,
            vpc_subnets=network.tasks,
            security_groups=[group],
            enable_execute_command=True,
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            cloud_map_options=ecs.CloudMapOptions(
                name="server", dns_record_type=discovery.DnsRecordType.A, dns_ttl=Duration.seconds(10)
            ),
        )
        self.service.node.add_dependency(self.database)


def _database(
    scope: Construct, stage: Stage, network: Network, group: ec2.ISecurityGroup, key: kms.IKey | None
) -> rds.DatabaseInstance:
    return rds.DatabaseInstance(
        scope,
        "Database",
        engine=rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_9),
        instance_type=ec2.InstanceType(stage.database_class),
        multi_az=stage.database_multi_az,
        database_name="prefect",
        credentials=rds.Credentials.from_generated_secret(
            "prefect", encryption_key=key, exclude_characters=" %+~`#$&*()|[]{}:;<>?!'/@\"\\"
        ),
        vpc=network.vpc,
        vpc_subnets=network.data,
        security_groups=[group],
        port=DATABASE_PORT,
        publicly_accessible=False,
        allocated_storage=20,
        max_allocated_storage=100,
        storage_type=rds.StorageType.GP3,
        storage_encrypted=True,
        storage_encryption_key=key,
        backup_retention=Duration.days(14 if stage.retain else 1),
        copy_tags_to_snapshot=True,
        auto_minor_version_upgrade=True,
        deletion_protection=stage.retain,
        removal_policy=RemovalPolicy.SNAPSHOT if stage.retain else RemovalPolicy.DESTROY,
        cloudwatch_logs_exports=["postgresql"],
        parameters={"rds.force_ssl": "1"},
    )
