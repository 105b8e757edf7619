"""Where a series stands against its own past."""

import numpy as np
import pytest

from capforecast.forecast.situation import ASPECTS, situations
from capforecast.schema import Cadence

DAYS, DAILY = 500, Cadence.DAILY


def steady(level: float = 50.0, seed: int = 1) -> np.ndarray:
    week = np.tile([1.0, 1.1, 1.2, 1.1, 1.0, 0.5, 0.4], DAYS // 7 + 1)[:DAYS]
    return level * week * np.exp(np.random.default_rng(seed).normal(0, 0.05, DAYS))


def of(series: np.ndarray, moment: int = DAYS) -> dict[str, float]:
    return dict(zip(ASPECTS[DAILY], situations(series[:, None], np.array([moment]), DAILY)[0, :, 0], strict=True))


def test_a_burst_shows_in_the_week_and_a_new_plateau_in_the_year():
    burst, plateau, fallen = steady(), steady(), steady()
    burst[-7:] *= 2
    plateau[-28:] *= 2
    fallen[-28:] /= 2
    assert of(burst)["week"] > 0.9
    assert abs(of(steady())["week"]) < 0.7
    assert of(plateau)["year"] > 0.5
    assert of(plateau)["month"] > 0.9
    assert abs(of(plateau)["week"]) < 0.7
    assert of(fallen)["year"] < -0.5


def test_unit_and_size_do_not_matter():
    assert of(steady() * 1e6) == pytest.approx(of(steady()), abs=1e-6)
    assert of(-steady())["year"] == pytest.approx(-of(steady())["year"], abs=0.1)


def test_one_spike_does_not_make_a_situation():
    flat = np.random.default_rng(1).normal(50, 2, DAYS)
    spiked = flat.copy()
    spiked[-3] *= 50
    assert of(spiked) == pytest.approx(of(flat), abs=0.4)


def test_nothing_after_the_moment_is_read():
    changed = steady()
    changed[400:] = 1e9
    assert of(changed, 400) == of(steady(), 400)


def test_gaps_young_and_constant_series_give_finite_aspects():
    gaps, young = steady(), steady()
    gaps[np.arange(DAYS) % 5 < 3] = np.nan
    young[:-20] = np.nan
    odd = np.stack([gaps, young, np.full(DAYS, 7.0), np.zeros(DAYS), np.full(DAYS, np.nan)], axis=1)
    result = situations(odd, np.array([5, 300, DAYS]), DAILY)
    assert np.isfinite(result).all()
    assert np.abs(result).max() <= 1
    assert np.abs(result[:, :, 2:]).max() < 1e-6
