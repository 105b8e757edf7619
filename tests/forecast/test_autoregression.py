"""The hourly autoregression: what moves by rule is carried on, what is young or constant does no harm."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.forecast.autoregression import _MEMBERS
from capforecast.forecast.base import Array, families
from capforecast.forecast.blocks import block_of, calendar_of
from capforecast.schema import Cadence
from capforecast.settings import CalendarSettings

HORIZON = 168
FAMILY = next(family for family in families(Cadence.HOURLY) if family.name == "autoregression")


@pytest.fixture
def forecasts(make_panel):
    """Forecasts [O, members, H, N] of values [T, N]."""

    def make(values: Array, origins: tuple[int, ...]) -> Array:
        panel = make_panel(values, "hourly")
        calendar = calendar_of(panel, HORIZON, CalendarSettings())
        block = block_of(values[: max(origins)], Cadence.HOURLY, origins, HORIZON, calendar, {})
        return FAMILY.made(block)[..., : values.shape[1]]

    return make


def load(total: int) -> Array:
    """A smooth load [T, 2] with a daily rhythm that swells through the week, and a steady trend."""
    t = np.arange(total)[:, None]
    day, week = 2 * np.pi * t / 24, 2 * np.pi * t / 168
    return 100 + np.array([0.05, -0.03]) * t + 20 * np.sin(day) * (1 + 0.3 * np.cos(week)) + 5 * np.sin(week)


def test_rhythms_of_day_and_week_and_a_trend_are_carried_on(forecasts):
    values = load(1200)
    for o, origin in enumerate((1032, 700)):
        made = forecasts(values, (1032, 700))[o, _MEMBERS.index("level")]
        assert np.abs(made - values[origin : origin + HORIZON]).max() < 0.5


def test_logarithms_carry_on_growth_in_proportion(forecasts):
    t = np.arange(1200)[:, None]
    values = np.exp(0.001 * t) * (50 + 10 * np.sin(2 * np.pi * t / 24))
    made = forecasts(values, (1032,))[0]
    error = np.abs(made - values[1032:]).mean(axis=(1, 2)) / values[1032:].mean()
    assert error[_MEMBERS.index("log")] < 0.01


def test_a_series_gets_the_same_forecast_whenever_the_panel_begins(forecasts):
    values = load(1200)
    late = values.copy()
    late[:200, 1] = np.nan
    alone = forecasts(values[200:, 1:], (832,))[0, 0, :, 0]
    np.testing.assert_allclose(forecasts(late, (1032,))[0, 0, :, 1], alone, rtol=1e-6)


def test_a_young_series_gets_none_and_a_constant_its_constant(forecasts):
    values = np.full((1200, 3), 7.0)
    values[:800, 1] = np.nan
    values[:, 2] = 0.0
    made = forecasts(values, (1032,))[0]
    assert np.isnan(made[:, :, 1]).all()
    np.testing.assert_allclose(made[:, :, 0], 7.0)
    np.testing.assert_allclose(made[:, :, 2], 0.0, atol=1e-9)


def test_a_runaway_gains_no_more_a_day_than_it_ever_did(forecasts):
    values = np.exp(0.01 * np.arange(1200))[:, None]
    made = forecasts(values, (1032,))[0, _MEMBERS.index("level"), :, 0]
    most = (values[24:1032] - values[:1008]).max()
    assert made[-1] <= values[1031, 0] + 7.01 * most


def test_bursts_and_zeros_give_finite_forecasts(forecasts):
    rng = np.random.default_rng(3)
    values = np.exp(rng.normal(0, 2, (1200, 20))) * (rng.random((1200, 20)) < 0.3)
    assert np.isfinite(forecasts(values, (1032, 500))).all()
