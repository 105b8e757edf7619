"""Sparse breaks: strong ones are followed whole, noise buys none, and the fit is least squares on what was chosen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from capforecast.forecast import breaks
from capforecast.forecast.base import Block
from capforecast.forecast.blocks import blocks, calendar_of
from capforecast.schema import Cadence
from capforecast.settings import CalendarSettings

TOTAL, HORIZON = 700, 60
Values = npt.NDArray[np.float64]


def block_of_values(make_panel, values: Values) -> Block:
    panel = make_panel(values)
    calendar = calendar_of(panel, HORIZON, CalendarSettings())
    ((_, block),) = blocks(panel.values.astype(np.float64), Cadence.DAILY, (len(values),), HORIZON, calendar, 64)
    return block


def forecasts(make_panel, history: Values, name: str) -> Values:
    """Of one member, [H, N]."""
    made = breaks.FAMILY.made(block_of_values(make_panel, history))[0, breaks.FAMILY.members.index(name)]
    return np.asarray(made[:, : history.shape[1]], dtype=np.float64)


def line_with(kind: str, count: int, seed: int) -> tuple[Values, Values]:
    """Noisy history [T, N] and what follows without noise [H, N]: a step or a turn 100 days before the end."""
    rng = np.random.default_rng(seed)
    t = np.arange(TOTAL + HORIZON)[:, None]
    since = np.maximum(t - (TOTAL - 100), 0)
    change = np.where(since > 0, 20.0, 0.0) if kind == "step" else 0.2 * since
    truth = 40 + 0.01 * t + change + 5 * np.sin(2 * np.pi * t / 7) + rng.uniform(0, 9, count)
    return truth[:TOTAL] + rng.normal(0, 2, (TOTAL, count)), truth[TOTAL:]


@pytest.mark.parametrize("kind", ["step", "turn"])
def test_a_strong_break_is_followed_whole(make_panel, kind):
    history, truth = line_with(kind, 6, 0)
    errors = np.abs(forecasts(make_panel, history, "week_level_1.4") - truth).mean(axis=0)
    assert errors.max() < 2.5
    assert errors.mean() < 1.2  # the change itself is 20, or 32 at the end of the horizon


def test_noise_buys_no_break(make_panel):
    history = 40 + np.random.default_rng(1).normal(0, 3, (TOTAL, 20))
    made = forecasts(make_panel, history, "week_level_4")
    assert np.abs(made - 40).max() < 2.0


def test_what_the_calendar_explains_is_no_break(make_panel):
    history, truth = line_with("step", 6, 6)
    block = block_of_values(make_panel, history)
    closing = 15.0 * block.calendar["quarter_end"].to_numpy()[:, None]
    errors = {
        name: np.abs(forecasts(make_panel, history + closing[:TOTAL], name) - truth - closing[TOTAL:]).mean()
        for name in ("week_level_4", "calendar_level_4")
    }
    assert errors["calendar_level_4"] < 0.75 * errors["week_level_4"]


def test_what_is_chosen_is_fitted_by_least_squares(make_panel):
    history, _ = line_with("turn", 1, 3)
    block = block_of_values(make_panel, history)
    fit = breaks._fit(block, breaks._DESIGNS[0], 0, TOTAL)
    values = np.repeat(history - history.mean(), 64, axis=1)
    coefficients = fit.solve @ values
    rises = np.zeros((len(fit.ages), 64))
    breaks._rises(values, fit.ages, rises)
    columns, _ = breaks._breaks(TOTAL)
    np.testing.assert_allclose(rises, columns.T @ values, rtol=1e-9, atol=1e-6)
    size = np.zeros((1, *rises.shape))
    left = (values**2).sum(axis=0) - (coefficients * (fit.normal @ coefficients)).sum(axis=0)
    breaks._choose(rises - fit.cross @ coefficients, fit.gram, left, np.array([3 * np.log(TOTAL) / TOTAL]), size)
    chosen = np.flatnonzero(size[0, :, 0])
    assert 1 <= len(chosen) <= 4
    design = fit.solve.T @ fit.normal  # the design's columns, recovered
    together = np.hstack([design, columns[:, chosen]])
    expected = np.linalg.lstsq(together, values[:, 0], rcond=None)[0][-len(chosen) :]
    np.testing.assert_allclose(size[0, chosen, 0], expected, rtol=0.02)


def test_future_and_neighbours_change_nothing(make_panel):
    history, _ = line_with("step", 5, 4)
    alone = forecasts(make_panel, history[:, :1], "year_log_1.4")
    among = forecasts(make_panel, history, "year_log_1.4")
    np.testing.assert_array_equal(alone[:, 0], among[:, 0])


def test_young_series_have_no_breaks(make_panel):
    history, _ = line_with("step", 2, 5)
    history[: TOTAL - 80, 1] = np.nan
    made = breaks.FAMILY.made(block_of_values(make_panel, history))[0]
    assert np.isfinite(made[:, :, 0]).all()
    assert np.isnan(made[:, :, 1]).all()
