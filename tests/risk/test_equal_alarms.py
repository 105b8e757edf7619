"""Recall at another rule's number of false alarms, on cases laid out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.risk.equal_alarms import hits_at
from capforecast.risk.resampling import interval, server_draws

P = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
EVENT = np.array([True, False, True, False, True, False, False])
ONE = np.ones((1, 1))


def at(wanted: float, p: np.ndarray = P, event: np.ndarray = EVENT) -> float:
    return float(hits_at(p, event, np.zeros(len(p), np.int64), ONE, np.array([[wanted]]))[0, 0])


@pytest.mark.parametrize(("false_alarms", "hits"), [(0, 1), (1, 2), (2, 3), (3, 3), (4, 3), (9, 3)])
def test_the_cut_off_goes_down_until_the_false_alarms_are_used_up(false_alarms: int, hits: int) -> None:
    assert at(false_alarms) == hits


def test_tied_cases_are_told_in_the_share_that_fits() -> None:
    tied = np.array([0.9, 0.5, 0.5, 0.5, 0.5])
    event = np.array([True, True, False, False, True])
    assert at(0, tied, event) == 1.0
    assert at(1, tied, event) == pytest.approx(1 + 2 * 1 / 2)  # one of two false alarms: half of the tie
    assert at(2, tied, event) == 3.0


def test_draws_count_a_server_as_often_as_it_was_drawn() -> None:
    server = np.array([0, 0, 1, 1, 2, 2, 2])
    draws = np.array([[1.0, 1, 1], [2, 0, 1]])
    found = hits_at(P, EVENT, server, draws, np.array([[1.0], [2.0]]))
    assert found[:, 0] == pytest.approx([2, 3])  # second: hits .9 twice, false .8 twice, then .5 once


def test_order_of_cases_changes_nothing() -> None:
    turned = np.random.default_rng(0).permutation(len(P))
    for wanted in (0.5, 1, 2.5):
        assert at(wanted) == at(wanted, P[turned], EVENT[turned])


def test_intervals_over_servers_cover_the_truth() -> None:
    """Recall of a rule that finds 60 %, by server of varying luck: 95 % intervals hold about 95 % of the time."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        luck = rng.beta(3, 2, 80)  # servers differ: cases of one are alike
        hits = rng.binomial(5, luck)
        drawn = server_draws(80, 200) @ hits / (server_draws(80, 200) @ np.full(80, 5))
        low, high = interval(drawn[1:])
        inside += low <= 0.6 <= high
    assert 0.90 <= inside / 200 <= 0.99


def test_the_first_draw_is_the_figure_itself() -> None:
    draws = server_draws(7, 50)
    assert draws.shape == (51, 7)
    assert (draws[0] == 1).all()
    assert (draws.sum(axis=1) == 7).all()
    assert np.array_equal(draws, server_draws(7, 50))


def test_an_interval_without_enough_draws_is_unknown() -> None:
    assert np.isnan(interval(np.array([1.0, np.nan, np.nan]))).all()
