"""Peaks of joint paths: those of the sums' own draws, whatever the order, and higher where errors are larger."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import make_fleet

from capforecast.risk.joint import Load, joint_sums
from capforecast.risk.joint_peaks import joint_peaks
from capforecast.schema import Cadence


def wide(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(count, -np.inf, np.float32), np.full(count, np.inf, np.float32)


def test_peaks_are_of_the_same_draws_as_the_sums() -> None:
    errors = make_fleet(np.linspace(20, 60, 9)).errors
    count, low_high = 9, wide(9)
    median = np.full((errors.errors.shape[1], count), 40.0, np.float32)
    own = Load(median, *low_high, np.ones(count), np.arange(count), count)
    sums, peaks = joint_sums(errors, own, 0.2), joint_peaks(errors, median, *low_high, 0.2)
    assert sums is not None
    assert peaks is not None
    np.testing.assert_allclose(peaks.values, sums.values.max(axis=1), rtol=1e-5)
    assert (peaks.origins == sums.origins).all()
    assert peaks.length == len(median)


def test_order_and_threads_change_nothing() -> None:
    errors = make_fleet(np.linspace(20, 60, 12)).errors
    order = np.random.default_rng(0).permutation(12)
    moved = replace(
        errors, errors=errors.errors[:, :, order], scale=errors.scale[:, order], scale_now=errors.scale_now[order],
        states=errors.states[:, order], states_now=errors.states_now[order],
        series=errors.series.iloc[order].reset_index(drop=True),
    )  # fmt: skip
    median = np.full((errors.errors.shape[1], 12), 40.0, np.float32)
    one = joint_peaks(errors, median, *wide(12), 0.2)
    two = joint_peaks(moved, median, *wide(12), 0.2, threads=3)
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.values[:, order], two.values)


def test_peaks_stay_within_the_physical_range_and_grow_with_the_errors() -> None:
    errors = make_fleet(np.linspace(20, 60, 10)).errors
    median = np.full((errors.errors.shape[1], 10), 95.0, np.float32)
    low, high = wide(10)
    held = joint_peaks(errors, median, low, np.full(10, 100.0, np.float32), 0.2)
    free = joint_peaks(errors, median, low, high, 0.2)
    louder = joint_peaks(replace(errors, scale_now=2 * errors.scale_now), median, low, high, 0.2)
    assert held is not None
    assert free is not None
    assert louder is not None
    assert held.values.max() == pytest.approx(100.0)
    assert (louder.values.mean(axis=0) > free.values.mean(axis=0)).all()


def test_an_hourly_peak_is_a_days_95_percent_quantile() -> None:
    errors = make_fleet(np.full(6, 40.0), cadence=Cadence.HOURLY).errors
    quiet = replace(errors, scale_now=np.zeros(6, np.float32))
    median = np.zeros((errors.errors.shape[1], 6), np.float32)
    median[30] = 100.0
    median[31] = 80.0
    found = joint_peaks(quiet, median, *wide(6), 0.2)
    assert found is not None
    day = median[24:48, 0]
    np.testing.assert_allclose(found.values, np.quantile(day, 0.95), rtol=1e-5)
