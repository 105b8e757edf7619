"""Blocks as the families that learn across series see them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capforecast.forecast.base import Block
from capforecast.forecast.candidates import group_means, with_groups


def with_shared(parts: list[tuple[slice, Block]], group: np.ndarray, names: Sequence[str]) -> list[tuple[slice, Block]]:
    """Blocks that hold all series, each with its groups' means."""
    placed = [(np.arange(rows.start, rows.stop), block) for rows, block in parts]
    shared = group_means(placed, group, names)
    return [(rows, with_groups(block, shared, group[rows])) for rows, block in parts]
