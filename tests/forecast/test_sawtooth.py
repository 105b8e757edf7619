"""What is emptied every so many days: resets found from the past alone, and ramp and resets continued."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from capforecast.forecast import sawtooth
from capforecast.forecast.blocks import blocks, calendar_of
from capforecast.schema import Cadence
from capforecast.settings import CalendarSettings

TOTAL, HORIZON = 500, 60
Floats = npt.NDArray[np.float64]


def ramps(period: int, count: int, drop: float = 5.0, growth: float = 0.0, dip: float = 0.0) -> Floats:
    """A disk that fills and is cleaned up, lower on two days of the week, [T + H, N]; daily noise of 1."""
    t = np.arange(TOTAL + HORIZON)[:, None]
    noise = np.random.default_rng(period).normal(0, 1, (TOTAL + HORIZON, count))
    return 50 + drop * ((t + 3 * np.arange(count)) % period) / period + growth * t - dip * (t % 7 >= 5) + noise


def found(values: Floats, origin: int = TOTAL, birth: int = 0) -> tuple[Floats, Floats]:
    period, since = sawtooth.resets(np.tile(values, (1, 16)), np.full(16 * values.shape[1], birth), origin)
    return period[: values.shape[1]], since[: values.shape[1]]


def made(make_panel, values: Floats, width: int = 64) -> Floats:
    panel = make_panel(values)
    calendar = calendar_of(panel, HORIZON, CalendarSettings())
    parts = blocks(panel.values.astype(np.float64), Cadence.DAILY, (len(values),), HORIZON, calendar, width)
    made = [sawtooth.FAMILY.made(block)[0, :, :, : place.stop - place.start] for place, block in parts]
    return np.concatenate(made, axis=2).astype(np.float64)


@pytest.mark.parametrize("period", [14, 28, 45, 60, 97])
def test_resets_are_found_in_noise_and_beside_a_week(period):
    values = ramps(period, 4, drop=8.0, dip=6.0)
    got, since = found(values)
    assert (got == period).all()
    np.testing.assert_array_equal(since, 1 + (TOTAL - 1 + 3 * np.arange(4)) % period)


def test_nothing_after_the_origin_is_read():
    values = ramps(45, 2)
    changed = values.copy()
    changed[430:] = 7.0
    np.testing.assert_array_equal(found(changed, 430), found(values[:430], 430))


@pytest.mark.parametrize("kind", ["noise", "walk", "week", "one fall", "constant"])
def test_series_without_resets_have_no_candidate(make_panel, kind):
    draw = np.random.default_rng(3).normal(0, 1, (TOTAL, 16))
    t = np.arange(TOTAL)[:, None]
    values = {
        "noise": 50 + draw,
        "walk": 500 + np.cumsum(draw, axis=0),
        "week": 50 + draw - 20 * (t % 7 >= 5),
        "one fall": 50 + draw - 30 * (t >= 400),
        "constant": np.full((TOTAL, 2), 4.0),
    }[kind]
    assert np.isnan(made(make_panel, values)).all()


def test_ramp_and_resets_go_on_without_the_noise_of_single_days(make_panel):
    values = ramps(45, 8, drop=20.0, growth=0.05, dip=5.0)
    forecast = made(make_panel, values[:TOTAL])
    for member in ("line_364d", "line_728d"):
        error = np.abs(forecast[sawtooth.MEMBERS.index(member)] - values[TOTAL:]).mean()
        assert error < 0.95, member  # the noise alone: 0.80; the last cycle over again: 1.13


def test_a_ramp_that_always_falls_back_to_the_same_level_needs_no_line(make_panel):
    values = ramps(28, 8, drop=10.0)
    forecast = made(make_panel, values[:TOTAL])
    assert np.abs(forecast[sawtooth.MEMBERS.index("flat_91d")] - values[TOTAL:]).mean() < 0.9


def test_outliers_neither_make_nor_hide_a_cycle(make_panel):
    values = ramps(45, 8, drop=20.0)
    hit = np.random.default_rng(5).random((TOTAL, 8)) < 0.02
    forecast = made(make_panel, np.where(hit, values[:TOTAL] * 3, values[:TOTAL]))
    assert np.abs(forecast[sawtooth.MEMBERS.index("line_728d")] - values[TOTAL:]).mean() < 1.0


def test_young_series_are_left_out_and_the_half_grown_use_what_they_have(make_panel):
    values = ramps(28, 3, drop=20.0)[:TOTAL]
    values[: TOTAL - 100, 1], values[: TOTAL - 200, 2] = np.nan, np.nan
    forecast = made(make_panel, values)
    assert np.isfinite(forecast[:, :, [0, 2]]).all()
    assert np.isnan(forecast[:, :, 1]).all()


def test_neighbours_order_and_unit_change_nothing(make_panel):
    values = np.concatenate([ramps(45, 40, drop=20.0), ramps(28, 40)], axis=1)[:TOTAL]
    whole = made(make_panel, values, 128)
    np.testing.assert_array_equal(made(make_panel, values[:, ::-1], 64)[:, :, ::-1], whole)
    np.testing.assert_allclose(made(make_panel, values * 1024.0), whole * 1024.0, rtol=1e-5)
