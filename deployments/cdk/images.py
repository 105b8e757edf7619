"""The registry: one repository for each image, deployed first, since the rest needs what is pushed there."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from deployments.cdk.context import IMAGES, Stage


class ImagesStack(Stack):
    """`capforecast-<stage>-worker`, `-lambda` and `-sagemaker` in ECR."""

    def __init__(self, scope: Construct, name: str, stage: Stage) -> None:
        super().__init__(scope, name, description="capforecast: images", termination_protection=stage.retain)
        self.repositories: dict[str, ecr.Repository] = {
            image: ecr.Repository(
                self,
                image.title(),
                repository_name=f"{stage.prefix}-{image}",
                image_scan_on_push=True,
                image_tag_mutability=ecr.TagMutability.IMMUTABLE,  # a model tells by which code it was made
                encryption=ecr.RepositoryEncryption.AES_256,
                removal_policy=RemovalPolicy.RETAIN if stage.retain else RemovalPolicy.DESTROY,
                empty_on_delete=False,
                lifecycle_rules=[
                    ecr.LifecycleRule(
                        description="what no tag names",
                        tag_status=ecr.TagStatus.UNTAGGED,
                        max_image_age=Duration.days(14),
                    ),
                    ecr.LifecycleRule(description="old ones", max_image_count=30),
                ],
            )
            for image in IMAGES
        }
