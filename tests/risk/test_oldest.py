"""Paths of origins that could not yet tell the size of their error, scaled all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from capforecast.risk.error_pool import build_pool
from capforecast.risk.oldest import with_oldest
from capforecast.risk.past import past_risk
from capforecast.settings import Settings

OLDEST = 9  # of 12 origins, from here on no size of error was known


def unsettled(world, sizes):
    """A fleet whose series swing by different amounts, with errors and history alike; scales are unknown at first."""
    values, errors = world.panel.values * 1.0, world.errors.errors * 1.0
    level = np.median(world.panel.values, axis=0)
    values = level + (values - level) * sizes
    scale = world.errors.scale * sizes
    scale[OLDEST:] = np.nan
    states = world.errors.states * 1.0
    states[OLDEST:] = np.nan
    changed = replace(world.errors, errors=errors * sizes, scale=scale, states=states)
    return replace(world.panel, values=values.astype(np.float32)), changed


def test_old_paths_are_scaled_by_what_the_series_naive_forecast_erred(fleet):
    sizes = np.linspace(0.2, 5, 40).astype(np.float32)
    panel, errors = unsettled(fleet(np.full(40, 50.0)), sizes)
    found = with_oldest(errors, panel.values, panel.timestamps)
    np.testing.assert_array_equal(found.scale[:OLDEST], errors.scale[:OLDEST])
    assert np.corrcoef(np.log(found.scale[OLDEST]), np.log(sizes))[0, 1] > 0.95
    scaled = np.abs(found.errors[OLDEST:]).mean(axis=1) / found.scale[OLDEST:]
    assert 0.9 < np.median(scaled) < 1.1


def test_old_states_say_where_the_last_week_stood(fleet):
    """Measured like the others': high where the week before the origin lay above its forecast."""
    world = fleet(np.full(40, 50.0))
    panel, errors = unsettled(world, np.ones(40, np.float32))
    found = with_oldest(errors, panel.values, panel.timestamps)
    for state in range(2):
        alike = np.corrcoef(found.states[OLDEST:, :, state].ravel(), world.errors.states[OLDEST:, :, state].ravel())
        assert alike[0, 1] > 0.9


def test_they_make_the_pool_deeper_and_let_older_origins_speak(fleet):
    panel, errors = unsettled(fleet(np.linspace(60, 85, 40)), np.ones(40, np.float32))
    members = np.ones(40, bool)
    assert len(build_pool(errors, members, 90).paths) == OLDEST * 40
    assert len(build_pool(errors, members, 90, None, panel).paths) == 12 * 40
    assert np.isfinite(past_risk(panel, errors, Settings(), 6).figures.by_horizon).all()


def test_what_an_old_path_was_not_yet_known_to_be_does_not_scale_it(fleet):
    """Values after the origin change: its naive error, and so its scale by the others' ratio, does not."""
    panel, errors = unsettled(fleet(np.full(40, 50.0)), np.ones(40, np.float32))
    row = panel.timestamps.searchsorted(errors.origins[11], side="right")
    values, changed = panel.values.copy(), errors.errors.copy()
    values[row:, 0] += 40
    changed[11, :, 0] += 40
    before = with_oldest(errors, panel.values, panel.timestamps)
    after = with_oldest(replace(errors, errors=changed), values, panel.timestamps)
    np.testing.assert_allclose(after.scale[11, 0], before.scale[11, 0], rtol=0.05)
    np.testing.assert_allclose(after.states[11, 0], before.states[11, 0], rtol=0.05, atol=0.02)


def test_nothing_changes_where_every_scale_is_known(fleet):
    world = fleet(np.full(20, 50.0))
    assert with_oldest(world.errors, world.panel.values, world.panel.timestamps) is world.errors


def test_a_horizon_of_less_than_a_week_is_enough(fleet):
    panel, errors = unsettled(fleet(np.full(40, 50.0)), np.ones(40, np.float32))
    found = with_oldest(replace(errors, errors=errors.errors[:, :3]), panel.values, panel.timestamps)
    assert np.isfinite(found.scale[OLDEST:]).all()
    assert np.isfinite(found.states[OLDEST:]).all()
