"""Alarms, all to the topic: what failed, what takes too long, and what has not happened at all."""

from __future__ import annotations

from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as watch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from deployments.cdk import policies
from deployments.cdk.context import Stage
from deployments.cdk.prefect import PrefectStack

RUNBOOK = "docs/aws.md, Alarms"
IGNORE, BREACH = watch.TreatMissingData.NOT_BREACHING, watch.TreatMissingData.BREACHING


class WatchStack(Stack):
    """Alarms on the function, the queue of failures, the last run, jobs, worker and database."""

    def __init__(
        self, scope: Construct, name: str, stage: Stage, topic: sns.ITopic, bucket: s3.IBucket,
        function: lambda_.IFunction, failed: sqs.IQueue, prefect: PrefectStack | None,
    ) -> None:  # fmt: skip
        super().__init__(scope, name, description="capforecast: alarms")
        self._topic, self._stage = topic, stage
        self._function(stage, function, failed)
        self._last_run(stage, bucket)
        self._jobs(topic)
        if prefect is not None:
            self._prefect(prefect)

    def _alarm(self, name: str, told: str, metric: watch.IMetric, threshold: float, **more: Any) -> None:
        settings = {"evaluation_periods": 1, "treat_missing_data": IGNORE, **more}
        alarm = watch.Alarm(
            self, name, metric=metric, threshold=threshold, alarm_description=f"{told}. {RUNBOOK}",
            alarm_name=f"{self._stage.prefix}-{name}", **settings,
        )  # fmt: skip
        alarm.add_alarm_action(actions.SnsAction(self._topic))
        alarm.add_ok_action(actions.SnsAction(self._topic))

    def _function(self, stage: Stage, function: lambda_.IFunction, failed: sqs.IQueue) -> None:
        five = Duration.minutes(5)
        self._alarm("function-errors", "The function failed", function.metric_errors(period=five), 1)
        self._alarm("function-throttled", "Calls wait for a place", function.metric_throttles(period=five), 1,
                    evaluation_periods=3)  # fmt: skip
        longest = function.metric_duration(period=five, statistic="Maximum")
        self._alarm("function-duration", "A call took four fifths of the time it has", longest,
                    800.0 * stage.function_seconds)  # fmt: skip
        waiting = failed.metric_approximate_number_of_messages_visible(period=five, statistic="Maximum")
        self._alarm("failed-events", "Events could not be answered, and wait in the queue", waiting, 1)

    def _last_run(self, stage: Stage, bucket: s3.IBucket) -> None:
        """Every run, whoever made it, ends with a record below runs/: none for `stale_hours` is an alarm.

        The rule also keeps what it counts, in a log group. By L1: the L2 target brings a function and a role.
        """
        name = f"/aws/events/{stage.prefix}-runs"
        group = logs.LogGroup(
            self,
            "Records",
            log_group_name=name,
            retention=stage.retention,
            # kept, its name would stand in the way of a stage that is made again
            removal_policy=RemovalPolicy.RETAIN if stage.retain else RemovalPolicy.DESTROY,
        )
        streams = policies.arn(self, "logs", f"log-group:{name}:*")
        logs.CfnResourcePolicy(
            self,
            "RecordsPolicy",
            policy_name=f"{stage.prefix}-runs",
            policy_document=self.to_json_string({
                "Version": "2012-10-17",
                "Statement": [{
                    "Sid": "KeepRecords", "Effect": "Allow", "Resource": streams,
                    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                    "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
                }],
            }),
        )  # fmt: skip
        key = {"wildcard": f"{policies.LAKE}/runs/*/attempt=*/manifest.json"}
        rule = events.CfnRule(
            self,
            "Recorded",
            description="capforecast: a run has ended",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [bucket.bucket_name]}, "object": {"key": [key]}},
            },
            targets=[events.CfnRule.TargetProperty(id="records", arn=group.log_group_arn)],
        )
        counted = watch.Metric(
            namespace="AWS/Events", metric_name="Invocations", dimensions_map={"RuleName": rule.ref},
            statistic="Sum", period=Duration.hours(1),
        )  # fmt: skip
        self._alarm(
            "no-run", f"No run has ended for {stage.stale_hours} hours", counted, 1,
            evaluation_periods=stage.stale_hours,
            comparison_operator=watch.ComparisonOperator.LESS_THAN_THRESHOLD, treat_missing_data=BREACH,
        )  # fmt: skip

    def _jobs(self, topic: sns.ITopic) -> None:
        for kind in ("Training", "Processing"):
            told = events.RuleTargetInput.from_text(
                f"SageMaker {kind.lower()} job {events.EventField.from_path(f'$.detail.{kind}JobName')} failed: "
                f"{events.EventField.from_path('$.detail.FailureReason')}"
            )
            events.Rule(
                self,
                f"{kind}Failed",
                description=f"capforecast: a {kind.lower()} job failed",
                event_pattern=events.EventPattern(
                    source=["aws.sagemaker"],
                    detail_type=[f"SageMaker {kind} Job State Change"],
                    detail={f"{kind}JobName": [{"prefix": "capforecast-"}], f"{kind}JobStatus": ["Failed"]},
                ),
                targets=[targets.SnsTopic(topic, message=told)],
            )

    def _prefect(self, prefect: PrefectStack) -> None:
        services = {"worker": prefect.worker} if self._stage.workers else {}
        services |= {"server": prefect.server.service} if prefect.server else {}
        for name, service in services.items():
            # ECS tells CPU of what runs: no sample, nothing runs
            seen = service.metric_cpu_utilization(period=Duration.minutes(1), statistic="SampleCount")
            self._alarm(
                f"{name}-gone", f"Prefect's {name} does not run", seen, 1, evaluation_periods=10,
                comparison_operator=watch.ComparisonOperator.LESS_THAN_THRESHOLD, treat_missing_data=BREACH,
            )  # fmt: skip
        if prefect.server:
            self._database(prefect.server.database)

    def _database(self, database: rds.DatabaseInstance) -> None:
        free = database.metric_free_storage_space(period=Duration.minutes(5), statistic="Minimum")
        self._alarm("database-full", "Less than 2 GiB are free on the disk of Prefect's database", free, 2.0 * 2**30,
                    comparison_operator=watch.ComparisonOperator.LESS_THAN_THRESHOLD, evaluation_periods=3)  # fmt: skip
        busy = database.metric_cpu_utilization(period=Duration.minutes(5))
        self._alarm("database-busy", "Prefect's database is at its limit", busy, 90, evaluation_periods=6)
