"""Who speaks for a group: what series have in common is measured on a few hundred of each group, whatever its size.

A mean or quantile over 256 series is as good as one over 10,000, and costs one pass over a sample instead of one over
the whole business unit. The sample depends on which series there are, never on blocks, threads or their order.
"""

from __future__ import annotations

import numpy as np

from capforecast.forecast.base import Index

MOST = 256  # series of one group that are looked at


def spokesmen(group: Index, most: int = MOST) -> Index:
    """Places [M], ascending, of at most `most` series of each group, evenly spread over the group's order."""
    chosen = []
    for which in np.unique(group):
        members = np.flatnonzero(group == which)
        count = min(len(members), most)
        chosen.append(members[np.arange(count) * len(members) // max(count, 1)])
    return np.sort(np.concatenate(chosen)).astype(np.int64) if chosen else np.empty(0, dtype=np.int64)
