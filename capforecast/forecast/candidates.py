"""All candidates of a block in one cube, held within what the series' past makes plausible."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace

import numba
import numpy as np

from capforecast.errors import ModelError
from capforecast.forecast import (  # noqa: F401  (they register)
    analogues,
    autoregression,
    baselines,
    breaks,
    cycles,
    daily_shape,
    hourly,
    hourly_profiles,
    pooled,
    sawtooth,
    smoothing,
    structural,
)
from capforecast.forecast.base import Array, Array32, Block, Index, Mask, families
from capforecast.schema import Cadence

Cube = Array32

_WINDOW = {Cadence.DAILY: 800, Cadence.HOURLY: 2000}  # points whose range bounds a forecast
_BELOW, _ABOVE = 0.5, 0.7  # how far outside it may go, as a share of the range


def candidate_names(cadence: Cadence) -> tuple[str, ...]:
    """Names of all registered candidates of a cadence."""
    return tuple(name for family in families(cadence) for name in family.candidates)


class Room(threading.local):
    """Memory for a cube in each thread, used for block after block: new memory costs as much as many candidates."""

    def __init__(self) -> None:
        self._cells: Cube = np.empty(0, dtype=np.float32)

    def cube(self, *shape: int) -> Cube:
        """A cube with nothing in it yet; it takes the place of the last one."""
        cells = math.prod(shape)
        if self._cells.size < cells:
            self._cells = np.empty(cells, dtype=np.float32)
        return self._cells[:cells].reshape(shape)


def candidate_cube(block: Block, names: Sequence[str], room: Room | None = None) -> Cube:
    """Forecasts of the named candidates, float32 [O, K, H, N], NaN where one cannot be made.

    room: where to put it, until the next cube is put there; without one it has its own memory.

    Raises:
        ModelError: a name belongs to no registered family.
    """
    place = {name: k for k, name in enumerate(names)}
    unknown = set(names) - set(candidate_names(block.cadence))
    if unknown:
        raise ModelError(
            f"the model uses candidate {min(unknown)!r}, which this version does not have; train a new one"
        )
    own = room or Room()
    out = own.cube(len(block.origins), len(names), block.horizon, block.width)
    out.fill(np.nan)
    for family in families(block.cadence):
        wanted = [(k, place[name]) for k, name in enumerate(family.candidates) if name in place]
        if not wanted:
            continue
        source, target = (np.array(column) for column in zip(*wanted, strict=True))
        if np.array_equal(target, target[0] + np.arange(len(family.members))):
            family.forecast(block, out[:, target[0] : target[-1] + 1])
        else:
            out[:, target] = family.made(block)[:, source]
    for o, origin in enumerate(block.origins):
        _hold(out[o], *_bounds(block, origin))
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _hold(out: Cube, low: Cube, high: Cube) -> None:
    """Hold forecasts [K, H, N] of one origin within bounds [N]; what is infinite even so becomes NaN."""
    for k in range(out.shape[0]):
        for h in range(out.shape[1]):
            for j in range(out.shape[2]):
                value = out[k, h, j]
                value = high[j] if value > high[j] else value
                value = low[j] if value < low[j] else value
                out[k, h, j] = value if abs(value) < np.inf else np.nan


def _bounds(block: Block, origin: int) -> tuple[Cube, Cube]:
    """Least and largest plausible values after an origin, [N] each."""
    seen = block.values[max(0, origin - _WINDOW[block.cadence]) : origin]
    low, high = seen.min(axis=0), seen.max(axis=0)
    least = low - _BELOW * (high - low)
    least = np.where(block.nonnegative(origin), np.maximum(least, 0.0), least)
    return least.astype(np.float32), (high + _ABOVE * (high - low)).astype(np.float32)


def usable(cube: Cube) -> Mask:
    """Candidates [K, N] of one origin's forecasts [K, H, N] that exist over the whole horizon."""
    return np.asarray(np.isfinite(cube).all(axis=1))


Shared = dict[str, Array]  # family -> group means [O, S + 1, G], see `share`


def group_means(parts: Sequence[tuple[Index, Block]], group: Index, names: Sequence[str]) -> Shared:
    """What families that learn across series asked for, from blocks with their places in `group` [N].

    Groups are numbered 0 .. G - 1; one without a series here gets zeros.
    """
    shared: Shared = {}
    for family in families(parts[0][1].cadence) if parts else ():
        if family.summarise is not None and set(family.candidates) & set(names):
            reported = np.concatenate([family.summarise(block)[:, :, : len(place)] for place, block in parts], axis=2)
            shared[family.name] = share(reported, group[np.concatenate([place for place, _ in parts])], _count(group))
    return shared


def with_groups(block: Block, shared: Shared, group: Index) -> Block:
    """The block with the means of its columns' groups, [n]; padding gets those of group 0, which nobody sees."""
    padded = np.zeros(block.width, dtype=np.int64)
    padded[: len(group)] = group
    return replace(block, shared={name: numbers[:, :, padded] for name, numbers in shared.items()})


def _count(group: Index) -> int:
    return int(group.max()) + 1 if group.size else 0


def share(reported: Array, group: Index, count: int) -> Array:
    """Group means of what series reported, [O, S, N], and the count of series behind the first, [O, S + 1, G]."""
    out = np.zeros((reported.shape[0], reported.shape[1] + 1, count))
    for which in np.unique(group):
        part = reported[:, :, group == which]
        known = np.isfinite(part)
        behind = known.sum(axis=2)
        out[:, :-1, which] = np.where(known, part, 0.0).sum(axis=2) / np.maximum(behind, 1)
        out[:, -1, which] = behind.max(axis=1)
    return out
