"""Daily series that are fitted over the same rows, packed side by side, and lines written back from them.

A tile is always `TILE` columns wide, so that a matrix product gives a series the same bits whatever stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np

from capforecast.forecast.base import TILE, Array, Array32, Block, Index, Mask
from capforecast.forecast.logarithms import log_offset, to_log

_LEAST = 28  # points a fit needs at least
_USUAL = 21.0  # offsets in a usual value and its offset
_LARGEST = 87.0  # exp of more is no float32; times a usual value it lies beyond every bound


@dataclass(frozen=True)
class Tile:
    """Up to `TILE` series at one origin that are fitted over the same rows, made up to `TILE` by repeating the first.

    lanes: their columns in the block, [TILE]; the first `count` are series, the others repeat.
    start: first row of their fits.  age: points since the first observation, [TILE].
    offset: what is added before taking logarithms, [TILE].  positive: whether logarithms may be used, [TILE].
    """

    lanes: Index
    count: int
    start: int
    age: Index
    offset: Array
    positive: Mask

    @property
    def which(self) -> Index:
        """Columns of the block, each once, [count]."""
        return self.lanes[: self.count]

    def values(self, block: Block, first: int, last: int) -> tuple[Array, Array]:
        """Cleaned levels and their logarithms in rows [first, last), [2][rows, TILE]."""
        levels = np.take(block.clean[first:last], self.lanes, axis=1)
        return levels, to_log(levels, self.offset)


def tiles_of(block: Block, origin: int) -> list[Tile]:
    """All series of a block that are old enough for any fit at an origin."""
    key = ("tiles", origin)
    if key not in block.kept:
        block.kept[key] = list(_tiles(block, origin))
    made: list[Tile] = block.kept[key]
    return made


def _tiles(block: Block, origin: int) -> Iterator[Tile]:
    age = block.age(origin)
    start = first_fitted(age, origin)
    offset, positive = log_offset(block.clean[:origin]), block.nonnegative(origin)
    able = age >= _LEAST
    for first in np.unique(start[able]):
        alike = np.flatnonzero(able & (start == first))
        for i in range(0, len(alike), TILE):
            which = alike[i : i + TILE]
            lanes = np.concatenate([which, np.repeat(which[:1], TILE - len(which))])
            yield Tile(lanes, len(which), int(first), age[lanes], offset[lanes], positive[lanes])


def first_fitted(age: Index, origin: int) -> Index:
    """First row of the fit of series of some ages, [N]. Lengths are rounded up by at most a third, to share designs."""
    steps = np.ceil(np.log(np.maximum(age, _LEAST) / _LEAST) / np.log(1.3) - 1e-9)
    rounded = np.ceil(_LEAST * 1.3**steps).astype(np.int64)
    return np.where(age >= origin - 7, 0, np.maximum(origin - rounded, 0))


def put_lines(
    out: Array32, places: Index, tile: Tile, in_logs: bool, level: Array, trend: Array, damp: Array, season: Array
) -> None:
    """Write level + damp * trend + season of a tile's series into `out` [members, H, N] at members `places` [K].

    level, trend: [K, TILE], NaN where there is no forecast.  damp: [K, H].  season: [K, H, TILE], or [1, H, TILE] for
    all.  in_logs: these are logarithms; what is written is not.
    """
    made = np.empty((*damp.shape, TILE), dtype=np.float32)
    if in_logs:  # in units of the usual level, so that float32 loses nothing of a large series' small movements
        unit = _USUAL * tile.offset
        _lines(np.where(tile.positive, level - np.log(unit), np.nan), trend, damp, season, _LARGEST, made)
        np.exp(made, out=made)
        _scatter(made, unit, tile.offset, tile.which, places, out)
    else:
        _lines(level, trend, damp, season, np.inf, made)
        _scatter(made, np.ones(TILE), np.zeros(TILE), tile.which, places, out)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _lines(level: Array, trend: Array, damp: Array, season: Array, most: float, made: Array32) -> None:
    for k in range(made.shape[0]):
        shape = season[k if len(season) > 1 else 0]
        for h in range(made.shape[1]):
            for j in range(made.shape[2]):
                value = level[k, j] + damp[k, h] * trend[k, j] + shape[h, j]
                made[k, h, j] = most if value > most else value


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _scatter(made: Array32, unit: Array, less: Array, which: Index, places: Index, out: Array32) -> None:
    """out[places[k], h, which[j]] = unit[j] * made[k, h, j] - less[j]."""
    count, first = len(which), which[0]
    side_by_side = which[count - 1] - first == count - 1
    for k in range(made.shape[0]):
        for h in range(made.shape[1]):
            if side_by_side:  # the usual case, which the compiler turns into vector instructions
                for j in range(count):
                    out[places[k], h, first + j] = unit[j] * made[k, h, j] - less[j]
            else:
                for j in range(count):
                    out[places[k], h, which[j]] = unit[j] * made[k, h, j] - less[j]
