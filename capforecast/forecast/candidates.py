"""All candidates of a block in one cube, held within what the series' past makes plausible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from capforecast.errors import ModelError
from capforecast.forecast import analogues, baselines, hourly, pooled, smoothing, structural  # noqa: F401  (they register)
from capforecast.forecast.base import Array, Block, Index, Mask, families
from capforecast.schema import Cadence

Cube = npt.NDArray[np.float32]

_WINDOW = {Cadence.DAILY: 800, Cadence.HOURLY: 2000}  # points whose range bounds a forecast
_BELOW, _ABOVE = 0.5, 0.7  # how far outside it may go, as a share of the range


def candidate_names(cadence: Cadence) -> tuple[str, ...]:
    """Names of all registered candidates of a cadence."""
    return tuple(name for family in families(cadence) for name in family.candidates)


def candidate_cube(block: Block, names: Sequence[str]) -> Cube:
    """Forecasts of the named candidates, float32 [O, K, H, N], NaN where one cannot be made.

    Raises:
        ModelError: a name belongs to no registered family.
    """
    place = {name: k for k, name in enumerate(names)}
    unknown = set(names) - set(candidate_names(block.cadence))
    if unknown:
        raise ModelError(
            f"the model uses candidate {min(unknown)!r}, which this version does not have; train a new one"
        )
    out = np.full((len(block.origins), len(names), block.horizon, block.width), np.nan, dtype=np.float32)
    bounds = [_bounds(block, origin) for origin in block.origins]
    for family in families(block.cadence):
        wanted = [(k, place[name]) for k, name in enumerate(family.candidates) if name in place]
        if not wanted:
            continue
        result = family.forecast(block)
        source, target = (np.array(column) for column in zip(*wanted, strict=True))
        for o, (low, high) in enumerate(bounds):
            out[o, target] = np.clip(result[o, source], low, high)
    out[~np.isfinite(out)] = np.nan
    return out


def _bounds(block: Block, origin: int) -> tuple[Array, Array]:
    seen = block.values[max(0, origin - _WINDOW[block.cadence]) : origin]
    low, high = seen.min(axis=0), seen.max(axis=0)
    least = low - _BELOW * (high - low)
    return np.where(block.nonnegative(origin), np.maximum(least, 0.0), least), high + _ABOVE * (high - low)


def usable(cube: Cube) -> Mask:
    """Candidates [K, N] of one origin's forecasts [K, H, N] that exist over the whole horizon."""
    return np.asarray(np.isfinite(cube).all(axis=1))


def with_shared(parts: list[tuple[slice, Block]], group: Index, names: Sequence[str]) -> list[tuple[slice, Block]]:
    """The blocks of all series, each with the group means that families which learn across series asked for."""
    shared: dict[str, Array] = {}
    for family in families(parts[0][1].cadence) if parts else ():
        if family.summarise is not None and set(family.candidates) & set(names):
            reported = [family.summarise(block)[:, :, : rows.stop - rows.start] for rows, block in parts]
            shared[family.name] = share(np.concatenate(reported, axis=2), group)
    return [(rows, replace(block, shared=_padded(shared, rows, block.width))) for rows, block in parts]


def _padded(shared: dict[str, Array], rows: slice, width: int) -> dict[str, Array]:
    """A block's columns of the shared numbers; padding gets zeros."""
    out = {}
    for name, numbers in shared.items():
        out[name] = np.zeros((*numbers.shape[:2], width))
        out[name][:, :, : rows.stop - rows.start] = numbers[:, :, rows]
    return out


def share(reported: Array, group: Index) -> Array:
    """Group means of what all series reported, [O, S, N], and the count of series behind the first, [O, S + 1, N]."""
    out = np.zeros((reported.shape[0], reported.shape[1] + 1, reported.shape[2]))
    for which in np.unique(group):
        members = group == which
        part = reported[:, :, members]
        known = np.isfinite(part)
        count = known.sum(axis=2)
        mean = np.where(known, part, 0.0).sum(axis=2) / np.maximum(count, 1)
        out[:, :-1, members] = mean[:, :, None]
        out[:, -1, members] = count.max(axis=1)[:, None]
    return out
