"""Hourly candidates: the usual shape of a day around the day's own middle, on the level of the last hours.

The shape is the median over recent days of each hour's deviation from its day's median, so days at different levels
agree on it and bursts do not bend it. The level is the median of the last hours less their shape, and stays: on busy
servers and batch queues a level holds until something happens, and pulling it back to the long-run level only errs.
"""

from __future__ import annotations

import numpy as np

from capforecast.forecast.base import Array, Array32, Block, Family, register
from capforecast.forecast.baselines import median0, put
from capforecast.schema import Cadence

_DAY = 24
_SHAPE_DAYS = (7, 14, 28)
_LEVEL_DAYS = (1, 2)
_MEMBERS = tuple(f"{days}d_on_{last}d" for days in _SHAPE_DAYS for last in _LEVEL_DAYS)


def shaped(seen: Array, horizon: int) -> Array:
    """Every shape on every level, [members, H, N], from a history [t0, N]; NaN where it is too short for a shape."""
    width = seen.shape[1]
    out = np.full((len(_SHAPE_DAYS), len(_LEVEL_DAYS), horizon, width), np.nan)
    whole = min(len(seen) // _DAY, max(_SHAPE_DAYS))
    days = seen[len(seen) - whole * _DAY :].reshape(whole, _DAY, width)
    around = days - median0(days.swapaxes(0, 1))[:, None]
    hours = np.arange(horizon) % _DAY
    for i, count in enumerate(_SHAPE_DAYS):
        if count > whole:
            break
        shape = median0(around[-count:])
        for j, last in enumerate(_LEVEL_DAYS):
            level = median0((days[-last:] - shape).reshape(-1, width))
            out[i, j] = level + shape[hours]
    return out.reshape(-1, horizon, width)


def _daily_shape(block: Block, out: Array32) -> None:
    needed = _DAY * np.repeat(_SHAPE_DAYS, len(_LEVEL_DAYS))[:, None, None]
    for o, origin in enumerate(block.origins):
        seen = block.values[max(0, origin - _DAY * max(_SHAPE_DAYS)) : origin]
        put(out[o], shaped(seen, block.horizon), block.age(origin) >= needed)


register(Family("daily_shape", Cadence.HOURLY, _MEMBERS, _daily_shape))
