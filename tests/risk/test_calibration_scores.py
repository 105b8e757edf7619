"""Scores of probabilities on cases small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.risk.calibration_scores import Reliability, brier


def test_bins_count_and_average_what_falls_in_them() -> None:
    p = np.array([0.05, 0.05, 0.1, 0.95, 1.0])
    event = np.array([False, True, False, True, True])
    bins = Reliability(p, event)
    assert bins.cases.tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert bins.mean[[0, 1, 9]] == pytest.approx([0.05, 0.1, 0.975])
    assert bins.rate[[0, 1, 9]] == pytest.approx([0.5, 0.0, 1.0])
    assert np.isnan(bins.mean[2])
    assert bins.calibration_error == pytest.approx((2 * 0.45 + 0.1 + 2 * 0.025) / 5)
    assert brier(p, event) == pytest.approx(np.mean((p - event) ** 2))


def test_true_probabilities_err_by_the_floor_and_no_more() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(0.5, 3, 3000)
    errors = [Reliability(p, rng.random(3000) < p).calibration_error for _ in range(200)]
    assert np.mean(errors) == pytest.approx(Reliability(p, p > 1).chance_floor, rel=0.06)


def test_without_cases_nothing_is_claimed() -> None:
    none = Reliability(np.empty(0), np.empty(0, bool))
    assert np.isnan([none.calibration_error, none.chance_floor, brier(np.empty(0), np.empty(0, bool))]).all()


def test_certainty_has_no_floor() -> None:
    assert Reliability(np.array([0.0, 1.0, 1.0]), np.array([False, True, True])).chance_floor == 0.0
