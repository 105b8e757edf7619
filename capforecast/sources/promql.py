"""What is asked of Prometheus: ready-made expressions per exporter, and how a period's statistic is made of one.

An expression is an instant vector with one series per server. In it `$by` stands for the labels that tell servers
apart, `$match` for matchers inside a selector's braces, `$rate` for the range of rates. Counters are read by rate(),
which takes a drop for a restart. Nothing is filled: no series, no value.

Metric names: node_exporter, windows_exporter, cAdvisor and kube-state-metrics as they document them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from capforecast.schema import Cadence

_FUNCTIONS = {
    "mean": "avg_over_time(",
    "max": "max_over_time(",
    "min": "min_over_time(",
    "last": "last_over_time(",
}  # quantiles: quantile_over_time
# Not the server's own wire: loopback, what containers and virtual machines hang on, and what would count the same
# traffic twice (bonds, bridges and VLANs above the cards).
_NOT_A_CARD = (
    "lo|veth.*|docker.*|br[-0-9].*|virbr.*|vnet.*|cni.*|flannel.*|cali.*|tun.*|tap.*|bond.*|team.*|dummy.*|.+[.][0-9]+"
)
_NOT_A_DISK = (
    "tmpfs|devtmpfs|ramfs|rootfs|overlay|aufs|squashfs|iso9660|udf|nsfs|proc|sysfs|cgroup.*|autofs|fuse[.].*|nfs.*|cifs"
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\0": "\\x00"}
_DISKS = "(sd|vd|xvd|hd)[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+"  # whole ones: partitions and mappings count again


@dataclass(frozen=True)
class Query:
    """One metric of servers.

    expression: see above.  present: selector of series that tell which servers have it; "" = ask the expression.
    remedy: how to get it where it is missing.
    """

    metric: str
    expression: str
    present: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Preset:
    """What one kind of exporter offers.  capacity: column of the inventory -> expression, in its unit."""

    name: str
    by: tuple[str, ...]
    server_id: str
    queries: tuple[Query, ...]
    capacity: Mapping[str, str] = field(default_factory=dict)


def _share(used_up: str, of: str, keep: str) -> str:
    """Percent in use where `used_up` is what is free, the fullest of a server."""
    return f"max by ($by) (100 * (1 - {used_up}{{{keep}$match}} / ({of}{{{keep}$match}} > 0)))"


def _traffic(counter: str, keep: str, each: str, factor: str) -> str:
    """Sum over devices of their rates; `max by` first, so that a server scraped twice is not counted twice."""
    return f"sum by ($by) (max by ($by, {each}) (rate({counter}{{{keep}$match}}[$rate]))) * {factor}"


def _node_exporter() -> Preset:
    mounts, cards = f'fstype!~"{_NOT_A_DISK}",', f'device!~"{_NOT_A_CARD}",'
    disks = f'device=~"{_DISKS}",'
    idle = 'node_cpu_seconds_total{mode="idle",'
    return Preset(
        "node_exporter",
        ("instance",),
        "{host}",
        (
            Query("cpu", f"100 * (1 - avg by ($by) (rate({idle}$match}}[$rate])))", f'{idle}cpu="0",$match}}',
                  "run node_exporter with its collector `cpu` (on by default)"),
            Query("mem", _share("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", ""),
                  "node_memory_MemAvailable_bytes{$match}",
                  "run node_exporter with its collector `meminfo`; MemAvailable takes Linux 3.14"),
            Query("disk", _share("node_filesystem_avail_bytes", "node_filesystem_size_bytes", mounts),
                  f"node_filesystem_size_bytes{{{mounts}$match}}",
                  "run node_exporter with its collector `filesystem`; in a container with the host's / mounted"),
            Query("net_in", _traffic("node_network_receive_bytes_total", cards, "device", "8e-6"),
                  f"node_network_receive_bytes_total{{{cards}$match}}",
                  "run node_exporter with its collector `netdev`, in the network of the host"),
            Query("net_out", _traffic("node_network_transmit_bytes_total", cards, "device", "8e-6"),
                  f"node_network_transmit_bytes_total{{{cards}$match}}",
                  "run node_exporter with its collector `netdev`, in the network of the host"),
            Query("disk_io", _traffic("node_disk_read_bytes_total", disks, "device", "1e-6")
                  + " + " + _traffic("node_disk_written_bytes_total", disks, "device", "1e-6"),
                  f"node_disk_read_bytes_total{{{disks}$match}}",
                  "run node_exporter with its collector `diskstats`"),
        ),
        {"vcpus": f"count by ($by) (count by ($by, cpu) ({idle}$match}}))",
         "memory_gib": "max by ($by) (node_memory_MemTotal_bytes{$match}) / 2^30"},
    )  # fmt: skip


def _windows_exporter() -> Preset:
    volumes, cards = 'volume!~"HarddiskVolume.*|_Total",', 'nic!~"isatap.*|.*[Ll]oopback.*|.*Teredo.*|vEthernet.*",'
    idle = 'windows_cpu_time_total{mode="idle",'
    network = "run windows_exporter with its collector `net`"
    # the total moved with the collectors: cs (before 0.27), then memory
    memory = "(windows_cs_physical_memory_bytes{$match} or windows_memory_physical_total_bytes{$match})"
    return Preset(
        "windows_exporter",
        ("instance",),
        "{host}",
        (
            Query("cpu", f"100 * (1 - avg by ($by) (rate({idle}$match}}[$rate])))", f"{idle}$match}}",
                  "run windows_exporter with its collector `cpu`"),
            Query("mem", "max by ($by) (100 * (1 - windows_memory_available_bytes{$match} / " + memory + "))",
                  "windows_memory_available_bytes{$match}",
                  "run windows_exporter with its collectors `memory` and, before version 0.27, `cs`"),
            Query("disk", _share("windows_logical_disk_free_bytes", "windows_logical_disk_size_bytes", volumes),
                  f"windows_logical_disk_size_bytes{{{volumes}$match}}",
                  "run windows_exporter with its collector `logical_disk`"),
            Query("net_in", _traffic("windows_net_bytes_received_total", cards, "nic", "8e-6"),
                  f"windows_net_bytes_received_total{{{cards}$match}}", network),
            Query("net_out", _traffic("windows_net_bytes_sent_total", cards, "nic", "8e-6"),
                  f"windows_net_bytes_sent_total{{{cards}$match}}", network),
            Query("disk_io", _traffic("windows_logical_disk_read_bytes_total", volumes, "volume", "1e-6")
                  + " + " + _traffic("windows_logical_disk_write_bytes_total", volumes, "volume", "1e-6"),
                  f"windows_logical_disk_read_bytes_total{{{volumes}$match}}",
                  "run windows_exporter with its collector `logical_disk`"),
        ),
        {"vcpus": f"count by ($by) (count by ($by, core) ({idle}$match}}))",
         "memory_gib": f"max by ($by) {memory} / 2^30"},
    )  # fmt: skip


def _kubernetes() -> Preset:
    whole, remedy = 'id="/",', "scrape the kubelet's /metrics/cadvisor, and keep the label `node`"
    cards = f'id="/",interface!~"{_NOT_A_CARD}",'
    cpu = _traffic("container_cpu_usage_seconds_total", whole, "cpu", "100")
    return Preset(
        "kubernetes",
        ("node",),
        "{node}",
        (
            Query("cpu", f"{cpu} / max by ($by) (machine_cpu_cores{{$match}})",
                  f"container_cpu_usage_seconds_total{{{whole}$match}}", remedy),
            Query("mem", f"100 * max by ($by) (container_memory_working_set_bytes{{{whole}$match}})"
                  " / max by ($by) (machine_memory_bytes{$match})",
                  f"container_memory_working_set_bytes{{{whole}$match}}", remedy),
            Query("disk", f"max by ($by) (100 * container_fs_usage_bytes{{{whole}$match}}"
                  f" / (container_fs_limit_bytes{{{whole}$match}} > 0))",
                  f"container_fs_limit_bytes{{{whole}$match}}", remedy),
            Query("net_in", _traffic("container_network_receive_bytes_total", cards, "interface", "8e-6"),
                  f"container_network_receive_bytes_total{{{cards}$match}}", remedy),
            Query("net_out", _traffic("container_network_transmit_bytes_total", cards, "interface", "8e-6"),
                  f"container_network_transmit_bytes_total{{{cards}$match}}", remedy),
        ),
        {"vcpus": "max by ($by) (machine_cpu_cores{$match})",
         "memory_gib": "max by ($by) (machine_memory_bytes{$match}) / 2^30"},
    )  # fmt: skip


def _kubernetes_containers() -> Preset:
    """The fullest of a container's pods against its limit: pods come and go, the container of a deployment stays."""
    each, own = "$by, pod", 'container!="",container!="POD",'
    limit = 'max by ($by, pod) (kube_pod_container_resource_limits{resource="%s",$match}) > 0'
    use = f"sum by ({each}) (max by ({each}, cpu) (rate(container_cpu_usage_seconds_total{{{own}$match}}[$rate])))"
    return Preset(
        "kubernetes_containers",
        ("namespace", "container"),
        "{namespace}/{container}",
        (
            Query("cpu", f"max by ($by) (100 * {use} / ({limit % 'cpu'}))",
                  'kube_pod_container_resource_limits{resource="cpu",$match}',
                  "give the container a CPU limit, and scrape kube-state-metrics"),
            Query("mem", f"max by ($by) (100 * max by ({each}) (container_memory_working_set_bytes{{{own}$match}})"
                  f" / ({limit % 'memory'}))",
                  'kube_pod_container_resource_limits{resource="memory",$match}',
                  "give the container a memory limit, and scrape kube-state-metrics"),
        ),
    )  # fmt: skip


PRESETS = {
    preset.name: preset for preset in (_node_exporter(), _windows_exporter(), _kubernetes(), _kubernetes_containers())
}


def fill(expression: str, by: Iterable[str], match: str, rate_minutes: int) -> str:
    """The expression with `$by`, `$match` and `$rate` put in; any other `$` stays (ends of regular expressions)."""
    given = {"by": ", ".join(by), "match": match, "rate": f"{rate_minutes}m"}
    return re.sub(r"\$(by|match|rate)\b", lambda found: given[found[1]], expression)


def over_period(statistic: str, expression: str, cadence: Cadence, resolution_minutes: int) -> str:
    """The statistic of a period's values, to be evaluated at its end.

    The values are those at begin + resolution, ..., end: the range is a second short of the period, so that the one at
    the begin, which belongs to the period before, is left out by Prometheus 2 (closed ranges) and 3 (left-open) alike.
    """
    seconds = int(cadence.step.total_seconds()) - 1
    start = _FUNCTIONS.get(statistic) or f"quantile_over_time({int(statistic[1:]) / 100:g}, "
    return f"{start}({expression})[{seconds}s:{resolution_minutes}m])"


def quoted(text: str) -> str:
    """A string of PromQL that holds exactly this text."""
    held = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\x00")
    )
    return f'"{held}"'


def literal(text: str) -> str:
    """A regular expression (RE2) that matches this text alone."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def matchers(select: Mapping[str, str], values: Mapping[str, Iterable[str]]) -> str:
    """Matchers of a selector: the user's regular expressions, and labels that are one of the given values."""
    parts = [f"{name}=~{quoted(pattern)}" for name, pattern in sorted(select.items())]
    for name, texts in values.items():
        some = sorted(set(texts))
        parts.append(
            f"{name}={quoted(some[0])}" if len(some) == 1 else f"{name}=~{quoted('|'.join(map(literal, some)))}"
        )
    return ",".join(parts)
