"""The CDK application: `cdk synth`, `cdk deploy --all` from this folder (docs/aws.md).

-c stage=prod chooses the stage, -c key=value another value of its context (context.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, by the CDK's own program

import cdk_nag  # noqa: E402
from aws_cdk import App, Stack, Tags, Validations  # noqa: E402

from deployments.cdk import exceptions  # noqa: E402
from deployments.cdk.context import ContextError, Stage, stage_of  # noqa: E402
from deployments.cdk.function import FunctionStack  # noqa: E402
from deployments.cdk.images import ImagesStack  # noqa: E402
from deployments.cdk.jobs import JobsStack  # noqa: E402
from deployments.cdk.lake import LakeStack  # noqa: E402
from deployments.cdk.messages import MessagesStack  # noqa: E402
from deployments.cdk.pipeline import PipelineStack  # noqa: E402
from deployments.cdk.prefect import PrefectStack  # noqa: E402
from deployments.cdk.watch import WatchStack  # noqa: E402


def build(app: App) -> dict[str, Stack]:
    """All stacks of the stage that the context names. Neither account nor region stands in them: the caller's."""
    stage = stage_of(app)
    stacks = _stacks(app, stage)
    # what the bill is split by; jobs of SageMaker bear the first, too
    for key, value in {"application": "capforecast", "stage": stage.name, "cost-center": stage.cost_center}.items():
        Tags.of(app).add(key, value)
    Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app))
    exceptions.acknowledge(stage, stacks)
    return stacks


def _stacks(app: App, stage: Stage) -> dict[str, Stack]:
    def name(part: str) -> str:
        return f"{stage.prefix}-{part}"

    images = ImagesStack(app, name("images"), stage)
    image = images.repositories
    lake = LakeStack(app, name("lake"), stage)
    messages = MessagesStack(app, name("messages"), stage, lake.key)
    jobs = JobsStack(app, name("jobs"), stage, lake.bucket, lake.key, image["sagemaker"])
    function = FunctionStack(app, name("function"), stage, lake.bucket, lake.key, image["lambda"], jobs.settings)
    prefect = None
    if stage.prefect != "none":
        prefect = PrefectStack(app, name("prefect"), stage, lake, image["worker"], messages.topic, jobs.submit)
    watch = WatchStack(
        app, name("watch"), stage, messages.topic, lake.bucket, function.function, function.failed, prefect
    )
    stacks: dict[str, Stack] = {
        "images": images, "lake": lake, "messages": messages, "jobs": jobs, "function": function, "watch": watch,
    }  # fmt: skip
    if prefect is not None:
        stacks["prefect"] = prefect
    if stage.github_repository:
        stacks["pipeline"] = PipelineStack(app, name("pipeline"), stage, list(image.values()))
    return stacks


if __name__ == "__main__":
    application = App()
    try:
        build(application)
    except ContextError as error:
        sys.exit(f"error: {error}")
    application.synth()
