"""Memory and disks of EC2 instances, which only the CloudWatch agent knows: found by ListMetrics.

The dimensions its metrics carry depend on how it was set up (append_dimensions, aggregation_dimensions): all that name
the instance are understood. A metric is listed for two weeks after its last value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from capforecast.sources.cloudwatch_metrics import Ask, Asks, Lack, Metric

INSTANCE, HOST = "InstanceId", "host"
# Name of the agent's metric -> metric of ours, and how its value becomes one.
NAMES = {
    "mem_used_percent": ("mem", Ask(())),
    "Memory % Committed Bytes In Use": ("mem", Ask(())),
    "disk_used_percent": ("disk", Ask(())),
    "LogicalDisk % Free Space": ("disk", Ask((), "free", -1.0, 100.0)),
}
MOUNT = ("path", "instance")  # dimension that names a file system: Linux, Windows
# File systems that hold no data of the server's own, or are never anything but full.
NOT_REAL = {
    "autofs", "binfmt_misc", "cgroup", "cgroup2", "debugfs", "devfs", "devpts", "devtmpfs", "efivarfs", "fuse.lxcfs",
    "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "pstore", "ramfs", "rootfs", "rpc_pipefs",
    "securityfs", "selinuxfs", "squashfs", "sysfs", "tmpfs", "tracefs", "vfat", "udf",
}  # fmt: skip


def found(listed: Iterable[Mapping[str, Any]], hosts: Mapping[str, str]) -> tuple[dict[str, Asks], list[str]]:
    """Instance -> how its memory and its fullest disk are had; and names of hosts that no instance is known by.

    listed: what ListMetrics says of the agent's namespace.  hosts: private DNS name, short and long -> instance.
    """
    per: dict[tuple[str, str], dict[str, list[Metric]]] = defaultdict(lambda: defaultdict(list))
    strangers = set()
    for metric in map(_metric, listed):
        told = dict(metric.dimensions)
        if metric.name not in NAMES or told.get("fstype", "").lower() in NOT_REAL:
            continue
        instance = told.get(INSTANCE) or hosts.get(told.get(HOST, ""))
        if instance is None:
            strangers |= {told[HOST]} if HOST in told else set()
            continue
        mount = next((told[name] for name in MOUNT if name in told), "")
        if mount != "_Total":
            per[instance, metric.name][mount].append(metric)
    asks: dict[str, Asks] = defaultdict(dict)
    for (instance, name), mounts in sorted(per.items()):
        ours, ask = NAMES[name]
        whole = mounts if ours != "disk" or set(mounts) == {""} else {key: mounts[key] for key in mounts if key}
        chosen = tuple(metric for mount in sorted(whole) for metric in _one_way(whole[mount]))
        asks[instance].setdefault(ours, ask.but(*chosen))
    return dict(asks), sorted(strangers)


def _metric(listed: Mapping[str, Any]) -> Metric:
    dimensions = tuple(sorted((each["Name"], each["Value"]) for each in listed.get("Dimensions", [])))
    return Metric(listed["Namespace"], listed["MetricName"], dimensions)


def _one_way(metrics: list[Metric]) -> list[Metric]:
    """Of one thing told in several ways the one with fewest dimensions.

    That one stays the same when the instance changes its type. Where the type stands in all of them, there is one
    metric for each type the instance had: all are read.
    """
    ways = {tuple(name for name, _ in metric.dimensions) for metric in metrics}
    way = min(ways, key=lambda names: (len(names), names))
    return sorted(metric for metric in set(metrics) if tuple(name for name, _ in metric.dimensions) == way)


def lacks(asks: Asks) -> list[Lack]:
    """What the agent does not tell of an instance."""
    remedy = "run the CloudWatch agent there with {} (docs/sources/cloudwatch.md)"
    wanted = {"mem": "mem_used_percent", "disk": "disk_used_percent"}
    reason = "the CloudWatch agent has sent none within two weeks"
    return [Lack(ours, reason, remedy.format(name)) for ours, name in wanted.items() if ours not in asks]
