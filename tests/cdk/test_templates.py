"""What stands in the templates: the promises of docs/aws.md."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from synthesis import CONTEXT, ROOT, UNITS, Stage, text_of

pytestmark = pytest.mark.cdk
TAGGED = ("AWS::S3::Bucket", "AWS::Lambda::Function", "AWS::ECS::Service", "AWS::RDS::DBInstance", "AWS::SNS::Topic",
          "AWS::ECR::Repository", "AWS::EC2::NatGateway", "AWS::Athena::WorkGroup")  # fmt: skip


def the_bucket(stage: Stage) -> dict[str, Any]:
    return next(each for each in stage.resources("AWS::S3::Bucket").values() if "VersioningConfiguration" in each)


def variables(stage: Stage, family: str) -> dict[str, str]:
    """Environment of a task's container, as text."""
    found = stage.resources("AWS::ECS::TaskDefinition").values()
    definition = next(each for each in found if each["Family"].endswith(family))
    return {each["Name"]: text_of(each["Value"]) for each in definition["ContainerDefinitions"][0]["Environment"]}


def test_buckets_are_closed_encrypted_and_take_tls_only(stage: Stage) -> None:
    buckets = stage.resources("AWS::S3::Bucket")
    assert len(buckets) == 2
    for bucket in buckets.values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    policies = stage.resources("AWS::S3::BucketPolicy").values()
    found = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    refused = [each for each in found if each["Effect"] == "Deny"]
    assert sum(each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for each in refused) == 2
    assert sum(each["Condition"] == {"NumericLessThan": {"s3:TlsVersion": 1.2}} for each in refused) == 2


def test_the_bucket_keeps_versions_and_tells_eventbridge_without_a_function_of_cdk(stage: Stage) -> None:
    bucket = the_bucket(stage)
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert bucket["LoggingConfiguration"]["LogFilePrefix"] == "lake/"
    assert len(stage.resources("AWS::Lambda::Function")) == 1


def test_no_rule_of_the_lifecycle_deletes_what_the_lake_holds(stage: Stage) -> None:
    rules = {rule["Id"]: rule for rule in the_bucket(stage)["LifecycleConfiguration"]["Rules"]}
    assert rules["replaced"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    deleting = {rule["Prefix"] for rule in rules.values() if "ExpirationInDays" in rule}
    assert deleting == {"athena-results/", "capacity/results/"}


def test_a_key_of_its_own_in_prod_is_used_for_all_that_holds_data(stages: dict[str, Stage]) -> None:
    prod = stages["prod"]
    assert prod.one("AWS::KMS::Key")["EnableKeyRotation"] is True
    rule = the_bucket(prod)["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    assert (rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"], rule["BucketKeyEnabled"]) == ("aws:kms", True)
    assert all("KmsMasterKeyId" in queue for queue in prod.resources("AWS::SQS::Queue").values())
    assert "KmsMasterKeyId" in prod.one("AWS::SNS::Topic")
    assert "KmsKeyId" in prod.one("AWS::RDS::DBInstance")
    assert not stages["dev"].resources("AWS::KMS::Key")


def test_the_key_can_be_named_and_lets_every_service_write_that_must(stages: dict[str, Stage]) -> None:
    may = {each["Sid"]: each for each in stages["prod"].one("AWS::KMS::Key", "lake")["KeyPolicy"]["Statement"]}
    # what the policy of a key does not hand on, no role has: CloudFormation makes the alias, people SecureStrings
    assert {"kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:Encrypt"} <= set(may["Administer"]["Action"])
    assert may["TellOfEvents"]["Principal"] == {"Service": "events.amazonaws.com"}
    assert "Condition" not in may["TellOfEvents"]  # EventBridge names no account to KMS


def test_settings_in_the_parameter_store_are_settings(stage: Stage) -> None:
    from capforecast import configuration

    prefix = f"/capforecast/{stage.name}/"
    kept = stage.resources("AWS::SSM::Parameter").values()
    found = {each["Name"].removeprefix(prefix): text_of(each["Value"]) for each in kept}
    # references as AWS will fill them in
    arn = {
        "sagemaker/role": "arn:aws:iam::111122223333:role/x",
        "storage/kms_key": "arn:aws:kms:eu-west-1:111122223333:key/x",
    }
    found |= {key: value for key, value in arn.items() if key in found}
    found = {key: value.replace("<", "").replace(">", "") for key, value in found.items()}
    read = configuration.load("aws", parameters=found, environment={}).settings
    assert read.store.endswith("/capacity")
    assert read.aws_lambda.inventory is not None
    assert read.sagemaker.image is not None
    assert "CAPFORECAST_SSM_PATH" in str(stage.one("AWS::Lambda::Function")["Environment"])


def test_a_question_to_athena_is_bounded_and_its_answer_stays_in_the_bucket(stage: Stage) -> None:
    group = stage.one("AWS::Athena::WorkGroup")["WorkGroupConfiguration"]
    assert group["BytesScannedCutoffPerQuery"] == CONTEXT["stages"][stage.name]["athena_scan_gib"] * 2**30
    assert group["EnforceWorkGroupConfiguration"] is True
    assert text_of(group["ResultConfiguration"]["OutputLocation"]).endswith("/athena-results/")


def test_glue_has_every_table_of_the_ddl_with_the_same_columns(stage: Stage) -> None:
    from capforecast.lake.athena_ddl import tables

    found = {each["TableInput"]["Name"]: each["TableInput"] for each in stage.resources("AWS::Glue::Table").values()}
    wanted = {table.name: table for table in tables("s3://bucket/capacity", UNITS)}
    assert set(found) == set(wanted)
    for name, table in wanted.items():
        storage = found[name]["StorageDescriptor"]
        assert [(c["Name"], c["Type"]) for c in storage["Columns"]] == [(c.name, c.type) for c in table.columns]
        assert [c["Name"] for c in found[name]["PartitionKeys"]] == [c.name for c in table.partitions]
        assert text_of(storage["Location"]).endswith(table.location.removeprefix("s3://bucket"))
        shown = {key: text_of(value) for key, value in found[name]["Parameters"].items()}
        assert {key for key in shown if key != "EXTERNAL"} == set(table.properties)


def test_the_function_is_called_by_what_is_delivered_and_never_by_what_it_writes(stage: Stage) -> None:
    rules = stage.resources("AWS::Events::Rule", "function").values()
    delivered = next(each["EventPattern"]["detail"] for each in rules if "EventPattern" in each)
    assert delivered["object"] == {"key": [{"prefix": "incoming/"}]}
    assert [each["ScheduleExpression"] for each in rules if "ScheduleExpression" in each] == ["cron(0 6 * * ? *)"]
    for rule in rules:
        assert "DeadLetterConfig" in rule["Targets"][0]
    invoked = stage.one("AWS::Lambda::EventInvokeConfig")
    assert (invoked["MaximumRetryAttempts"], "OnFailure" in invoked["DestinationConfig"]) == (2, True)


def test_the_setup_task_gives_every_variable_that_the_pool_asks_for(stages: dict[str, Stage]) -> None:
    pool = yaml.safe_load((ROOT / "config/work-pools.yaml").read_text())["work_pools"]["capacity-ecs"]
    asked = {name for name, default in re.findall(r"\$\{(\w+)(:-)?", json.dumps(pool)) if not default}
    for stage in stages.values():
        given = variables(stage, "-setup")
        assert asked <= set(given), asked - set(given)
        assert given["CAPACITY_POOL"] == "capacity-ecs"
        assert all(given.values())
    assert variables(stages["other"], "-setup")["CAPACITY_API_URL"] == "https://prefect.example.com/api"
    assert variables(stages["dev"], "-setup")["CAPACITY_ECS_PUBLIC_IP"] == "ENABLED"
    assert variables(stages["prod"], "-setup")["CAPACITY_ECS_PUBLIC_IP"] == "DISABLED"


def test_no_password_stands_in_a_template(stage: Stage) -> None:
    for definition in stage.resources("AWS::ECS::TaskDefinition").values():
        for container in definition["ContainerDefinitions"]:
            secret = {each["Name"] for each in container["Secrets"]}
            assert "PREFECT_API_AUTH_STRING" in secret
            assert not [each for each in container["Environment"] if re.search("PASSWORD|AUTH_STRING", each["Name"])]
    for database in stage.resources("AWS::RDS::DBInstance").values():
        assert "{{resolve:secretsmanager:" in json.dumps(database["MasterUserPassword"])


def test_nothing_is_reached_from_outside(stage: Stage) -> None:
    assert not [each for each in stage.resources("AWS::EC2::SecurityGroup").values() if "SecurityGroupIngress" in each]
    ways_in = stage.resources("AWS::EC2::SecurityGroupIngress").values()
    assert all("SourceSecurityGroupId" in each for each in ways_in)
    wanted = [4200, 5432] if stage.resources("AWS::RDS::DBInstance") else []
    assert sorted(each["FromPort"] for each in ways_in) == wanted
    assert all(each["PubliclyAccessible"] is False for each in stage.resources("AWS::RDS::DBInstance").values())


def test_tasks_are_not_root_and_have_no_capabilities(stage: Stage) -> None:
    for definition in stage.resources("AWS::ECS::TaskDefinition").values():
        for container in definition["ContainerDefinitions"]:
            assert container["User"] == "10001:10001"
            assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}


def test_a_service_that_cannot_start_ends_the_deployment(stage: Stage) -> None:
    for service in stage.resources("AWS::ECS::Service").values():
        assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_alarms_tell_of_errors_of_time_and_of_a_run_that_did_not_come(stage: Stage) -> None:
    alarms = {each["AlarmName"].split("-", 2)[2]: each for each in stage.resources("AWS::CloudWatch::Alarm").values()}
    assert {"function-errors", "function-duration", "failed-events", "no-run", "worker-gone"} <= set(alarms)
    assert ("database-full" in alarms) == bool(stage.resources("AWS::RDS::DBInstance"))
    assert all(len(each["AlarmActions"]) == 1 for each in alarms.values())
    late = alarms["no-run"]
    hours = CONTEXT["stages"][stage.name]["stale_hours"]
    assert (late["Period"] * late["EvaluationPeriods"], late["TreatMissingData"]) == (3600 * hours, "breaching")
    counted = late["Dimensions"][0]
    assert (late["Namespace"], counted["Name"], late["Threshold"]) == ("AWS/Events", "RuleName", 1)
    rule = stage.resources("AWS::Events::Rule", "watch")[counted["Value"]["Ref"]]
    assert rule["EventPattern"]["detail"]["object"]["key"] == [{"wildcard": "capacity/runs/*/attempt=*/manifest.json"}]
    assert alarms["function-duration"]["Threshold"] == 800 * stage.one("AWS::Lambda::Function")["Timeout"]


def test_every_alarm_is_in_the_documentation(stage: Stage) -> None:
    page = (ROOT / "docs/aws.md").read_text()
    for alarm in stage.resources("AWS::CloudWatch::Alarm").values():
        assert f"`{alarm['AlarmName'].split('-', 2)[2]}`" in page


def test_what_costs_money_bears_the_tags_that_split_the_bill(stage: Stage) -> None:
    center = CONTEXT["stages"][stage.name]["cost_center"]
    wanted = {"application": "capforecast", "stage": stage.name, "cost-center": center}
    for kind in TAGGED:
        for name, resource in stage.resources(kind).items():
            found = resource["Tags"]
            tags = {each["Key"]: each["Value"] for each in found} if isinstance(found, list) else found
            assert wanted.items() <= tags.items(), name


def test_data_of_prod_outlive_its_stacks(stages: dict[str, Stage]) -> None:
    kept = {"AWS::S3::Bucket": "Retain", "AWS::KMS::Key": "Retain", "AWS::ECR::Repository": "Retain",
            "AWS::RDS::DBInstance": "Snapshot"}  # fmt: skip
    for template in stages["prod"].templates.values():
        for name, resource in template["Resources"].items():
            if resource["Type"] in kept:
                assert resource["DeletionPolicy"] == kept[resource["Type"]], name
    manifest = json.loads((stages["prod"].folder / "manifest.json").read_text())["artifacts"]
    assert manifest["capforecast-prod-lake"]["properties"]["terminationProtection"] is True


def test_nothing_of_dev_stays_that_would_keep_it_from_being_made_again(stages: dict[str, Stage]) -> None:
    for template in stages["dev"].templates.values():
        kept = [name for name, each in template["Resources"].items() if each.get("DeletionPolicy") == "Retain"]
        assert kept == []


def test_neither_account_nor_region_nor_bucket_is_named(stage: Stage) -> None:
    text = json.dumps(stage.templates)
    assert not re.findall(r'(?<=[":/])\d{12}(?=[":/])', text)
    assert not re.findall(r"\b(?:us|eu|ap|sa|ca|me|af)-[a-z]+-\d\b", text)
    assert all("BucketName" not in bucket for bucket in stage.resources("AWS::S3::Bucket").values())
