"""The kernels against the plain formulas, on every path at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.risk.passage import Bundle, Watch, daily_passages, hourly_passages
from capforecast.risk.rule import NEVER, Rule, breach_fires, daily_peaks

SERIES, PATHS, POOL = 7, 13, 40


def a_bundle(rng, length, scale=None):
    return Bundle(
        pool=rng.normal(0, 1, (POOL, length)).astype(np.float32),
        nearest=np.stack([rng.choice(POOL, PATHS, replace=False) for _ in range(SERIES)]),
        point=rng.uniform(60, 90, (SERIES, length)).astype(np.float32),
        length=rng.integers(1, length + 1, SERIES),
        scale=(rng.uniform(0, 15, SERIES) if scale is None else np.full(SERIES, scale)).astype(np.float32),
        low=np.zeros(SERIES, np.float32),
        high=rng.choice([85.0, 100.0, np.inf], SERIES).astype(np.float32),
    )


def some_thresholds(rng):
    return rng.choice([70.0, 80.0, 85.0, 90.0, np.nan], (SERIES, 2)).astype(np.float32)


def plain_paths(bundle, m):
    paths = bundle.pool[bundle.nearest[m]] * bundle.scale[m] + bundle.point[m]
    return np.clip(paths, bundle.low[m], bundle.high[m])[:, : bundle.length[m]]


def plain_counts(paths, threshold, recent, rule, periods):
    before = recent[max(0, len(recent) - (rule.n - 1)) :]
    above = np.concatenate([np.tile(before > threshold, (len(paths), 1)), paths > threshold], axis=1)
    first = breach_fires(above, rule.k, rule.n, observed=len(before))
    return np.bincount(first[first != NEVER], minlength=periods)


rules = st.integers(1, 9).flatmap(lambda n: st.builds(Rule, st.integers(1, n), st.just(n)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.integers(1, 40), rule=rules)
def test_daily_passages_are_those_of_the_plain_formulas(seed, length, rule):
    rng = np.random.default_rng(seed)
    bundle, thresholds = a_bundle(rng, length), some_thresholds(rng)
    recent = rng.uniform(60, 100, (SERIES, 7)).astype(np.float32)
    recent[rng.random(recent.shape) < 0.2] = np.nan
    first, peaks = daily_passages(bundle, Watch.of(thresholds, recent, rule), (30, 5))
    for m in range(SERIES):
        paths = plain_paths(bundle, m)
        for level in range(2):
            expected = plain_counts(paths, thresholds[m, level], recent[m], rule, length)
            np.testing.assert_array_equal(first[m, level], expected)
        np.testing.assert_array_equal(peaks[m, 0], paths[:, :30].max(axis=1))
        np.testing.assert_array_equal(peaks[m, 1], paths[:, :5].max(axis=1))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.integers(1, 80))
def test_hourly_passages_are_those_of_the_plain_formulas(seed, length):
    rng = np.random.default_rng(seed)
    bundle, thresholds = a_bundle(rng, length), some_thresholds(rng)
    daily, hourly = Rule(3, 7), Rule(3, 24)
    days, hours = (rng.uniform(60, 95, (SERIES, count)).astype(np.float32) for count in (7, 23))
    watches = Watch.of(thresholds, days, daily), Watch.of(thresholds, hours, hourly)
    by_day, by_hour, peaks = hourly_passages(bundle, *watches, (30, 1))
    for m in range(SERIES):
        paths = plain_paths(bundle, m)
        peak = daily_peaks(paths)
        for level in range(2):
            limit = thresholds[m, level]
            np.testing.assert_array_equal(by_day[m, level], plain_counts(peak, limit, days[m], daily, by_day.shape[2]))
            np.testing.assert_array_equal(by_hour[m, level], plain_counts(paths, limit, hours[m], hourly, length))
        np.testing.assert_array_equal(peaks[m, 0], peak.max(axis=1))
        np.testing.assert_array_equal(peaks[m, 1], peak[:, 0])


@pytest.mark.parametrize("point", [79.0, 80.0, 81.0])
def test_a_series_that_never_erred_breaches_only_above_the_threshold(point):
    bundle = a_bundle(np.random.default_rng(0), 10, scale=0.0)
    bundle.point[:] = point
    bundle.high[:] = 100.0
    thresholds = np.full((SERIES, 2), 80.0, np.float32)
    first, _ = daily_passages(bundle, Watch.of(thresholds, np.zeros((SERIES, 7), np.float32), Rule(1, 1)), (5,))
    assert (first[:, :, 0] == (PATHS if point > 80 else 0)).all()
