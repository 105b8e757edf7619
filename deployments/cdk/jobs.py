"""SageMaker: what jobs run as, and who may submit them. Jobs themselves are submitted by runs and people."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deployments.cdk import policies
from deployments.cdk.context import Stage


class JobsStack(Stack):
    """The role of the jobs, a policy for people who submit them, and the settings `sagemaker` that name both."""

    def __init__(
        self, scope: Construct, name: str, stage: Stage, bucket: s3.IBucket, key: kms.IKey | None, image: ecr.Repository
    ) -> None:
        super().__init__(scope, name, description="capforecast: jobs of SageMaker")
        self.role = policies.role(
            self,
            "Role",
            "sagemaker.amazonaws.com",
            policies.jobs(self, bucket, key, image),
            "capforecast: processing and training jobs",
        )
        self.settings = {
            "sagemaker/role": self.role.role_arn,
            "sagemaker/image": image.repository_uri_for_tag_or_digest(stage.images["sagemaker"]),
        }
        self.submit = policies.submit(self, self.role.role_arn)
        submitter = iam.ManagedPolicy(
            self, "Submit", description="capforecast: submit and follow jobs", statements=self.submit
        )
        CfnOutput(self, "RoleArn", value=self.role.role_arn, description="CAPFORECAST_SAGEMAKER__ROLE")
        CfnOutput(self, "Image", value=self.settings["sagemaker/image"], description="CAPFORECAST_SAGEMAKER__IMAGE")
        CfnOutput(self, "SubmitterPolicy", value=submitter.managed_policy_arn, description="for people who submit")
