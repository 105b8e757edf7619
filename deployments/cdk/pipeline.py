"""Who deploys from GitHub Actions: a role without any key, for the environments of one repository."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, CfnOutput, Duration, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from deployments.cdk.context import Stage
from deployments.cdk.policies import allow

ISSUER = "token.actions.githubusercontent.com"
BOOTSTRAP = ("deploy", "file-publishing", "lookup")  # roles that `cdk bootstrap` made; what they may do is theirs


class PipelineStack(Stack):
    """A role that the workflow's environment named like the stage may take, to push images and run `cdk deploy`.

    The identity provider of GitHub is one for the account; it must be there (docs/aws.md).
    """

    def __init__(self, scope: Construct, name: str, stage: Stage, images: Sequence[ecr.IRepository]) -> None:
        super().__init__(
            scope, name, description="capforecast: deploys from GitHub", termination_protection=stage.retain
        )
        role = iam.Role(
            self,
            "Role",
            description=f"capforecast: workflows of the environment {stage.name}",
            max_session_duration=Duration.hours(1),
            assumed_by=iam.FederatedPrincipal(
                f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:oidc-provider/{ISSUER}",
                {
                    "StringEquals": {
                        f"{ISSUER}:aud": "sts.amazonaws.com",
                        f"{ISSUER}:sub": f"repo:{stage.github_repository}:environment:{stage.name}",
                    }
                },
                "sts:AssumeRoleWithWebIdentity",
            ),
        )
        roles = [
            f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/cdk-hnb659fds-{part}-role-{Aws.ACCOUNT_ID}-{Aws.REGION}"
            for part in BOOTSTRAP
        ]
        role.add_to_policy(allow("DeployByCdk", "sts:AssumeRole", roles))
        role.add_to_policy(allow("LogIntoTheRegistry", "ecr:GetAuthorizationToken", "*"))
        role.add_to_policy(
            allow(
                "PushImages",
                ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
                 "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage",
                 "ecr:UploadLayerPart"),
                [image.repository_arn for image in images],
            )
        )  # fmt: skip
        CfnOutput(self, "RoleArn", value=role.role_arn, description="variable AWS_DEPLOY_ROLE of the environment")
