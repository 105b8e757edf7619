"""What is asked of which exporters, and what servers are called."""

from __future__ import annotations

from typing import Any

import pytest

from capforecast.errors import ConfigError
from capforecast.settings_sources import PrometheusSettings
from capforecast.sources.prometheus_asks import Ask, asks, capacities, host, named


def asked(**own: Any) -> list[Ask]:
    return asks(PrometheusSettings.model_validate(own))


@pytest.mark.parametrize(
    ("instance", "name"),
    [("web-1:9100", "web-1"), ("10.0.0.1:9182", "10.0.0.1"), ("[fe80::1]:9100", "fe80::1"), ("[::1]", "::1"),
     ("web-1", "web-1"), ("fe80::1", "fe80::1"), ("a\nb:1", "a\nb"), ("", "")],
)  # fmt: skip
def test_a_host_is_the_instance_without_its_port(instance: str, name: str) -> None:
    assert host(instance) == name


def test_names_are_made_of_labels_or_not_at_all() -> None:
    labels = {"instance": "a:1", "cluster": "x"}
    assert named("{cluster}/{host}", labels) == "x/a"
    assert named("{cluster}/{node}", labels) == ""


def test_own_promql_takes_the_place_of_a_presets_or_stands_beside() -> None:
    made = {ask.key: ask for ask in asked(presets=["node_exporter", "windows_exporter"],
                                          metrics={"mem": "own_mem", "disk": None, "queue": "own_queue"})}  # fmt: skip
    assert made["node_exporter/mem"].expression == made["windows_exporter/mem"].expression == "own_mem"
    assert made["node_exporter/mem"].present == ""  # the preset's series say nothing about it
    assert not [key for key in made if key.endswith("/disk")]
    assert made["own/queue"].by == ("instance",)
    assert made["node_exporter/cpu"].divisible
    assert not made["own/queue"].divisible
    with pytest.raises(ConfigError, match="no metric"):
        asked(presets=[])


def test_servers_of_several_labels_are_matched_label_by_label() -> None:
    settings = PrometheusSettings.model_validate({"by": ["cluster", "instance"], "select": {"env": "prod"}})
    cpu = asks(settings)[0]
    assert cpu.query(settings, [("x", "a:1"), ("y", "a:1")]) == (
        '100 * (1 - avg by (cluster, instance) (rate(node_cpu_seconds_total{mode="idle",env=~"prod",'
        'cluster=~"x|y",instance="a:1"}[5m])))'
    )
    assert {ask.metric for ask in capacities(settings)} == {"vcpus", "memory_gib"}
