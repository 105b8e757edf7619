from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capforecast.risk.rule import (
    NEVER,
    Rule,
    breach_fires,
    daily_peaks,
    fires_now,
    observed_daily_peaks,
    rule_for,
)
from capforecast.schema import Cadence
from capforecast.settings import Settings


def by_hand(row, k, n, observed):
    """The rule as its definition says it, one window at a time."""
    for t in range(observed, len(row)):
        if row[t] and sum(row[max(0, t - n + 1) : t + 1]) >= k:
            return t - observed
    return NEVER


@settings(deadline=None)
@given(
    above=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=3, max_side=14)),
    n=st.integers(1, 9),
    k=st.integers(1, 9),
    observed=st.integers(0, 8),
)
def test_first_passage_is_what_a_loop_over_windows_finds(above, n, k, observed):
    found = breach_fires(above, k, n, observed=observed)
    rows = above.reshape(-1, above.shape[-1])
    assert found.ravel().tolist() == [by_hand(row.tolist(), k, n, observed) for row in rows]
    assert found.shape == above.shape[:-1]


def test_breach_is_dated_at_the_exceedance_that_completes_the_rule():
    above = [0, 1, 0, 1, 0, 0, 1, 1]
    assert breach_fires(above, k=3, n=7) == 6
    assert breach_fires(above, k=3, n=5) == 7
    assert breach_fires(above, k=5, n=7) == NEVER


def test_days_before_the_origin_fill_the_window_but_are_no_date():
    assert breach_fires([1, 1, 0, 1], k=3, n=7, observed=2) == 1
    # In breach already; the next exceedance of the future is what counts, not the days before the origin.
    assert breach_fires([1, 1, 1, 0, 0, 1], k=3, n=7, observed=3) == 2
    assert breach_fires([1, 1, 1, 0, 0, 0], k=3, n=7, observed=3) == NEVER


def test_unobserved_periods_count_as_not_above():
    assert breach_fires([1.0, np.nan, 1.0, np.nan, 1.0], k=3, n=5) == 4
    assert breach_fires([np.nan] * 5, k=1, n=1) == NEVER


def test_windows_longer_than_a_byte_count_right():
    assert breach_fires(np.ones(400), k=300, n=350) == 299


def test_rows_do_not_see_each_other():
    above = np.zeros((2, 6), bool)
    above[0, 4:] = True
    above[1, 0] = True
    assert breach_fires(above, k=3, n=7).tolist() == [NEVER, NEVER]


def test_now_needs_the_exceedances_within_the_last_window():
    above = np.array([[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 1, 0, 1, 0]], bool)
    assert fires_now(above, Rule(3, 7)).tolist() == [False, True]


def test_a_disk_needs_one_period_other_metrics_k_of_n():
    config = Settings.model_validate({"risk": {"breach": {"k_daily": 2, "n_daily": 5, "k_hourly": 4}}})
    assert rule_for(config.metric("cpu"), config.risk, Cadence.DAILY) == Rule(2, 5)
    assert rule_for(config.metric("cpu"), config.risk, Cadence.HOURLY) == Rule(4, 24)
    assert rule_for(config.metric("disk"), config.risk, Cadence.DAILY) == Rule(1, 1)


def test_a_day_is_the_95_percent_quantile_of_its_hours():
    hours = np.random.default_rng(3).normal(50, 10, (4, 5, 60)).astype(np.float32)
    expected = np.stack([np.quantile(hours[..., day * 24 : day * 24 + 24], 0.95, axis=-1) for day in (0, 1)], axis=-1)
    np.testing.assert_allclose(daily_peaks(hours), expected, rtol=1e-5)
    short = hours[..., :6]
    np.testing.assert_allclose(daily_peaks(short)[..., 0], np.quantile(short, 0.95, axis=-1), rtol=1e-5)


def test_observed_days_are_counted_back_from_the_end_and_skip_gaps():
    hours = np.full((50, 2), 10.0, np.float32)
    hours[-24:, 0] = 90.0
    hours[:, 1] = np.nan
    hours[14:26, 1] = 70.0
    hours[-12:, 1] = 30.0
    days = observed_daily_peaks(hours, 3)
    assert days[0].tolist() == [10.0, 10.0, 90.0]
    assert days[1].tolist() == pytest.approx([np.nan, 70.0, 30.0], nan_ok=True)
