"""Smoothers against the recursion they stand for, step by step on one series."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.forecast.structural import WEEK, YEAR, columns, estimators

HORIZON, ORIGIN = 40, 700
LATE = 91  # days before the origin at which the second series starts; its fits look at as many


def deseasonalised(block, design, column: int, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """History [origin] without its seasonal part, and that part ahead, [H]."""
    start, origin = 0 if column == 0 else ORIGIN - 104, len(values)
    laid = columns(block, design, start, origin)
    effects = (estimators(laid, np.eye(len(laid.ridge))) @ values[start:])[laid.trends :]
    part = laid.season @ effects
    early = part[(np.arange(start) - start) % 7]
    return values - np.concatenate([early, part[: laid.seen]]), part[laid.seen :]


def recursion(rest: np.ndarray, alpha: float, beta: float, phi: float) -> np.ndarray:
    level, trend = np.median(rest[:28]), 0.0
    for value in rest:
        error = value - level - phi * trend
        level, trend = level + phi * trend + alpha * error, phi * trend + alpha * beta * error
    return level + trend * np.cumsum(phi ** np.arange(1, HORIZON + 1))


@pytest.fixture(scope="module")
def block(walks, daily_block):
    values = walks(ORIGIN, 2)
    values[: ORIGIN - LATE, 1] = np.nan
    return daily_block(values, (ORIGIN,), HORIZON)


@pytest.fixture(scope="module")
def made(forecasts_of, block) -> dict[str, np.ndarray]:
    return {name: found[0] for name, found in forecasts_of(block, "smoothing").items()}


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("point", [(0.02, 0, 1), (0.8, 0, 1), (0.2, 0.05, 0.97)])
def test_week_level_smoothers_are_the_recursion(block, made, column, point):
    rest, ahead = deseasonalised(block, WEEK, column, block.clean[:, column])
    alpha, beta, phi = point
    got = made[f"week_level_{alpha:g}_{beta:g}_{phi:g}"][:, column]
    np.testing.assert_allclose(got, recursion(rest, alpha, beta, phi) + ahead, rtol=1e-6)


def test_year_log_smoothers_are_the_recursion_on_logarithms(block, made):
    seen = block.clean[:, 0]
    offset = 0.05 * 0.5 * (np.median(seen) + seen.mean())
    rest, ahead = deseasonalised(block, YEAR, 0, np.log(seen + offset))
    expected = np.exp(recursion(rest, 0.5, 0.05, 0.97) + ahead) - offset
    np.testing.assert_allclose(made["year_log_0.5_0.05_0.97"][:, 0], expected, rtol=1e-6)
    assert np.isnan(made["year_log_0.5_0.05_0.97"][:, 1]).all()  # a year needs 600 days


def test_local_trend_is_the_slope_of_the_last_days_on_their_level(block, made):
    rest, ahead = deseasonalised(block, WEEK, 0, block.clean[:, 0])
    slope = np.polyfit(np.arange(120), rest[-120:], 1)[0]
    expected = np.median(rest[-14:]) + slope * np.cumsum(0.995 ** np.arange(1, HORIZON + 1)) + ahead
    np.testing.assert_allclose(made["week_level_trend_120d_0.995"][:, 0], expected, rtol=1e-6)
    assert np.isnan(made["week_level_trend_120d_0.995"][:, 1]).all()  # only 91 days old
    assert np.isfinite(made["week_level_0.02_0_1"][:, 1]).all()


def test_drift_continues_the_change_since_a_year_ago(block, made):
    rest, ahead = deseasonalised(block, WEEK, 0, block.clean[:, 0])
    daily = (rest[-28:].mean() - rest[-28 - 364 : -364].mean()) / 364
    expected = np.median(rest[-14:]) + 0.5 * daily * np.arange(1, HORIZON + 1) + ahead
    np.testing.assert_allclose(made["week_level_drift_0.5"][:, 0], expected, rtol=1e-6)


def test_the_start_level_is_the_median_of_the_first_days(walks, daily_block, forecasts_of):
    values = walks(60, 1)
    values[15:] += 40.0  # the median of the first 28 days lies below their mean; gain 0.02 remembers it for long
    block = daily_block(values, (60,), HORIZON)
    rest, ahead = deseasonalised(block, WEEK, 0, block.clean[:, 0])
    made = forecasts_of(block, "smoothing")["week_level_0.02_0_1"][0, :, 0]
    np.testing.assert_allclose(made, recursion(rest, 0.02, 0, 1) + ahead, rtol=1e-6)
