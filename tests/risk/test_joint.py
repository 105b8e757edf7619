"""Joint sample paths: exact sums, the dependence that past origins had, and nothing that depends on order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import make_fleet

from capforecast.risk.joint import GRID, REPEATS, Load, joint_sums, stretches
from capforecast.schema import Cadence, ErrorPaths


def load_of(errors: ErrorPaths, pool: np.ndarray, level: float = 50.0, units: float = 0.08) -> Load:
    count = len(errors.series)
    wide = np.full(count, np.inf, np.float32)
    median = np.full((errors.errors.shape[1], count), level, np.float32)
    return Load(median, -wide, wide, np.full(count, units), pool, int(pool.max()) + 1)


def shared(errors: ErrorPaths, share: float, seed: int = 3) -> ErrorPaths:
    """Errors of which a share of the variance is common to all series at each origin."""
    common = np.random.default_rng(seed).normal(size=errors.errors.shape[:2]).cumsum(axis=1)[:, :, None]
    common *= errors.errors.std() / common.std()
    mixed = np.sqrt(share) * common + np.sqrt(1 - share) * errors.errors
    return replace(errors, errors=mixed.astype(np.float32))


def taken(errors: ErrorPaths, order: np.ndarray) -> ErrorPaths:
    return replace(
        errors,
        errors=errors.errors[:, :, order],
        scale=errors.scale[:, order],
        scale_now=errors.scale_now[order],
        states=errors.states[:, order],
        states_now=errors.states_now[order],
        series=errors.series.iloc[order].reset_index(drop=True),
    )


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 24), st.integers(1, 5), st.integers(1, 3), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_order_threads_or_grouping(count, pools, threads, random):
    errors = make_fleet(np.linspace(20, 60, count)).errors
    pool = np.array([random.randrange(pools) for _ in range(count)])
    load = replace(load_of(errors, pool), pools=pools)
    order = np.array(random.sample(range(count), count))
    made = joint_sums(errors, load, 0.2)
    moved = joint_sums(taken(errors, order), replace(load, pool=pool[order]), 0.2, threads)
    whole = joint_sums(errors, replace(load, pool=np.zeros(count, int), pools=1), 0.2)
    assert np.array_equal(made.values, moved.values)
    assert np.array_equal(made.values.sum(axis=2), whole.values[:, :, 0])
    assert np.array_equal(made.values * GRID, np.round(made.values * GRID))


def test_what_series_shared_at_an_origin_stays_in_their_sum():
    errors = make_fleet(np.full(60, 40.0)).errors
    spread = {}
    for share in (0.0, 0.5):
        draws = joint_sums(shared(errors, share), load_of(errors, np.zeros(60, int)), 0.2)
        spread[share] = draws.values[:, 30:].std()
    alone, together = 0.08 * errors.errors.std() * np.sqrt(60), 0.08 * errors.errors.std() * 60
    assert alone < spread[0.0] < 2 * alone
    assert spread[0.5] > 0.5 * np.sqrt(0.5) * together > 2 * alone


def test_only_what_is_shared_is_stretched():
    errors = make_fleet(np.full(20, 40.0), phi=0.0).errors
    same = replace(errors, errors=np.repeat(errors.errors[:, :, :1], 20, axis=2))
    draws = joint_sums(same, load_of(same, np.zeros(20, int), level=0.0, units=1.0), 0.2)
    factors = stretches(same.origins, 90, Cadence.DAILY.step)
    newest = 20 * same.errors[0, :, 0]
    assert draws.values[:REPEATS, :, 0] == pytest.approx(factors[:, None] * newest, abs=1e-3)
    alone = joint_sums(errors, load_of(errors, np.arange(20), level=0.0, units=1.0), 0.2)
    assert alone.values.std() == pytest.approx(errors.errors.std(), rel=0.1)


def test_intervals_of_sums_hold_whether_errors_are_shared_or_not():
    inside = {0.0: [], 0.6: []}
    for share, hits in inside.items():
        for seed in range(12):
            fleet = make_fleet(np.full(40, 40.0), seed=seed, origins=13)
            errors = shared(fleet.errors, share, seed)
            # the newest origin is the future; the forecast errs by 0 before it knows
            past = replace(
                errors, errors=errors.errors[1:], scale=errors.scale[1:], states=errors.states[1:],
                origins=errors.origins[1:],
            )  # fmt: skip
            draws = joint_sums(past, load_of(past, np.zeros(40, int), level=0.0, units=1.0), 0.2)
            low, high = np.quantile(draws.values[:, :, 0], (0.1, 0.9), axis=0)
            truth = errors.errors[0].sum(axis=1)
            hits.append(((truth >= low) & (truth <= high)).mean())
    assert 0.7 < np.mean(inside[0.0]) < 0.97
    assert 0.6 < np.mean(inside[0.6]) < 0.97


def test_a_series_without_a_path_of_its_own_takes_those_of_others():
    errors = make_fleet(np.linspace(20, 60, 8)).errors
    errors.errors[:, :, 2] = np.nan
    draws = joint_sums(errors, load_of(errors, np.arange(8)), 0.2)
    assert np.isfinite(draws.values).all()
    assert draws.values[:, :, 2].std() > 0.05


def test_draws_stay_within_the_physical_range():
    errors = make_fleet(np.full(10, 2.0), spread=20.0).errors
    load = replace(load_of(errors, np.arange(10), level=2.0, units=1.0), low=np.zeros(10, np.float32))
    assert joint_sums(errors, load, 0.2).values.min() == 0.0


def test_a_shorter_reach_of_the_past_shortens_the_draws():
    errors = make_fleet(np.linspace(20, 60, 8)).errors
    errors.errors[:, 40:] = np.nan
    assert joint_sums(errors, load_of(errors, np.zeros(8, int)), 0.2).values.shape == (12 * REPEATS, 40, 1)


def test_nothing_is_said_from_few_paths():
    errors = make_fleet(np.full(3, 40.0), origins=3).errors
    assert joint_sums(errors, load_of(errors, np.zeros(3, int)), 0.2) is None
    none = replace(errors, scale=np.full_like(errors.scale, np.nan))
    assert joint_sums(none, load_of(none, np.zeros(3, int)), 0.2) is None


def test_few_independent_origins_stretch_the_draws_more():
    step = Cadence.DAILY.step
    few, many = (stretches(pd.date_range("2025-01-01", periods=n, freq="-30D", tz="UTC"), 90, step) for n in (6, 46))
    assert len(few) == REPEATS
    assert few[0] > many[0] > 1.2
    assert np.median(many) == pytest.approx(1.0, abs=0.05)
    assert np.all(np.diff(few) < 0)
