"""The second opinion on levels: it helps where series behave alike, is silent where it did not, and is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from capforecast.forecast import levels
from capforecast.forecast.engine import train
from capforecast.forecast.levels import Levels, _teach, fair_shares, lost
from capforecast.forecast.model import FleetModel
from capforecast.settings import Settings

HORIZON = 56


def settings(block_size: int = 128) -> Settings:
    return Settings(metrics={}, forecast={"origins_daily": 4, "block_size": block_size})


def surges(total: int, count: int, seed: int = 0) -> np.ndarray:
    """Series at one level, but for surges that begin at any time and always end after eight weeks."""
    rng = np.random.default_rng(seed)
    values = np.full((total, count), 40.0)
    for column in range(count):
        start = int(rng.integers(0, 150))
        while start < total:
            values[start : start + 56, column] *= 2.0
            start += 56 + int(rng.integers(40, 160))
    return values * np.exp(0.03 * rng.normal(size=values.shape))


@pytest.fixture(scope="module")
def whole():
    return surges(800 + HORIZON, 24)


@pytest.fixture(scope="module")
def panel(make_panel, whole):
    return make_panel(whole[:800])


@pytest.fixture(scope="module")
def taught(whole) -> Levels:
    return Levels(_teach(whole[:800], HORIZON), np.ones(24))


@pytest.fixture(scope="module")
def model(panel, taught) -> FleetModel:
    """A model whose series follow the trees, whatever that did to the past."""
    return replace(train(panel, HORIZON, settings()).model, levels=taught)


def test_what_always_follows_is_learnt_from_the_others(taught, whole):
    last = np.repeat(np.median(whole[772:800], axis=0)[None], HORIZON, axis=0)
    blended, _ = taught.blend(last, last, whole[:800], np.arange(24))
    assert np.abs(blended - whole[800:]).mean() < 0.8 * np.abs(last - whole[800:]).mean()


def test_a_stored_model_keeps_it(model, panel):
    again = FleetModel.from_tables(model.tables())
    np.testing.assert_array_equal(again.predict(panel).quantiles, model.predict(panel).quantiles)
    silent = replace(model, levels=Levels.none(24))
    assert silent.version != model.version
    assert np.abs(silent.predict(panel).median - model.predict(panel).median).max() > 1.0


def test_trees_are_followed_unless_they_harmed_past_forecasts(panel, monkeypatch):
    losses = []
    monkeypatch.setattr(levels, "lost", lambda gain, *_: losses.append(gain) or np.array([False]))
    followed = train(panel, HORIZON, settings(5)).model
    np.testing.assert_allclose(followed.levels.share, 0.4 * 24 / 30)
    again = train(panel, HORIZON, settings(128)).model
    np.testing.assert_array_equal(followed.predict(panel).quantiles, again.predict(panel).quantiles)  # whatever blocks
    assert np.isfinite(losses[0]).all()


def test_series_below_zero_and_young_ones_are_left_alone(model):
    point = np.full((HORIZON, 3), 40.0)
    values = surges(700, 3, seed=4)
    values[300, 0] = -1.0
    values[:-100, 1] = np.nan
    blended, _ = model.levels.blend(point, point, values, np.array([0, 1, 2]))
    np.testing.assert_allclose(blended[:, :2], point[:, :2])
    assert np.isfinite(blended).all()


def test_a_group_does_without_what_plainly_harmed_it():
    rng = np.random.default_rng(1)
    gain = rng.normal(0, 0.02, (6, 30))
    gain[:, 10:20] -= 0.2
    gain[:, 20:] += 0.2
    assert lost(gain, np.repeat([0, 1, 2], 10), 4, 3).tolist() == [False, True, False, False]


def test_large_groups_follow_more():
    share = fair_shares(np.repeat([0, 2], [2, 60]), 3)
    assert share[1] == 0.0 < share[0] < 0.5 * share[2] < 0.2


def test_a_short_history_has_no_second_opinion(make_panel):
    young = train(make_panel(surges(260, 4)), HORIZON, settings()).model
    assert (young.levels.share == 0).all()
