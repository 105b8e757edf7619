"""Findings of cdk-nag (AwsSolutions) that stand, one by one, each with its reason. Any other ends the synthesis.

IAM5 names a wildcard in a resource. `*` for objects below a prefix, streams of a log group or runs of a family is what
those have instead of a name known beforehand; `*` alone stands only for actions in policies.WITHOUT_RESOURCE, which a
test in tests/cdk holds every policy to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct

from deployments.cdk.context import Stage

HERE = "arn:<AWS::Partition>:{}:<AWS::Region>:<AWS::AccountId>:{}"
BUCKET = "Bucket83908E77"  # logical id of the bucket, in the lake's own stack ...
EXPORTED = "ExportsOutputFnGetAttBucket83908E77Arn063C8555"  # ... and seen from the others
OBJECTS = "objects below one prefix: their names come with the data"
STREAMS = "streams of one log group: AWS names them"
JOBS = "jobs of capforecast: named when they are submitted"
NO_RESOURCE = "only actions that know no resource, each with its reason in policies.WITHOUT_RESOURCE"


def acknowledge(stage: Stage, stacks: Mapping[str, Stack]) -> None:
    """Record every exception at the construct it is of; raises RuntimeError where there is no such construct."""
    for stack, path, finding, reason in (*_always(stage), *(_prefect(stage) if "prefect" in stacks else ())):
        construct: IConstruct = stacks[stack]
        for child in path.split("/"):
            construct = construct.node.find_child(child)
        Validations.of(construct).acknowledge(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{finding}", reason=reason))
    if "pipeline" in stacks:
        role = stacks["pipeline"].node.find_child("Role")
        Validations.of(role).acknowledge(
            Acknowledgment(id=f"AwsSolutions::AwsSolutions-{_wild('*')}", reason=NO_RESOURCE)
        )


def _wild(resource: str) -> str:
    return f"IAM5[Resource::{resource}]"


def _always(stage: Stage) -> Iterator[tuple[str, str, str, str]]:
    """Stack, path of the construct, finding, reason."""
    for prefix in ("capacity", "athena-results"):
        yield "lake", "AskAthena", _wild(f"<{BUCKET}.Arn>/{prefix}/*"), OBJECTS
    tables = HERE.format("glue", f"table/{stage.prefix.replace('-', '_')}/*")
    yield "lake", "AskAthena", _wild(tables), "tables of one database, all of them the lake's"
    for prefix in ("data", "capacity", "capacity/sagemaker"):
        yield "jobs", "Role", _objects(stage, prefix), OBJECTS
    yield "jobs", "Role", _wild("*"), NO_RESOURCE
    yield (
        "jobs",
        "Role",
        _wild(HERE.format("logs", "log-group:/aws/sagemaker/*")),
        "SageMaker writes to groups of its own",
    )
    yield from (("jobs", "Submit", job, JOBS) for job in _jobs())
    for prefix in ("incoming", "capacity"):
        yield "function", "Role", _objects(stage, prefix), OBJECTS
    yield "function", "Role", _wild(HERE.format("logs", f"log-group:/aws/lambda/{stage.prefix}:*")), STREAMS
    yield "function", "Failed", "SQS3", "it is itself where what failed is kept, and an alarm looks at it"


def _prefect(stage: Stage) -> Iterator[tuple[str, str, str, str]]:
    for prefix in ("incoming", "data", "capacity"):
        yield "prefect", "RunRole", _objects(stage, prefix), OBJECTS
    yield from (("prefect", "RunRole", job, JOBS) for job in _jobs())
    yield "prefect", "SetupTaskRole", _objects(stage, "capacity"), OBJECTS
    streams = _wild(HERE.format("logs", f"log-group:/{stage.prefix}:*"))
    server = stage.prefect == "server"
    for role in ("RunStartingRole", "WorkerTaskStartingRole", "SetupTaskStartingRole", "WorkerTaskRole",
                 *(["Server/TaskStartingRole"] if server else [])):  # fmt: skip
        yield "prefect", role, streams, STREAMS
        yield "prefect", role, _wild("*"), NO_RESOURCE
    family, running = (
        HERE.format("ecs", f"task-definition/{stage.prefix}-run:*"),
        HERE.format("ecs", f"task/{stage.prefix}/*"),
    )
    yield "prefect", "WorkerTaskRole", _wild(family), "revisions of one family, which the worker registers"
    yield "prefect", "WorkerTaskRole", _wild(running), "tasks of one cluster: ECS names them"
    yield "prefect", "TaskEvents", "SQS3", "hints that a task died: one that is lost is found by the missing heartbeat"
    for task in ("WorkerTask", "SetupTask", *(["Server/Task"] if server else [])):
        yield "prefect", task, "ECS2", "no secret is among its variables: those come from Secrets Manager"
    if server:
        yield "prefect", "Server/TaskRole", _wild("*"), NO_RESOURCE
        yield "prefect", "Server/Database", "SMG4", "read when the server starts: changed by hand, as docs/aws.md says"
        yield (
            "prefect",
            "Server/Database",
            "RDS11",
            "only the server's security group reaches the port, whatever its number",
        )
        if not stage.retain:
            yield "prefect", "Server/Database", "RDS10", "dev: it must be possible to remove it"
        if not stage.database_multi_az:
            yield "prefect", "Server/Database", "RDS3", "dev: an hour without Prefect costs less than a second database"
    if not stage.retain:
        yield "prefect", "Cluster", "ECS4", "dev: Container Insights cost more than the tasks they look at"


def _objects(stage: Stage, prefix: str) -> str:
    return _wild(f"{stage.prefix}-lake:{EXPORTED}/{prefix}/*")


def _jobs() -> list[str]:
    return [_wild(HERE.format("sagemaker", f"{kind}-job/capforecast-*")) for kind in ("training", "processing")]
