"""From replayed errors to scales, widths and the evidence table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.forecast import backtest, intervals, paths
from capforecast.forecast.base import Array, Index, Mask
from capforecast.forecast.baselines import seasonal_naive
from capforecast.forecast.growth import LongPaths, longest
from capforecast.forecast.replay import Data, Replay

_FEWEST_CHOSEN = 3  # origins with learnt weights that make the others dispensable


@dataclass(frozen=True)
class Outcome:
    """Calibration of one replay, columns in the order of its members.

    errors [O, H', N']; scale [O, N'], scale_now [N'] and states [O, N', 2]: see ErrorPaths.  widths [2, B, N'] by
    bucket of a forecast `replayed` periods ahead.  table: BACKTEST_COLUMNS rows.
    """

    errors: Array
    scale: Array
    scale_now: Array
    states: Array
    widths: Array
    replayed: int
    table: pd.DataFrame


@dataclass(frozen=True)
class _Sized:
    """A replay with its errors and the size of error to expect, over its own horizon; naive [O + 1, N'], last = now."""

    replay: Replay
    actual: Array
    naive: Array
    scale: Array
    scale_now: Array
    learnt: Mask  # [O], origins that calibrate

    @property
    def errors(self) -> Array:
        return np.asarray(self.actual - self.replay.forecasts)

    @property
    def horizon(self) -> int:
        return self.replay.plan.horizon if self.replay.plan else 0


def calibrate(data: Data, replays: list[Replay]) -> list[Outcome]:
    """Scales, widths and evidence of every replay, in order.

    Scales are mean errors over the longest horizon that enough series were replayed over; series with a shorter
    replay get theirs by the ratio the others showed, and the others' widths in units of it.
    """
    sized = [_size(data, past) for past in replays]
    long = longest([_long_paths(data, one) for one in sized if one.replay.plan])
    return [_unreplayed(data, one, long) if one.replay.plan is None else _outcome(data, one, long) for one in sized]


def _size(data: Data, past: Replay) -> _Sized:
    values, plan = data.values[:, past.members], past.plan
    naive = paths.naive_scales(values, (*past.origins, data.total), data.panel.cadence.season)
    pool, actual = _pool(data, past), past.forecasts
    if plan is not None:
        actual = np.stack([values[origin : origin + plan.horizon] for origin in past.origins])
    scale, now = paths.scales(actual - past.forecasts, naive[:-1], naive[-1], pool)
    chosen = np.arange(len(actual)) + pool.gap < len(actual)  # the oldest origins had no choice: all candidates alike
    learnt = chosen if chosen.sum() >= _FEWEST_CHOSEN else np.ones(len(actual), dtype=bool)
    return _Sized(past, actual, naive, scale, now, learnt)


def _pool(data: Data, past: Replay) -> paths.Group:
    gap, stride = (past.plan.gap, past.plan.stride) if past.plan else (1, 1)
    return paths.Group(data.group[past.members], gap, stride)


def _long_paths(data: Data, one: _Sized) -> LongPaths:
    scaled = (one.errors / one.scale[:, None]).transpose(0, 2, 1)
    origins, width, horizon = scaled.shape
    return LongPaths(
        scaled.reshape(-1, horizon),
        np.repeat(np.array(one.replay.origins, dtype=np.int64), width),
        np.tile(data.group[one.replay.members], origins),
        np.repeat(one.learnt, width),
        np.divide(one.scale, one.naive[:-1], out=np.full_like(one.scale, np.nan), where=one.naive[:-1] > 0).ravel(),
    )


def _unreplayed(data: Data, one: _Sized, long: LongPaths | None) -> Outcome:
    """Too young for any replay: only the size of past changes is known, and what errors others made beside theirs."""
    members, replayed = one.replay.members, 7 * data.panel.cadence.per_day
    group, nothing, width = data.group[members], one.replay.forecasts, len(members)
    now = one.scale_now
    if long is not None and long.learnt.any():
        typical = long.per_naive_error(0, (data.total,), group)
        _, now = paths.scales(nothing, one.naive[:0], one.naive[0], _pool(data, one.replay), typical)
        widths, replayed = _lent(data, long, group) * now, long.horizon
    else:
        widths = intervals.naive_widths(data.values[:, members], replayed)
    widths = np.where(np.isfinite(widths), widths, now)
    series, none = data.panel.series.iloc[members], np.empty((5, 0, 0, width))
    table = backtest.evidence(series, nothing, none, nothing, one.scale, data.panel.cadence)
    return Outcome(nothing, one.scale, now, np.empty((0, width, 2)), widths, replayed, table)


def _lent(data: Data, long: LongPaths, group: Index) -> Array:
    cadence = data.panel.cadence
    return intervals.lent_widths(long.scaled[long.learnt], long.group[long.learnt], group, cadence)


def _outcome(data: Data, one: _Sized, long: LongPaths | None) -> Outcome:
    past, cadence, replayed = one.replay, data.panel.cadence, one.horizon
    filled, group = data.filled[:, past.members], data.group[past.members]
    scale, now = one.scale, one.scale_now
    if long is not None and replayed < long.horizon:
        when = (*past.origins, data.total)
        ratios = long.ratios(replayed, when, group)
        typical = long.per_naive_error(replayed, when, group) / ratios
        scale, now = paths.scales(one.errors, one.naive[:-1], one.naive[-1], _pool(data, past), typical)
        scale, now = scale * ratios[:-1], now * ratios[-1]
    calibrating = np.where(one.learnt[:, None, None], one.errors, np.nan)
    scored = intervals.Errors(calibrating, scale, group, _pool(data, past).gap, cadence)
    widths = intervals.widths_now(scored, now)
    table = _evidence(data, one, scored, past.forecasts + calibrating)
    if long is not None and replayed < long.horizon and long.learnt.any():
        widths = _lent(data, long, group) * now
        replayed = long.horizon
    widths = np.where(np.isfinite(widths), widths, now * np.array([1.6, 2.5])[:, None, None])
    states = np.stack(
        [
            paths.states(filled[:origin], past.forecasts[o], scale[o], cadence.per_day)
            for o, origin in enumerate(past.origins)
        ]
    )
    return Outcome(one.errors, scale, now, states, widths, replayed, table)


def _evidence(data: Data, one: _Sized, scored: intervals.Errors, actual: Array) -> pd.DataFrame:
    """Backtest rows of one replay; intervals of an origin are calibrated on the others."""
    horizon, past = actual.shape[1], one.replay
    halves = np.stack(
        [
            intervals.spread(intervals.widths_then(scored, o), horizon, horizon, scored.cadence)
            for o in range(len(past.origins))
        ],
        axis=1,
    )
    point, filled = past.forecasts, data.filled[:, past.members]
    quantiles = np.stack([point - halves[1], point - halves[0], point, point + halves[0], point + halves[1]])
    naive = np.stack([seasonal_naive(filled[:origin], horizon, scored.cadence.season) for origin in past.origins])
    series = data.panel.series.iloc[past.members]
    return backtest.evidence(series, actual, quantiles, naive, one.naive[:-1], scored.cadence)
