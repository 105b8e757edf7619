"""Which past is replayed, how widths are calibrated, how big an error is expected."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from capforecast.forecast import intervals, paths
from capforecast.forecast.backtest import buckets, densified, plan_for
from capforecast.risk.error_pool import MIN_PATHS
from capforecast.schema import Cadence


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 2500), st.integers(1, 800), st.sampled_from(list(Cadence)))
def test_replayed_origins_leave_history_before_and_outcome_after(age, horizon, cadence):
    plan = plan_for(age, horizon, cadence)
    if plan is None:
        return
    assert plan.horizon <= horizon
    origins = plan.origins(age, 18)
    assert origins
    assert max(origins) + plan.horizon == age
    assert min(origins) >= plan.least
    assert list(np.diff(origins)) == [-plan.step] * (len(origins) - 1)


@pytest.mark.parametrize(
    ("age", "horizon", "cadence", "replayed", "step"),
    [
        (1461, 90, "daily", 90, 30),
        (89, 30, "daily", 30, 7),
        (730, 731, "daily", 180, 30),
        (2000, 168, "hourly", 168, 56),
    ],
)
def test_long_histories_are_replayed_as_asked_and_short_ones_shorter(age, horizon, cadence, replayed, step):
    plan = plan_for(age, horizon, Cadence(cadence))
    assert plan is not None
    assert (plan.horizon, plan.step) == (replayed, step)
    assert plan.count(age) >= 3


def test_too_short_for_any_replay():
    assert plan_for(20, 90, Cadence.DAILY) is None


@pytest.mark.parametrize("cadence", list(Cadence))
def test_the_shortest_usable_history_is_replayed(cadence):
    age = 30 if cadence is Cadence.DAILY else 14 * 24
    plan = plan_for(age, 90, cadence)
    assert plan is not None
    assert plan.origins(age, 18)


def path_count(plans, ages, most=18):
    return sum(len(plan.origins(int(age), most)) for plan, some in zip(plans, ages, strict=True) for age in some)


@pytest.mark.parametrize("age", [30, 34, 36, 45, 60, 120, 400, 1461])
@pytest.mark.parametrize("horizon", [1, 7, 30, 90])
def test_a_lonely_server_is_replayed_often_enough_to_state_a_probability(age, horizon):
    usual = plan_for(age, horizon, Cadence.DAILY)
    ages = [np.array([age])]
    (dense,) = densified([(usual, ages[0])], 18)
    assert path_count([dense], ages) >= MIN_PATHS
    assert dense.horizon == usual.horizon or age < 45
    chosen = dense.origins(age, 18)[:: dense.stride]
    assert chosen[: len(usual.origins(age, 18))] == usual.origins(age, 18) or age < 45


def test_only_fleets_with_few_paths_are_replayed_more_often():
    old, young = plan_for(400, 90, Cadence.DAILY), plan_for(60, 90, Cadence.DAILY)
    many = [(old, np.full(4, 400)), (young, np.full(1, 60))]
    assert densified(many, 18) == [old, young]
    few = densified([(young, np.full(2, 60)), (old, np.full(1, 400))], 18)
    assert few[1].step < old.step
    assert few[0] == young  # the old server's longer paths serve it


def test_buckets_cover_the_horizon_once():
    found = buckets(Cadence.DAILY, 45)
    assert [name for name, _, _ in found] == ["1-7", "8-30", "31-45"]
    assert buckets(Cadence.HOURLY, 24) == [("1-24", 1, 24)]


def calibrating(errors: np.ndarray, cadence: Cadence, gap: int = 2) -> intervals.Errors:
    origins, _, count = errors.shape
    every = np.ones(origins, dtype=bool)
    return intervals.Errors(errors, np.ones((origins, count)), gap, cadence, every, every)


def widths_of_one_group(scored: intervals.Errors, scale: np.ndarray, origin: int | None = None) -> np.ndarray:
    """Half-widths [2, B, N] at a past origin, or now, of series that are all of one group."""
    pooled = intervals.group_widths(scored, np.zeros(len(scale), dtype=np.int64), 1)
    chosen, row = (scored.now, -1) if origin is None else (scored.then(origin), origin)
    return intervals.widths(scored, chosen, scale, np.repeat(pooled[row], len(scale), axis=2))


def test_widths_are_quantiles_of_what_went_wrong():
    errors = np.random.default_rng(0).normal(0, 3, (10, 30, 200))
    widths = widths_of_one_group(calibrating(errors, Cadence.DAILY), np.full(200, 2.0))
    np.testing.assert_allclose(widths[0], 2.0 * 3.0 * 1.2816, rtol=0.03)
    np.testing.assert_allclose(widths[1], 2.0 * 3.0 * 1.96, rtol=0.03)


def test_hourly_series_with_enough_origins_get_their_own_width():
    errors = np.random.default_rng(0).normal(0, 1, (8, 24, 2)) * [1.0, 10.0]
    widths = widths_of_one_group(calibrating(errors, Cadence.HOURLY), np.ones(2))
    assert (widths[:, 0, 1] > 5 * widths[:, 0, 0]).all()
    errors[3:, :, 0] = np.nan
    few = widths_of_one_group(calibrating(errors, Cadence.HOURLY), np.ones(2))
    assert (few[:, 0, 0] > 3 * widths[:, 0, 0]).all()  # leans on the pool


def test_one_wild_series_does_not_widen_the_others_beyond_their_own_worst_errors():
    errors = np.random.default_rng(0).uniform(-1, 1, (12, 30, 5))
    errors[:, :, 0] *= 400.0  # more than 5 % of the pool
    widths = widths_of_one_group(calibrating(errors, Cadence.DAILY), np.ones(5))
    assert (widths[1, :, 1:] <= (1 / (1 + 11 / 2 + 1) / 0.05) ** (1 / 1.5) + 1e-9).all()
    assert (widths[1, :, 0] > 100).all()
    assert (widths[1] >= widths[0]).all()
    few = widths_of_one_group(calibrating(errors[:3], Cadence.DAILY), np.ones(5))
    assert (few[1, :, 1:] > 100).all()  # three origins prove nothing


@pytest.mark.parametrize("carry", [0.0, 0.8, 0.98])
def test_own_widths_hold_however_long_errors_go_on(carry):
    errors = np.random.default_rng(0).normal(0, 1, (8, 168, 500))
    for hour in range(1, 168):
        errors[:, hour] = carry * errors[:, hour - 1] + np.sqrt(1 - carry**2) * errors[:, hour]
    half = widths_of_one_group(calibrating(errors, Cadence.HOURLY), np.ones(500))
    covered = (2 * norm.cdf(half) - 1).mean(axis=2)  # [2, B]
    np.testing.assert_allclose(covered[0], 0.80, atol=0.02)
    np.testing.assert_allclose(covered[1], 0.95, atol=0.01)


def test_width_of_a_past_origin_never_sees_its_own_outcome():
    errors = np.ones((6, 7, 3))
    before = widths_of_one_group(calibrating(errors, Cadence.DAILY), np.ones(3), 1)
    errors[:3] = 50.0  # origins 0 to 2 overlap origin 1
    np.testing.assert_array_equal(before, widths_of_one_group(calibrating(errors, Cadence.DAILY), np.ones(3), 1))


def test_widths_grow_beyond_what_was_replayed():
    widths = np.array([1.0, 2.0])[:, None, None] * np.ones((2, 2, 1))
    spread = intervals.spread(widths, 30, 120, Cadence.DAILY)[:, :, 0]
    assert (spread[:, 29] == [1.0, 2.0]).all()
    assert (np.diff(spread[:, 29:], axis=1) > 0).all()
    assert (spread[:, -1] > [1.1, 2.2]).all()


def test_expected_error_follows_past_errors_and_never_vanishes():
    errors = np.full((6, 10, 3), 4.0)
    errors[:, :, 2] = 0.0
    naive, group = np.array([4.0, 8.0, 0.0]), np.zeros(3, dtype=np.int64)
    sizes = paths.Sizes(paths.mean_sizes(errors), np.tile(naive, (7, 1)), np.ones(6, dtype=bool), gap=3)
    typical = paths.typical_ratios(sizes, group, 1)
    scale = paths.expected(sizes, typical[:, group])
    scale = np.maximum(scale, paths.floors(scale, group, 1)[:, group])
    assert scale[-1, 0] == pytest.approx((6 * 4 + 2 * 4 * 0.75) / 8)  # typical ratio: median of 1 and 0.5
    assert scale[5, 0] == 4.0  # nothing was known then but the naive error
    assert scale[-1, 2] > 0


def test_states_say_where_a_series_stands():
    history = np.full((20, 2), 10.0)
    history[-7:, 1] = [10, 10, 40, 10, 10, 30, 10]
    state = paths.states(history, np.full((14, 2), 10.0), np.array([5.0, 5.0]), 1)
    np.testing.assert_allclose(state[0], 0.0)
    assert state[1, 0] == pytest.approx((50 / 7) / 5)
    assert state[1, 1] == pytest.approx(20 / 5)
