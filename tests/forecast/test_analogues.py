"""Analogues: the nearest stretches of the past, found one by one here."""

from __future__ import annotations

import numpy as np
import pytest

HORIZON = 20


def nearest(seen: np.ndarray, birth: int, aligned: bool) -> np.ndarray:
    """Mean of what followed the windows of 56 days most like the last one."""
    now, found = seen[-56:], []
    for end in range(len(seen) - 21, 55, -7):
        window = seen[end - 56 : end]
        shift = now.mean() - window.mean() if aligned else 0.0
        if end - 56 >= birth:
            found.append((np.abs(window + shift - now).sum(), len(found), seen[end : end + HORIZON] + shift))
    count = min(max(len(found) // 4, 2), 5)
    return np.mean([follows for _, _, follows in sorted(found)[:count]], axis=0)


@pytest.mark.parametrize("member", ["aligned", "plain"])
def test_forecast_is_the_mean_of_what_followed_the_nearest(walks, daily_block, forecasts_of, member):
    values = walks(500, 3)
    values[:200, 1] = np.nan
    values[:420, 2] = np.nan  # too young to have four windows
    block = daily_block(values, (500, 430), HORIZON)
    made = forecasts_of(block, "analogues")[member]
    for o, origin in enumerate((500, 430)):
        for column, birth in ((0, 0), (1, 200)):
            expected = nearest(block.values[:origin, column], birth, member == "aligned")
            np.testing.assert_allclose(made[o, :, column], expected, rtol=1e-6)
    assert np.isnan(made[:, :, 2]).all()
