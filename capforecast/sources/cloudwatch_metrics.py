"""Which metrics of CloudWatch make up ours, service by service, and in which unit each is kept there.

Facts: the metric tables of the services' user guides ("List the available CloudWatch metrics for your instances",
"CloudWatch metrics for Amazon RDS", "Amazon ECS CloudWatch metrics", "Host-Level Metrics" and "Metrics for Redis OSS"
of ElastiCache, "CloudWatch metrics for Amazon EBS", "Metrics collected by the CloudWatch agent").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

FINE = 300  # seconds: amounts are read as sums of five minutes, whose rates a statistic is then taken of
COARSE = 3600  # ... and of an hour, once five minutes are no longer kept
Kind = Literal["level", "amount", "free"]
MBIT, MBYTE, GIB = 8 / 1e6, 1 / 1e6, 2**30
STATISTICS = {"p95": "p95", "p99": "p99", "p50": "p50", "mean": "Average", "max": "Maximum", "min": "Minimum"}
# Of what is free: the 95th percentile of what is used is the 5th of what is free.
OF_FREE = {"p95": "p5", "p99": "p1", "p50": "p50", "mean": "Average", "max": "Minimum", "min": "Maximum"}


@dataclass(frozen=True, order=True)
class Metric:
    """A metric of CloudWatch, as it is asked for."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ask:
    """How one metric of ours is had: `offset + scale * statistic`, of one metric there or several put together.

    level: a level, whose statistic CloudWatch computes; of several the highest counts.
    amount: bytes since the last report, read as sums and turned into a rate; several are added.
    free: a level of what is free, whose statistic is turned round.
    """

    metrics: tuple[Metric, ...]
    kind: Kind = "level"
    scale: float = 1.0
    offset: float = 0.0

    def statistic(self, ours: str) -> str:
        """CloudWatch's name of the statistic to ask for."""
        if self.kind == "amount":
            return "Sum"
        return (OF_FREE if self.kind == "free" else STATISTICS)[ours]

    def but(self, *metrics: Metric) -> Ask:
        """The same of other metrics."""
        return replace(self, metrics=metrics)


@dataclass(frozen=True)
class Lack:
    """What cannot be had of a server, why, and what to do about it."""

    metric: str
    reason: str
    remedy: str


Asks = dict[str, Ask]  # metric of ours -> how it is had


def ec2(instance: str, volumes: tuple[str, ...]) -> Asks:
    """What every instance reports, and the volumes attached to it; memory and disks come from the agent."""
    own = (("InstanceId", instance),)
    asks = {
        "cpu": Ask((Metric("AWS/EC2", "CPUUtilization", own),)),
        "net_in": Ask((Metric("AWS/EC2", "NetworkIn", own),), "amount", MBIT),
        "net_out": Ask((Metric("AWS/EC2", "NetworkOut", own),), "amount", MBIT),
    }
    names = ("VolumeReadBytes", "VolumeWriteBytes")
    moved = tuple(Metric("AWS/EBS", name, (("VolumeId", volume),)) for volume in volumes for name in names)
    return asks | ({"disk_io": Ask(moved, "amount", MBYTE)} if moved else {})


def rds(instance: str, engine: str, memory_gib: float | None, allocated_gib: float) -> tuple[Asks, list[Lack]]:
    """What a database instance reports. Free memory and storage become a share used of what there is of them now."""
    own = (("DBInstanceIdentifier", instance),)

    def of(name: str) -> tuple[Metric, ...]:
        return (Metric("AWS/RDS", name, own),)

    asks = {
        "cpu": Ask(of("CPUUtilization")),
        "net_in": Ask(of("NetworkReceiveThroughput"), scale=MBIT),
        "net_out": Ask(of("NetworkTransmitThroughput"), scale=MBIT),
    }
    lacks = [
        Lack("disk_io", "reads and writes are levels of their own, whose statistics do not add", "none; it is left out")
    ]
    if memory_gib:
        asks["mem"] = _used(of("FreeableMemory"), memory_gib)
    else:
        lacks.append(
            Lack(
                "mem",
                "FreeableMemory is in bytes, and the memory of this class is not known",
                "allow ec2:DescribeInstanceTypes; a class without an EC2 type of its name has no memory here",
            )
        )
    if engine.startswith("aurora"):
        lacks.append(Lack("disk", "storage of Aurora grows by itself: it has no size to be full", "none needed"))
    elif allocated_gib > 0:
        asks["disk"] = _used(of("FreeStorageSpace"), allocated_gib)
    return asks, lacks


def _used(free: tuple[Metric, ...], gib: float) -> Ask:
    """Percent used, of bytes free."""
    return Ask(free, "free", -100 / (gib * GIB), 100.0)


def ecs(cluster: str, service: str) -> tuple[Asks, list[Lack]]:
    """What a service reports: percent of what its tasks reserve."""
    own = (("ClusterName", cluster), ("ServiceName", service))
    asks = {
        "cpu": Ask((Metric("AWS/ECS", "CPUUtilization", own),)),
        "mem": Ask((Metric("AWS/ECS", "MemoryUtilization", own),)),
    }
    network = "AWS/ECS has no network or disk of a service"
    remedy = "turn on Container Insights, which is billed by itself; capforecast does not read it yet"
    return asks, [Lack(name, network, remedy) for name in ("disk", "net_in", "net_out", "disk_io")]


def elasticache(cluster: str, node: str, engine: str, vcpus: float | None) -> tuple[Asks, list[Lack]]:
    """What a node reports. Redis and Valkey work in one thread: from four vCPUs on that thread's CPU is what counts."""
    own = (("CacheClusterId", cluster), ("CacheNodeId", node))
    single = engine in ("redis", "valkey")
    cpu = "EngineCPUUtilization" if single and (vcpus or 0) >= 4 else "CPUUtilization"
    asks = {
        "cpu": Ask((Metric("AWS/ElastiCache", cpu, own),)),
        "net_in": Ask((Metric("AWS/ElastiCache", "NetworkBytesIn", own),), "amount", MBIT),
        "net_out": Ask((Metric("AWS/ElastiCache", "NetworkBytesOut", own),), "amount", MBIT),
    }
    lacks = [Lack(name, "a cache has no disk", "none needed") for name in ("disk", "disk_io")]
    if single:
        asks["mem"] = Ask((Metric("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", own),))
    else:
        lacks.append(
            Lack("mem", f"{engine} reports bytes, not a share of its memory", "none; capforecast does not read it yet")
        )
    return asks, lacks
