"""Prefect in AWS: a cluster, the worker of the pool capacity-ecs, roles of flow runs, and the server, if asked for."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_servicediscovery as discovery
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from deployments.cdk import policies
from deployments.cdk.containers import Tasks
from deployments.cdk.context import Stage
from deployments.cdk.lake import LakeStack
from deployments.cdk.network import Network
from deployments.cdk.server import DOMAIN, Server

POOL = "capacity-ecs"  # config/work-pools.yaml
# The pool is made by the task `setup`, which needs the server, which starts beside the worker: the worker waits for it,
# and counts as healthy meanwhile, or the stack would never be done.
WORK = (
    f"touch /scratch/waiting; until prefect work-pool inspect {POOL} >/dev/null 2>&1; "
    f"do echo 'waiting for the work pool {POOL}'; sleep 15; done; rm /scratch/waiting; "
    f"exec prefect worker start --pool {POOL} --limit 6 --with-healthcheck"
)
HEALTHY = (
    "import os, urllib.request as r; "
    "os.path.exists('/scratch/waiting') or r.urlopen('http://127.0.0.1:8080/health', timeout=5)"
)
QUIET = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}


class PrefectStack(Stack):
    """Worker and flow runs on Fargate."""

    def __init__(
        self, scope: Construct, name: str, stage: Stage, lake: LakeStack, image: ecr.IRepository, topic: sns.ITopic,
        submit: list[iam.PolicyStatement],
    ) -> None:  # fmt: skip
        super().__init__(scope, name, description="capforecast: Prefect on ECS", termination_protection=stage.retain)
        inside = stage.prefect == "server"
        network = Network(self, "Network", stage, lake.access_logs)
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            vpc=network.vpc,
            cluster_name=stage.prefix,
            container_insights_v2=ecs.ContainerInsights.ENABLED if stage.retain else ecs.ContainerInsights.DISABLED,
            default_cloud_map_namespace=ecs.CloudMapNamespaceOptions(
                name=DOMAIN, type=discovery.NamespaceType.DNS_PRIVATE
            )
            if inside
            else None,
        )
        group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/{stage.prefix}",
            retention=stage.retention,
            removal_policy=RemovalPolicy.RETAIN if stage.retain else RemovalPolicy.DESTROY,
        )
        streams = policies.arn(self, "logs", f"log-group:/{stage.prefix}:*")
        # `user:password` of the Prefect server. Made by hand (docs/aws.md): no template, and no state of CDK, holds it.
        secret_name = f"capforecast/{stage.name}/prefect-auth"
        auth = secrets.Secret.from_secret_name_v2(self, "Auth", secret_name)
        may_read = policies.arn(
            self, "secretsmanager", f"secret:{secret_name}-??????"
        )  # Secrets Manager adds six letters
        tasks = Tasks(stage, self.cluster, image, group, streams, may_read)
        self.server = Server(self, "Server", stage, network, tasks, auth, lake.key) if inside else None
        api_url = self.server.api_url if self.server else stage.prefect_api_url

        run_role = policies.role(
            self,
            "RunRole",
            "ecs-tasks.amazonaws.com",
            [*policies.runs(lake.bucket, lake.key), *submit, *policies.tell(topic)],
            "capforecast: flow runs",
        )
        starting_role = tasks.starting_role(self, "RunStartingRole")
        client = {**QUIET, "PREFECT_API_URL": api_url, "AWS_REGION": self.region}
        password = {"PREFECT_API_AUTH_STRING": ecs.Secret.from_secrets_manager(auth)}
        family = f"{stage.prefix}-run"
        queue = _task_events(self, self.cluster, lake.key)
        self.worker = ecs.FargateService(
            self,
            "Worker",
            cluster=self.cluster,
            task_definition=tasks.definition(
                self,
                "WorkerTask",
                "worker",
                cpu=512,
                memory=1024,
                command=["sh", "-c", WORK],
                health=HEALTHY,
                environment={**client, "PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME": queue.queue_name},
                secrets=password,
                may=policies.worker(
                    self.cluster.cluster_arn,
                    policies.arn(self, "ecs", f"task-definition/{family}:*"),
                    policies.arn(self, "ecs", f"task/{stage.prefix}/*"),
                    streams,
                    queue.queue_arn,
                    [run_role.role_arn, starting_role.role_arn],
                    lake.key,
                ),
            ),
            desired_count=stage.workers,
            min_healthy_percent=0,  # two for a moment would do no harm, none for a minute neither
            max_healthy_percent=200,
            # without image or password it would never be steady, and the deployment wait for hours
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            assign_public_ip=network.public_ip,
            vpc_subnets=network.tasks,
            security_groups=[network.task_group],
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        pool = {
            "CAPACITY_POOL": POOL,
            "CAPACITY_PROFILE": "aws",
            "CAPACITY_API_URL": api_url,
            "CAPACITY_IMAGE": image.repository_uri_for_tag_or_digest(stage.images["worker"]),
            "CAPACITY_ECS_FAMILY": family,
            "CAPACITY_ECS_CLUSTER": self.cluster.cluster_arn,
            "CAPACITY_ECS_VPC_ID": network.vpc.vpc_id,
            "CAPACITY_ECS_SUBNETS": Fn.join(",", network.vpc.select_subnets(subnet_group_name="Tasks").subnet_ids),
            "CAPACITY_ECS_SECURITY_GROUPS": network.task_group.security_group_id,
            "CAPACITY_ECS_PUBLIC_IP": "ENABLED" if network.public_ip else "DISABLED",
            "CAPACITY_ECS_TASK_ROLE_ARN": run_role.role_arn,
            "CAPACITY_ECS_EXECUTION_ROLE_ARN": starting_role.role_arn,
            "CAPACITY_ECS_AUTH_SECRET_ARN": auth.secret_arn,
            "CAPACITY_ECS_LOG_GROUP": group.log_group_name,
            "CAPACITY_ECS_CPU": str(stage.run_cpu),
            "CAPACITY_ECS_MEMORY": str(stage.run_memory_mib),
        }
        lake_settings = {
            "CAPFORECAST_STORE": f"s3://{lake.bucket.bucket_name}/{policies.LAKE}",
            "CAPFORECAST_ALERTS__SNS_TOPIC": topic.topic_arn,
        }
        tasks.definition(
            self,
            "SetupTask",
            "setup",
            cpu=512,
            memory=2048,
            command=["capforecast-setup"],
            environment={**client, **pool, **lake_settings},
            secrets=password,
            may=policies.lake(lake.bucket, lake.key),  # it tries the bucket before it names it to Prefect
        )
        for name, value in {
            "Cluster": self.cluster.cluster_name,
            "ApiUrl": api_url,
            "SetupFamily": f"{stage.prefix}-setup",
            "Subnets": pool["CAPACITY_ECS_SUBNETS"],
            "PublicIp": pool["CAPACITY_ECS_PUBLIC_IP"],
            "SecurityGroup": network.task_group.security_group_id,
        }.items():
            CfnOutput(self, f"Out{name}", value=value).override_logical_id(name)


def _task_events(scope: Construct, cluster: ecs.ICluster, key: kms.IKey | None) -> sqs.Queue:
    """Where the worker hears of tasks that died before they could say so themselves."""
    queue = sqs.Queue(
        scope,
        "TaskEvents",
        retention_period=Duration.days(1),
        visibility_timeout=Duration.minutes(5),
        enforce_ssl=True,
        encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
        encryption_master_key=key,
    )
    events.Rule(
        scope,
        "TaskChanged",
        description="capforecast: tasks of the cluster",
        event_pattern=events.EventPattern(
            source=["aws.ecs"], detail_type=["ECS Task State Change"], detail={"clusterArn": [cluster.cluster_arn]}
        ),
        targets=[targets.SqsQueue(queue)],
    )
    return queue
