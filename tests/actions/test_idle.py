"""Idle servers and zombies: limits, what was measured, and what is missing to judge."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from capforecast.actions.idle import idle
from capforecast.settings import IdleSettings

SETTINGS = IdleSettings()


def measured(**metrics):
    """Activity of server `a`: metric = (statistic, days, peak)."""
    rows = [("a", metric, *row) for metric, row in metrics.items()]
    return pd.DataFrame(rows, columns=["server_id", "metric", "statistic", "days", "peak"])


def owned(*names, owner="ops"):
    return pd.DataFrame({"server_id": names, "owner": owner})


def judged(settings=SETTINGS, owner="ops", **metrics):
    return idle(measured(**metrics), owned("a", owner=owner), settings).iloc[0]


def test_a_server_below_all_limits_is_idle_and_says_what_was_looked_at():
    found = judged(cpu=("mean", 14, 2.1), net=("mean", 14, 0.4))
    assert found["idle"]
    assert found["needs"] == ""
    assert found["idle_basis"] == (
        "14 of 14 days: CPU mean at most 2.1 %, network at most 0.4 MB a day; disk activity not measured"
    )


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"cpu": ("mean", 14, 5.0), "net": ("mean", 14, 5.0), "disk_io": ("mean", 14, 0.0)}, True),
        ({"cpu": ("mean", 14, 5.01)}, False),
        ({"cpu": ("mean", 14, 1.0), "net": ("mean", 14, 5.01)}, False),
        ({"cpu": ("mean", 14, 1.0), "net_in": ("mean", 14, 5.01)}, False),
        ({"cpu": ("mean", 14, 1.0), "disk_io": ("mean", 14, 0.01)}, False),
        ({"cpu": ("mean", 14, 1.0)}, True),
    ],
)
def test_every_limit_must_hold(metrics, expected):
    found = judged(**metrics)
    assert found["idle"] == expected
    assert found["needs"] == ""


def test_limits_are_those_of_the_settings():
    loose = IdleSettings(cpu_percent=10, network_mb=50, disk_io_mb_s=1)
    metrics = {"cpu": ("mean", 14, 9.0), "net": ("mean", 14, 40.0), "disk_io": ("mean", 14, 0.9)}
    assert judged(loose, **metrics)["idle"]
    assert not judged(**metrics)["idle"]


def test_without_cpu_nothing_is_idle():
    found = judged(net=("mean", 14, 0.0), disk_io=("mean", 14, 0.0))
    assert not found["idle"]
    assert found["needs"] == "needs CPU on 10 of the last 14 days (not measured)"
    assert (
        found["idle_basis"]
        == "14 of 14 days: network at most 0.0 MB a day, disk activity at most 0.0 MB/s; CPU not measured"
    )


def test_a_server_that_was_never_seen_cannot_be_judged():
    found = judged()
    assert not found["idle"]
    assert found["needs"].startswith("needs CPU")
    assert found["idle_basis"] == "nothing measured in the last 14 days"


@pytest.mark.parametrize(("metric", "name"), [("cpu", "CPU"), ("net", "network"), ("disk_io", "disk activity")])
def test_too_few_days_of_anything_measured_decide_nothing(metric, name):
    metrics = {"cpu": ("mean", 14, 1.0), "net": ("mean", 14, 1.0), "disk_io": ("mean", 14, 0.0)}
    few = metrics | {metric: ("mean", 9, 0.0)}
    assert judged(**metrics)["idle"]
    assert not judged(**few)["idle"]
    assert judged(**few)["needs"] == f"needs {name} on 10 of the last 14 days (seen on 9)"
    assert judged(**metrics | {metric: ("mean", 10, 0.0)})["idle"]


def test_of_several_that_are_short_the_first_is_named():
    assert judged(cpu=("mean", 5, 1.0), net=("mean", 4, 1.0))["needs"].endswith("(seen on 5)")


def test_a_server_seen_at_work_needs_no_more_days():
    assert judged(cpu=("mean", 3, 60.0))["needs"] == ""
    assert judged(cpu=("mean", 3, 1.0), net=("mean", 14, 900.0))["needs"] == ""


def test_a_p95_in_place_of_a_mean_is_named_and_so_is_a_maximum():
    found = judged(cpu=("p95", 14, 2.0), net=("max", 14, 1.0), disk_io=("p95", 14, 0.0))
    assert found["idle"]
    assert found["idle_basis"] == (
        "14 of 14 days: CPU P95 at most 2.0 %, network maximum at most 1.0 MB a day, "
        "disk activity P95 at most 0.0 MB/s; P95 for want of a mean"
    )
    means = judged(cpu=("mean", 14, 2.0), net=("max", 14, 1.0), disk_io=("mean", 14, 0.0))
    assert "for want of" not in means["idle_basis"]


def test_one_direction_of_traffic_is_named_and_the_other_said_to_be_missing():
    found = judged(cpu=("mean", 14, 1.0), net_in=("mean", 12, 0.3))
    assert found["idle_basis"] == (
        "14 of 14 days: CPU mean at most 1.0 %, network in at most 0.3 MB a day on 12 days; "
        "network out and disk activity not measured"
    )


def test_a_peak_just_over_the_limit_does_not_read_as_the_limit():
    assert "at most 5.1 %" in judged(cpu=("mean", 14, 5.001))["idle_basis"]
    assert "at most 1.1 %" in judged(cpu=("mean", 14, float(np.float32(1.1))))["idle_basis"]
    assert "at most 0.003 MB/s" in judged(cpu=("mean", 14, 1.0), disk_io=("mean", 14, 0.003))["idle_basis"]
    assert "at most 0.4 MB a day" in judged(cpu=("mean", 14, 1.0), net=("mean", 14, 0.31))["idle_basis"]
    assert "at most 123,457 MB" in judged(cpu=("mean", 14, 1.0), net=("mean", 14, 123456.7))["idle_basis"]


@pytest.mark.parametrize("owner", ["", "  ", None, np.nan])
def test_an_idle_server_nobody_owns_is_a_zombie(owner):
    assert judged(owner=owner, cpu=("mean", 14, 1.0))["zombie"]
    assert not judged(owner=owner, cpu=("mean", 14, 50.0))["zombie"]
    assert not judged(cpu=("mean", 14, 1.0))["zombie"]


@examples(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_each_server_once_in_their_order_with_a_reason_and_as_it_would_be_alone(seed):
    random = np.random.default_rng(seed)
    names = random.permutation([f"s{i}" for i in range(8)])
    rows = [
        (name, metric, random.choice(["mean", "max", "p95"]), int(random.integers(0, 15)), random.choice([0.0, 3, 9]))
        for name in names
        for metric in ("cpu", random.choice(["net", "net_in", "net_out"]), "disk_io")
        if random.uniform() < 0.7
    ]
    table = pd.DataFrame(rows, columns=["server_id", "metric", "statistic", "days", "peak"])
    servers = pd.DataFrame({"server_id": names, "owner": random.choice(["", "ops"], len(names))})
    found = idle(table, servers, SETTINGS)
    assert found["server_id"].tolist() == names.tolist()
    assert (found["idle_basis"] != "").all()
    assert not (found["idle"] & (found["needs"] != "")).any()
    assert not (found["zombie"] & ~found["idle"]).any()
    alone = [idle(table.sample(frac=1, random_state=seed), servers[i : i + 1], SETTINGS) for i in range(len(names))]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), found)


def test_a_unit_without_servers_has_no_rows():
    assert len(idle(measured(), owned(), SETTINGS)) == 0
    assert len(idle(measured(cpu=("mean", 14, 1.0)), owned(), SETTINGS)) == 0
