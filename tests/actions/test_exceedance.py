"""The limit of how often sizes are exceeded: above the rate, wide where little is known, honest on simulation."""

from __future__ import annotations

import numpy as np
import pytest

from capforecast.actions.exceedance import Likeness, exceedance, likeness


def replayed(rate: float, servers: int, origins: int = 4, days: int = 90, spread: float = 1.0, seed: int = 0):
    """Cases of servers that differ in how often they are over: beta-binomial with that mean."""
    rng = np.random.default_rng(seed)
    own = rng.beta(rate * spread, (1 - rate) * spread, servers) if rate else np.zeros(servers)
    server = np.repeat(np.arange(servers), origins)
    periods = np.full(len(server), days)
    return rng.binomial(days, own[server]), periods, server


def test_one_clean_server_proves_nothing_and_many_do() -> None:
    alone = exceedance(*replayed(0.0, 1))
    assert alone.rate == 0.0
    assert alone.upper > 0.033, "90 clean days of one server prove nothing below 3.3 %"
    many = exceedance(*replayed(0.0, 300))
    assert many.upper < 0.008
    assert many.keeps(0.01)
    assert not alone.keeps(0.01)


def test_the_limit_is_above_the_rate_and_narrows_with_servers() -> None:
    few, many = exceedance(*replayed(0.02, 20)), exceedance(*replayed(0.02, 2000))
    assert few.rate < few.upper
    assert many.rate < many.upper < 1.5 * 0.02
    assert few.upper - few.rate > many.upper - many.rate


@pytest.mark.parametrize("spread", [0.5, 5.0, 200.0])
def test_the_limit_holds_in_most_replays(spread: float) -> None:
    """95 % of limits should lie above the true rate; servers that differ widely are the hard case."""
    limits = [exceedance(*replayed(0.01, 60, spread=spread, seed=seed)).upper for seed in range(60)]
    assert np.mean(np.array(limits) >= 0.01) >= 0.85


def test_periods_of_one_server_are_worth_less_than_those_of_many() -> None:
    over, periods, server = replayed(0.05, 50, spread=1.0)
    even = np.random.default_rng(0).binomial(90, 0.05, len(over))
    assert likeness(over, periods, server).correlation > 5 * likeness(even, periods, server).correlation
    assert exceedance(over, periods, server).upper > 1.2 * exceedance(even, periods, server).upper


def test_what_other_servers_tell_of_likeness_narrows_the_limit_of_a_few() -> None:
    few = replayed(0.0, 30)
    fleet = likeness(*replayed(0.001, 1000, spread=200.0))
    assert fleet.servers > 50
    assert fleet.correlation < 0.1
    assert exceedance(*few).upper > 0.01 > exceedance(*few, fleet).upper
    assert likeness(*few, fleet) == fleet, "nobody was over: nothing new is known"
    assert exceedance(*few, Likeness(0.9, 50)).upper > exceedance(*few).upper


def test_unobserved_cases_and_none_at_all() -> None:
    nothing = exceedance(np.zeros(3, int), np.zeros(3, int), np.arange(3))
    assert np.isnan(nothing.upper)
    assert not nothing.keeps(1.0)
    always = exceedance(np.full(3, 90), np.full(3, 90), np.arange(3))
    assert (always.rate, always.upper) == (1.0, 1.0)
