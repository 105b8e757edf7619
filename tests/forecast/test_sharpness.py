"""How sharply to choose, from what softer and sharper votes cost in the past."""

import numpy as np
import pytest

from capforecast.forecast import replay
from capforecast.forecast.engine import train
from capforecast.forecast.sharpness import MULTIPLES, sharpest
from capforecast.settings import Settings

ORIGINS, SERIES, GAP = 12, 40, 3
ONE_GROUP = np.zeros(SERIES, dtype=np.int64)


@pytest.fixture
def losses() -> np.ndarray:
    """Votes that differ by chance only: what all have in common at an origin, and each series' own."""
    rng = np.random.default_rng(8)
    shape = (ORIGINS, len(MULTIPLES), SERIES)
    return rng.normal(0, 0.02, shape) + rng.normal(0, 0.02, (*shape[:2], 1))


def test_a_sharper_vote_that_always_gained_is_chosen(losses):
    losses[:, 2] -= 0.03
    assert list(sharpest(losses, ONE_GROUP, 1, GAP)) == [2]


def test_without_evidence_the_vote_stays_soft(losses):
    assert list(sharpest(losses[:0], ONE_GROUP, 2, GAP)) == [0, 0]
    assert list(sharpest(np.full_like(losses, np.nan), ONE_GROUP, 1, GAP)) == [0]
    losses[:, 1:] += 0.03
    assert list(sharpest(losses, ONE_GROUP, 1, GAP)) == [0]


def test_a_gain_at_one_origin_or_of_one_series_is_luck(losses):
    losses[4, 2] -= 0.4  # a mean gain of 0.03
    assert list(sharpest(losses, ONE_GROUP, 1, GAP)) == [0]
    alone = np.zeros((ORIGINS, len(MULTIPLES), 1))
    alone[:, 2] -= 0.02
    assert list(sharpest(alone, ONE_GROUP[:1], 1, GAP)) == [0]


def test_origins_that_overlap_count_as_one():
    gain = np.array([0.05, -0.02] * 6)[:, None]  # mean 0.015, standard error 0.010 of twelve origins, 0.018 of four
    losses = np.zeros((ORIGINS, len(MULTIPLES), 400))
    losses[:, 1] = -gain
    assert list(sharpest(losses, np.zeros(400, dtype=np.int64), 1, 1)) == [1]
    assert list(sharpest(losses, np.zeros(400, dtype=np.int64), 1, 3)) == [0]


def test_each_group_decides_for_itself(losses):
    group = np.arange(SERIES) % 2
    losses[:, 3, group == 1] -= 0.05
    assert list(sharpest(losses, group, 3, GAP)) == [0, 3, 0]


def broken(seed: int) -> np.ndarray:
    """Trends that break three times and are straight else, with noise: what looks for breaks is plainly right."""
    rng = np.random.default_rng(seed)
    day = np.arange(900)[:, None]
    trend = day * rng.normal(0, 0.05, 24)
    for at in (240, 480, 660):
        trend += rng.laplace(0, 0.1, 24) * np.maximum(day - at, 0)
    return 200 + trend + rng.normal(0, 2.0, (900, 24))


def test_in_a_fleet_of_broken_trends_few_vote_and_the_forecast_shows_it(make_panel):
    panel = make_panel(broken(3))
    model = train(panel, 60, Settings(metrics={})).model
    assert (model.sharpness > 1).all()
    soft = type(model)(**{**vars(model), "sharpness": np.ones(24)})
    assert not np.array_equal(model.predict(panel).median, soft.predict(panel).median)
    assert model.version != soft.version


def test_sharpness_of_a_past_origin_is_learnt_from_what_was_known_then(make_panel, monkeypatch):
    values = broken(4)[:, :5]
    changed = values.copy()
    changed[780:] *= 3.0
    asked: list[list[np.ndarray]] = []

    def spy(losses: np.ndarray, *rest: object) -> np.ndarray:
        asked[-1].append(losses)
        return sharpest(losses, *rest)

    monkeypatch.setattr(replay, "sharpest", spy)
    for each in (values, changed):
        asked.append([])
        origins = train(make_panel(each), 30, Settings(metrics={})).errors.origins
    place = make_panel(values).timestamps.get_indexer(origins) + 1
    early = [o for o, at in enumerate(place) if at <= 780]
    assert sum(asked[0][o].size > 0 for o in early) >= 3
    for o in early:
        np.testing.assert_array_equal(asked[0][o], asked[1][o])
    assert not np.array_equal(asked[0][-1], asked[1][-1])


def test_a_few_witnesses_of_a_group_speak_for_it_whatever_the_blocks(make_panel, weekly, monkeypatch):
    monkeypatch.setattr(replay, "_WITNESSES", 5)
    asked = []

    def spy(losses: np.ndarray, group: np.ndarray, *rest: object) -> np.ndarray:
        asked.append((losses, group))
        return sharpest(losses, group, *rest)

    monkeypatch.setattr(replay, "sharpest", spy)
    panel = make_panel(weekly(220, 70), metrics=["cpu", "mem"] * 35)
    medians = []
    for size in (64, 128):
        settings = Settings(forecast={"block_size": size, "origins_daily": 3})
        medians.append(train(panel, 14, settings).model.predict(panel).median)
    assert all(sorted(group) == [0] * 5 + [1] * 5 for _, group in asked)
    half = len(asked) // 2
    for (first, _), (second, _) in zip(asked[:half], asked[half:], strict=True):
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(*medians)
