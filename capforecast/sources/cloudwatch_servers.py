"""Servers of an account and region: instances, databases, services and cache nodes, their sizes, tags and metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from capforecast.errors import SourceError
from capforecast.settings_sources import CloudWatchSettings
from capforecast.sources import cloudwatch_agent as agent
from capforecast.sources import cloudwatch_metrics as metrics
from capforecast.sources.cloudwatch_calls import Calls, Counts, Place
from capforecast.sources.cloudwatch_metrics import Asks, Lack

ALIVE = ["pending", "running", "stopping", "stopped"]
MOST_VALUES = 100  # of a filter, in one request


@dataclass(frozen=True)
class Server:
    """Something with a capacity of its own.

    sizes: inventory columns that AWS itself says (instance_type, vcpus, memory_gib, disk_gib, network_mbps).
    since: from when on these hold; None = not known.
    """

    place: Place
    service: str
    id: str
    tags: dict[str, str]
    sizes: dict[str, Any] = field(default_factory=dict)
    since: pd.Timestamp | None = None
    asks: Asks = field(default_factory=dict)
    lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True)
class Notes:
    """What people should know: called with a warning; `failed` is what could not be looked for."""

    warnings: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __call__(self, text: str) -> None:
        """Note a warning."""
        self.warnings.append(text)


def of_place(calls: Calls, place: Place, service: str, settings: CloudWatchSettings, warn: Notes) -> list[Server]:
    """Servers of one service there, by id. Raises SourceError where they cannot be listed."""
    listing = {"ec2": _ec2, "rds": _rds, "ecs": _ecs, "elasticache": _elasticache}[service]
    wanted = {_plain(key): value for key, value in settings.only_tags.items()}
    return sorted(
        (each for each in listing(calls, place, settings, warn) if _has(each.tags, wanted)), key=lambda each: each.id
    )


def _has(tags: dict[str, str], wanted: dict[str, str]) -> bool:
    plain = {_plain(key): value for key, value in tags.items()}
    return all(plain.get(key) == value for key, value in wanted.items())


def _plain(key: str) -> str:
    """A tag's name as people mean it: BusinessUnit, business-unit and business_unit are one."""
    return key.lower().replace("-", "").replace("_", "").replace(" ", "")


def tagged(tags: dict[str, str], names: Iterable[str]) -> str | None:
    """Value of the first of the tags that is there and not blank."""
    plain = {_plain(key): tags[key].strip() for key in sorted(tags, reverse=True)}
    return next((plain[_plain(name)] for name in names if plain.get(_plain(name))), None)


def _tags(listed: Iterable[dict[str, str]], key: str = "Key", value: str = "Value") -> dict[str, str]:
    return {each[key]: each.get(value, "") for each in listed}


def _types(calls: Calls, place: Place, names: Iterable[str], warn: Notes) -> dict[str, dict[str, float]]:
    """Sizes of EC2 instance types, by type; of those that are none, nothing."""
    wanted, sizes = sorted(set(names)), dict[str, dict[str, float]]()
    try:
        for first in range(0, len(wanted), MOST_VALUES):
            only = [{"Name": "instance-type", "Values": wanted[first : first + MOST_VALUES]}]
            pages = calls.pages(place, "ec2", "describe_instance_types", "InstanceTypes", "NextToken", Filters=only)
            for each in pages:
                sizes[each["InstanceType"]] = _sizes_of_type(each)
    except SourceError as error:
        warn(f"{error}: sizes of {len(wanted)} instance types come from the catalogue shipped, where it knows them")
    return sizes


def _sizes_of_type(told: dict[str, Any]) -> dict[str, float]:
    sizes = {"vcpus": float(told["VCpuInfo"]["DefaultVCpus"]), "memory_gib": told["MemoryInfo"]["SizeInMiB"] / 1024}
    cards = [card.get("BaselineBandwidthInGbps") for card in told.get("NetworkInfo", {}).get("NetworkCards", [])]
    given = [float(gbps) for gbps in cards if gbps]
    return sizes | ({"network_mbps": sum(given) * 1000} if given and len(given) == len(cards) else {})


def _ec2(calls: Calls, place: Place, settings: CloudWatchSettings, warn: Notes) -> Iterator[Server]:
    alive = [{"Name": "instance-state-name", "Values": ALIVE}]
    reservations = calls.pages(place, "ec2", "describe_instances", "Reservations", "NextToken", Filters=alive)
    instances = [each for reservation in reservations for each in reservation["Instances"]]
    if not instances:
        return
    volumes = _volumes(calls, place, settings.metrics, warn)
    types = _types(calls, place, {each["InstanceType"] for each in instances}, warn)
    from_agent = _agent(calls, place, settings, instances, warn)
    for each in instances:
        instance, of = each["InstanceId"], volumes.get(each["InstanceId"], [])
        asks = metrics.ec2(instance, tuple(name for name, _ in of)) | from_agent.get(instance, {})
        sizes: dict[str, Any] = {"instance_type": each["InstanceType"], **types.get(each["InstanceType"], {})}
        cores = each.get("CpuOptions", {})
        if cores.get("CoreCount") and cores.get("ThreadsPerCore"):
            sizes["vcpus"] = float(cores["CoreCount"] * cores["ThreadsPerCore"])
        if of:
            sizes["disk_gib"] = float(sum(gib for _, gib in of))
        lacks = agent.lacks(asks) + ([] if of else [Lack("disk_io", "no EBS volume is attached", "none needed")])
        yield Server(place, "ec2", instance, _tags(each.get("Tags", [])), sizes, _started(each), asks, tuple(lacks))


def _started(instance: dict[str, Any]) -> pd.Timestamp | None:
    """When it was last started: its type cannot have changed since, for that it has to be stopped."""
    return pd.Timestamp(instance["LaunchTime"]).tz_convert("UTC") if instance.get("LaunchTime") else None


def _volumes(calls: Calls, place: Place, wanted: Iterable[str], warn: Notes) -> dict[str, list[tuple[str, int]]]:
    """Instance -> its EBS volumes and their GiB, by id."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    attached = [{"Name": "attachment.status", "Values": ["attached"]}]
    try:
        for each in calls.pages(place, "ec2", "describe_volumes", "Volumes", "NextToken", Filters=attached):
            for at in each["Attachments"]:
                found[at["InstanceId"]].append((each["VolumeId"], each["Size"]))
    except SourceError as error:
        (warn.failed if "disk_io" in wanted else warn.warnings).append(
            f"{error}: sizes and traffic of disks are not known"
        )
        return {}
    return {instance: sorted(of) for instance, of in found.items()}


def _agent(
    calls: Calls, place: Place, settings: CloudWatchSettings, instances: list[dict[str, Any]], warn: Notes
) -> dict[str, Asks]:
    if not {"mem", "disk"} & set(settings.metrics):
        return {}
    hosts: dict[str, str] = {}
    for each in instances:
        name = each.get("PrivateDnsName", "")
        hosts |= {name: each["InstanceId"], name.partition(".")[0]: each["InstanceId"]} if name else {}
    try:
        listed = list(
            calls.pages(place, "cloudwatch", "list_metrics", "Metrics", "NextToken", Namespace=settings.agent_namespace)
        )
    except SourceError as error:
        warn.failed.append(f"{error}: memory and disks of the CloudWatch agent are not known")
        return {}
    found, strangers = agent.found(listed, hosts)
    if strangers:
        few = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        warn(
            f"{place}: the CloudWatch agent of {len(strangers)} hosts ({few}) does not say which instance it runs on: "
            'add "append_dimensions": {"InstanceId": "${aws:InstanceId}"} to its configuration'
        )
    return found


def _rds(calls: Calls, place: Place, settings: CloudWatchSettings, warn: Notes) -> Iterator[Server]:
    listed = list(calls.pages(place, "rds", "describe_db_instances", "DBInstances", "Marker"))
    types = _types(calls, place, {_type_of(each["DBInstanceClass"]) for each in listed}, warn) if listed else {}
    for each in listed:
        sizes = types.get(_type_of(each["DBInstanceClass"]), {})
        name, gib, engine = each["DBInstanceIdentifier"], float(each.get("AllocatedStorage") or 0), each["Engine"]
        asks, lacks = metrics.rds(name, engine, sizes.get("memory_gib"), gib)
        told: dict[str, Any] = {"instance_type": each["DBInstanceClass"], **sizes}
        if "disk" in asks:
            told["disk_gib"] = gib
        yield Server(place, "rds", name, _tags(each.get("TagList", [])), told, None, asks, tuple(lacks))


def _type_of(klass: str) -> str:
    """EC2 type that a class is named after: `db.m5.large`, `cache.m5.large` -> `m5.large`."""
    return klass.partition(".")[2]


def _ecs(calls: Calls, place: Place, settings: CloudWatchSettings, warn: Notes) -> Iterator[Server]:
    for cluster in calls.pages(place, "ecs", "list_clusters", "clusterArns", "nextToken"):
        arns = list(calls.pages(place, "ecs", "list_services", "serviceArns", "nextToken", cluster=cluster))
        for first in range(0, len(arns), 10):  # the most that describe_services takes
            asked: dict[str, Any] = {"cluster": cluster, "services": arns[first : first + 10], "include": ["TAGS"]}
            for each in calls.ask(place, "ecs", "describe_services", Counts(), **asked)["services"]:
                if each["status"] != "INACTIVE":
                    yield _ecs_service(place, cluster.rpartition("/")[2], each)


def _ecs_service(place: Place, cluster: str, told: dict[str, Any]) -> Server:
    """Without a size: that is its tasks', whose number changes by itself, and each change would be a resize."""
    asks, lacks = metrics.ecs(cluster, told["serviceName"])
    tags = _tags(told.get("tags", []), "key", "value")
    return Server(place, "ecs", f"{cluster}/{told['serviceName']}", tags, asks=asks, lacks=tuple(lacks))


def _elasticache(calls: Calls, place: Place, settings: CloudWatchSettings, warn: Notes) -> Iterator[Server]:
    listed = list(
        calls.pages(place, "elasticache", "describe_cache_clusters", "CacheClusters", "Marker", ShowCacheNodeInfo=True)
    )
    types = _types(calls, place, {_type_of(each["CacheNodeType"]) for each in listed}, warn) if listed else {}
    for each in listed:
        cluster, engine = each["CacheClusterId"], each["Engine"]
        tags = _cache_tags(calls, place, each.get("ARN", ""), warn)
        type_of = types.get(_type_of(each["CacheNodeType"]), {})
        sizes: dict[str, Any] = {"instance_type": each["CacheNodeType"]}
        sizes |= {
            name: type_of[name] for name in ("vcpus", "network_mbps") if name in type_of
        }  # less memory than EC2's
        nodes = sorted(node["CacheNodeId"] for node in each.get("CacheNodes", [])) or ["0001"]
        for node in nodes:
            name = cluster if len(nodes) == 1 else f"{cluster}/{node}"
            asks, lacks = metrics.elasticache(cluster, node, engine, sizes.get("vcpus"))
            yield Server(place, "elasticache", name, tags, sizes, None, asks, tuple(lacks))


def _cache_tags(calls: Calls, place: Place, arn: str, warn: Notes) -> dict[str, str]:
    if not arn:
        return {}
    try:
        answer = calls.ask(place, "elasticache", "list_tags_for_resource", Counts(), ResourceName=arn)
    except SourceError as error:
        warn(f"{error}: the tags of a cache are not known")
        return {}
    return _tags(answer.get("TagList", []))
