"""Scores: known values, observed points only, invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from capforecast.forecast import scores

VALUES = arrays.arrays(np.float64, (9, 2), elements=st.floats(-1e4, 1e4, allow_nan=False))

ACTUAL = np.array([[10.0], [np.nan], [0.0], [4.0]])
FORECAST = np.array([[12.0], [99.0], [1.0], [4.0]])


def test_known_values_on_observed_points():
    assert scores.mae(ACTUAL, FORECAST)[0] == 1.0
    assert scores.rmse(ACTUAL, FORECAST)[0] == pytest.approx(np.sqrt(5 / 3))
    assert scores.wape(ACTUAL, FORECAST)[0] == pytest.approx(3 / 14)
    assert scores.mape_floored(ACTUAL, FORECAST)[0] == pytest.approx(100 * (0.2 + 1.0 + 0.0) / 3)
    assert scores.mase(ACTUAL, FORECAST, np.array([2.0]))[0] == 0.5
    assert scores.coverage(ACTUAL, FORECAST - 1.0, FORECAST + 1.0)[0] == pytest.approx(2 / 3)
    assert scores.pinball(ACTUAL, FORECAST[None], [0.9])[0] == pytest.approx((0.2 + 0.1) / 3)


def test_mase_takes_the_scale_of_each_points_origin():
    actual, forecast = np.array([[2.0], [2.0], [9.0]]), np.zeros((3, 1))
    assert scores.mase(actual, forecast, np.array([[1.0], [4.0], [0.0]]))[0] == pytest.approx((2.0 + 0.5) / 2)


def test_nothing_observed_is_no_score():
    nothing = np.full((3, 1), np.nan)
    for score in (scores.mae, scores.rmse, scores.wape, scores.mape_floored):
        assert np.isnan(score(nothing, np.ones((3, 1)))[0])
    assert np.isnan(scores.relative_mae(np.array([1.0]), np.array([0.0]))[0])
    assert np.isnan(scores.mase(ACTUAL, FORECAST, np.array([0.0]))[0])
    assert np.isnan(scores.geometric_mean(np.array([np.nan])))


def test_naive_scale_is_the_mean_seasonal_change():
    history = np.arange(20.0)[:, None]
    assert scores.naive_scale(history, 7)[0] == 7.0
    assert np.isnan(scores.naive_scale(history[:5], 7)[0])


@settings(max_examples=60, deadline=None)
@given(VALUES, VALUES, st.floats(0.01, 100.0))
def test_invariants(actual, forecast, factor):
    error = scores.mae(actual, forecast)
    assert (scores.rmse(actual, forecast) >= error - 1e-9 * (1 + error)).all()
    np.testing.assert_allclose(scores.mae(factor * actual, factor * forecast), factor * error, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(scores.mae(actual, actual), 0.0)
    np.testing.assert_allclose(scores.pinball(actual, forecast[None], [0.5]), 0.5 * error, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.float64, 6, elements=st.floats(0.01, 100.0)))
def test_geometric_mean_of_ratios_and_of_their_inverses_cancel(ratios):
    assert scores.geometric_mean(ratios) * scores.geometric_mean(1 / ratios) == pytest.approx(1.0)
