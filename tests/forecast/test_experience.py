"""What a sample of series teaches about candidates."""

import numpy as np
import pytest

from capforecast.forecast.experience import learn

ORIGINS, SERIES, GAP = 18, 60, 3
ONE_GROUP = np.zeros(SERIES, dtype=np.int64)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def noise(rng: np.random.Generator, size: float = 1.0) -> np.ndarray:
    return rng.normal(0, size, (ORIGINS, 4, SERIES))


def quiet() -> np.ndarray:
    return np.zeros((ORIGINS, 2, SERIES))


def test_luck_of_single_series_is_not_believed_but_lasting_differences_are(rng):
    luck = noise(rng)
    lesson = learn(luck, quiet(), ONE_GROUP, 1, GAP)
    expected = lesson.expected(luck, np.zeros((2, SERIES)), ONE_GROUP)
    assert expected.std(axis=1).max() < 0.3 * luck.mean(axis=0).std(axis=1).max()
    real = noise(rng, 0.1) + rng.normal(0, 1, (4, SERIES))
    lesson = learn(real, quiet(), ONE_GROUP, 1, GAP)
    assert lesson.expected(real, np.zeros((2, SERIES)), ONE_GROUP) == pytest.approx(real.mean(axis=0), abs=0.1)


def test_the_best_of_each_group_is_known_for_a_series_without_a_past(rng):
    group = np.arange(SERIES) % 2
    scores = noise(rng, 0.2)
    scores[:, 1, group == 0] -= 1
    scores[:, 2, group == 1] -= 1
    lesson = learn(scores, quiet(), group, 3, GAP)
    new = np.full((ORIGINS, 4, 2), np.nan)
    assert list(lesson.expected(new, np.zeros((2, 2)), np.array([0, 1])).argmin(axis=0)) == [1, 2]


def test_a_candidate_that_does_well_in_a_situation_is_preferred_there_only(rng):
    aspects = rng.choice([-1.0, 1.0], (ORIGINS, 2, SERIES))
    scores = noise(rng, 0.3)
    scores[:, 0] -= 0.5 * aspects[:, 0]  # good when the first aspect is high
    lesson = learn(scores, aspects, ONE_GROUP, 1, GAP)
    high, low = np.array([[1.0, -1.0], [0.0, 0.0]]).T[:, :, None]
    few = ONE_GROUP[:1]
    change = lesson.expected(scores[:, :, :1], high, few) - lesson.expected(scores[:, :, :1], low, few)
    assert change[0] < -0.4
    assert np.abs(change[1:]).max() < 0.2


def test_a_dependence_that_later_origins_deny_counts_for_little(rng):
    aspects = rng.choice([-1.0, 1.0], (ORIGINS, 2, SERIES))
    scores = noise(rng, 0.3)
    turns = np.where(np.arange(ORIGINS) // GAP % 2, 1.0, -1.0)[:, None]
    scores[:, 0] += turns * aspects[:, 0]  # the sign changes all the time
    assert np.abs(learn(scores, aspects, ONE_GROUP, 1, GAP).effects.size).max() < 0.05


def test_no_origin_one_origin_and_missing_candidates_are_no_trouble(rng):
    scores = noise(rng)
    scores[:, 3] = np.nan
    for origins in (0, 1, 2):
        lesson = learn(scores[:origins], quiet()[:origins], ONE_GROUP, 1, GAP)
        expected = lesson.expected(scores[:origins], np.ones((2, SERIES)), ONE_GROUP)
        assert np.isfinite(expected).all()
        assert (expected[3] == 1).all()


def test_without_aspects_the_past_alone_decides(rng):
    none = np.zeros((ORIGINS, 0, SERIES))
    scores = noise(rng, 0.1) + rng.normal(0, 1, (4, SERIES))
    expected = learn(scores, none, ONE_GROUP, 1, GAP).expected(scores, none[0], ONE_GROUP)
    assert expected == pytest.approx(scores.mean(axis=0), abs=0.1)


def test_a_series_does_not_depend_on_those_asked_about_with_it(rng):
    scores, aspects = noise(rng), rng.normal(0, 1, (ORIGINS, 2, SERIES))
    group = np.arange(SERIES) % 3
    lesson = learn(scores, aspects, group, 3, GAP)
    whole = lesson.expected(scores, aspects[0], group)
    alone = np.hstack([lesson.expected(scores[:, :, [i]], aspects[0][:, [i]], group[[i]]) for i in range(SERIES)])
    assert (whole == alone).all()
