"""Levels of sample paths against the plain formulas, and against the published probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.risk.breach import assess, assess_with_levels
from capforecast.risk.level_kernels import kept_levels
from capforecast.risk.passage import Bundle
from capforecast.risk.path_levels import MOST, rounded, spans
from capforecast.risk.rule import NEVER, Rule, breach_fires, daily_peaks
from capforecast.schema import Cadence
from capforecast.settings import Settings

SERIES, PATHS, POOL = 5, 13, 40
rules = st.integers(1, 9).flatmap(lambda n: st.builds(Rule, st.integers(1, n), st.just(n)))


def a_bundle(rng, length):
    return Bundle(
        pool=rng.normal(0, 1, (POOL, length)).astype(np.float32),
        nearest=np.stack([rng.choice(POOL, PATHS, replace=False) for _ in range(SERIES)]),
        point=rng.uniform(60, 90, (SERIES, length)).astype(np.float32),
        length=rng.integers(1, length + 1, SERIES),
        scale=rng.uniform(0, 15, SERIES).astype(np.float32),
        low=np.zeros(SERIES, np.float32),
        high=rng.choice([85.0, 100.0, np.inf], SERIES).astype(np.float32),
    )


def plain_paths(bundle, m):
    paths = bundle.pool[bundle.nearest[m]] * bundle.scale[m] + bundle.point[m]
    return np.clip(paths, bundle.low[m], bundle.high[m])[:, : bundle.length[m]]


def fired_by(days, before, threshold, rule, ends):
    above = np.concatenate([np.tile(before > threshold, (len(days), 1)), days > threshold], axis=1)
    first = breach_fires(above, rule.k, rule.n, observed=len(before))
    return (first[:, None] < ends) & (first[:, None] != NEVER)


@pytest.mark.parametrize("cadence", list(Cadence))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), days=st.integers(1, 20), rule=rules, threshold=st.floats(55.0, 105.0))
def test_a_level_above_a_threshold_is_a_breach_by_the_end_of_the_span(cadence, seed, days, rule, threshold):
    rng = np.random.default_rng(seed)
    bundle = a_bundle(rng, days * cadence.per_day)
    recent = rng.uniform(60, 100, (SERIES, 9)).astype(np.float32)
    recent[rng.random(recent.shape) < 0.2] = np.nan
    ends, threshold = np.array([2, 5, 11, 20]), np.float32(threshold)
    levels, peaks = kept_levels(bundle, recent, rule, ends, PATHS, cadence)
    for m in range(SERIES):
        paths = plain_paths(bundle, m)
        seen = paths if cadence is Cadence.DAILY else daily_peaks(paths)
        before = recent[m, len(recent[m]) - (rule.n - 1) :]
        expected = fired_by(seen, before, threshold, rule, ends)
        found = np.maximum.accumulate(np.nan_to_num(levels[m], nan=-np.inf), axis=0) > threshold
        np.testing.assert_array_equal(found.sum(axis=1), expected.sum(axis=0))
        reached = np.concatenate([[0], ends[:-1]]) < seen.shape[1]
        for w in np.flatnonzero(reached):
            np.testing.assert_allclose(peaks[m, w], seen[:, : ends[w]].max(axis=1), rtol=1e-5)
        assert np.isnan(levels[m, ~reached]).all()


def test_of_many_paths_those_are_kept_that_stand_for_equal_shares(fleet):
    bundle = a_bundle(np.random.default_rng(3), 30)
    few, _ = kept_levels(bundle, np.zeros((SERIES, 7), np.float32), Rule(1, 1), np.array([30]), 3, Cadence.DAILY)
    every, _ = kept_levels(bundle, np.zeros((SERIES, 7), np.float32), Rule(1, 1), np.array([30]), 99, Cadence.DAILY)
    ordered = np.sort(every[:, 0, :PATHS], axis=1)
    np.testing.assert_array_equal(few[:, 0], ordered[:, [2, 6, 10]])  # the middles of 13 paths in 3 groups


def test_kept_shares_are_the_published_probabilities(fleet):
    world = fleet(np.linspace(60, 85, 40))
    risks, kept = assess_with_levels(*world.arguments(), Settings(), keep=True)
    ends = list(kept["days"].iloc[0])
    for days in Settings().risk.horizons_daily:
        for level in ("high", "very_high"):
            shares = np.stack(kept[f"share_{level}"].to_numpy())[:, ends.index(days)]
            np.testing.assert_allclose(shares, risks[f"p_{level}_{days}d"], atol=1e-6)
    levels = np.stack([row.reshape(len(ends), -1).max(axis=0) for row in kept["levels"]])
    np.testing.assert_allclose((levels > 80).mean(axis=1), risks["p_high_90d"], atol=1 / MOST)
    np.testing.assert_array_equal(kept["present"] > 80, risks["in_breach_high"])


def test_what_is_kept_changes_no_published_figure(fleet):
    world = fleet(np.linspace(60, 85, 12))
    assert assess(*world.arguments(), Settings()).equals(
        assess_with_levels(*world.arguments(), Settings(), keep=True)[0]
    )


def test_spans_end_at_every_horizon_that_anything_is_stated_for():
    assert list(spans(Settings(), Cadence.DAILY)) == [7, 14, 22, 30, 37, 45, 52, 60, 67, 75, 82, 90]
    assert list(spans(Settings(), Cadence.HOURLY)) == [1, 2, 3, 4, 5, 6, 7]
    short = Settings.model_validate({"forecast": {"horizon_days": 20}, "risk": {"lead_time_days": 10}})
    found = spans(short, Cadence.DAILY)
    assert {7, 10, 14, 20} <= set(found)
    assert found[-1] == 20


def test_rounding_is_off_by_less_than_a_hundredth_of_a_percent():
    values = np.random.default_rng(1).uniform(1e-3, 1e4, 1000).astype(np.float32)
    assert np.abs(rounded(values) / values - 1).max() < 1.3e-4
    assert np.isnan(rounded(np.array([np.nan], np.float32))).all()
