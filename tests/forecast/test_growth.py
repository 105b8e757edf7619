"""Old servers and new ones of one process face the same spread, in intervals and in paths alike."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.forecast.engine import train
from capforecast.forecast.growth import LongPaths, longest
from capforecast.risk.breach import assess
from capforecast.schema import Panel
from capforecast.settings import Settings

OLD, NEW, TOTAL = 24, 16, 700


def random_walk(rng: np.random.Generator) -> np.ndarray:
    steps = rng.normal(0, 1.0, (TOTAL, OLD + NEW))
    out = np.full(OLD + NEW, 50.0) + np.zeros_like(steps)
    for t in range(1, TOTAL):
        out[t] = out[t - 1] + steps[t] + 0.01 * (50 - out[t - 1])
    return out + rng.normal(0, 0.5, out.shape)


def white_noise(rng: np.random.Generator) -> np.ndarray:
    return 50 + rng.normal(0, 4.0, (TOTAL, OLD + NEW))


@pytest.mark.parametrize("young", [18, 32, 50])
@pytest.mark.parametrize("process", [random_walk, white_noise])
def test_new_servers_get_the_spread_of_old_ones_of_the_same_process(make_panel, process, young):
    peaks, bands = zip(*(spreads(make_panel, process, young, seed) for seed in (1, 2)), strict=True)
    assert new_by_old(np.mean(peaks, axis=0)) == pytest.approx(1.0, abs=0.25)
    for band in np.mean(bands, axis=0):
        assert new_by_old(band) == pytest.approx(1.0, abs=0.25)


def new_by_old(spread: np.ndarray) -> float:
    return float(spread[OLD:].mean() / spread[:OLD].mean())


def spreads(make_panel, process, young: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the peak by the paths [N], and of the 80 % interval after 7, 30 and 90 days [3, N]."""
    values = process(np.random.default_rng(seed))
    values[: TOTAL - young, OLD:] = np.nan
    panel: Panel = make_panel(values)
    trained = train(panel, 90, Settings())
    forecast = trained.model.predict(panel)
    risks = assess(panel, forecast, trained.errors, Settings(), trained.backtest)
    assert (risks["horizon_days"] == 90).all()
    return (risks["peak_q90"] - risks["peak_q50"]).to_numpy(), (forecast.quantiles[3] - forecast.quantiles[1])[
        [6, 29, 89]
    ]


def paths_of(scaled: np.ndarray, origin: np.ndarray) -> LongPaths:
    count = len(scaled)
    return LongPaths(scaled, origin, np.zeros(count, dtype=np.int64), np.ones(count, dtype=bool), np.ones(count))


def test_only_outcomes_complete_before_an_origin_tell_how_errors_grow():
    flat, steep = np.ones((20, 10)), np.arange(1.0, 11.0) * np.ones((20, 1))
    long = paths_of(np.concatenate([flat, steep]), np.repeat([100, 200], 20))
    ratios = long.ratios(2, (111, 300), np.zeros(3, dtype=np.int64))
    np.testing.assert_allclose(ratios[0], 1.0)
    np.testing.assert_allclose(ratios[1], (1.0 + 5.5) / (1.0 + 1.5))


def test_a_few_long_paths_set_no_unit():
    few, many = paths_of(np.ones((3, 90)), np.arange(3)), paths_of(np.ones((30, 30)), np.arange(30))
    long = longest([few, many])
    assert long is not None
    assert long.horizon == 30
    assert longest([few]) is None
