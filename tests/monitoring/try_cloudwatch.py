"""Two AWS accounts that never were (moto), with 60 days of values, in the foreground: see docs/sources/cloudwatch.md.

PYTHONPATH=tests .venv/bin/python -m monitoring.try_cloudwatch --port 15000
"""

from __future__ import annotations

import argparse
import os
import signal
from contextlib import suppress

import aws_server
import boto3
import numpy as np
import pandas as pd
from aws_server import ENVIRONMENT, client, instances, put

HOME, AWAY = "eu-west-1", "us-east-1"
READER = "arn:aws:iam::111122223333:role/capforecast-reader"  # of the other account
UNITS = ("shop", "payments")


class Fill:
    """Puts hourly values of made-up load, from `days` ago up to today's beginning."""

    def __init__(self, days: int) -> None:
        today = pd.Timestamp.now(tz="UTC").floor("D")
        self.at = pd.date_range(today - pd.Timedelta(days=days), today, freq="h", inclusive="left")
        self.draws = np.random.default_rng(12)

    def level(self, middle: float, growth: float, swing: float = 10.0) -> np.ndarray:
        """Percent [T]: a middle with a wave each day, growing by so many points a month."""
        day = np.arange(len(self.at)) / 24
        noise = self.draws.normal(0, swing / 5, len(day))
        made: np.ndarray = np.clip(middle + growth * day / 30 + swing * np.sin(2 * np.pi * day) + noise, 0, 100)
        return made

    def machine(self, name: str, middle: float, growth: float, agent: bool = True) -> None:
        """An instance: what it reports itself, and what its agent does."""
        own = {"InstanceId": name}
        put("AWS/EC2", "CPUUtilization", own, self.at, self.level(middle, growth))
        for metric in ("NetworkIn", "NetworkOut"):  # one five minutes of each hour
            put("AWS/EC2", metric, own, self.at, self.level(middle, growth) * 4e6)
        if agent:
            disk = own | {"path": "/", "device": "nvme0n1p1", "fstype": "xfs"}
            put("CWAgent", "mem_used_percent", own, self.at, self.level(middle + 10, growth / 2, 3))
            put("CWAgent", "disk_used_percent", disk, self.at, self.level(middle + 5, growth, 0.5))


def home(fill: Fill) -> None:
    """The account of the credentials: five instances, one of them without agent; a database, a cache, a service."""
    for number in range(5):
        tags = {"Name": f"web-{number}", "BU": UNITS[number % 2], "Owner": "ann", "Environment": "prod"}
        (name,) = instances(1, **tags)
        fill.machine(name, 30 + 10 * number, 6.0 * (number % 3), agent=number != 4)
    told = [{"Key": "BU", "Value": "payments"}, {"Key": "Owner", "Value": "bob"}]
    client("rds").create_db_instance(
        DBInstanceIdentifier="orders", DBInstanceClass="db.m5.xlarge", Engine="postgres", AllocatedStorage=100,
        MasterUsername="admin", MasterUserPassword="not-a-secret-1", Tags=told,
    )  # fmt: skip
    database = {"DBInstanceIdentifier": "orders"}
    put("AWS/RDS", "CPUUtilization", database, fill.at, fill.level(40, 3))
    put("AWS/RDS", "FreeableMemory", database, fill.at, (100 - fill.level(60, 2, 3)) / 100 * 16 * 2**30)
    put("AWS/RDS", "FreeStorageSpace", database, fill.at, (100 - fill.level(70, 6, 0.5)) / 100 * 100 * 2**30)
    for metric in ("NetworkReceiveThroughput", "NetworkTransmitThroughput"):
        put("AWS/RDS", metric, database, fill.at, fill.level(40, 3) * 5e4)
    client("elasticache").create_cache_cluster(
        CacheClusterId="sessions", Engine="redis", CacheNodeType="cache.m5.large", NumCacheNodes=1, Tags=told
    )
    node = {"CacheClusterId": "sessions", "CacheNodeId": "0001"}
    put("AWS/ElastiCache", "CPUUtilization", node, fill.at, fill.level(20, 1))
    put("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", node, fill.at, fill.level(55, 4, 3))
    for metric in ("NetworkBytesIn", "NetworkBytesOut"):
        put("AWS/ElastiCache", metric, node, fill.at, fill.level(20, 1) * 4e6)
    services = client("ecs")
    services.create_cluster(clusterName="main")
    task = [{"name": "api", "image": "api", "memory": 512}]
    services.register_task_definition(family="api", containerDefinitions=task)
    services.create_service(
        cluster="main", serviceName="api", taskDefinition="api", desiredCount=2, tags=[{"key": "BU", "value": "shop"}]
    )
    service = {"ClusterName": "main", "ServiceName": "api"}
    put("AWS/ECS", "CPUUtilization", service, fill.at, fill.level(35, 5))
    put("AWS/ECS", "MemoryUtilization", service, fill.at, fill.level(50, 2, 3))


def away(fill: Fill) -> None:
    """Another account and region, read by a role: two instances."""
    keys = client("sts").assume_role(RoleArn=READER, RoleSessionName="made-up")["Credentials"]
    boto3.setup_default_session(
        aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"], region_name=AWAY,
    )  # fmt: skip
    for number, name in enumerate(instances(2, BU="bank", Owner="eve", Environment="prod")):
        fill.machine(name, 45 + 15 * number, 5.0)


def main() -> None:
    """Make the accounts and serve them until interrupted; nothing is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=15000)
    parser.add_argument("--days", type=int, default=60)
    given = parser.parse_args()
    if not (aws_server.ROOT / ".venv-services/bin/python").exists():
        raise SystemExit("moto is not installed: make .venv-services/.installed")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the server, too
    with suppress(KeyboardInterrupt), aws_server.aws(port=given.port) as url:
        os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=url, AWS_REGION=HOME, AWS_DEFAULT_REGION=HOME)
        home(Fill(given.days))
        away(Fill(given.days))
        told = {"AWS_ENDPOINT_URL": url, "AWS_REGION": HOME, **ENVIRONMENT}
        print("export " + " ".join(f"{key}={value}" for key, value in told.items()), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
