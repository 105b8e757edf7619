"""A forecast made now: candidates of a block of series at the end of a panel, and their vote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from capforecast.forecast.base import Array, Block, Index
from capforecast.forecast.blocks import Memo, block_of, observations
from capforecast.forecast.candidates import Shared, candidate_cube, usable, with_groups
from capforecast.forecast.ensemble import weights
from capforecast.forecast.experience import Effects
from capforecast.forecast.situation import situations
from capforecast.forecast.vote import combine
from capforecast.schema import Panel


@dataclass
class Now:
    """The end of a panel. It may be sent to other processes; what it keeps for later blocks stays in each.

    order: [N], columns of the panel by server and metric; places count among them.  group: [N], pools of these.
    """

    panel: Panel
    order: Index
    group: Index
    calendar: pd.DataFrame
    horizon: int
    memo: Memo = field(default_factory=dict)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.panel, self.order, self.group, self.calendar, self.horizon

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.panel, self.order, self.group, self.calendar, self.horizon = state
        self.memo = {}

    def values(self, places: Index) -> Array:
        """Observations [T, n] of some series."""
        return observations(self.panel, self.order[places])

    def block(self, places: Index) -> Block:
        """Some series as candidates see them."""
        origins = (len(self.panel.timestamps),)
        return block_of(self.values(places), self.panel.cadence, origins, self.horizon, self.calendar, self.memo)


@dataclass(frozen=True)
class Voters:
    """What a model knows of its candidates; see FleetModel."""

    candidates: tuple[str, ...]
    score: Array
    effects: Effects
    lesson: Index
    sharpness: Array
    temperature: float


def vote_now(
    now: Now, voters: Voters, shared: Shared, place: Index, places: Index
) -> tuple[Array, Array, Array, Array]:
    """Weighted median and mean [H, n] of some series, and votes and scores [K, n] of their candidates.

    shared: means of the panel's groups.  place: [N], row in the model of each column of the panel.
    """
    mine = place[now.order[places]]
    aspects = situations(now.values(places), np.array([len(now.panel.timestamps)]), now.panel.cadence)[0]
    score = voters.score[:, mine] + voters.effects.change(aspects, voters.lesson[mine])
    cube = candidate_cube(with_groups(now.block(places), shared, now.group[places]), voters.candidates)[0]
    cube = np.ascontiguousarray(cube[:, :, : len(places)])
    vote = weights(score, usable(cube), voters.temperature * voters.sharpness[mine])
    point, mean = combine(cube, vote)
    return point, mean, vote, score
