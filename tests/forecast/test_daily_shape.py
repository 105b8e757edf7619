"""The usual shape of a day on the level of the last hours."""

from __future__ import annotations

import numpy as np

from capforecast.forecast.daily_shape import _MEMBERS, _SHAPE_DAYS, shaped

T = np.arange(28 * 24)[:, None]
RHYTHM = 10 * np.sin(2 * np.pi * T / 24)
AHEAD = 10 * np.sin(2 * np.pi * (28 * 24 + np.arange(60)[:, None]) / 24)


def member(made: np.ndarray, days: int, last: int) -> np.ndarray:
    return made[_MEMBERS.index(f"{days}d_on_{last}d")]


def test_a_new_level_holds_with_the_shape_of_the_days_before():
    values = 50 + RHYTHM + 40.0 * (T >= 26 * 24)
    made = shaped(values, 60)
    for days in _SHAPE_DAYS:
        np.testing.assert_allclose(member(made, days, 1), 90 + AHEAD, atol=1e-9)


def test_a_level_that_changes_at_noon_bends_no_shape():
    values = 50 + RHYTHM + 40.0 * (T >= 21 * 24 + 12)  # half of the last 14 days from noon on, fewer before
    made = member(shaped(values, 60), 14, 1)
    np.testing.assert_allclose(made, 90 + AHEAD, atol=1e-9)


def test_bursts_bend_neither_shape_nor_level():
    values = 50 + RHYTHM
    values[[100, 400, 520, 640, 665]] += 500.0
    np.testing.assert_allclose(member(shaped(values, 60), 14, 2), 50 + AHEAD, atol=1.5)


def test_short_histories_lack_long_shapes_only():
    made = shaped((50 + RHYTHM)[-10 * 24 :], 60)
    assert np.isfinite(member(made, 7, 1)).all()
    assert np.isnan(member(made, 14, 1)).all()
