"""From replayed errors to scales, widths and the evidence table.

What series of a group have in common is measured on a sample of them (`Common`); the rest is each series' own, and goes
through in pieces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from capforecast.forecast import intervals, paths
from capforecast.forecast.base import Array, Array32, Index, Mask
from capforecast.forecast.baselines import seasonal_naive
from capforecast.forecast.blocks import fill
from capforecast.forecast.evidence import evidence
from capforecast.forecast.executor import in_blocks
from capforecast.forecast.growth import LongPaths, longest
from capforecast.forecast.replay import Data, Replay
from capforecast.forecast.sampling import spokesmen

_FEWEST_CHOSEN = 3  # origins with learnt weights that make the others dispensable
_PIECE = 512  # series calibrated together


@dataclass(frozen=True)
class Outcome:
    """Calibration of some series of one replay, columns in the order of `members`.

    errors float32 [O, H', n]; scale [O, n], scale_now [n] and states [O, n, 2]: see ErrorPaths.  widths [2, B, n] by
    bucket of a forecast `replayed` periods ahead.  table: BACKTEST_COLUMNS rows and `member`.
    """

    members: Index
    origins: tuple[int, ...]
    errors: Array32
    scale: Array
    scale_now: Array
    states: Array
    widths: Array
    replayed: int
    table: pd.DataFrame


@dataclass(frozen=True)
class _Sized:
    """Some series of a replay with their errors over its own horizon."""

    replay: Replay  # of these series only
    count: int  # series of the whole replay
    values: Array  # [T, n]
    point: Array  # [O, H', n]
    errors: Array
    sizes: paths.Sizes

    @property
    def members(self) -> Index:
        return self.replay.members

    @property
    def settled(self) -> Mask:
        """Moments [O + 1] at which the size of error to expect was known."""
        return self.sizes.settled(self.count)

    def as_known(self, scale: Array) -> Array:
        """Scales [O + 1, n], NaN at origins too old to know."""
        return np.where(self.settled[:, None], scale, np.nan)


@dataclass(frozen=True)
class _Common:
    """What the series of each group share, G last: at each past origin and, in the last row, now.

    typical: [O + 1, G], error expected by in-sample naive error.  ratio: [O + 1, G], from errors over the replay's
    horizon to those over the longest.  floor: [O + 1, G].  widths: [O + 1, 2, B, G], scaled.
    lent: [2, B', G], scaled widths over the longest horizon, where they serve better than the replay's own.
    """

    typical: Array
    ratio: Array
    floor: Array
    widths: Array
    lent: Array | None
    lent_horizon: int

    def scale(self, one: _Sized, group: Index) -> Array:
        """Size of error to expect, over the longest horizon, [O + 1, n]; NaN at origins too old to know."""
        own = np.maximum(paths.expected(one.sizes, self.typical[:, group]), self.floor[:, group])
        return one.as_known(own * self.ratio[:, group])


def calibrate(data: Data, replays: list[Replay], put: Callable[[Outcome], None], threads: int = 1) -> None:
    """Hand scales, widths and evidence of every series of every replay to `put`, in pieces, in any order.

    Scales are mean errors over the longest horizon that enough series were replayed over; series with a shorter
    replay get theirs by the ratio the others showed, and the others' widths in units of it.
    """
    samples = [_size(data, _of(past, spokesmen(data.group[past.members])), len(past.members)) for past in replays]
    long = longest([_long_paths(data, one) for one in samples if one.replay.plan])
    common = [_common(data, one, long) for one in samples]
    pieces = [
        (_of(past, slice(start, start + _PIECE)), len(past.members), shared)
        for past, shared in zip(replays, common, strict=True)
        for start in range(0, len(past.members), _PIECE)
    ]
    in_blocks(_calibrated, (data,), pieces, lambda _, outcome: put(outcome), threads, "calibration")


def _calibrated(data: Data, piece: tuple[Replay, int, _Common]) -> Outcome:
    """Outcome of a part of a replay of so many series."""
    past, count, shared = piece
    one = _size(data, past, count)
    return _unreplayed(data, one, shared) if past.plan is None else _outcome(data, one, shared)


def _of(past: Replay, places: Index | slice) -> Replay:
    """A part of a replay; nothing is copied where `places` is a slice."""
    return replace(
        past, members=past.members[places], forecasts=past.forecasts[:, :, places], score=past.score[:, places],
        sharpness=past.sharpness[places],
    )  # fmt: skip


def _size(data: Data, past: Replay, count: int) -> _Sized:
    values, plan = data.values(past.members), past.plan
    naive = paths.naive_scales(values, (*past.origins, data.total), data.panel.cadence.season)
    point = past.forecasts.astype(np.float64, order="C")
    errors, gap, stride = np.empty_like(point), 1, 1
    if plan is not None:
        gap, stride = plan.gap, plan.stride
        for row, origin, made in zip(errors, past.origins, point, strict=True):
            row[:] = values[origin : origin + plan.horizon] - made
    sizes = paths.Sizes(paths.mean_sizes(errors), naive, _learnt(past), gap, stride)
    return _Sized(past, count, values, point, errors, sizes)


def _learnt(past: Replay) -> Mask:
    """Origins [O] that calibrate: the oldest had no choice, all candidates were alike to them and err more."""
    count, gap = len(past.origins), past.plan.gap if past.plan else 1
    chosen = np.arange(count) + gap < count
    return chosen if chosen.sum() >= _FEWEST_CHOSEN else np.ones(count, dtype=bool)


def _scales(data: Data, one: _Sized, typical: Array) -> tuple[Array, Array]:
    """Of a sample: sizes of error to expect over the replay's own horizon, and their floors by group."""
    group = data.group[one.members]
    scale = paths.expected(one.sizes, typical[:, group])
    floor = paths.floors(scale, group, data.groups)
    return np.maximum(scale, floor[:, group]), floor


def _long_paths(data: Data, one: _Sized) -> LongPaths:
    group = data.group[one.members]
    scale, _ = _scales(data, one, paths.typical_ratios(one.sizes, group, data.groups))
    scale = one.as_known(scale)
    origins, horizon, width = one.errors.shape
    naive, scale = one.sizes.naive[:-1], scale[:-1]
    return LongPaths(
        (one.errors / scale[:, None]).transpose(0, 2, 1).reshape(-1, horizon),
        np.repeat(np.array(one.replay.origins, dtype=np.int64), width),
        np.tile(group, origins),
        np.repeat(one.sizes.telling, width),
        np.divide(scale, naive, out=np.full_like(scale, np.nan), where=naive > 0).ravel(),
    )


def _common(data: Data, one: _Sized, long: LongPaths | None) -> _Common:
    """What a sample of a replay says of its groups."""
    past, groups, cadence = one.replay, np.arange(data.groups), data.panel.cadence
    when, horizon = (*past.origins, data.total), past.plan.horizon if past.plan else 0
    typical = paths.typical_ratios(one.sizes, data.group[one.members], data.groups)
    ratio = np.ones_like(typical)
    lent = None
    if long is not None and horizon < long.horizon:
        if horizon:
            ratio = long.ratios(horizon, when, groups)
        if horizon or long.learnt.any():
            typical = long.per_naive_error(horizon, when, groups) / ratio
        if long.learnt.any():
            lent = intervals.lent_widths(long.scaled[long.learnt], long.group[long.learnt], groups, cadence)
    scale, floor = _scales(data, one, typical)
    widths = np.empty((1, 2, 0, data.groups))
    if past.plan is not None:
        scored = _scored(data, one, one.as_known(scale * ratio[:, data.group[one.members]]))
        widths = intervals.group_widths(scored, data.group[one.members], data.groups)
    return _Common(typical, ratio, floor, widths, lent, long.horizon if long else 0)


def _scored(data: Data, one: _Sized, scale: Array) -> intervals.Errors:
    """Errors that calibrate, with scales [O + 1, n] over the longest horizon."""
    telling, settled = one.sizes.telling, one.settled[:-1]
    calibrating = np.where(telling[:, None, None], one.errors, np.nan)
    return intervals.Errors(calibrating, scale[:-1], one.sizes.gap, data.panel.cadence, telling, settled)


def _unreplayed(data: Data, one: _Sized, common: _Common) -> Outcome:
    """Too young for any replay: only the size of past changes is known, and what errors others made beside theirs."""
    group, nothing, width = data.group[one.members], one.point, len(one.members)
    now = common.scale(one, group)[-1]
    replayed = 7 * data.panel.cadence.per_day
    if common.lent is not None:
        widths, replayed = common.lent[:, :, group] * now, common.lent_horizon
    else:
        widths = intervals.naive_widths(one.values, replayed, data.panel.cadence)
    widths = np.where(np.isfinite(widths), widths, now)
    series, none = data.panel.series.iloc[one.members], np.empty((5, 0, 0, width))
    scale = np.empty((0, width))
    table = evidence(series, nothing, none, nothing, scale, data.panel.cadence)
    table = table.assign(member=np.repeat(one.members, len(table) // max(width, 1)))
    return Outcome(
        one.members, (), nothing.astype(np.float32), scale, now, np.empty((0, width, 2)), widths, replayed, table
    )


def _outcome(data: Data, one: _Sized, common: _Common) -> Outcome:
    past, cadence, group = one.replay, data.panel.cadence, data.group[one.members]
    scale = common.scale(one, group)
    scored = _scored(data, one, scale)
    now, replayed = scale[-1], one.errors.shape[1]
    widths = intervals.widths(scored, scored.now, now, common.widths[-1][:, :, group])
    filled = fill(one.values, data.birth[one.members], cadence)
    table = _evidence(data, one, scored, common, filled)
    if common.lent is not None:
        widths, replayed = common.lent[:, :, group] * now, common.lent_horizon
    widths = np.where(np.isfinite(widths), widths, now * np.array([1.6, 2.5])[:, None, None])
    states = np.stack(
        [
            paths.states(filled[:origin], one.point[o], scale[o], cadence.per_day)
            for o, origin in enumerate(past.origins)
        ]
    )
    errors = one.errors.astype(np.float32)  # as they are kept
    return Outcome(one.members, past.origins, errors, scale[:-1], now, states, widths, replayed, table)


def _evidence(data: Data, one: _Sized, scored: intervals.Errors, common: _Common, filled: Array) -> pd.DataFrame:
    """Backtest rows of some series; intervals of an origin are calibrated on the others."""
    past, group, cadence = one.replay, data.group[one.members], scored.cadence
    origins, horizon, width = one.errors.shape
    quantiles = np.empty((5, origins, horizon, width))
    naive = np.empty((origins, horizon, width))
    for o, origin in enumerate(past.origins):
        widths = intervals.widths(scored, scored.then(o), scored.scale[o], common.widths[o][:, :, group])
        inner, outer = intervals.spread(widths, horizon, horizon, cadence)
        point = one.point[o]
        for row, limit in zip(quantiles, (-outer, -inner, 0.0, inner, outer), strict=True):
            row[o] = point + limit
        naive[o] = seasonal_naive(filled[:origin], horizon, cadence.season)
    series = data.panel.series.iloc[one.members]
    actual = one.point + scored.errors
    table = evidence(series, actual, quantiles, naive, one.sizes.naive[:-1], cadence)
    return table.assign(member=np.repeat(one.members, len(table) // max(width, 1)))
