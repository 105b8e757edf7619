"""Memory and disks in the metrics of the CloudWatch agent, whatever their dimensions."""

from __future__ import annotations

from capforecast.sources.cloudwatch_agent import found, lacks

ID, OTHER = "i-0a", "i-0b"


def told(name: str, **dimensions: str) -> dict[str, object]:
    listed = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Namespace": "CWAgent", "MetricName": name, "Dimensions": listed}


def paths(ask) -> list[str]:
    return [dict(metric.dimensions).get("path", "") for metric in ask.metrics]


def test_disks_are_one_metric_each_and_file_systems_without_data_of_their_own_are_not_counted():
    listed = [
        told("disk_used_percent", InstanceId=ID, path="/", device="nvme0n1p1", fstype="xfs"),
        told("disk_used_percent", InstanceId=ID, path="/data", device="nvme1n1", fstype="ext4"),
        told("disk_used_percent", InstanceId=ID, path="/dev/shm", device="tmpfs", fstype="tmpfs"),
        told("disk_used_percent", InstanceId=ID, path="/snap/core", device="loop0", fstype="squashfs"),
    ]
    asks, strangers = found(listed, {})
    assert paths(asks[ID]["disk"]) == ["/", "/data"]
    assert strangers == []


def test_of_several_forms_of_one_metric_the_plainest_is_read():
    listed = [
        told("mem_used_percent", InstanceId=ID, InstanceType="m5.large", ImageId="ami-1"),
        told("mem_used_percent", InstanceId=ID),
        told("disk_used_percent", InstanceId=ID),  # summed up over all disks by aggregation_dimensions
        told("disk_used_percent", InstanceId=ID, path="/", InstanceType="m5.large", fstype="xfs"),
    ]
    asks, _ = found(listed, {})
    assert [dict(metric.dimensions) for metric in asks[ID]["mem"].metrics] == [{"InstanceId": ID}]
    assert paths(asks[ID]["disk"]) == ["/"]


def test_a_metric_that_names_the_type_is_read_for_each_type_the_instance_had():
    listed = [told("mem_used_percent", InstanceId=ID, InstanceType=kind) for kind in ("m5.large", "m5.xlarge")]
    asks, _ = found(listed, {})
    assert len(asks[ID]["mem"].metrics) == 2


def test_windows_reports_what_is_free():
    listed = [
        told("LogicalDisk % Free Space", InstanceId=ID, instance="C:", objectname="LogicalDisk"),
        told("LogicalDisk % Free Space", InstanceId=ID, instance="_Total", objectname="LogicalDisk"),
        told("Memory % Committed Bytes In Use", InstanceId=ID, objectname="Memory"),
    ]
    asks, _ = found(listed, {})
    disk = asks[ID]["disk"]
    assert len(disk.metrics) == 1
    assert disk.statistic("p95") == "p5"
    assert disk.offset + disk.scale * 25 == 75
    assert asks[ID]["mem"].statistic("p95") == "p95"


def test_a_host_is_known_by_its_private_name_or_named_as_a_stranger():
    listed = [told("mem_used_percent", host="ip-10-0-0-7"), told("mem_used_percent", host="laptop")]
    asks, strangers = found(listed, {"ip-10-0-0-7": OTHER})
    assert list(asks) == [OTHER]
    assert strangers == ["laptop"]


def test_what_no_agent_sends_is_missing_with_its_remedy():
    asks, _ = found([told("mem_used_percent", InstanceId=ID)], {})
    assert [(lack.metric, "disk_used_percent" in lack.remedy) for lack in lacks(asks[ID])] == [("disk", True)]
    assert found([told("cpu_usage_idle", InstanceId=ID)], {}) == ({}, [])
