"""Candidates that look for similar stretches of the past and continue as those did."""

from __future__ import annotations

import numpy as np

from capforecast.forecast.base import Array, Block, Family, register
from capforecast.schema import Cadence

_MOST = 5  # neighbours averaged
_MEMBERS = ("aligned", "plain")


def _analogues(block: Block, length: int, step: int) -> Array:
    out = block.empty(len(_MEMBERS))
    for o, origin in enumerate(block.origins):
        gap = -(-block.horizon // step) * step
        ends = np.arange(origin - gap, length - 1, -step)
        if len(ends) >= 4:
            _one_origin(block, origin, ends, length, out[o])
    return out


def _one_origin(block: Block, origin: int, ends: np.ndarray, length: int, out: Array) -> None:
    """Mean continuation of the nearest windows (L1), moved to today's level and as they were; writes [2, H, N]."""
    seen = block.values
    now = seen[origin - length : origin]
    today = now.mean(axis=0)
    levels = np.stack([seen[end - length : end].mean(axis=0) for end in ends])
    plain = np.stack([np.abs(seen[end - length : end] - now).sum(axis=0) for end in ends])
    aligned = np.stack(
        [
            np.abs(seen[end - length : end] - now + (today - level)).sum(axis=0)
            for end, level in zip(ends, levels, strict=True)
        ]
    )
    real = ends[:, None] - length >= block.birth  # windows that lie after the first observation
    usable = real.sum(axis=0)
    count = np.clip(usable // 4, 2, _MOST)
    columns = np.arange(block.width)
    for member, distance in enumerate((aligned, plain)):
        order = np.argsort(np.where(real, distance, np.inf), axis=0, kind="stable")[:_MOST]
        total = np.zeros((block.horizon, block.width))
        for rank, chosen in enumerate(order):
            rows = ends[chosen] + np.arange(block.horizon)[:, None]
            shift = today - levels[chosen, columns] if member == 0 else 0.0
            total += np.where(rank < count, seen[rows, columns] + shift, 0.0)
        out[member] = np.where(usable >= 4, total / count, np.nan)


def _daily(block: Block) -> Array:
    return _analogues(block, length=56, step=7)


def _hourly(block: Block) -> Array:
    return _analogues(block, length=168, step=24)


register(Family("analogues", Cadence.DAILY, _MEMBERS, _daily))
register(Family("analogues", Cadence.HOURLY, _MEMBERS, _hourly))
