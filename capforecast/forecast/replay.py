"""The past of series replayed after one plan: every candidate at every origin, and the forecasts they would have made.

A sample of each group goes first and tells how candidates fare in the group; then every series chooses, block by block,
and only its forecasts and scores are kept: memory does not grow with candidates times series.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.forecast import backtest
from capforecast.forecast.base import Array, Block, Index, Mask
from capforecast.forecast.blocks import Memo, block_of, observations, tiles
from capforecast.forecast.candidates import (
    Cube,
    Room,
    Shared,
    candidate_cube,
    group_means,
    with_groups,
)
from capforecast.forecast.ensemble import log_relative, weights
from capforecast.forecast.experience import Effects, Experience, learn
from capforecast.forecast.sampling import spokesmen
from capforecast.forecast.sharpness import MULTIPLES, sharpest
from capforecast.forecast.situation import ASPECTS, situations
from capforecast.forecast.threads import in_threads
from capforecast.forecast.vote import Numbers, candidate_errors, combine
from capforecast.schema import Cadence, Panel
from capforecast.settings import ForecastSettings

log = logging.getLogger(__name__)

# Points before now of one more origin, forecast only to be scored on what has come since: it tells which candidates
# suit the state a series is in today; the other origins are a whole horizon old and cannot. By cadence; 0 = none.
_FRESH = {Cadence.DAILY: 0, Cadence.HOURLY: 24}
_FRESH_SHARE = 0.11  # of a score
_WITNESSES = 48  # series of a group whose votes are tried at every sharpness: one vote costs as much as many candidates
_EVERY = {
    Cadence.DAILY: 3,
    Cadence.HOURLY: 5,
}  # steps of the horizon between two of such a vote: all hours, all weekdays
_KEEP_BYTES = 1_200_000_000  # candidates of the sample kept for the choice; beyond it they are computed again

Forecasts = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Data:
    """A panel made ready: sorted by server and metric, cut to the recent history."""

    panel: Panel
    birth: Index  # [N], row of the first observation
    group: Index  # [N], pool: metric and statistic, numbered 0 .. groups - 1
    calendar: pd.DataFrame

    @property
    def total(self) -> int:
        """Points in time."""
        return len(self.panel.timestamps)

    @property
    def groups(self) -> int:
        """Number of pools."""
        return int(self.group.max()) + 1 if self.group.size else 0

    def values(self, columns: Index) -> Array:
        """Observations [T, n] of some series."""
        return observations(self.panel, columns)


@dataclass(frozen=True)
class Replay:
    """The past of some series, replayed after one plan; None = no origin fits, only the in-sample error is known."""

    plan: backtest.Plan | None
    members: Index
    origins: tuple[int, ...]
    forecasts: Forecasts  # [O, H', N'], NaN where a series was too young
    score: Array  # [K, N'], for a forecast made now, whatever the situation
    effects: Effects  # what the situation changes, a row for each pool
    sharpness: Array  # [N'], multiple of the temperature for a forecast made now


def replay(
    data: Data, plan: backtest.Plan | None, members: Index, names: tuple[str, ...], setup: ForecastSettings
) -> Replay:
    """Both passes over series that share a plan."""
    score, cadence = np.zeros((len(names), len(members))), data.panel.cadence
    none = Effects.none(data.groups, len(ASPECTS[cadence]), len(names))
    if plan is None:
        nothing = np.empty((0, 0, len(members)), dtype=np.float32)
        return Replay(None, members, (), nothing, score, none, np.ones(len(members)))
    most = backtest.origins_wanted(cadence, setup.origins_daily, setup.origins_hourly)
    origins = plan.origins(data.total, most)
    log.info("replaying %d series at %d origins, %d periods ahead", len(members), len(origins), plan.horizon)
    forecasts = np.full((len(origins), plan.horizon, len(members)), np.nan, dtype=np.float32)
    past = Replay(plan, members, origins, forecasts, score, none, np.ones(len(members)))
    run = _Run(data, plan, past, names, setup)
    run.all_series()
    return replace(past, effects=run.lessons[-1].effects, sharpness=run.sharpness[-1][data.group[members]])


@dataclass(frozen=True)
class _Heard:
    """Candidates [O, K, h, n] of some witnesses at some steps of the horizon, their errors and existence, [O, K, n]."""

    places: Index
    cube: Cube
    relative: Array
    exists: Mask


@dataclass
class _Run:
    """One replay under way. Places count among its members."""

    data: Data
    plan: backtest.Plan
    past: Replay
    names: tuple[str, ...]
    setup: ForecastSettings
    memo: Memo = field(default_factory=dict)
    room: Room = field(default_factory=Room)  # for cubes of which only the choice is kept
    shared: Shared = field(default_factory=dict)
    lessons: list[Experience] = field(default_factory=list)  # what was known at each origin; the last for now
    sharpness: list[Array] = field(default_factory=list)  # likewise, each group's multiple of the temperature

    sample: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # series that teach, ascending
    aspects: Array = field(default_factory=lambda: np.empty((0, 0, 0)))  # their situations, [O + 1, F, M]
    witnesses: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # series asked about sharpness

    @property
    def _every(self) -> int:
        return _EVERY[self.data.panel.cadence]

    @property
    def fresh(self) -> tuple[int, ...]:
        """The origin whose outcome is known in part, newer than the others; none where they are as new."""
        origin = self.data.total - _FRESH[self.data.panel.cadence]
        return (origin,) if max(self.past.origins) < origin < self.data.total else ()

    @property
    def origins(self) -> tuple[int, ...]:
        """All origins of a cube, newest first."""
        return (*self.fresh, *self.past.origins)

    def all_series(self) -> None:
        """Fill in the replay's forecasts and scores."""
        group = self.data.group[self.past.members]
        sample = spokesmen(group)
        parts = [(places, self._block(places)) for places in tiles(sample, self.setup.block_size)]
        self.shared = group_means(parts, self._group(np.arange(len(group))), self.names)
        self.witnesses = sample[spokesmen(self._group(sample), _WITNESSES)]
        needed = 4 * len(self.origins) * len(self.names) * self.plan.horizon * len(sample)
        keep = needed <= _KEEP_BYTES
        kept: dict[int, Cube] = {}
        relative: dict[int, Array] = {}
        heard: dict[int, _Heard] = {}

        def learn(part: tuple[Index, Block]) -> None:
            places, block = part
            cube = self._cube(block, places, None if keep else self.room)
            relative[places[0]], exists = self._relative(cube, places)
            heard[places[0]] = self._hear(cube, relative[places[0]], exists, places)
            if keep:
                kept[places[0]] = cube

        def choose(places: Index) -> None:
            cube = kept.pop(places[0], None) if places[0] in kept else None
            self._choose(self._cube(self._block(places), places, self.room) if cube is None else cube, places)

        in_threads(learn, parts, self.setup.threads, "candidates of a sample")
        together = np.concatenate([relative[places[0]] for places, _ in parts], axis=2)
        self.lessons = self._lessons(together, sample)
        self.sharpness = self._sharpen([heard.pop(places[0]) for places, _ in parts])
        in_threads(choose, [places for places, _ in parts], self.setup.threads, "choice for the sample")
        rest = np.setdiff1d(np.arange(len(group)), sample, assume_unique=True)
        in_threads(choose, tiles(rest, self.setup.block_size), self.setup.threads, "candidates and choice")

    def _group(self, places: Index) -> Index:
        return self.data.group[self.past.members[places]]

    def _block(self, places: Index) -> Block:
        values = self.data.values(self.past.members[places])[: max(self.origins)]
        cadence, calendar = self.data.panel.cadence, self.data.calendar
        return block_of(values, cadence, self.origins, self.plan.horizon, calendar, self.memo)

    def _cube(self, block: Block, places: Index, room: Room | None = None) -> Cube:
        cube = candidate_cube(with_groups(block, self.shared, self._group(places)), self.names, room)
        return np.ascontiguousarray(cube[..., : len(places)])

    def _relative(self, cube: Cube, places: Index) -> tuple[Array, Mask]:
        """Log-relative errors [O, K, n] of the origins whose outcome is known and whether a candidate exists."""
        return self._scored(cube[len(self.fresh) :], self.past.origins, self.plan.horizon, places)

    def _scored(
        self, cube: Numbers, origins: tuple[int, ...], horizon: int, places: Index, every: int = 1
    ) -> tuple[Array, Mask]:
        """Log-relative errors over the first points of a horizon, and whether a candidate exists, [O, K, n] each.

        every: the forecasts are of one point in so many only.
        """
        members = self.past.members[places]
        values = self.data.values(members)
        actual = np.stack([values[origin : origin + horizon : every] for origin in origins])
        errors, exists = candidate_errors(np.ascontiguousarray(cube[:, :, :horizon]), actual)
        errors[np.broadcast_to(self._young(members, origins)[:, None], errors.shape)] = np.nan
        return log_relative(errors), exists

    def _young(self, members: Index, origins: tuple[int, ...]) -> Mask:
        return np.asarray(np.array(origins)[:, None] - self.data.birth[members] < self.plan.least)

    def _known(self) -> list[Index]:
        """For each origin, and last for now: the older origins whose outcome it could know and that choose for it."""
        count = len(self.past.origins)
        firsts = [*(o + self.plan.gap for o in range(count)), 0]
        return [np.arange(first, count, self.plan.stride) for first in firsts]

    @property
    def _spacing(self) -> int:
        """How many origins that choose lie between two that do not overlap."""
        return -(-self.plan.gap // self.plan.stride)

    def _situations(self, places: Index) -> Array:
        """Aspects [O + 1, F, n] at every origin, and last now; those of the sample are kept."""
        at = np.searchsorted(self.sample, places) % max(len(self.sample), 1)
        if self.aspects.size and np.array_equal(self.sample[at], places):
            return self.aspects[..., at]
        values, moments = self.data.values(self.past.members[places]), np.array([*self.past.origins, self.data.total])
        return situations(values, moments, self.data.panel.cadence)

    def _lessons(self, relative: Array, sample: Index) -> list[Experience]:
        """What a sample's log-relative errors [O, K, M] taught by each origin, and last by now."""
        self.sample, self.aspects = sample, self._situations(sample)
        aspects, group = self.aspects, self._group(sample)
        groups, gap = self.data.groups, self._spacing
        return [learn(relative[known], aspects[known], group, groups, gap) for known in self._known()]

    def _expected(self, relative: Array, exists: Mask, places: Index) -> Iterator[tuple[Array, Mask]]:
        """At every origin: scores that had not seen the outcome, and who exists, [K, n] each."""
        aspects, known = self._situations(places), self._known()
        for o, there in enumerate(exists):
            yield self.lessons[o].expected(relative[known[o]], aspects[o], self._group(places)), there

    def _vote(self, forecasts: Cube, score: Array, exists: Mask, multiple: float | Array) -> Array:
        """Forecasts [H, n] by scores, at a multiple of the usual temperature."""
        return combine(forecasts, weights(score, exists, self.setup.temperature * multiple))[0]

    def _hear(self, cube: Cube, relative: Array, exists: Mask, places: Index) -> _Heard:
        """What the witnesses among a block's series have to say."""
        mine = np.isin(places, self.witnesses)
        thin = np.ascontiguousarray(cube[len(self.fresh) :, :, :: self._every][..., mine])
        return _Heard(places[mine], thin, relative[..., mine], exists[..., mine])

    def _losses(self, heard: _Heard) -> Array:
        """Log-relative errors [O, S, n] of votes of every sharpness."""
        expected = enumerate(self._expected(heard.relative, heard.exists, heard.places))
        votes = [[self._vote(heard.cube[o], *known, multiple) for multiple in MULTIPLES] for o, known in expected]
        return self._scored(np.array(votes), self.past.origins, self.plan.horizon, heard.places, self._every)[0]

    def _sharpen(self, heard: list[_Heard]) -> list[Array]:
        """Each group's multiple of the temperature at every origin, and last now: from votes at older origins."""
        losses = np.concatenate([self._losses(each) for each in heard if each.places.size], axis=2)
        group, groups = self._group(self.witnesses), self.data.groups
        return [MULTIPLES[sharpest(losses[known], group, groups, self._spacing)] for known in self._known()]

    def _choose(self, cube: Cube, places: Index) -> None:
        """Forecasts at every origin by weights that had not seen its outcome, and the score for now."""
        past, group = self.past, self._group(places)
        relative, exists = self._relative(cube, places)
        young, forecasts = self._young(past.members[places], past.origins), cube[len(self.fresh) :]
        past.score[:, places] = self._score_now(cube, relative[self._known()[-1]], places)
        for o, known in enumerate(self._expected(relative, exists, places)):
            point = self._vote(forecasts[o], *known, self.sharpness[o][group])
            past.forecasts[o][:, places] = np.where(young[o], np.nan, point)

    def _score_now(self, cube: Cube, relative: Array, places: Index) -> Array:
        """Scores [K, n] for a forecast made now, from those of the origins that choose for it and the fresh one."""
        usual = self.lessons[-1].usual(relative, self._group(places))
        if not self.fresh:
            return usual
        newest, _ = self._scored(cube[:1], self.fresh, self.data.total - self.fresh[0], places)
        return np.where(np.isfinite(newest[0]), usual + _FRESH_SHARE * (newest[0] - usual), usual)
