"""Names of segments: the documented cut-offs, and no two alike."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.actions.segment_names import ACTIONS, base_name, told_apart
from capforecast.settings import Settings

STEADY = {"cpu_level": 40.0, "cpu_p95": 48.0, "cpu_spread": 4.0, "cpu_weekly": 1.0, "cpu_quarter_end": 0.5}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "steady"),
        ({"cpu_level": 85.0, "cpu_p95": 92.0}, "hot"),
        ({"cpu_level": 30.0, "cpu_p95": 85.0}, "batch"),
        ({"cpu_weekly": -9.0}, "batch"),
        ({"cpu_level": 2.0, "cpu_p95": 4.0}, "idle"),
        ({"cpu_trend": 2.0}, "growing"),
        ({"disk_trend": 3.0}, "filling"),
        ({"mem_level": 75.0, "mem_p95": 88.0}, "memory-bound"),
        ({"cpu_weekly": 12.0}, "business-hours"),
        ({"cpu_daily": 30.0}, "business-hours"),
        ({"cpu_quarter_end": 9.0}, "quarter-end"),
        ({"cpu_quarter_end": 9.0, "cpu_weekly": 15.0}, "business-hours"),
        ({"cpu_spread": 12.0}, "variable"),
        ({"cpu_level": np.nan, "cpu_p95": np.nan, "mem_level": 30.0, "mem_p95": 35.0, "mem_spread": 2.0}, "steady"),
        (dict.fromkeys(STEADY, np.nan), "undescribed"),
    ],
)
def test_a_centroid_gets_the_name_of_the_first_rule_that_holds(more, name):
    assert base_name(STEADY | more, Settings()) == name
    assert name in ACTIONS


def test_hot_follows_the_threshold_of_the_settings():
    warm = STEADY | {"cpu_level": 60.0, "cpu_p95": 72.0}
    assert base_name(warm, Settings()) == "steady"
    assert base_name(warm, Settings(metrics={"cpu": {"high": 70, "very_high": 90}})) == "hot"


def test_segments_of_one_kind_are_told_apart_by_what_differs_most():
    middles = np.array([[0.0, 0.0], [1.0, 0.1], [2.0, 0.0], [0.0, 5.0]])
    found = told_apart(["steady", "steady", "steady", "hot"], middles, ["mem_level", "cpu_weekly"])
    assert found == (
        "steady, lowest memory level",
        "steady, middle memory level",
        "steady, highest memory level",
        "hot",
    )
    found = told_apart(["idle", "idle"], np.array([[0.0, 3.0], [1.0, 0.0]]), ["mem_level", "net_in_weekly"])
    assert found == ("idle, higher incoming traffic weekly swing", "idle, lower incoming traffic weekly swing")
    many = told_apart(["batch"] * 6, np.zeros((6, 1)), ["gpu_p95"])
    assert len(set(many)) == 6
