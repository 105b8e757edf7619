"""What each component may do: one function for each policy of docs/aws-compute.md and docs/runbook.md, and no more.

Statements keep the names (Sid) they have there; tests/cdk compares. An action that knows no resource stands in
`WITHOUT_RESOURCE` with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

LAKE = "capacity"  # prefix of the lake in the bucket
INCOMING = "incoming"  # of what is delivered
DATA = "data"  # of what processing jobs read
INVENTORY = "inventory.csv"
WITHOUT_RESOURCE = {
    "ecr:GetAuthorizationToken": "AWS knows no resource for the login to ECR",
    "cloudwatch:PutMetricData": "AWS knows no resource for it; narrowed by its namespace",
    "ec2:DescribeVpcs": "AWS knows no resource for describing; the worker looks up the VPC of its pool",
    "ec2:DescribeSubnets": "AWS knows no resource for describing; the worker looks up the subnets of its pool",
    "ecs:RegisterTaskDefinition": "a task definition is no resource before it is registered",
    "ecs:DeregisterTaskDefinition": "AWS knows no resource for it",
    "ecs:DescribeTaskDefinition": "AWS knows no resource for it",
    "ssmmessages:CreateControlChannel": "AWS knows no resource; how people reach Prefect's UI",
    "ssmmessages:CreateDataChannel": "AWS knows no resource; how people reach Prefect's UI",
    "ssmmessages:OpenControlChannel": "AWS knows no resource; how people reach Prefect's UI",
    "ssmmessages:OpenDataChannel": "AWS knows no resource; how people reach Prefect's UI",
}
LAKE_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")


def allow(sid: str, actions: str | Sequence[str], resources: str | Sequence[str], **more: Any) -> iam.PolicyStatement:
    """A statement that allows."""
    return iam.PolicyStatement(
        sid=sid,
        actions=[actions] if isinstance(actions, str) else list(actions),
        resources=[resources] if isinstance(resources, str) else list(resources),
        **more,
    )


def role(scope: Construct, name: str, service: str, statements: Sequence[iam.PolicyStatement], told: str) -> iam.Role:
    """A role of one service of this account, with these statements and no managed policy."""
    # of this account alone, where the service is documented to say for whom it asks; Lambda is not
    own = {} if service.startswith("lambda.") else {"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    made = iam.Role(scope, name, assumed_by=iam.ServicePrincipal(service, conditions=own), description=told)
    for statement in statements:
        made.add_to_policy(statement)
    return made


def arn(scope: Construct, service: str, resource: str) -> str:
    """ARN of a resource of this account and region."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{resource}"


def keys(key: kms.IKey | None, *more: str) -> list[iam.PolicyStatement]:
    """Use of the key of the bucket; nothing where there is none."""
    return [] if key is None else [allow("UseKeys", ("kms:Decrypt", "kms:GenerateDataKey", *more), key.key_arn)]


def list_bucket(bucket: s3.IBucket, sid: str = "ListTheBucket") -> iam.PolicyStatement:
    """The whole bucket: S3 says "not there" only to those who may list it (docs/runbook.md)."""
    return allow(sid, "s3:ListBucket", bucket.bucket_arn)


def lake(bucket: s3.IBucket, key: kms.IKey | None) -> list[iam.PolicyStatement]:
    """What a run needs: docs/runbook.md, "The lake in a bucket"."""
    made = [
        list_bucket(bucket, "ListTheLake"),
        allow("ReadAndWriteTheLake", LAKE_ACTIONS, bucket.arn_for_objects(f"{LAKE}/*")),
    ]
    return made if key is None else [
        *made, allow("EncryptTheLake", ("kms:GenerateDataKey", "kms:Decrypt"), key.key_arn)
    ]  # fmt: skip


def function(
    scope: Construct, bucket: s3.IBucket, key: kms.IKey | None, parameters: str, log_group: str, queue: str
) -> list[iam.PolicyStatement]:
    """What the Lambda function may do: docs/aws-compute.md, "The role of the function"."""
    return [
        list_bucket(bucket),
        allow(
            "ReadWhatCame",
            "s3:GetObject",
            [bucket.arn_for_objects(f"{INCOMING}/*"), bucket.arn_for_objects(INVENTORY)],
        ),
        allow("ReadAndWriteTheLake", LAKE_ACTIONS, bucket.arn_for_objects(f"{LAKE}/*")),
        allow("ReadSettings", "ssm:GetParametersByPath", arn(scope, "ssm", f"parameter{parameters}")),
        *keys(key),
        allow("WriteLogs", ("logs:CreateLogStream", "logs:PutLogEvents"), log_group),
        allow("TellOfFailures", "sqs:SendMessage", queue),
    ]


def submit(scope: Construct, jobs: str) -> list[iam.PolicyStatement]:
    """Who submits and follows jobs of SageMaker: docs/aws-compute.md, "Roles"."""
    verbs = [
        f"sagemaker:{verb}{kind}Job" for kind in ("Training", "Processing") for verb in ("Create", "Describe", "Stop")
    ]
    return [
        allow(
            "SubmitAndFollow",
            [*verbs, "sagemaker:AddTags"],
            [arn(scope, "sagemaker", f"{kind}-job/capforecast-*") for kind in ("training", "processing")],
        ),
        allow(
            "LetJobsRunAsTheirRole",
            "iam:PassRole",
            jobs,
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
    ]


def jobs(
    scope: Construct, bucket: s3.IBucket, key: kms.IKey | None, image: ecr.IRepository
) -> list[iam.PolicyStatement]:
    """What a job of SageMaker may do: docs/aws-compute.md, "The role of the jobs"."""
    places = (f"{DATA}/*", INVENTORY, f"{LAKE}/*")
    return [
        list_bucket(bucket),
        allow("ReadDataAndLake", "s3:GetObject", [bucket.arn_for_objects(place) for place in places]),
        allow(
            "WriteResults", ("s3:PutObject", "s3:AbortMultipartUpload"), bucket.arn_for_objects(f"{LAKE}/sagemaker/*")
        ),
        *keys(key, "kms:CreateGrant"),
        *pull(image),
        allow(
            "WriteMetrics",
            "cloudwatch:PutMetricData",
            "*",
            conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
        ),
        allow(
            "WriteLogs",
            ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
            arn(scope, "logs", "log-group:/aws/sagemaker/*"),
        ),
    ]


def pull(image: ecr.IRepository) -> list[iam.PolicyStatement]:
    """Pull one image."""
    return [
        allow(
            "PullTheImage",
            ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"),
            image.repository_arn,
        ),
        allow("LogIntoTheRegistry", "ecr:GetAuthorizationToken", "*"),
    ]


def runs(bucket: s3.IBucket, key: kms.IKey | None) -> list[iam.PolicyStatement]:
    """What a flow run may do in S3: the lake, and to read what is delivered."""
    places = (f"{INCOMING}/*", f"{DATA}/*", INVENTORY)
    return [
        *lake(bucket, key),
        allow("ReadWhatCame", "s3:GetObject", [bucket.arn_for_objects(each) for each in places]),
    ]


def tell(topic: sns.ITopic) -> list[iam.PolicyStatement]:
    """Send alerts to the topic. Where it is encrypted, its key is that of the lake."""
    return [allow("SendAlerts", "sns:Publish", topic.topic_arn)]


def start_tasks(
    image: ecr.IRepository, log_group: str, secret: str | None, more: Sequence[iam.PolicyStatement] = ()
) -> list[iam.PolicyStatement]:
    """What ECS does to start a task: pull the image, write logs, read the password of the Prefect server."""
    return [
        *pull(image),
        allow("WriteLogs", ("logs:CreateLogStream", "logs:PutLogEvents"), log_group),
        *([] if secret is None else [allow("ReadThePassword", "secretsmanager:GetSecretValue", secret)]),
        *more,
    ]


def worker(
    cluster: str, family: str, tasks: str, logs: str, queue: str, pass_on: Sequence[str], key: kms.IKey | None
) -> list[iam.PolicyStatement]:
    """What the worker of the pool capacity-ecs calls (prefect-aws 0.7): starts and stops tasks of one cluster."""
    here = {"ArnEquals": {"ecs:cluster": cluster}}
    return [
        allow(
            "DescribeTasksToBe",
            ("ecs:RegisterTaskDefinition", "ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition"),
            "*",
        ),
        allow("StartRuns", "ecs:RunTask", family, conditions=here),
        allow("FollowAndStopRuns", ("ecs:DescribeTasks", "ecs:StopTask"), tasks, conditions=here),
        allow(
            "NameRuns",
            "ecs:TagResource",
            [tasks, family],
            conditions={"StringEquals": {"ecs:CreateAction": ["RunTask", "RegisterTaskDefinition"]}},
        ),
        allow(
            "LetRunsHaveTheirRoles",
            "iam:PassRole",
            pass_on,
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
        allow("LookUpTheNetwork", ("ec2:DescribeVpcs", "ec2:DescribeSubnets"), "*"),
        allow("ReadLogsOfRunsThatDied", "logs:GetLogEvents", logs),
        allow(
            "HearOfTasks",
            ("sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
            queue,
        ),
        *([] if key is None else [allow("ReadTheQueue", "kms:Decrypt", key.key_arn)]),
    ]


def ask(
    scope: Construct, bucket: s3.IBucket, key: kms.IKey | None, workgroup: str, database: str
) -> list[iam.PolicyStatement]:
    """Who asks Athena (`capforecast query --engine athena`): one workgroup, one database, the lake to read."""
    catalogue = [arn(scope, "glue", each) for each in ("catalog", f"database/{database}", f"table/{database}/*")]
    decrypt = [] if key is None else [allow("UseKeys", ("kms:Decrypt", "kms:GenerateDataKey"), key.key_arn)]
    return [
        allow(
            "AskAthena",
            ("athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults",
             "athena:StopQueryExecution", "athena:GetWorkGroup"),
            arn(scope, "athena", f"workgroup/{workgroup}"),
        ),
        allow(
            "ReadTheCatalogue",
            ("glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartition", "glue:GetPartitions"),
            catalogue,
        ),
        allow("ListTheBucket", ("s3:ListBucket", "s3:GetBucketLocation"), bucket.bucket_arn),
        allow("ReadTheLake", "s3:GetObject", bucket.arn_for_objects(f"{LAKE}/*")),
        allow(
            "WriteAnswers",
            ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"),
            bucket.arn_for_objects("athena-results/*"),
        ),
        *decrypt,
    ]  # fmt: skip
