"""Daily profiles: medians of the same weekdays, of shapes and of the last days."""

from __future__ import annotations

import numpy as np
import pytest

ORIGIN = 400


@pytest.fixture(scope="module")
def values(walks) -> np.ndarray:
    made = walks(ORIGIN, 2)
    made[:300, 1] = np.nan  # 100 days old
    return made


@pytest.fixture(scope="module")
def made(daily_block, forecasts_of, values) -> dict[str, np.ndarray]:
    return {name: found[0] for name, found in forecasts_of(daily_block(values, (ORIGIN,), 10), "profiles").items()}


@pytest.mark.parametrize("weeks", [1, 2, 13, 52])
def test_weekday_profile_is_the_median_of_the_same_weekday(values, made, weeks):
    expected = [np.median(values[ORIGIN - 7 * weeks + h % 7 : ORIGIN : 7, 0]) for h in range(10)]
    np.testing.assert_allclose(made[f"weekday_{weeks}w"][:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["add", "mul"])
def test_shape_is_relative_to_each_weeks_mean_and_stands_on_the_last(values, made, kind):
    weeks = values[-91:, 0].reshape(13, 7)
    mean = weeks.mean(axis=1)
    if kind == "add":
        shape = np.median(weeks - mean[:, None], axis=0) + mean[-1]
    else:
        shape = np.median(weeks / mean[:, None], axis=0) * mean[-1]
    np.testing.assert_allclose(made[f"shape_{kind}_13w"][:, 0], shape[np.arange(10) % 7], rtol=1e-6)


def test_flat_is_the_median_of_the_last_days(values, made):
    np.testing.assert_allclose(made["flat_364d"][:, 0], np.median(values[-364:, 0]), rtol=1e-6)


def test_a_series_has_the_profiles_it_is_old_enough_for(made):
    known = {name for name, found in made.items() if np.isfinite(found[:, 1]).all()}
    assert known == {
        "weekday_1w", "weekday_2w", "weekday_4w", "weekday_8w", "weekday_13w",
        "shape_add_4w", "shape_mul_4w", "shape_add_13w", "shape_mul_13w", "flat_28d", "flat_56d",
    }  # fmt: skip
