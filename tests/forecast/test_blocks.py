"""Gap filling and spike removal, both without a look ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.forecast.blocks import fill, first_rows, trailing_median, winsorise
from capforecast.schema import Cadence


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.sampled_from([1, 3, 7]))
def test_trailing_median_is_the_median_of_the_last_rows(numbers, window):
    values = np.array([numbers, numbers[::-1]], dtype=float).T
    before = np.concatenate([np.repeat(values[:1], window - 1, axis=0), values])
    expected = [np.median(before[t : t + window], axis=0) for t in range(len(values))]
    np.testing.assert_array_equal(trailing_median(values, window), expected)


def test_spikes_are_cut_to_the_band_and_what_follows_cuts_nothing():
    values = 50 + np.random.default_rng(0).normal(0, 1, (120, 2))
    values[80, 0] = 500.0
    clean = winsorise(values)
    assert clean[80, 0] < 60
    np.testing.assert_array_equal(clean[:, 1], winsorise(values[:, 1:])[:, 0])
    np.testing.assert_array_equal(clean[:80], winsorise(values[:80]))


@pytest.mark.parametrize(("cadence", "week"), [(Cadence.DAILY, 7), (Cadence.HOURLY, 168)])
def test_gaps_repeat_the_week_before_and_heads_the_first_weeks(cadence, week):
    values = np.tile(np.arange(week, dtype=float), 8)[:, None].repeat(3, axis=1)
    values[3 * week : 5 * week, 0] = np.nan  # two weeks missing
    values[: 2 * week + 3, 1] = np.nan  # starts late
    values[3 * week + 1, 2] = np.nan
    birth = first_rows(values)
    assert birth.tolist() == [0, 2 * week + 3, 0]
    np.testing.assert_array_equal(fill(values, birth, cadence), np.tile(np.arange(week), 8)[:, None].repeat(3, axis=1))


def test_weekdays_not_seen_in_the_first_weeks_get_the_usual_level():
    values = np.full((20, 2), np.nan)
    values[15:18, 0] = 1.0, 2.0, 6.0
    filled = fill(values, first_rows(values), Cadence.DAILY)
    assert set(filled[:15, 0]) == {1.0, 2.0, 6.0}
    assert (filled[18:, 0] == 2.0).all()
    assert (filled[:, 1] == 0.0).all()  # never seen at all


def test_a_gap_in_the_very_first_week_gets_what_the_weeks_after_had():
    values = np.tile(np.arange(7.0), 8)[:, None]
    values[1:3] = np.nan
    assert fill(values, first_rows(values), Cadence.DAILY)[1:3, 0].tolist() == [1.0, 2.0]
