"""Errors of candidates and the vote among them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from capforecast.forecast.vote import candidate_errors, combine

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False, width=32)


def weighted_median(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return combine(values, weight)[0]


def sorted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """The definition, for one step of one series: half of the weight, read off between the middles of shares."""
    order = np.lexsort((weight, values))
    middles = np.cumsum(weight[order]) - 0.5 * weight[order]
    return float(np.interp(0.5 * weight.sum(), middles, values[order]))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 90), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_the_median_is_the_one_of_the_definition(count, decimals, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2, count).round(decimals)  # few decimals: many ties
    weight = rng.exponential(1.0, count) ** 3
    found, mean = combine(values[:, None, None], weight[:, None])
    assert np.isclose(found[0, 0], sorted_median(values, weight), atol=1e-9)
    assert np.isclose(mean[0, 0], np.average(values, weights=weight))


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float64, (7, 1, 1), elements=NUMBERS), st.permutations(range(7)))
def test_equal_weights_give_the_plain_median_in_any_order(values, order):
    weight = np.full((7, 1), 1 / 7)
    result = weighted_median(values, weight)[0, 0]
    assert np.isclose(result, np.median(values))
    assert result == weighted_median(values[list(order)], weight)[0, 0]


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float64, (5, 3, 2), elements=NUMBERS),
    arrays.arrays(np.float64, (5, 2), elements=st.floats(0.01, 1.0)),
)
def test_weighted_median_splits_the_weight(values, weight):
    result = weighted_median(values, weight)
    assert (result >= values.min(axis=0)).all()
    assert (result <= values.max(axis=0)).all()
    below = np.where(values < result - 1e-9, weight[:, None], 0.0).sum(axis=0)
    above = np.where(values > result + 1e-9, weight[:, None], 0.0).sum(axis=0)
    half = 0.5 * weight.sum(axis=0) + 1e-9
    heaviest = 0.5 * weight.max(axis=0)
    assert (below <= half + heaviest).all()
    assert (above <= half + heaviest).all()


def test_weighted_median_follows_a_dominant_candidate_and_skips_missing_ones():
    values = np.array([10.0, 20.0, 30.0])[:, None, None]
    assert weighted_median(values, np.array([[0.0], [1.0], [0.0]]))[0, 0] == 20.0
    assert 19.0 < weighted_median(values, np.array([[0.05], [0.9], [0.05]]))[0, 0] < 21.0
    assert np.isnan(weighted_median(values, np.zeros((3, 1)))[0, 0])


def test_errors_are_means_over_what_was_observed():
    cube = np.zeros((1, 2, 4, 1), dtype=np.float32)
    cube[0, 1, 3] = np.nan
    errors, exists = candidate_errors(cube, np.array([1.0, np.nan, 3.0, np.nan])[None, :, None])
    assert errors[0, 0, 0] == 2.0
    assert exists[0, :, 0].tolist() == [True, False]  # though the missing point was not observed
    unseen, _ = candidate_errors(cube, np.full((1, 4, 1), np.nan))
    assert np.isnan(unseen).all()
