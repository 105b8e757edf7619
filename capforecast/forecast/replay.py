"""The past of series replayed after one plan: every candidate at every origin, and the forecasts they would have made.

A sample of each group goes first and tells how candidates fare in the group; then every series chooses, block by block,
and only its forecasts and scores are kept: memory does not grow with candidates times series.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

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
from capforecast.forecast.executor import in_blocks
from capforecast.forecast.experience import Effects, Experience, learn
from capforecast.forecast.sampling import spokesmen
from capforecast.forecast.sharpness import MULTIPLES, sharpest
from capforecast.forecast.situation import ASPECTS, situations
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
    taught = _both_passes(_Run(plan, members, origins, names, setup, data), past)
    return replace(past, effects=taught.lessons[-1].effects, sharpness=taught.sharpness[-1][data.group[members]])


def _both_passes(run: _Run, past: Replay) -> _Taught:
    """Fill in the forecasts and scores of all series; what the sample taught."""
    group, size, threads = run.group(np.arange(len(run.members))), run.setup.block_size, run.setup.threads
    sample = spokesmen(group)
    witnesses = sample[spokesmen(run.group(sample), _WITNESSES)]
    parts, rest = tiles(sample, size), tiles(np.setdiff1d(np.arange(len(group)), sample, assume_unique=True), size)
    blocks = [(places, run.block(places)) for places in parts]
    means = group_means(blocks, group, run.names)
    run.blocks.update((int(places[0]), block) for places, block in blocks)
    del blocks  # each goes when its candidates are made
    run.keep = 4 * len(run.all_origins) * len(run.names) * run.plan.horizon * len(sample) <= _KEEP_BYTES
    heard: dict[int, _Heard] = {}

    def choose(places: Index, chosen: tuple[Forecasts, Array]) -> None:
        past.forecasts[:, :, places], past.score[:, places] = chosen

    given, hear = (run.data, run, means, witnesses), lambda places, said: heard.__setitem__(int(places[0]), said)
    in_blocks(_learn, given, parts, hear, threads, "candidates of a sample", stay=run.keep)
    run.blocks.clear()
    taught = run.taught([heard.pop(int(places[0])) for places in parts], sample, witnesses)
    learnt = (run.data, run, means, taught)
    in_blocks(_choose, learnt, parts, choose, threads, "choice for the sample", stay=run.keep)
    in_blocks(_choose, learnt, rest, choose, threads, "candidates and choice")
    return taught


def _learn(data: Data, run: _Run, means: Shared, witnesses: Index, places: Index) -> _Heard:
    """Candidates of a block of the sample: their errors, and what the witnesses among its series have to say."""
    return run.on(data).hear(means, witnesses, places)


def _choose(data: Data, run: _Run, means: Shared, taught: _Taught, places: Index) -> tuple[Forecasts, Array]:
    """Forecasts [O, H, n] at every origin by weights that had not seen its outcome, and scores [K, n] for now."""
    return run.on(data).choose(means, taught, places)


@dataclass(frozen=True)
class _Heard:
    """Errors and existence [O, K, n] of the candidates of a block, and what its witnesses forecast.

    witnesses: which of the n series they are.  cube: [O, K, h, w], at some steps of the horizon.
    """

    relative: Array
    witnesses: Mask
    exists: Mask  # of the witnesses' candidates, [O, K, w]
    cube: Cube


@dataclass(frozen=True)
class _Taught:
    """What a sample taught. lessons, sharpness: by each origin, and last by now; the latter by group.

    sample: its series, ascending.  aspects: their situations, [O + 1, F, M].
    """

    lessons: list[Experience]
    sharpness: list[Array]
    sample: Index
    aspects: Array


@dataclass
class _Run:
    """One replay under way. Places count among its members.

    It may be sent to other processes; what it keeps for later blocks stays in each, and so does the panel.
    """

    plan: backtest.Plan
    members: Index
    origins: tuple[int, ...]  # of the replay, newest first
    names: tuple[str, ...]
    setup: ForecastSettings
    data: Data
    keep: bool = False  # candidates of the sample, from the first pass to the second
    memo: Memo = field(default_factory=dict)
    room: Room = field(default_factory=Room)  # for cubes of which only the choice is kept
    blocks: dict[int, Block] = field(default_factory=dict)
    cubes: dict[int, Cube] = field(default_factory=dict)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.plan, self.members, self.origins, self.names, self.setup, self.keep

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.plan, self.members, self.origins, self.names, self.setup, self.keep = state
        self.memo, self.room, self.blocks, self.cubes = {}, Room(), {}, {}

    def on(self, data: Data) -> _Run:
        """The run with its panel, which is sent apart."""
        self.data = data
        return self

    @property
    def _every(self) -> int:
        return _EVERY[self.data.panel.cadence]

    @property
    def fresh(self) -> tuple[int, ...]:
        """The origin whose outcome is known in part, newer than the others; none where they are as new."""
        origin = self.data.total - _FRESH[self.data.panel.cadence]
        return (origin,) if max(self.origins) < origin < self.data.total else ()

    @property
    def all_origins(self) -> tuple[int, ...]:
        """All origins of a cube, newest first."""
        return (*self.fresh, *self.origins)

    def group(self, places: Index) -> Index:
        """Pools of some series."""
        return self.data.group[self.members[places]]

    def block(self, places: Index) -> Block:
        """Some series as candidates see them."""
        values = self.data.values(self.members[places])[: max(self.all_origins)]
        cadence, calendar = self.data.panel.cadence, self.data.calendar
        return block_of(values, cadence, self.all_origins, self.plan.horizon, calendar, self.memo)

    def _cube(self, means: Shared, places: Index, room: Room | None = None) -> Cube:
        block = self.blocks.pop(int(places[0]), None) or self.block(places)
        cube = candidate_cube(with_groups(block, means, self.group(places)), self.names, room)
        return np.ascontiguousarray(cube[..., : len(places)])

    def _relative(self, cube: Cube, places: Index) -> tuple[Array, Mask]:
        """Log-relative errors [O, K, n] of the origins whose outcome is known and whether a candidate exists."""
        return self._scored(cube[len(self.fresh) :], self.origins, self.plan.horizon, places)

    def _scored(
        self, cube: Numbers, origins: tuple[int, ...], horizon: int, places: Index, every: int = 1
    ) -> tuple[Array, Mask]:
        """Log-relative errors over the first points of a horizon, and whether a candidate exists, [O, K, n] each.

        every: the forecasts are of one point in so many only.
        """
        members = self.members[places]
        values = self.data.values(members)
        actual = np.stack([values[origin : origin + horizon : every] for origin in origins])
        errors, exists = candidate_errors(np.ascontiguousarray(cube[:, :, :horizon]), actual)
        errors[np.broadcast_to(self._young(members, origins)[:, None], errors.shape)] = np.nan
        return log_relative(errors), exists

    def _young(self, members: Index, origins: tuple[int, ...]) -> Mask:
        return np.asarray(np.array(origins)[:, None] - self.data.birth[members] < self.plan.least)

    def _known(self) -> list[Index]:
        """For each origin, and last for now: the older origins whose outcome it could know and that choose for it."""
        count = len(self.origins)
        firsts = [*(o + self.plan.gap for o in range(count)), 0]
        return [np.arange(first, count, self.plan.stride) for first in firsts]

    @property
    def _spacing(self) -> int:
        """How many origins that choose lie between two that do not overlap."""
        return -(-self.plan.gap // self.plan.stride)

    def _situations(self, places: Index, taught: _Taught | None = None) -> Array:
        """Aspects [O + 1, F, n] at every origin, and last now; those of the sample are known."""
        if taught is not None and len(taught.sample):
            at = np.searchsorted(taught.sample, places) % len(taught.sample)
            if np.array_equal(taught.sample[at], places):
                return taught.aspects[..., at]
        values, moments = self.data.values(self.members[places]), np.array([*self.origins, self.data.total])
        return situations(values, moments, self.data.panel.cadence)

    def hear(self, means: Shared, witnesses: Index, places: Index) -> _Heard:
        """See `_learn`; keeps the candidates where there is room."""
        cube = self._cube(means, places, None if self.keep else self.room)
        relative, exists = self._relative(cube, places)
        if self.keep:
            self.cubes[int(places[0])] = cube
        mine = np.isin(places, witnesses)
        thin = np.ascontiguousarray(cube[len(self.fresh) :, :, :: self._every][..., mine])
        return _Heard(relative, mine, exists[..., mine], thin)

    def taught(self, heard: list[_Heard], sample: Index, witnesses: Index) -> _Taught:
        """What the blocks of a sample taught."""
        relative = np.concatenate([each.relative for each in heard], axis=2)
        lessons, aspects = self._lessons(relative, sample)
        known = _Taught(lessons, [], sample, aspects)
        return replace(known, sharpness=self._sharpen(known, heard, witnesses))

    def _lessons(self, relative: Array, sample: Index) -> tuple[list[Experience], Array]:
        """What a sample's log-relative errors [O, K, M] taught by each origin, and last by now; its situations."""
        aspects, group = self._situations(sample), self.group(sample)
        groups, gap = self.data.groups, self._spacing
        return [learn(relative[known], aspects[known], group, groups, gap) for known in self._known()], aspects

    def _expected(self, taught: _Taught, relative: Array, exists: Mask, places: Index) -> Iterator[tuple[Array, Mask]]:
        """At every origin: scores that had not seen the outcome, and who exists, [K, n] each."""
        aspects, known = self._situations(places, taught), self._known()
        for o, there in enumerate(exists):
            yield taught.lessons[o].expected(relative[known[o]], aspects[o], self.group(places)), there

    def _vote(self, forecasts: Cube, score: Array, exists: Mask, multiple: float | Array) -> Array:
        """Forecasts [H, n] by scores, at a multiple of the usual temperature."""
        return combine(forecasts, weights(score, exists, self.setup.temperature * multiple))[0]

    def _losses(self, taught: _Taught, heard: _Heard, places: Index) -> Array:
        """Log-relative errors [O, S, w] of votes of every sharpness, of the witnesses at `places`."""
        expected = enumerate(self._expected(taught, heard.relative[..., heard.witnesses], heard.exists, places))
        votes = [[self._vote(heard.cube[o], *known, multiple) for multiple in MULTIPLES] for o, known in expected]
        return self._scored(np.array(votes), self.origins, self.plan.horizon, places, self._every)[0]

    def _sharpen(self, taught: _Taught, heard: list[_Heard], witnesses: Index) -> list[Array]:
        """Each group's multiple of the temperature at every origin, and last now: from votes at older origins."""
        ends = np.cumsum([each.witnesses.sum() for each in heard])[:-1]
        said = zip(heard, np.split(witnesses, ends), strict=True)
        losses = np.concatenate([self._losses(taught, each, places) for each, places in said if places.size], axis=2)
        group, groups = self.group(witnesses), self.data.groups
        return [MULTIPLES[sharpest(losses[known], group, groups, self._spacing)] for known in self._known()]

    def choose(self, means: Shared, taught: _Taught, places: Index) -> tuple[Forecasts, Array]:
        """See `_choose`."""
        kept = self.cubes.pop(int(places[0]), None)
        cube = self._cube(means, places, self.room) if kept is None else kept
        relative, exists = self._relative(cube, places)
        young, forecasts = self._young(self.members[places], self.origins), cube[len(self.fresh) :]
        score = self._score_now(taught, cube, relative[self._known()[-1]], places)
        points = np.empty((len(self.origins), self.plan.horizon, len(places)), dtype=np.float32)
        for o, known in enumerate(self._expected(taught, relative, exists, places)):
            point = self._vote(forecasts[o], *known, taught.sharpness[o][self.group(places)])
            points[o] = np.where(young[o], np.nan, point)
        return points, score

    def _score_now(self, taught: _Taught, cube: Cube, relative: Array, places: Index) -> Array:
        """Scores [K, n] for a forecast made now, from those of the origins that choose for it and the fresh one."""
        usual = taught.lessons[-1].usual(relative, self.group(places))
        if not self.fresh:
            return usual
        newest, _ = self._scored(cube[:1], self.fresh, self.data.total - self.fresh[0], places)
        return np.where(np.isfinite(newest[0]), usual + _FRESH_SHARE * (newest[0] - usual), usual)
