"""What came after past origins: first breaches against a plain loop, hours as days, missing days."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.risk.outcomes import days_around, outcomes
from capforecast.risk.rule import Rule
from capforecast.schema import Cadence, Panel

BACK, AHEAD = 10, 20


def panel_of(values: np.ndarray, cadence: Cadence = Cadence.DAILY) -> Panel:
    times = pd.date_range("2026-01-01", periods=len(values), freq=cadence.frequency, tz="UTC")
    return Panel(values.astype(np.float32), times, pd.DataFrame(index=range(values.shape[1])), cadence)


def test_first_breaches_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(70, 12, (60, 12))
    values[rng.random(values.shape) < 0.15] = np.nan
    rows, limit = np.array([39, 12, 3]), np.full((3, 1, 12), 75.0)
    rules = [Rule(3, 7)] * 6 + [Rule(1, 1)] * 6
    found = outcomes(days_around(panel_of(values), rows, BACK, AHEAD), BACK, limit, rules)
    above = values > 75.0
    for o, row in enumerate(rows):
        for n, (k, window) in enumerate(rules):
            assert found.in_breach[o, 0, n] == (above[max(0, row + 1 - window) : row + 1, n].sum() >= k)
            first = np.nan
            for day in range(row + 1, min(row + 1 + AHEAD, 60)):
                if above[day, n] and above[max(0, day + 1 - window) : day + 1, n].sum() >= k:
                    first = day - row
                    break
            assert found.first[o, 0, n] == pytest.approx(first, nan_ok=True)


def test_hours_are_looked_at_as_days_counted_from_the_origin() -> None:
    rng = np.random.default_rng(4)
    values = rng.uniform(0, 100, (24 * 40, 3)).astype(np.float32)
    values[100:130, 1] = np.nan
    row = 24 * 15 + 7
    days = days_around(panel_of(values, Cadence.HOURLY), np.array([row]), BACK, AHEAD)[0]
    for day in range(-BACK, AHEAD):
        hours = values[row + 1 + 24 * day : row + 25 + 24 * day]
        for n in range(3):
            seen = hours[:, n][np.isfinite(hours[:, n])]
            expected = np.quantile(seen, 0.95) if len(seen) else np.nan
            assert days[BACK + day, n] == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_what_has_not_come_is_missing() -> None:
    days = days_around(panel_of(np.ones((30, 1))), np.array([24]), BACK, AHEAD)[0, :, 0]
    assert np.isfinite(days).sum() == BACK + 5
    assert np.isnan(days_around(panel_of(np.ones((30, 1))), np.array([3]), BACK, AHEAD)[0, :6, 0]).all()
