"""Regressions against the same ridge problem solved one series at a time."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.forecast import structural
from capforecast.forecast.structural import columns

HORIZON = 40


def ridge_forecast(block, design, start: int, origin: int, history: np.ndarray) -> np.ndarray:
    """Least squares with the ridge as further rows, [H]."""
    laid = columns(block, design, start, origin)
    root = np.sqrt(laid.weight)
    rows = np.concatenate([laid.every[: laid.seen] * root[:, None], np.diag(np.sqrt(laid.ridge))])
    target = np.concatenate([history * root, np.zeros(len(laid.ridge))])
    return laid.every[laid.seen :] @ np.linalg.lstsq(rows, target)[0]


@pytest.mark.parametrize("design", structural._PLAIN, ids=lambda design: design.name)
def test_forecasts_are_those_of_the_ridge_problem(walks, daily_block, forecasts_of, design):
    block = daily_block(walks(800, 3), (800, 700), HORIZON)
    made = forecasts_of(block, "regression")
    for o, origin in enumerate((800, 700)):
        history = block.clean[:origin]
        offset = 0.05 * 0.5 * (np.median(history, axis=0) + history.mean(axis=0))
        for column in range(3):
            level = ridge_forecast(block, design, 0, origin, history[:, column])
            log = ridge_forecast(block, design, 0, origin, np.log(history[:, column] + offset[column]))
            np.testing.assert_allclose(made[f"{design.name}_level"][o, :, column], level, rtol=1e-5)
            np.testing.assert_allclose(
                made[f"{design.name}_log"][o, :, column], np.exp(log) - offset[column], rtol=1e-5
            )


def test_a_late_series_is_fitted_on_its_own_history(walks, daily_block, forecasts_of):
    values = walks(800, 2)
    values[:700, 0] = np.nan  # 100 days old: fitted on 105 days at most
    other = values.copy()
    other[:, 1] += 500
    made = [forecasts_of(daily_block(v, (800,), HORIZON), "regression") for v in (values, other)]
    np.testing.assert_array_equal(made[0]["flexible_level"][0, :, 0], made[1]["flexible_level"][0, :, 0])
    block = daily_block(values, (800,), HORIZON)
    expected = ridge_forecast(block, structural._FLEX, 800 - 104, 800, block.clean[800 - 104 : 800, 0])
    np.testing.assert_allclose(made[0]["flexible_level"][0, :, 0], expected, rtol=1e-5)
    assert np.isnan(made[0]["flexible_year_level"][0, :, 0]).all()  # a year needs 600 days


def test_month_ends_of_the_past_are_expected_ahead(walks, daily_block, forecasts_of):
    values = walks(500, 1)
    month_end = daily_block(values, (460,), HORIZON).calendar["month_end"].to_numpy()
    values[:460] += 25.0 * month_end[:460, None]
    made = forecasts_of(daily_block(values, (460,), HORIZON), "regression")
    ahead = month_end[460 : 460 + HORIZON]
    for member in ("calm_level", "calm_log", "line_year_level"):
        assert made[member][0, ahead, 0].mean() - made[member][0, ~ahead, 0].mean() > 12


def test_logarithms_are_for_series_that_were_never_negative(walks, daily_block, forecasts_of):
    values = walks(200, 2)
    values[50, 1] = -300.0
    made = forecasts_of(daily_block(values, (200,), HORIZON), "regression")
    assert np.isfinite(made["calm_log"][0, :, 0]).all()
    assert np.isnan(made["calm_log"][0, :, 1]).all()
    assert np.isfinite(made["calm_level"][0, :, 1]).all()
