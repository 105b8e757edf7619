"""Cycles that are no week: found from the past alone, and continued."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from capforecast.forecast import cycles
from capforecast.forecast.blocks import blocks, calendar_of
from capforecast.schema import Cadence
from capforecast.settings import CalendarSettings

TOTAL, HORIZON = 500, 60


def saw(period: int, count: int, growth: float = 0.0) -> npt.NDArray[np.float64]:
    """A disk that fills and is cleaned up, [T + H, N]."""
    t = np.arange(TOTAL + HORIZON)[:, None]
    noise = np.random.default_rng(period).normal(0, 0.5, (TOTAL + HORIZON, count))
    return 30 + 40 * ((t + 3 * np.arange(count)) % period) / period + growth * t + noise


def made(make_panel, values: npt.NDArray[np.float64], member: str) -> npt.NDArray[np.float64]:
    panel = make_panel(values)
    calendar = calendar_of(panel, HORIZON, CalendarSettings())
    ((_, block),) = blocks(panel.values.astype(np.float64), Cadence.DAILY, (len(values),), HORIZON, calendar, 64)
    forecast = cycles.FAMILY.made(block)[0, cycles.MEMBERS.index(member), :, : values.shape[1]]
    return np.asarray(forecast, dtype=np.float64)


@pytest.mark.parametrize("period", [28, 45, 60, 97])
def test_the_period_is_found(period):
    values = np.tile(saw(period, 4), (1, 4))[:TOTAL]
    assert (cycles.periods(values, TOTAL) == period).all()
    changed = values.copy()
    changed[430:] = 7.0
    np.testing.assert_array_equal(cycles.periods(changed, 430), cycles.periods(values[:430], 430))


@pytest.mark.parametrize("member", ["last", "two"])
def test_the_cycle_goes_on(make_panel, member):
    values = saw(45, 3)
    assert np.abs(made(make_panel, values[:TOTAL], member) - values[TOTAL:]).mean() < 1.2


def test_a_growing_cycle_goes_on_growing(make_panel):
    values = saw(45, 3, growth=0.1)
    errors = [np.abs(made(make_panel, values[:TOTAL], member) - values[TOTAL:]).mean() for member in cycles.MEMBERS]
    assert max(errors[2:]) < 1.5 < min(errors[:2])


def test_a_young_series_has_no_cycle(make_panel):
    values = saw(45, 2)[:TOTAL]
    values[:300, 1] = np.nan
    forecast = made(make_panel, values, "last")
    assert np.isfinite(forecast[:, 0]).all()
    assert np.isnan(forecast[:, 1]).all()
