"""CloudWatch as a source, against moto over HTTP (cloudwatch_server.py says what is not moto's)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from aws_server import aws, client, instances, put, use
from fault_proxy import FaultProxy, Rule

from capforecast.errors import SourceError, SourceRefusedError
from capforecast.fleet import inventory as inventories
from capforecast.schema import Cadence
from capforecast.settings import Settings
from capforecast.sources.cloudwatch import CloudWatch
from capforecast.sources.cloudwatch_calls import Calls
from capforecast.sources.registry import source
from capforecast.sources.remote import Window

pytest.importorskip("boto3")
TODAY = pd.Timestamp.now("UTC").floor("D")
DENIED_EC2 = b"<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>"
DENIED = b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
READER = "arn:aws:iam::111122223333:role/reader"


@pytest.fixture(scope="module")
def server():
    with aws(page=200) as url:
        yield url


def settings_of(statistics=("p95",), **given) -> Settings:
    return Settings.model_validate({"remote": {"statistics": statistics, "cloudwatch": {"retry_seconds": 5, **given}}})


def days(first: int, last: int = 0) -> Window:
    return Window(TODAY - pd.Timedelta(days=first), TODAY - pd.Timedelta(days=last))


def read(remote: CloudWatch, window: Window, cadence: Cadence = Cadence.DAILY):
    found = remote.discover(window)
    return found, remote.read(found, cadence, window, sorted(found.series["server_id"].unique()))


def times(window: Window, minutes: int = 5) -> pd.DatetimeIndex:
    return pd.date_range(window.since, window.until, freq=pd.Timedelta(minutes=minutes), inclusive="left")


def columns_of(frame: pd.DataFrame, server: str, column: str) -> pd.Series:
    rows = frame[frame["server_id"] == server].set_index("timestamp")
    return rows[column].dropna()


def test_values_agree_with_the_raw_samples_at_both_cadences(server, monkeypatch):
    use(monkeypatch, server, "eu-west-1")
    (instance,) = instances(1, BusinessUnit="shop", Environment="prod", Owner="ann")
    window, draws = days(1), np.random.default_rng(1)
    at = times(window)
    cpu, sent = draws.uniform(0, 100, len(at)), draws.gamma(2, 50e6, len(at))
    put("AWS/EC2", "CPUUtilization", {"InstanceId": instance}, at, cpu)
    put("AWS/EC2", "NetworkOut", {"InstanceId": instance}, at, sent)
    put(
        "CWAgent", "disk_used_percent", {"InstanceId": instance, "path": "/", "fstype": "xfs"}, at, np.full(len(at), 40)
    )
    full = {"InstanceId": instance, "path": "/data", "fstype": "xfs"}
    put("CWAgent", "disk_used_percent", full, at, np.linspace(30, 60, len(at)))
    raw = pd.DataFrame({"cpu": cpu, "net_out": sent * 8 / 1e6 / 300}, index=at)
    for cadence, step in ((Cadence.DAILY, "D"), (Cadence.HOURLY, "h")):
        remote = CloudWatch(settings_of(("p95", "mean", "max")))
        found, answer = read(remote, window, cadence)
        assert answer.missed == ()
        assert answer.warnings == ()
        for name in raw:
            of = raw[name].resample(step)
            for statistic, expected in (("p95", of.quantile(0.95)), ("mean", of.mean()), ("max", of.max())):
                got = columns_of(answer.observations, instance, f"{name}_{statistic}")
                pd.testing.assert_series_equal(
                    got.astype("float64"),
                    expected,
                    check_names=False,
                    check_freq=False,
                    check_index_type=False,
                    rtol=1e-5,
                )
        disk = columns_of(answer.observations, instance, "disk_max")
        assert disk.iloc[0] == (40 if cadence is Cadence.HOURLY else pytest.approx(60))
        assert disk.iloc[-1] == pytest.approx(60)
        assert answer.observations.columns.str.startswith("net_in").sum() == 0  # nothing was measured: no column
        assert answer.requests > remote.estimate(found, cadence, window).requests  # the server's pages are small


def test_inventory_comes_from_instances_databases_caches_services_and_their_tags(server, monkeypatch):
    use(monkeypatch, server, "eu-central-1")
    (instance,) = instances(
        1, "m5.large", **{"business-unit": "shop", "Env": "prod", "Name": "web-1", "Criticality": "high"}
    )
    client("rds").create_db_instance(
        DBInstanceIdentifier="orders", DBInstanceClass="db.m5.xlarge", Engine="postgres", AllocatedStorage=100,
        MasterUsername="admin", MasterUserPassword="not-a-secret-1", Tags=[{"Key": "BU", "Value": "pay"}],
    )  # fmt: skip
    client("elasticache").create_cache_cluster(
        CacheClusterId="sessions", Engine="redis", CacheNodeType="cache.m5.xlarge", NumCacheNodes=1,
        Tags=[{"Key": "owner", "Value": "bob"}],
    )  # fmt: skip
    services = client("ecs")
    services.create_cluster(clusterName="main")
    task = [{"name": "api", "image": "api", "memory": 128}]
    services.register_task_definition(family="api", containerDefinitions=task)
    given = [{"key": "environment", "value": "test"}]
    services.create_service(cluster="main", serviceName="api", taskDefinition="api", desiredCount=1, tags=given)
    at = times(days(1))
    put("AWS/RDS", "FreeStorageSpace", {"DBInstanceIdentifier": "orders"}, at, np.full(len(at), 25 * 2**30))
    put("AWS/RDS", "FreeableMemory", {"DBInstanceIdentifier": "orders"}, at, np.full(len(at), 4 * 2**30))
    for name, value in (("EngineCPUUtilization", 70), ("CPUUtilization", 20)):
        put("AWS/ElastiCache", name, {"CacheClusterId": "sessions", "CacheNodeId": "0001"}, at, np.full(len(at), value))
    put("AWS/ECS", "MemoryUtilization", {"ClusterName": "main", "ServiceName": "api"}, at, np.full(len(at), 55))
    found, answer = read(CloudWatch(settings_of()), days(2))
    rows = inventories.normalise(found.inventory).set_index("server_id")
    assert list(rows.index) == sorted(["orders", "sessions", "main/api", instance])
    web = rows.loc[instance]
    told = [
        web[name] for name in ("business_unit", "environment", "criticality", "region", "instance_type", "label_name")
    ]
    assert told == ["shop", "prod", "high", "eu-central-1", "m5.large", "web-1"]
    assert (web["vcpus"], web["memory_gib"]) == (2, 8)
    assert web["disk_gib"] > 0
    assert pd.notna(web["valid_from"])
    assert rows.loc["orders", "business_unit"] == "pay"
    assert rows.loc["orders", "memory_gib"] == 16
    assert rows.loc["sessions", "owner"] == "bob"
    assert rows.loc["main/api", "environment"] == "test"
    got = answer.observations.set_index("server_id")
    assert got.loc["orders", ["mem_p95", "disk_p95"]].tolist() == pytest.approx([75, 75])
    assert got.loc["sessions", "cpu_p95"] == 70
    assert got.loc["main/api", "mem_p95"] == 55
    lacking = {tuple(row) for row in found.missing[["server_id", "column"]].to_numpy()}
    assert {(instance, "mem_p95"), (instance, "disk_p95"), ("main/api", "net_in_p95")} <= lacking
    assert found.missing["reason"].ne("").all()
    assert found.missing["remedy"].ne("").all()


def test_tags_choose_servers_and_two_of_one_name_are_told_not_added(server, monkeypatch):
    use(monkeypatch, server, "us-west-2")
    first, second = instances(2, Name="web", stage="live")
    instances(1, Name="web", stage="test")
    at = times(days(1))
    for instance, value in ((first, 10), (second, 20)):
        put("AWS/EC2", "CPUUtilization", {"InstanceId": instance}, at, np.full(len(at), value))
    found, answer = read(CloudWatch(settings_of(server_id="{name}", only_tags={"Stage": "live"})), days(1))
    assert answer.observations[["server_id", "cpu_p95"]].to_numpy().tolist() == [["web", 10.0]]
    twice = found.missing[(found.missing["server_id"] == "web") & (found.missing["column"] == "")]
    assert len(twice) == 1
    assert second in twice["reason"].iloc[0]
    assert "server_id" in twice["remedy"].iloc[0]


def test_roles_and_regions_are_read_together(server, monkeypatch):
    use(monkeypatch, server, "ap-south-1")
    (mine,) = instances(1)
    keys = client("sts").assume_role(RoleArn=READER, RoleSessionName="test")["Credentials"]
    other = {
        "aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }  # fmt: skip
    there = client("ec2", region_name="eu-north-1", **other).run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1
    )
    theirs = there["Instances"][0]["InstanceId"]
    monkeypatch.setenv("READER_EXTERNAL_ID", "shared-with-them")
    accounts = [
        {"role_arn": None},
        {"role_arn": READER, "external_id_variable": "READER_EXTERNAL_ID", "regions": ["eu-north-1"]},
    ]
    remote = CloudWatch(settings_of(accounts=accounts, server_id="{account}/{id}"))
    found = remote.discover(days(1))
    assert set(found.inventory["server_id"]) == {f"123456789012/{mine}", f"111122223333/{theirs}"}
    assert dict(found.inventory[["label_account", "region"]].to_numpy().tolist()) == {
        "123456789012": "ap-south-1",
        "111122223333": "eu-north-1",
    }
    assert remote.identity == "aws 123456789012"
    assert "111122223333/eu-north-1" in remote.address


@pytest.fixture
def fleet(server, monkeypatch):
    """Six servers with two days of CPU, behind a proxy."""
    use(monkeypatch, server, "sa-east-1")
    known = [
        each["InstanceId"] for one in client("ec2").describe_instances()["Reservations"] for each in one["Instances"]
    ]
    names = sorted(known)
    if not names:
        names, at = instances(6), times(days(2), 30)
        for number, name in enumerate(names):
            put("AWS/EC2", "CPUUtilization", {"InstanceId": name}, at, np.full(len(at), 10 * number + 1.0))
    with FaultProxy(server) as proxy:
        use(monkeypatch, proxy.url, "sa-east-1")
        yield names, proxy


def quick(**given) -> CloudWatch:
    settings = settings_of(**{"services": ["ec2"], "metrics": ["cpu"], "retry_seconds": 100} | given)
    return CloudWatch(settings, Calls(settings.remote.cloudwatch, sleep=lambda seconds: None))


def test_throttled_cut_and_dropped_requests_end_in_the_same_answer(fleet):
    _, proxy = fleet
    found, clean = read(quick(), days(2))
    proxy.rules += [
        Rule("GetMetricData", status=429, times=2),
        Rule("GetMetricData", status=503, times=1),
        Rule("GetMetricData", drop=True),
        Rule("GetMetricData", cut=True),
        Rule("DescribeInstances", status=503),
    ]
    _, answer = read(quick(), days(2))
    assert [missed.reason for missed in answer.missed] == []
    pd.testing.assert_frame_equal(answer.observations, clean.observations)
    assert answer.retries == 5
    assert answer.missed == ()
    assert len(clean.observations) == 12
    assert len(found.series) == 6


def test_the_limit_of_requests_at_once_holds(fleet, monkeypatch):
    monkeypatch.setattr("capforecast.sources.cloudwatch_batches.MOST_QUERIES", 1)
    _, proxy = fleet
    proxy.rules.append(Rule("GetMetricData", delay=0.05, times=None))
    _, answer = read(quick(at_once=2, per_second=1000), days(2))
    assert answer.requests == 6
    assert proxy.most_at_once == 2


def test_what_fails_for_some_is_missed_by_name_and_the_rest_is_read(fleet, monkeypatch):
    monkeypatch.setattr("capforecast.sources.cloudwatch_batches.MOST_QUERIES", 1)
    names, proxy = fleet
    proxy.rules.append(Rule(f"GetMetricData[\\s\\S]*{names[2]}", status=503, times=None))
    _, answer = read(quick(retry_seconds=0), days(2))
    assert sorted(answer.observations["server_id"].unique()) == [name for name in names if name != names[2]]
    (missed,) = answer.missed
    assert (missed.server_ids, missed.column, missed.window) == ((names[2],), "cpu_p95", days(2))
    assert "503" in missed.reason


def test_an_unknown_metric_spoils_no_other_of_its_request(fleet):
    names, proxy = fleet
    remote = quick()
    found = remote.discover(days(2))
    proxy.rules.append(Rule(f"GetMetricData[\\s\\S]*{names[2]}", status=400, times=None))
    answer = remote.read(found, Cadence.DAILY, days(2), names)
    assert answer.observations["server_id"].nunique() == 5
    assert answer.missed[0].server_ids == (names[2],)


def test_when_nothing_answers_it_is_said_once_and_not_tried_for_all(fleet, monkeypatch):
    monkeypatch.setattr("capforecast.sources.cloudwatch_batches.MOST_QUERIES", 1)
    names, proxy = fleet
    remote = quick(retry_seconds=0, at_once=1)
    found = remote.discover(days(2))
    proxy.rules.append(Rule("GetMetricData", status=503, times=None))
    with pytest.raises(SourceError, match="503"):
        remote.read(found, Cadence.DAILY, days(2), names)
    assert proxy.faults == 3
    proxy.rules.append(Rule("DescribeInstances", status=403, body=DENIED_EC2, times=None))
    with pytest.raises(SourceRefusedError, match="not allowed"):
        quick().discover(days(2))


def test_a_service_that_is_not_allowed_is_told_and_the_others_are_read(fleet):
    names, proxy = fleet
    proxy.rules += [
        Rule("DescribeDBInstances", status=403, body=DENIED, times=None),
        Rule("ListMetrics", status=403, times=None),
    ]
    settings = settings_of(services=["ec2", "rds"])
    found = CloudWatch(settings).discover(days(2))
    assert sorted(found.inventory["server_id"]) == names
    whole = found.missing[found.missing["server_id"] == ""]
    assert len(whole) == 1
    assert "rds" in whole["reason"].iloc[0]
    assert "policy" in whole["remedy"].iloc[0]
    assert "rds of" in found.failed[-1]  # so the ingest is not whole
    assert "memory and disks of the CloudWatch agent are not known" in found.failed[0]


def test_old_windows_of_amounts_come_by_the_hour(server, monkeypatch):
    use(monkeypatch, server, "ca-central-1")
    (instance,) = instances(1)
    window = days(66, 58)
    at = times(window, 60)
    put("AWS/EC2", "NetworkIn", {"InstanceId": instance}, at, np.full(len(at), 450e6))  # 1 Mbit/s
    remote = CloudWatch(settings_of(("p95", "mean"), services=["ec2"], metrics=["net_in"]))
    found, answer = read(remote, window)
    assert columns_of(answer.observations, instance, "net_in_mean").iloc[:2].tolist() == pytest.approx([1, 1])
    assert len(answer.observations) == 8
    assert "older than 63 days" in remote.estimate(found, Cadence.DAILY, window).notes[0]
    answer = remote.read(found, Cadence.HOURLY, window, [instance])
    new = answer.observations["timestamp"] >= TODAY - pd.Timedelta(days=61)
    assert answer.observations.loc[new, "net_in_p95"].notna().all()
    assert (
        answer.observations.loc[~new & (answer.observations["timestamp"] < TODAY - pd.Timedelta(days=63)), "net_in_p95"]
        .isna()
        .all()
    )
    assert remote.oldest(Cadence.DAILY, TODAY) == TODAY - pd.Timedelta(days=454)


def test_an_account_without_servers_says_where_it_looked(server, monkeypatch):
    use(monkeypatch, server, "eu-west-3")
    remote = source("cloudwatch", settings_of())
    found = remote.discover(days(2))
    assert len(found.series) == 0
    assert "eu-west-3" in found.warnings[0]
    answer = remote.read(found, Cadence.DAILY, days(2), [])
    assert len(answer.observations) == 0
    assert list(answer.observations) == ["server_id", "timestamp"]
    assert remote.estimate(found, Cadence.DAILY, days(2)).cost == 0
