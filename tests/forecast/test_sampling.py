"""Who speaks for a group."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.forecast.sampling import spokesmen


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=60), st.integers(1, 20))
def test_every_group_is_heard_and_none_more_than_allowed(groups, most):
    group = np.array(groups, dtype=np.int64)
    chosen = spokesmen(group, most)
    assert (np.diff(chosen) > 0).all()
    for which in set(groups):
        assert (group[chosen] == which).sum() == min(most, groups.count(which))


def test_a_sample_is_spread_over_the_whole_group():
    assert spokesmen(np.zeros(1000, dtype=np.int64), 4).tolist() == [0, 250, 500, 750]
