"""Intervals and maxima hold where the truth is known: stationary noise, white and AR(1), alone and around seasons."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from capforecast.forecast.backtest import buckets
from capforecast.forecast.base import Trained
from capforecast.forecast.engine import train
from capforecast.forecast.intervals import independent
from capforecast.forecast.model import FleetModel
from capforecast.risk.breach import assess
from capforecast.schema import Cadence, Panel
from capforecast.settings import Settings

SETTINGS = Settings(metrics={})
KNOWN, AHEAD, SERIES = 1095, 90, 256
Numbers = npt.NDArray[np.float64]


def noise(carry: float, seed: int) -> Numbers:
    """AR(1) noise [T, N] of standard deviation 2 to 8 around levels of 20 to 60."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0, np.sqrt(1 - carry**2), (KNOWN + AHEAD, SERIES))
    shocks[0] /= np.sqrt(1 - carry**2)
    for before, now in pairwise(shocks):
        now += carry * before
    return rng.uniform(20, 60, SERIES) + shocks * rng.uniform(2, 8, SERIES)


def white(seed: int) -> Numbers:
    return noise(0.0, seed)


def persistent(seed: int) -> Numbers:
    return noise(0.6, seed)


def seasonal(seed: int) -> Numbers:
    """Noise with a weekly and a yearly shape, each series its own."""
    rng = np.random.default_rng([seed, 1])
    day = np.arange(KNOWN + AHEAD)[:, None]
    week = rng.normal(0, 3, (7, SERIES))[day[:, 0] % 7]
    year = np.sin(2 * np.pi * (day / 365.25 + rng.uniform(0, 1, SERIES))) * rng.uniform(1, 4, SERIES)
    return noise(0.4, seed) + week + year


Truth = tuple[Panel, Trained[FleetModel], Numbers]


@pytest.fixture(scope="module", params=[white, persistent, seasonal])
def truth(request: pytest.FixtureRequest, make_panel: Callable[..., Panel]) -> Truth:
    """A panel, what the engine learnt of it, and what came after it [H, N]."""
    values = request.param(5)
    panel = make_panel(values[:KNOWN])
    return panel, train(panel, AHEAD, SETTINGS), values[KNOWN:]


def test_intervals_hold_in_every_bucket_and_say_so(truth):
    panel, trained, actual = truth
    quantiles = trained.model.predict(panel).quantiles
    evidence = trained.backtest.groupby("bucket")[["coverage_80", "coverage_95"]].mean()
    for bucket, first, last in buckets(Cadence.DAILY, AHEAD):
        part, q = actual[first - 1 : last], quantiles[:, first - 1 : last]
        for name, low, high, nominal, allowed in (("80", 1, 3, 0.80, 0.02), ("95", 0, 4, 0.95, 0.01)):
            assert ((part >= q[low]) & (part <= q[high])).mean() == pytest.approx(nominal, abs=allowed)
            assert evidence.loc[bucket, f"coverage_{name}"] == pytest.approx(nominal, abs=allowed)


def test_maxima_of_paths_hold(truth):
    panel, trained, actual = truth
    risks = assess(panel, trained.model.predict(panel), trained.errors, SETTINGS, trained.backtest)
    peak = actual.max(axis=0)
    assert (peak <= risks["peak_q50"]).mean() == pytest.approx(0.5, abs=0.08)  # 2.5 standard errors
    assert (peak <= risks["peak_q90"]).mean() == pytest.approx(0.9, abs=0.035)


def test_errors_of_every_age_are_in_the_same_unit(truth):
    _, trained, _ = truth
    past = trained.errors
    known = np.isfinite(past.scale).all(axis=1)
    ratio = np.abs(past.errors[known]).mean(axis=1) / past.scale[known]
    assert known.sum() == SETTINGS.forecast.origins_daily
    np.testing.assert_allclose(ratio.mean(axis=1), 1.0, atol=0.03)


def test_older_origins_calibrate_unless_newer_ones_are_more():
    every = np.ones(12, dtype=bool)
    assert independent(every, 2, gap=3).tolist() == [5, 6, 7, 8, 9, 10, 11]
    assert independent(every, 5, gap=3).tolist() == [8, 9, 10, 11]
    assert independent(every, 6, gap=3).tolist() == [0, 1, 2, 3]
    assert independent(every[:6], 1, gap=3).tolist() == [4, 5]
    assert independent(every[:3], 1, gap=3).tolist() == [0, 2]
    assert independent(np.arange(12) < 9, 5, gap=3).tolist() == [0, 1, 2]
