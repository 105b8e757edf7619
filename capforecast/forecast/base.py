"""Contracts of the forecasting engine: what a candidate sees, what it returns, what training returns.

A candidate family is one function over a whole block of series at all origins at once. A new one is one file that ends
in `register(Family(...))` and one import in `candidates.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import Cadence, ErrorPaths

Array = npt.NDArray[np.float64]
Array32 = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
M_co = TypeVar("M_co", covariant=True)  # a kind of model

TILE = 64  # series in one matrix product: blocks are padded to whole tiles, so a result never depends on its neighbours


@dataclass(frozen=True)
class Block:
    """Some series of a panel as candidates see them, with a few shared preparations, each of them causal.

    Row t of `values`, `observed` and `clean` uses nothing after t, except before a series' first observation, where
    `values` repeats the shape of its first weeks (no origin lies that early). Origins are counts of points seen: at
    origin t0 a candidate may read rows [0, t0) and forecasts rows t0 .. t0 + horizon - 1.

    values: float64 [T, N], gaps filled with the value a week earlier.  observed: bool [T, N].
    clean: float64 [T, N], spikes cut to a trailing band (daily); equals `values` for hourly data.
    birth: int [N], row of the first observation.  calendar: [T + horizon] rows of `calendar_features`.
    """

    values: Array
    observed: Mask
    clean: Array
    birth: Index
    origins: tuple[int, ...]
    horizon: int
    calendar: pd.DataFrame
    cadence: Cadence
    shared: dict[str, Array] = field(default_factory=dict)  # family -> group means of what it summarised, [O, S + 1, N]
    memo: dict[Hashable, Any] = field(default_factory=dict)  # for what no series changes (designs); one for all blocks
    kept: dict[Hashable, Any] = field(default_factory=dict)  # for what several families need to know of these series

    @property
    def width(self) -> int:
        """Series in the block, padding included."""
        return int(self.values.shape[1])

    @property
    def week(self) -> int:
        """Points in a week."""
        return 7 * self.cadence.per_day

    def age(self, origin: int) -> Index:
        """Points since the first observation, [N], at an origin."""
        return origin - self.birth

    def nonnegative(self, origin: int) -> Mask:
        """Series [N] that were never below zero before an origin; logarithms are for these only."""
        return np.asarray(self.values[:origin].min(axis=0) >= 0)

    def empty(self, members: int) -> Array32:
        """A result full of NaN, float32 [O, members, H, N]."""
        return np.full((len(self.origins), members, self.horizon, self.width), np.nan, dtype=np.float32)


@dataclass(frozen=True)
class Family:
    """A set of candidates computed together.

    forecast(block, out) writes to `out`, float32 [O, len(members), H, N] full of NaN, wherever a series is old enough
    for a member. It must be causal (see Block), deterministic, and treat every series without regard to its neighbours
    in the block. What it writes is then held within plausible bounds; infinities become NaN.

    summarise(block), where a family learns across series, returns numbers [O, S, N] of each series (NaN = none) in a
    first pass over all blocks; their means over the series of a group stand in `block.shared[name]` in the second,
    and the count of series behind them as one more row, [O, S + 1, N].
    """

    name: str
    cadence: Cadence
    members: tuple[str, ...]
    forecast: Callable[[Block, Array32], None]
    summarise: Callable[[Block], Array] | None = None

    @property
    def candidates(self) -> tuple[str, ...]:
        """Full names, `family/member`."""
        return tuple(f"{self.name}/{member}" for member in self.members)

    def made(self, block: Block) -> Array32:
        """What `forecast` writes, in memory of its own."""
        out = block.empty(len(self.members))
        self.forecast(block, out)
        return out


_FAMILIES: dict[tuple[str, Cadence], Family] = {}


def register(family: Family) -> Family:
    """Make a family known to the engine.

    Raises:
        ValueError: another family of that name and cadence is registered.
    """
    key = (family.name, family.cadence)
    if key in _FAMILIES and _FAMILIES[key] is not family:
        raise ValueError(f"a candidate family {family.name!r} for {family.cadence} data is already registered")
    _FAMILIES[key] = family
    return family


def families(cadence: Cadence) -> tuple[Family, ...]:
    """Registered families of a cadence, in order of their names."""
    return tuple(_FAMILIES[key] for key in sorted(_FAMILIES) if key[1] is cadence)


@dataclass(frozen=True)
class Trained(Generic[M_co]):
    """What training returns: the model, and the evidence for it.

    backtest: rows of BACKTEST_COLUMNS, from forecasts at past origins by weights that had not seen the outcome.
    errors: the same forecasts' errors as whole paths.
    choice: rows of CHOICE_COLUMNS; None where a model has nothing to choose from.
    fall_back: the backtest of the engine that is kept beside a model of another kind; None beside none.
    """

    model: M_co
    backtest: pd.DataFrame
    errors: ErrorPaths
    choice: pd.DataFrame | None = None
    fall_back: pd.DataFrame | None = None
