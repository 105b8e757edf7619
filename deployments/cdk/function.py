"""Lambda: forecasts when data arrive and on a schedule, by the champions (docs/aws-compute.md)."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from deployments.cdk import policies
from deployments.cdk.context import Stage
from deployments.cdk.policies import INCOMING, INVENTORY, LAKE


class FunctionStack(Stack):
    """The function, what calls it, its settings in the Parameter Store, and a queue of what could not be answered."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        stage: Stage,
        bucket: s3.IBucket,
        key: kms.IKey | None,
        image: ecr.IRepository,
        more_settings: dict[str, str],
    ) -> None:
        super().__init__(scope, name, description="capforecast: forecasts when data arrive")
        self.failed = sqs.Queue(
            self,
            "Failed",
            retention_period=Duration.days(14),
            enforce_ssl=True,
            encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=key,
        )
        parameters = f"/capforecast/{stage.name}"
        for path, value in {**_settings(bucket, key), **more_settings}.items():
            _parameter(self, parameters, path, value)
        self.function = _function(self, stage, bucket, key, image, parameters, self.failed)
        _call_it(self, stage, bucket, self.function, self.failed)
        CfnOutput(self, "FunctionName", value=self.function.function_name)
        CfnOutput(self, "FailedQueue", value=self.failed.queue_url, description="what could not be answered")


def _settings(bucket: s3.IBucket, key: kms.IKey | None) -> dict[str, str]:
    """Settings that only the stack knows; yours are parameters beside them, by `aws ssm put-parameter`."""
    made = {
        "store": f"s3://{bucket.bucket_name}/{LAKE}",
        "aws_lambda/inventory": f"s3://{bucket.bucket_name}/{INVENTORY}",
    }
    return made if key is None else {**made, "storage/encryption": "aws:kms", "storage/kms_key": key.key_arn}


def _parameter(scope: Construct, parameters: str, path: str, value: str) -> None:
    name = "Setting" + "".join(word.title() for word in path.replace("_", "/").split("/"))
    ssm.StringParameter(scope, name, parameter_name=f"{parameters}/{path}", string_value=value)


def _function(
    scope: Construct,
    stage: Stage,
    bucket: s3.IBucket,
    key: kms.IKey | None,
    image: ecr.IRepository,
    parameters: str,
    failed: sqs.IQueue,
) -> lambda_.DockerImageFunction:
    group = logs.LogGroup(
        scope,
        "Logs",
        log_group_name=f"/aws/lambda/{stage.prefix}",
        retention=stage.retention,
        removal_policy=RemovalPolicy.RETAIN if stage.retain else RemovalPolicy.DESTROY,
    )
    log_streams = policies.arn(scope, "logs", f"log-group:/aws/lambda/{stage.prefix}:*")
    role = policies.role(
        scope,
        "Role",
        "lambda.amazonaws.com",
        policies.function(scope, bucket, key, parameters, log_streams, failed.queue_arn),
        "capforecast: the Lambda function",
    )
    return lambda_.DockerImageFunction(
        scope,
        "Function",
        function_name=stage.prefix,
        description="Forecasts and risk tiers by the champions",
        code=lambda_.DockerImageCode.from_ecr(image, tag_or_digest=stage.images["lambda"]),
        architecture=lambda_.Architecture.X86_64,
        memory_size=stage.function_memory_mib,
        timeout=Duration.seconds(stage.function_seconds),
        environment={"CAPFORECAST_SSM_PATH": parameters},
        log_group=group,
        # CDK would add to what the role may do: the queue's address and attributes, which nobody needs
        role=role.without_policy_updates(),
        retry_attempts=2,
        max_event_age=Duration.hours(6),
        on_failure=destinations.SqsDestination(failed),
    )


def _call_it(
    scope: Construct, stage: Stage, bucket: s3.IBucket, function: lambda_.IFunction, failed: sqs.IQueue
) -> None:
    """Objects below incoming/, never the lake's own: it would be called by what it writes. And each day."""
    called = targets.LambdaFunction(
        function, dead_letter_queue=failed, retry_attempts=2, max_event_age=Duration.hours(6)
    )
    events.Rule(
        scope,
        "Delivered",
        description="capforecast: observations have come",
        event_pattern=events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={"bucket": {"name": [bucket.bucket_name]}, "object": {"key": [{"prefix": f"{INCOMING}/"}]}},
        ),
        targets=[called],
    )
    events.Rule(
        scope,
        "Schedule",
        description="capforecast: forecast what is in the lake",
        schedule=events.Schedule.expression(stage.schedule),
        targets=[called],
    )
