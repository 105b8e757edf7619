"""docs/sources/cloudwatch.md: its policy is what the code calls and no more, its costs are what the code estimates."""

from __future__ import annotations

import ast
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aws_server import ENVIRONMENT, aws, client, instances, put, use

from capforecast.errors import SourceRefusedError
from capforecast.lake.intervals import Intervals
from capforecast.lake.marks import periods
from capforecast.schema import Cadence
from capforecast.settings import Settings
from capforecast.settings_sources import CloudWatchSettings
from capforecast.sources import cloudwatch_metrics as metrics
from capforecast.sources.cloudwatch import CloudWatch
from capforecast.sources.cloudwatch_batches import BILLED_TOGETHER, KEPT, KEPT_FINE, MOST_QUERIES, MOST_VALUES
from capforecast.sources.cloudwatch_calls import Place
from capforecast.sources.cloudwatch_cost import estimate
from capforecast.sources.remote import Estimate, Window
from capforecast.stages.windows import parts

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/sources/cloudwatch.md").read_text()
POLICY, TRUST, ASSUME = (json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", TEXT, re.M | re.S))
ACTIONS = [action for statement in POLICY["Statement"] for action in statement["Action"]]
FREE = {"sts:GetCallerIdentity"}  # "No permissions are required to perform this operation"
NOW = pd.Timestamp("2026-11-28T12:00Z")
MADE = pd.date_range(pd.Timestamp.now("UTC").floor("D") - pd.Timedelta(days=2), periods=48, freq="h")


def called() -> Iterator[str]:
    """Actions of all calls in the source: a service and one of its operations, side by side in arguments."""
    for file in sorted((ROOT / "capforecast/sources").glob("cloudwatch*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            told = [each.value for each in getattr(node, "args", []) if isinstance(each, ast.Constant)] if isinstance(
                node, ast.Call
            ) else []  # fmt: skip
            operation = next((each for each in told if re.fullmatch(r"(get|list|describe)_\w+", str(each))), None)
            if operation is not None:
                (service,) = {"cloudwatch", "ec2", "rds", "ecs", "elasticache", "sts"} & set(told)
                yield f"{service}:{spelled(operation)}"


def spelled(operation: str) -> str:
    """`describe_db_instances` as IAM has it."""
    return "".join({"db": "DB"}.get(word, word.title()) for word in operation.split("_"))


def test_the_policy_allows_what_the_code_calls_and_no_more() -> None:
    assert set(ACTIONS) == set(called()) - FREE
    assert len(ACTIONS) == len(set(ACTIONS)) == 11
    assert all(statement["Effect"] == "Allow" and statement["Resource"] == "*" for statement in POLICY["Statement"])
    assert not [action for action in ACTIONS if "*" in action]
    assert not [action for action in ACTIONS if not re.match(r"\w+:(Get|List|Describe)", action)]


def test_the_role_of_another_account_is_assumed_by_one_principal_with_an_external_id() -> None:
    (trust,), (assume,) = TRUST["Statement"], ASSUME["Statement"]
    assert trust["Action"] == assume["Action"] == "sts:AssumeRole"
    assert "*" not in json.dumps(trust["Principal"]) + assume["Resource"]
    assert "sts:ExternalId" in trust["Condition"]["StringEquals"]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """An account with one server of each service."""
    with aws() as url, pytest.MonkeyPatch.context() as patch:
        use(patch, url, "eu-west-1")
        (name,) = instances(1)
        put("AWS/EC2", "CPUUtilization", {"InstanceId": name}, MADE, np.full(len(MADE), 40.0))
        put("CWAgent", "mem_used_percent", {"InstanceId": name}, MADE, np.full(len(MADE), 40.0))
        client("rds").create_db_instance(
            DBInstanceIdentifier="orders", DBInstanceClass="db.m5.large", Engine="postgres", AllocatedStorage=100,
            MasterUsername="admin", MasterUserPassword="not-a-secret-1", Tags=[{"Key": "BU", "Value": "pay"}],
        )  # fmt: skip
        client("elasticache").create_cache_cluster(
            CacheClusterId="sessions", Engine="redis", CacheNodeType="cache.m5.large", NumCacheNodes=1,
            Tags=[{"Key": "BU", "Value": "pay"}],
        )  # fmt: skip
        services = client("ecs")
        services.create_cluster(clusterName="main")
        services.register_task_definition(
            family="api", containerDefinitions=[{"name": "api", "image": "api", "memory": 128}]
        )
        services.create_service(cluster="main", serviceName="api", taskDefinition="api", desiredCount=1)
        yield Account(url)


class Account:
    """Its reader, who may do what a policy says: moto looks at each call."""

    def __init__(self, url: str) -> None:
        self._url, self._iam = url, client("iam")
        self._iam.create_user(UserName="reader")
        self.key = self._iam.create_access_key(UserName="reader")["AccessKey"]

    def allow(self, actions: list[str]) -> None:
        """From now on every call is looked at. (To moto CloudWatch is `monitoring`, as its address is.)"""
        self._look(float("inf"))
        named = [action.replace("cloudwatch:", "monitoring:") for action in actions]
        document = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": named, "Resource": "*"}],
        }
        self._iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=json.dumps(document))
        self._look(0)

    def _look(self, after: float) -> None:
        text = {"Content-Type": "text/plain"}
        urllib.request.urlopen(
            urllib.request.Request(f"{self._url}/moto-api/reset-auth", str(after).encode(), text, method="POST")
        ).read()


def read(account: Account, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], tuple[str, ...], int]:
    """Servers that the reader finds, what was said of trouble, and the number of rows."""
    use(monkeypatch, account._url, "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account.key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", account.key["SecretAccessKey"])
    assert account.key["AccessKeyId"] != ENVIRONMENT["AWS_ACCESS_KEY_ID"]
    remote = CloudWatch(Settings.model_validate({"remote": {"cloudwatch": {"retry_seconds": 0}}}))
    window = Window(MADE[0], MADE[0] + pd.Timedelta(days=2))
    found = remote.discover(window)
    names = set(found.inventory["server_id"])
    return (
        names,
        (*found.warnings, *found.failed),
        len(remote.read(found, Cadence.DAILY, window, sorted(names)).observations),
    )


def test_with_the_policy_all_is_read(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.allow(ACTIONS)
    names, said, rows = read(account, monkeypatch)
    assert (len(names), said, rows) == (4, (), 2)
    assert {"orders", "sessions", "main/api"} < names


@pytest.mark.parametrize("action", ACTIONS)
def test_without_any_of_its_actions_something_is_missing_and_said(
    account: Account, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    account.allow([each for each in ACTIONS if each != action])
    if action == "cloudwatch:GetMetricData":
        with pytest.raises(SourceRefusedError, match="has the policy"):
            read(account, monkeypatch)
        return
    _, said, _ = read(account, monkeypatch)
    assert len(said) == 1
    assert "has the policy" in said[0]


def instances_with_agent(servers: int) -> pd.DataFrame:
    """Series of so many instances with agent and one file system, three statistics each, as a source finds them."""
    here, rows = Place("111122223333", "eu-west-1"), []
    for number in range(servers):
        name = f"i-{number:05}"
        own = (("InstanceId", name),)
        asks = metrics.ec2(name, ()) | {
            "mem": metrics.Ask((metrics.Metric("CWAgent", "mem_used_percent", own),)),
            "disk": metrics.Ask((metrics.Metric("CWAgent", "disk_used_percent", own),)),
        }
        rows += [(name, f"{ours}_{each}", here, each, asks[ours]) for ours in asks for each in ("p95", "mean", "max")]
    return pd.DataFrame(rows, columns=["server_id", "column", "place", "statistic", "ask"])


def costs(series: pd.DataFrame, days: int) -> tuple[int, float]:
    """Requests and USD of reading the last days, cut into windows as an ingest does it."""
    end = NOW.floor("D")
    since, until = periods(pd.DatetimeIndex([end - pd.Timedelta(days=days), end]), Cadence.DAILY)
    rows = np.arange(len(series), dtype=np.int64)
    wanted = Intervals(rows, np.full(len(rows), since), np.full(len(rows), until))
    each: list[Estimate] = [
        estimate(series, Cadence.DAILY, part.window, NOW, CloudWatchSettings())
        for part in parts(wanted, Cadence.DAILY, pd.Timedelta(days=31))
    ]
    return sum(part.requests for part in each), sum(part.cost or 0.0 for part in each)


def row(servers: int) -> str:
    """Line of the page's table of costs."""
    series = instances_with_agent(servers)
    (first, whole), (daily, day) = costs(series, 400), costs(series, 3)
    return (
        f"| {servers:,} | {first:,} | {whole:.2f} | {daily:,} | {day:.4g} | {day * 365:,.2f} | {day * 365 * 24:,.0f} |"
    )


@pytest.mark.parametrize("servers", [100, 1000, pytest.param(10_000, marks=pytest.mark.monitoring)])
def test_costs_are_those_of_the_code(servers: int) -> None:
    assert row(servers) in TEXT.splitlines()


def test_limits_and_defaults_are_those_of_the_code() -> None:
    for told in (
        f"{MOST_QUERIES} queries", f"{MOST_VALUES:,} values", f"{KEPT.days} days", f"{KEPT_FINE.days} days",
        f"`most_usd` ({CloudWatchSettings().most_usd:g})", f"`at_once`, {CloudWatchSettings().at_once}",
        f"`per_second`, {CloudWatchSettings().per_second:g}",
    ):  # fmt: skip
        assert told in TEXT, told
    assert BILLED_TOGETHER == 5
    assert "up to five statistics of a metric cost as one" in TEXT
