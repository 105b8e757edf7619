"""What trees see of a level: known at the moment, in no unit, from weeks counted back."""

from __future__ import annotations

import numpy as np

from capforecast.forecast.level_rows import LEAST, rows, wanted, weeks_of

AHEAD = np.arange(1, 9)


def history(total: int = 7 * 120, count: int = 5) -> np.ndarray:
    return np.exp(3 + 0.1 * np.random.default_rng(2).normal(size=(total, count)).cumsum(axis=0))


def test_nothing_after_a_moment_is_seen_at_it():
    values = history()
    changed = values.copy()
    changed[-70:] = changed[-70:][::-1]  # the same sizes, so the same offset
    first, second = (rows(weeks_of(v).before(10), AHEAD, 8) for v in (values, changed))
    np.testing.assert_allclose(first, second, atol=2e-5)


def test_a_moment_some_weeks_ago_sees_what_was_seen_then():
    values = history()
    weeks = weeks_of(values)
    then = weeks_of(values[: -7 * 10])
    np.testing.assert_allclose(weeks.before(10).level + np.log(1), then.level, atol=0.3)  # but for the offset
    assert weeks.before(10).level.shape == then.level.shape


def test_units_change_nothing():
    values = history()
    first, second = (rows(weeks_of(c * values), AHEAD, 8) for c in (1.0, 3e6))
    np.testing.assert_allclose(first, second, atol=3e-5)


def test_what_came_is_measured_from_the_level_then():
    values = np.repeat(np.where(np.arange(7 * 60) < 7 * 50, 100.0, 200.0)[:, None], 2, axis=1)
    came = wanted(weeks_of(values), 10, AHEAD)
    offset = weeks_of(values).offset[0]
    np.testing.assert_allclose(came, np.log((200 + offset) / (100 + offset)))


def test_the_same_week_a_year_ago_is_seen():
    values = np.full((7 * 120, 1), 50.0)
    values[-7 * 50 : -7 * 49] = 90.0  # three weeks ahead, a year ago
    seen = rows(weeks_of(values), AHEAD, 8)
    assert seen[:, 0, 1].argmax() == 2
    assert (np.delete(seen[:, 0, 1], 2) == 0).all()


def test_young_series_and_gaps_are_told_apart():
    values = history(7 * 60, 3)
    values[: -7 * (LEAST - 1), 1] = np.nan
    values[7 * 5 : 7 * 20, 2] = np.nan
    weeks = weeks_of(values)
    assert weeks.old_enough.tolist() == [True, False, True]
    assert np.isfinite(rows(weeks, AHEAD, 8)[:, 0, 0]).all()
