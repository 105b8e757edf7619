"""How sharply the vote should prefer better candidates: what would have been best at past origins, in each group.

Where one candidate is plainly right the others only pull the vote away from it; where differences are luck a soft vote
over many is better. Which of the two holds shows in replayed votes. A sharper one is believed only when it gained more
than a standard error (the rule of Breiman et al. 1984 for the size of a tree), so noise leaves the vote soft.
"""

from __future__ import annotations

import numpy as np

from capforecast.forecast.base import Array, Index
from capforecast.forecast.ensemble import mean0

MULTIPLES = np.array([1.0, 2.0, 4.0, 8.0])  # of the softmax temperature that are tried; the first needs no evidence
_LUCK = 0.05  # standard deviation of one series' gain at one origin, at least


def sharpest(losses: Array, group: Index, groups: int, gap: int) -> Index:
    """Number of the multiple each group should vote with, [groups]; 0 where nothing speaks for a sharper vote.

    losses: log-relative errors [O, S, M] of the votes by S multiples at past origins, NaN where unknown.
    group: [M].  gap: origins nearer than this overlap, and count as one.
    """
    out = np.zeros(groups, dtype=np.int64)
    gain = losses[:, :1] - losses
    for which in np.unique(group):
        members = group == which
        each = mean0(gain[:, :, members].transpose(2, 0, 1))
        each = each[np.isfinite(each).all(axis=1)]
        if len(each):
            out[which] = _surest(each, int(members.sum()), gap)
    return out


def _surest(gain: Array, series: int, gap: int) -> int:
    """The column of mean gains [O, S] over some series whose mean less its standard error is largest."""
    origins = max(len(gain) / max(gap, 1), 1.0)
    error = np.sqrt((gain.var(axis=0) + _LUCK**2 / series) / origins)
    error[0] = 0.0  # the gain over itself
    return int(np.argmax(gain.mean(axis=0) - error))
