"""Has what comes in moved? Level and spread of the latest block of history against the blocks before it.

A block is two weeks of days or a week of hours, so that it holds whole weeks. Its median less that of the four blocks
before it is the change of level; the change is judged by what the same series' changes have been: what moves every
month, grows or has a season is used to it. The same for the spread (median absolute deviation), in logarithms. After
the self-normalised change-point statistics of Shao & Zhang (2010), made robust.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.forecast.base import Array, Index
from capforecast.schema import Cadence, Panel

BLOCK = {Cadence.DAILY: 14, Cadence.HOURLY: 168}  # periods
BEFORE = 4  # blocks that say what is usual
FEWEST = 6  # earlier changes of level that a series must have had
_MOST = 44  # blocks looked at
_TILE = 4096  # series at a time
_HALF = 0.5  # of a block that must be observed
_NORMAL = 1.4826  # standard deviation of a normal by its median absolute deviation
_RELATIVE, _LEAST = 0.01, 1e-3  # of the usual level: changes below are nothing
_LEAST_SPREAD = 0.15  # logarithm


@dataclass(frozen=True)
class Moved:
    """How far series moved, in units of their own usual change: level and spread [N], NaN = too young to tell.

    now, usual: medians of the latest block and of those before it, in the metric's unit; spread_now, spread_usual.
    """

    level: Array
    spread: Array
    now: Array
    usual: Array
    spread_now: Array
    spread_usual: Array


def moved(panel: Panel) -> Moved:
    """Level and spread of each series of a panel [T, N] in its latest block against before."""
    length = BLOCK[panel.cadence]
    blocks = min(len(panel.timestamps) // length, _MOST)
    count = panel.values.shape[1]
    found = Moved(*(np.full(count, np.nan) for _ in range(6)))
    if blocks < BEFORE + 1 + FEWEST:
        return found
    cut = panel.values[len(panel.timestamps) - blocks * length :].reshape(blocks, length, count)
    for start in range(0, count, _TILE):
        _fill(found, cut[:, :, start : start + _TILE].astype(np.float64), np.arange(start, min(start + _TILE, count)))
    return found


def _fill(found: Moved, values: Array, columns: Index) -> None:
    """Judge a tile of series, blocks [B, L, n]."""
    level = _median(values)
    deviation = _median(np.abs(values - level[:, None]))
    usual, spread_usual = (_before(part) for part in (level, deviation))
    grain = np.maximum(_RELATIVE * np.abs(usual[-1]), _LEAST)
    found.level[columns] = _strange(level[BEFORE:] - usual, grain)
    change = np.log(deviation[BEFORE:] + grain) - np.log(spread_usual + grain)
    found.spread[columns] = _strange(change, np.full(len(columns), _LEAST_SPREAD))
    found.now[columns], found.usual[columns] = level[-1], usual[-1]
    found.spread_now[columns], found.spread_usual[columns] = deviation[-1], spread_usual[-1]


def _median(values: Array) -> Array:
    """Median over axis 1 of what was observed, NaN where less than half of it was."""
    ordered = np.sort(values, axis=1)  # NaN last
    seen = np.isfinite(values).sum(axis=1)
    low, high = np.maximum((seen - 1) // 2, 0), np.minimum(seen // 2, values.shape[1] - 1)
    both = [np.take_along_axis(ordered, at[:, None], axis=1)[:, 0] for at in (low, high)]
    return np.where(seen >= _HALF * values.shape[1], 0.5 * (both[0] + both[1]), np.nan)


def _before(values: Array) -> Array:
    """Median of the four blocks before each, [B - 4, n], NaN where fewer than two are known."""
    windows = np.stack([values[i : len(values) - BEFORE + i] for i in range(BEFORE)], axis=1)
    return _median(windows)


def _strange(change: Array, grain: Array) -> Array:
    """The last change [B, n] in units of the usual size of change before it; NaN where too few are known.

    The usual size is the larger of the robust standard deviation and of what the largest ever would make it, more
    where few changes are known; never below `grain`.
    """
    past = change[:-1]
    known = np.isfinite(past).sum(axis=0)
    middle = np.nanmedian(np.where(known > 0, past, 0.0), axis=0)
    distance = np.abs(past - middle)
    size = _NORMAL * np.nanmedian(np.where(known > 0, distance, 0.0), axis=0)
    largest = np.nanmax(np.where(known > 0, distance, 0.0), axis=0)
    scale = np.maximum(np.maximum(size, largest / 2.5) * (1.0 + 3.0 / np.maximum(known, 1)), grain)
    return np.where(known >= FEWEST, (change[-1] - middle) / scale, np.nan)
