"""Hourly profiles against medians computed the plain way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.forecast import hourly_profiles  # noqa: F401  (it registers)
from capforecast.forecast.base import families
from capforecast.schema import Cadence

PROFILES = next(one for one in families(Cadence.HOURLY) if one.name == "profiles")
ORIGIN, HORIZON = 1451, 200


@pytest.fixture
def made(hourly_block, awkward):
    """Values before the origin [T, N] and forecasts by member, [H, N] each."""
    block = hourly_block(awkward, (ORIGIN,), HORIZON)
    result = PROFILES.made(block)[0]
    return block.values[:ORIGIN, :8], dict(zip(PROFILES.members, result[..., :8], strict=True))


def slots(seen, season, cycles):
    return seen[len(seen) - season * cycles :].reshape(cycles, season, -1)


@pytest.mark.parametrize(
    ("member", "season", "cycles"), [("hour_1d", 24, 1), ("hour_14d", 24, 14), ("week_2w", 168, 2), ("week_5w", 168, 5)]
)
def test_medians_by_hour(made, member, season, cycles):
    seen, results = made
    expected = np.median(slots(seen, season, cycles), axis=0)[np.arange(HORIZON) % season]
    old = np.isfinite(results[member]).all(axis=0)
    np.testing.assert_allclose(results[member][:, old], expected[:, old], rtol=1e-6)
    np.testing.assert_array_equal(old, [c != 2 or season * cycles <= 451 for c in range(8)])


@pytest.mark.parametrize("hours", [24, 72, 168, 336, 672, 1344])
def test_flat_medians(made, hours):
    seen, results = made
    flat = results[f"flat_{hours}h"]
    assert (np.isfinite(flat[:, 2]) == (hours <= 451)).all()
    np.testing.assert_allclose(flat[:, 3], np.full(HORIZON, np.median(seen[-hours:, 3])), rtol=1e-6)


def test_weekly_shape_in_proportion_to_the_weeks_level(made):
    seen, results = made
    weeks = slots(seen, 168, 5)
    level = weeks.mean(axis=1)
    shape = np.median(weeks / np.maximum(np.abs(level), 1e-9)[:, None], axis=0) * level[-1]
    expected = shape[np.arange(HORIZON) % 168]
    np.testing.assert_allclose(results["shape_mul_5w"][:, [0, 3]], expected[:, [0, 3]], rtol=1e-5)


def test_working_days_and_weekends_have_their_own_hours(made):
    seen, results = made
    stamps = pd.date_range("2022-01-03", periods=ORIGIN + HORIZON, freq="h", tz="UTC")
    kind = stamps.hour.to_numpy() + 24 * (stamps.day_of_week.to_numpy() >= 5)
    past, ahead = kind[ORIGIN - 336 : ORIGIN], kind[ORIGIN:]
    expected = np.array([np.median(seen[-336:][past == slot], axis=0) for slot in ahead])
    np.testing.assert_allclose(results["day_type_2w"], expected, rtol=1e-6)


def test_anchored_weeks_start_at_the_recent_offset_and_let_go_of_it(made):
    seen, results = made
    shape = np.median(slots(seen, 168, 4), axis=0)
    steps = np.arange(1, HORIZON + 1)[:, None]
    for hours in (24, 72):
        offset = np.median(seen[-hours:] - shape[-hours:], axis=0)
        expected = shape[np.arange(HORIZON) % 168] + 0.97**steps * offset
        made_here = results[f"anchored_{hours}h_0.97"]
        np.testing.assert_allclose(made_here[:, [0, 1, 3]], expected[:, [0, 1, 3]], rtol=1e-5, atol=1e-5)
        assert np.isnan(made_here[:, 2]).all()  # younger than four weeks
