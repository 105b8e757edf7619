from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.risk.neighbours import nearest


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(2, 60), states=st.integers(1, 4))
def test_nearest_rows_are_those_at_least_distance_and_the_first_of_equal_ones(seed, size, states):
    """On a coarse grid, where many are equally far."""
    rng = np.random.default_rng(seed)
    pool, asked = (rng.integers(-2, 3, (count, states)).astype(float) for count in (size, 9))
    count = int(rng.integers(1, size))
    distance = ((pool[None] - asked[:, None]) ** 2).sum(axis=2)
    expected = np.sort(np.argsort(distance, axis=1, kind="stable")[:, :count], axis=1)
    np.testing.assert_array_equal(nearest(pool, asked, count), expected)
