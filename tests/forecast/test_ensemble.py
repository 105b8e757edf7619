"""Choice and combination of candidates."""

from __future__ import annotations

import numpy as np

from capforecast.forecast.ensemble import log_relative, nanmedian0, pooled, weights


def test_weights_prefer_small_scores_and_ignore_absent_candidates():
    score = np.array([[-0.5], [0.0], [0.3], [-9.0]])
    weight = weights(score, np.array([[True], [True], [True], [False]]), 8.0)[:, 0]
    assert weight.sum() == 1.0
    assert weight[0] > weight[1] > weight[2] > 0.0
    assert weight[3] == 0.0


def test_each_series_may_have_a_temperature_of_its_own():
    score, exist = np.repeat(np.linspace(0.0, 1.0, 11)[:, None], 2, axis=1), np.ones((11, 2), dtype=bool)
    both = weights(score, exist, np.array([8.0, 32.0]))
    assert both[0, 0] < 0.7 < 0.9 < both[0, 1]
    np.testing.assert_array_equal(both[:, [1]], weights(score[:, [1]], exist[:, [1]], 32.0))


def test_where_noise_rules_small_differences_still_decide():
    score = np.linspace(0.0, 0.05, 11)[:, None]
    weight = weights(score, np.ones((11, 1), dtype=bool), 8.0)[:, 0]
    assert weight[0] / weight[-1] > np.exp(8.0 * 0.05) * 1.5


def test_scores_do_not_depend_on_units_and_pool_by_group():
    rng = np.random.default_rng(1)
    errors = rng.uniform(1, 2, (3, 4, 6))
    errors[:, 0, :3] *= 0.2  # candidate 0 is good in the first group only
    np.testing.assert_allclose(log_relative(errors), log_relative(errors * 50.0))
    pool = pooled(log_relative(errors), np.array([0, 0, 0, 1, 1, 1]))
    assert (pool[0, :3] < -0.5).all()
    assert (pool[0, 3:] > pool[0, :3]).all()


def test_nanmedian_leaves_out_missing_values():
    values = np.array([[1.0, np.nan], [5.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(nanmedian0(values), [3.0, np.nan])
