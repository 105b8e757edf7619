"""Kernels the hourly families share: medians and offsets are those of numpy, to the last few bits."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.forecast.base import TILE
from capforecast.forecast.lanes import LANES, group_medians, log_offsets, row_medians
from capforecast.forecast.logarithms import log_offset


def test_lanes_fill_whole_tiles():
    assert TILE % LANES == 0


def test_medians_by_group_over_several_look_backs():
    rng = np.random.default_rng(0)
    recent, group, looks = rng.normal(0, 9, (90, LANES)).round(), rng.integers(0, 4, 90), np.array([7, 30, 90, 120])
    group[group == 3] = 2  # nothing belongs to the last group
    group[:7] = 0  # and only to the first in the shortest look-back
    medians = np.zeros((len(looks), 4, LANES))
    group_medians(recent, group, looks, np.empty((4, 90, LANES)), np.empty(4, dtype=np.int64), medians)
    for i, look in enumerate(looks[:3]):
        for g in range(4):
            rows = recent[:look][group[:look] == g]
            expected = np.median(rows, axis=0) if len(rows) else np.full(LANES, np.nan)
            np.testing.assert_array_equal(medians[i, g], expected)
    assert np.all(medians[3] == 0)  # more rows than there are: left as it was


@pytest.mark.parametrize("points", [1, 2, 24, 75])
def test_medians_of_rows(points):
    rows = np.random.default_rng(points).normal(0, 9, (5, points)).round(1)
    np.testing.assert_array_equal(row_medians(rows), np.median(rows, axis=1))


def test_offsets_of_all_origins_are_those_of_each():
    values = np.random.default_rng(1).normal(3, 9, (300, TILE))
    values[:, 1] = 0.0
    origins = (300, 211, 100)
    made = log_offsets(values, origins)
    for o, origin in enumerate(origins):
        np.testing.assert_allclose(made[o], log_offset(values[:origin]), rtol=1e-12)
