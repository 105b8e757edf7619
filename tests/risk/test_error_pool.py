from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from capforecast.risk.error_pool import MAX_NEAREST, MIN_PATHS, MIN_POOL, Pool, build_pool, choose_pool, fill_gaps
from capforecast.schema import Cadence


def pool_of(errors, horizon=90):
    return build_pool(errors, np.ones(len(errors.series), bool), horizon)


def with_errors(fleet, change):
    errors = fleet.errors.errors.copy()
    change(errors)
    return replace(fleet.errors, errors=errors)


def test_pool_holds_every_past_path_in_units_of_the_error_expected(fleet):
    world = fleet(np.full(6, 50.0), spread=4.0)
    errors = replace(world.errors, scale=world.errors.scale * np.arange(1, 7, dtype=np.float32))
    pool = pool_of(errors)
    assert pool.paths.shape == (12 * 6, 90)
    np.testing.assert_allclose(pool.paths[3], errors.errors[0, :, 3] / 16.0, rtol=1e-6)


def test_unobserved_days_borrow_the_error_of_the_week_before_or_after(fleet):
    def holes(errors):
        errors[0, 20, 0] = np.nan
        errors[0, 3, 0] = np.nan

    world = fleet(np.full(10, 50.0))
    path = pool_of(with_errors(world, holes)).paths[0]
    whole = world.errors.errors[0, :, 0] / 6.0
    assert np.isclose(path[20], whole[13])
    assert np.isclose(path[3], whole[10])
    kept = np.delete(np.arange(90), [3, 20])
    np.testing.assert_allclose(path[kept], whole[kept], rtol=1e-6)


def test_a_path_of_which_nothing_is_known_stays_unknown_and_nobody_is_bothered():
    paths = np.array([[np.nan] * 4, [1.0, np.nan, 3.0, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fill_gaps(paths, 14)
    np.testing.assert_array_equal(paths, [[np.nan] * 4, [1.0, 2.0, 3.0, 2.0]])


def test_paths_that_were_hardly_observed_are_left_out(fleet):
    def silent(errors):
        errors[4, 10:60, 2] = np.nan

    world = fleet(np.full(10, 50.0))
    assert len(pool_of(with_errors(world, silent)).paths) == 119


def test_paths_without_a_scale_are_left_out(fleet):
    world = fleet(np.full(10, 50.0))
    scale = world.errors.scale.copy()
    scale[0, 0], scale[1, 1] = 0.0, np.nan
    pool = pool_of(replace(world.errors, scale=scale))
    assert len(pool.paths) == 118
    assert np.isfinite(pool.paths).all()


def test_longest_supported_horizon_stands_in(fleet):
    def young(errors):
        errors[:, 40:] = np.nan

    world = fleet(np.full(10, 50.0))
    assert pool_of(with_errors(world, young)).length == 40


def test_an_outage_just_before_the_cut_off_does_not_shorten_the_horizon(fleet):
    def outage(errors):
        errors[:, 87:] = np.nan

    world = fleet(np.full(10, 50.0))
    pool = pool_of(with_errors(world, outage))
    assert pool.length == 90
    assert np.isfinite(pool.paths).all()


def test_a_few_long_paths_do_not_stand_for_many_short_ones_until_they_are_enough(fleet):
    def mixed(errors):
        errors[:, 30:, 4:] = np.nan

    world = fleet(np.full(30, 50.0))
    assert pool_of(with_errors(world, mixed)).length == 30  # 4 series x 12 origins reach 90 d: fewer than 60


def test_young_servers_do_not_shorten_what_an_old_one_supports(fleet):
    def mixed(errors):
        errors[:, 14:, 1] = np.nan

    world = fleet(np.full(2, 50.0))
    assert pool_of(with_errors(world, mixed)).length == 90
    assert len(pool_of(with_errors(world, mixed)).paths) == 12


def test_too_few_paths_make_no_pool(fleet):
    world = fleet(np.full(1, 50.0), origins=MIN_PATHS - 1)
    assert pool_of(world.errors) is None
    assert pool_of(fleet(np.full(1, 50.0), origins=MIN_PATHS).errors) is not None


def test_nearest_are_the_states_most_alike_in_units_of_spread():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(1000, 2)) * [1.0, 100.0]
    spread = raw.std(axis=0)
    pool = Pool(np.zeros((1000, 5), np.float32), raw / spread, spread)
    now = np.array([[0.5, 120.0], [-1.0, 0.0]])
    found = pool.nearest(now, 0.1)
    distance = (((raw[None] - now[:, None]) / spread) ** 2).sum(axis=2)
    for row, expected in zip(found, np.argsort(distance, axis=1)[:, :100], strict=True):
        assert set(row) == set(expected)


def test_number_of_neighbours_is_bounded():
    def size(count):
        return Pool(np.zeros((count, 3), np.float32), np.zeros((count, 1)), np.ones(1)).neighbours(0.2)

    assert [size(20), size(100), size(1000), size(10_000)] == [20, MIN_POOL, 200, MAX_NEAREST]


def test_without_states_the_whole_pool_is_used_evenly():
    pool = Pool(np.zeros((2000, 3), np.float32), np.zeros((2000, 0)), np.ones(0))
    found = pool.nearest(np.zeros((2, 0)), 0.2)
    assert found.shape == (2, MAX_NEAREST)
    assert found[0, 0] == 0
    assert found[0, -1] == 1999


def test_small_group_borrows_from_all_metrics_and_large_one_does_not():
    def pool(count, length=90):
        return Pool(np.zeros((count, length), np.float32), np.zeros((count, 1)), np.ones(1))

    small, large, short, every = pool(30), pool(100), pool(100, 30), pool(500)
    assert choose_pool(small, every) is every
    assert choose_pool(large, every) is large
    assert choose_pool(short, every) is every
    assert choose_pool(None, every) is every
    assert choose_pool(small, None) is small
    assert choose_pool(None, None) is None


def test_a_few_hundred_series_speak_for_a_large_metric(fleet):
    world = fleet(np.full(700, 50.0), origins=2)
    scale = world.errors.scale.copy()
    scale[:, ::2] = np.nan  # half of them have nothing to say
    pool = pool_of(replace(world.errors, scale=scale))
    assert len(pool.paths) == 2 * 256
    said = np.abs(pool.paths[:256, None, :4] - (world.errors.errors[0, :4, 1::2].T / 6.0)[None]).max(axis=2)
    assert (said.min(axis=1) < 1e-6).all()


def test_only_what_was_observed_by_a_moment_is_known(fleet):
    """Seen from the fourth newest origin: complete ones are 90 days older, a newer one does not exist yet."""
    world = fleet(np.full(20, 50.0))
    pool = build_pool(world.errors, np.ones(20, bool), 90, world.errors.origins[3])
    assert len(pool.paths) == (12 - 3 - 3) * 20
    np.testing.assert_allclose(pool.paths[0], world.errors.errors[6, :, 0] / 6.0, rtol=1e-6)
    soon = build_pool(world.errors, np.ones(20, bool), 30, world.errors.origins[3])
    assert len(soon.paths) == (12 - 3 - 1) * 20


def test_a_short_replay_speaks_in_units_of_todays_error_and_its_bias_is_forgotten(fleet):
    """As of now: what each series was thought to err at an old origin does not matter, only whether anything was."""
    world = fleet(np.full(6, 50.0), cadence=Cadence.HOURLY)
    young = world.errors.scale / 3
    young[0, 2] = np.nan
    errors = replace(world.errors, errors=world.errors.errors + 60.0, scale=young)
    now = np.arange(1, 7, dtype=np.float32)
    pool = build_pool(errors, np.ones(6, bool), 90, scale_now=now)
    whole = np.moveaxis(errors.errors / now, 1, 2).reshape(-1, 90)
    known = np.delete(whole, 2, axis=0)
    assert pool.paths.shape == (71, 90)
    np.testing.assert_allclose(pool.paths, known - np.median(known.mean(axis=1)), rtol=1e-4, atol=1e-4)
