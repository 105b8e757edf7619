"""The bucket: what is delivered, the lake, and answers of Athena. With the logs of who read and wrote it."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deployments.cdk.catalogue import Catalogue
from deployments.cdk.context import Stage
from deployments.cdk.policies import INCOMING, LAKE, allow, ask

# What an administrator of the account may do with the key, spelled out: CDK's default says kms:*. Only what stands here
# can be given by policies of roles: without CreateAlias CloudFormation could not even name the key.
KEY_ADMINISTRATION = (
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:CreateGrant", "kms:Decrypt", "kms:DeleteAlias", "kms:DescribeKey",
    "kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:Encrypt",
    "kms:GenerateDataKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies",
    "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:ScheduleKeyDeletion", "kms:TagResource",
    "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
)  # fmt: skip


class LakeStack(Stack):
    """Bucket, key, Athena workgroup and Glue catalogue."""

    def __init__(self, scope: Construct, name: str, stage: Stage) -> None:
        super().__init__(scope, name, description="capforecast: the lake", termination_protection=stage.retain)
        removal = RemovalPolicy.RETAIN if stage.retain else RemovalPolicy.DESTROY
        key = _key(self, stage, removal) if stage.customer_key else None
        # as others see it: what may use it stands in `_key` and in roles, and CDK adds nothing of its own
        self.key = kms.Key.from_key_arn(self, "SharedKey", key.key_arn) if key else None
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,  # S3 writes access logs with no other key
            lifecycle_rules=[s3.LifecycleRule(id="old", expiration=Duration.days(stage.log_days), **_LEFT_BEHIND)],
            removal_policy=removal,
            **_CLOSED,
        )
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=self.key,
            bucket_key_enabled=True if key else None,  # one request to KMS for many objects
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="lake/",
            lifecycle_rules=_lifecycle(stage),
            removal_policy=removal,
            **_CLOSED,
        )
        # By hand: CDK's `event_bridge_enabled` would bring a function of its own, with a role, to set this one flag.
        raw = self.bucket.node.default_child
        assert isinstance(raw, s3.CfnBucket)
        raw.add_property_override("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True)
        self.catalogue = Catalogue(self, "Catalogue", stage, self.bucket, self.key)
        reader = iam.ManagedPolicy(
            self,
            "AskAthena",
            description="capforecast: ask Athena about the lake, change nothing",
            statements=ask(self, self.bucket, self.key, self.catalogue.workgroup, self.catalogue.database),
        )
        CfnOutput(self, "BucketName", value=self.bucket.bucket_name, description="incoming/, data/ and inventory.csv")
        CfnOutput(self, "Store", value=f"s3://{self.bucket.bucket_name}/{LAKE}", description="CAPFORECAST_STORE")
        CfnOutput(self, "ReaderPolicy", value=reader.managed_policy_arn, description="for people who ask Athena")


_CLOSED = {"block_public_access": s3.BlockPublicAccess.BLOCK_ALL, "enforce_ssl": True, "minimum_tls_version": 1.2}
_LEFT_BEHIND = {"abort_incomplete_multipart_upload_after": Duration.days(1)}


def _lifecycle(stage: Stage) -> list[s3.LifecycleRule]:
    """No rule deletes an object of the lake that is in use: only old versions, answers of Athena and cached results."""
    old = Duration.days(stage.noncurrent_days)
    return [
        s3.LifecycleRule(
            id="replaced", noncurrent_version_expiration=old, expired_object_delete_marker=True, **_LEFT_BEHIND
        ),
        s3.LifecycleRule(
            id="delivered", prefix=f"{INCOMING}/",
            transitions=[
                s3.Transition(
                    storage_class=s3.StorageClass.INFREQUENT_ACCESS, transition_after=Duration.days(60)
                )
            ],
        ),
        s3.LifecycleRule(id="answers", prefix="athena-results/", expiration=Duration.days(7)),
        # Prefect's results of tasks: made anew where one is missing
        s3.LifecycleRule(id="results", prefix=f"{LAKE}/results/", expiration=Duration.days(90)),
    ]  # fmt: skip


def _key(scope: Construct, stage: Stage, removal: RemovalPolicy) -> kms.Key:
    """A key that roles of this account use by their own policies, and alarms and events to write to the topic."""
    # "*" in the policy of a key is this key
    administration = allow("Administer", KEY_ADMINISTRATION, "*", principals=[iam.AccountRootPrincipal()])
    here = {"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    tell = [_tell("TellOfAlarms", "cloudwatch", here), _tell("TellOfEvents", "events")]
    return kms.Key(
        scope,
        "Key",
        alias=f"alias/{stage.prefix}",
        description="capforecast: bucket, topic and queues",
        enable_key_rotation=True,
        policy=iam.PolicyDocument(statements=[administration, *tell]),
        removal_policy=removal,
    )


def _tell(sid: str, service: str, conditions: dict[str, Any] | None = None) -> iam.PolicyStatement:
    """A service that writes to the encrypted topic and queues.

    EventBridge without condition: it names no account to KMS (SNS's guide says so), and each message would be lost
    without a word. Whose events are taken is said by the policies of topic and queues.
    """
    principal = iam.ServicePrincipal(f"{service}.amazonaws.com")
    return allow(sid, ("kms:Decrypt", "kms:GenerateDataKey"), "*", principals=[principal], conditions=conditions)
