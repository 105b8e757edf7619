"""The rules of thumb against plain loops, one series and origin at a time."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.risk.rules_of_thumb import above_share, line_crossing, near_share, one_number_logistic


@pytest.fixture
def days() -> np.ndarray:
    rng = np.random.default_rng(3)
    values = 50 + rng.normal(0, 8, (2, 400, 6)).astype(np.float32)
    values += np.linspace(0, 25, 400, dtype=np.float32)[:, None] * np.array([1, 0, -1, 2, 0.5, 0], np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, -20:, 5] = np.nan  # too little for the 28-day line
    return values


LIMIT = np.array([[80.0, 80, 80, 90, 60, 80], [70.0, 80, 80, 60, 55, 80]])


@pytest.mark.parametrize("window", [28, 90])
def test_the_line_crosses_when_a_line_fitted_by_hand_does(days: np.ndarray, window: int) -> None:
    found = line_crossing(days, LIMIT, window)
    for o, n in np.ndindex(2, 6):
        part = days[o, -window:, n].astype(float)
        seen = np.isfinite(part)
        expected = np.inf
        if seen.sum() >= window / 2:
            slope, today = np.polyfit(np.arange(1 - window, 1)[seen], part[seen], 1)
            ahead = today + slope * np.arange(1, 100_000)
            over = ahead > LIMIT[o, n]
            expected = over.argmax() + 1.0 if over.any() else np.inf
        assert np.ceil(found[o, n]) == pytest.approx(expected, abs=1.0 if expected > 1000 else 0.0), (o, n)


def test_a_line_already_above_crosses_tomorrow_even_when_it_falls() -> None:
    falling = np.linspace(99, 95, 28)[:, None]
    assert line_crossing(falling, np.array([90.0]), 28)[0] == 1.0
    assert np.isinf(line_crossing(falling[::-1] * 0 + 80.0, np.array([90.0]), 28)[0])


def test_nearness_and_share_above_are_of_the_days_observed(days: np.ndarray) -> None:
    near, above = near_share(days, LIMIT), above_share(days, LIMIT)
    for o, n in np.ndindex(2, 6):
        week = days[o, -7:, n].astype(float)
        if np.isfinite(week).any():
            assert near[o, n] == pytest.approx(np.nanmax(week) / LIMIT[o, n])
        else:
            assert np.isnan(near[o, n])
        year = days[o, -365:, n]
        year = year[np.isfinite(year)]
        assert above[o, n] == pytest.approx((year > LIMIT[o, n]).mean())


def test_the_logistic_learns_from_what_had_come_and_from_nothing_else() -> None:
    rng = np.random.default_rng(1)
    share = rng.uniform(0.5, 1.2, 4000)
    truth = 1 / (1 + np.exp(-12 * (np.log(share) + 0.1)))
    event = rng.random(4000) < truth
    origin = np.repeat([0, 30, 60, 90], 1000)
    found = one_number_logistic(share, origin, origin + 30, event)
    assert np.isnan(found[origin == 0]).all()  # nothing had come by then
    assert np.abs(found[origin == 90] - truth[origin == 90]).mean() < 0.03
    later = event.copy()
    later[origin >= 60] = ~later[origin >= 60]  # known on day 90 at the earliest
    again = one_number_logistic(share, origin, origin + 30, later)
    assert np.array_equal(found[origin <= 60], again[origin <= 60], equal_nan=True)
    assert not np.array_equal(found[origin == 90], again[origin == 90])


def test_one_kind_of_outcome_teaches_the_logistic_nothing() -> None:
    none = np.zeros(10, bool)
    assert np.isnan(one_number_logistic(np.ones(10), np.arange(10), np.arange(10), none)).all()
