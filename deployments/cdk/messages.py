"""The topic: alarms of AWS, and alerts of runs (setting `alerts.sns_topic`)."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from deployments.cdk.context import Stage
from deployments.cdk.policies import allow


class MessagesStack(Stack):
    """One topic, read by e-mail, a pager or a queue of yours."""

    def __init__(self, scope: Construct, name: str, stage: Stage, key: kms.IKey | None) -> None:
        super().__init__(scope, name, description="capforecast: who is told")
        self.topic = sns.Topic(
            self, "Topic", display_name=f"capforecast {stage.name}", master_key=key, enforce_ssl=True
        )
        here = {"StringEquals": {"aws:SourceAccount": self.account}}
        for service in ("cloudwatch", "events"):
            self.topic.add_to_resource_policy(
                allow(
                    f"Take{service.title()}",
                    "sns:Publish",
                    self.topic.topic_arn,
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    conditions=here,
                )
            )
        if stage.alert_email:
            self.topic.add_subscription(subscriptions.EmailSubscription(stage.alert_email))
        CfnOutput(self, "TopicArn", value=self.topic.topic_arn, description="CAPFORECAST_ALERTS__SNS_TOPIC")
