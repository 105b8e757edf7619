"""Pooled regression: one series' noisy effects lean on the group's, and a second pass gives the same bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shared_blocks import with_shared

from capforecast.forecast.base import families
from capforecast.schema import Cadence

NAMES = tuple(name for family in families(Cadence.DAILY) for name in family.candidates if family.name == "pooled")


def ready(block, group: np.ndarray):
    ((_, made),) = with_shared([(slice(0, len(group)), block)], group, NAMES)
    return made


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    """120 days of 40 servers with the same weekday rhythm under much noise; the last has none of it."""
    rng = np.random.default_rng(0)
    rhythm = np.array([3, 3, 3, 3, 3, -8, -7])[np.arange(120) % 7]
    return 100 + rhythm[:, None] * (np.arange(40) < 39) + rng.normal(0, 12, (120, 40))


def test_effects_lean_on_the_group(noisy, daily_block, forecasts_of):
    truth = 100 + np.array([3, 3, 3, 3, 3, -8, -7])[(120 + np.arange(14)) % 7]

    def error(group: np.ndarray) -> float:
        made = forecasts_of(ready(daily_block(noisy, (120,), 14), group), "pooled")["line_level_slow"][0, :, :39]
        around = made - made.mean(axis=0) - (truth - truth.mean())[:, None]
        return float(np.abs(around).mean())

    assert error(np.zeros(40, dtype=np.int64)) < 0.7 * error(np.arange(40, dtype=np.int64))


def test_group_means_are_those_of_the_own_group_only(noisy, daily_block, forecasts_of):
    group = np.repeat([0, 1], 20)
    changed = noisy.copy()
    changed[:, 20:] = changed[::-1, 20:] * 3
    made = [forecasts_of(ready(daily_block(v, (120,), 14), group), "pooled")["line_log_line"] for v in (noisy, changed)]
    np.testing.assert_array_equal(made[0][..., :20], made[1][..., :20])
    assert not np.array_equal(made[0][..., 20:40], made[1][..., 20:40])


def test_forecasting_again_gives_the_same_bits(walks, daily_block, forecasts_of):
    values = walks(500, 3)
    values[:390, 1] = np.nan
    block = ready(daily_block(values, (500, 440), 30), np.zeros(3, dtype=np.int64))
    again = replace(block, kept={})
    first, second = forecasts_of(block, "pooled"), forecasts_of(again, "pooled")
    for member, made in first.items():
        np.testing.assert_array_equal(made, second[member])


def test_smoothed_level_follows_a_wandering_series(daily_block, forecasts_of):
    values = 1e4 + np.cumsum(np.random.default_rng(1).normal(0, 1, (100, 1)), axis=0)  # effects, if any, are small
    made = forecasts_of(ready(daily_block(values, (100,), 5), np.zeros(1, dtype=np.int64)), "pooled")
    for member, gain in (("slow", 0.05), ("fast", 0.2)):
        level = np.median(values[:28])
        for value in values[:, 0]:
            level += gain * (value - level)
        np.testing.assert_allclose(made[f"line_level_{member}"][0, :, 0], level, atol=1.0)
