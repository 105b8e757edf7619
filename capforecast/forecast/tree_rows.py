"""What the trees see: one row per series, origin and step ahead, everything in it known at the origin.

Levels and lags are in units of the series (value less level, over scale), so that one model serves all series; the
calendar is that of the target day. A window or lag that reaches before a series' first observation is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.calendar import calendar_features
from capforecast.forecast.base import Array, Index
from capforecast.forecast.baselines import by_slot, median0
from capforecast.forecast.measured import Past
from capforecast.schema import Cadence
from capforecast.settings import CalendarSettings

Rows = npt.NDArray[np.float32]

_TARGET_LIMIT = 50.0  # scales; a burst beyond it teaches nothing more
_YEAR, _SMOOTH = 364, 7  # days; half a window
_CYCLES = 4  # weeks behind the usual value of a weekday, or of an hour of the week


@dataclass(frozen=True)
class Spans:
    """Lengths in points: of the level, of the scale, of windows that give medians, of lags of the target."""

    level: int
    scale: int
    windows: tuple[int, ...]
    lags: tuple[int, ...]


SPANS = {
    Cadence.DAILY: Spans(28, 224, (7, 14, 28, 56, 112, 224), (7, 28, 364)),
    Cadence.HOURLY: Spans(168, 672, (24, 72, 168, 336, 672), (24, 168, 672)),
}


@dataclass(frozen=True)
class Lore:
    """A past with the calendar of its rows and of `horizon` more: float32 [T + horizon, C]."""

    past: Past
    calendar: Rows
    horizon: int

    @property
    def least(self) -> int:
        """Points a series must have had for an origin to teach."""
        return SPANS[self.past.cadence].level

    def part(self, columns: Index) -> Lore:
        """Of some series; nothing said of a series depends on the others."""
        past = self.past
        fewer = Past(
            past.values[:, columns],
            past.filled[:, columns],
            past.birth[columns],
            past.series.iloc[columns],
            past.cadence,
        )
        return replace(self, past=fewer)


def lore_of(past: Past, timestamps: pd.DatetimeIndex, horizon: int, settings: CalendarSettings) -> Lore:
    """The past and its calendar; `timestamps` end where the past ends."""
    step = past.cadence.step
    stamps = pd.date_range(timestamps[-1] - (past.total - 1) * step, periods=past.total + horizon, freq=step)
    return Lore(past, calendar_features(stamps, settings).to_numpy(dtype=np.float32), horizon)


def units(lore: Lore, origin: int) -> tuple[Array, Array]:
    """Level and scale of each series at an origin, [N] each; the scale is positive."""
    spans, seen = SPANS[lore.past.cadence], lore.past.filled[:origin]
    level = median0(seen[-spans.level :])
    scale = np.abs(seen[-spans.scale :] - level).mean(axis=0) + 0.05 * np.abs(level)
    return level, np.where(scale > 0, scale, 1.0)


def feature_rows(lore: Lore, origin: int, columns: Index, steps: Index) -> Rows:
    """Features, float32 [M, F], of series `columns` [M] at `steps` [M] (1 = the first point after the origin)."""
    level, scale = units(lore, origin)
    still = _standing(lore, origin, level, scale)[columns]
    moving = [(part - level[columns]) / scale[columns] for part in _lags(lore, origin, columns, steps)]
    share = steps / lore.horizon
    dated = lore.calendar[origin + steps - 1]
    return np.column_stack([share, *moving, still, dated]).astype(np.float32)


def lag_rows(lore: Lore, origin: int, columns: Index, steps: Index) -> Rows:
    """The few features of the usual random forest: lags, step, calendar; float32 [M, F]."""
    level, scale = units(lore, origin)
    last = (lore.past.filled[origin - 1] - level) / scale
    moving = [
        (_lag(lore, origin, columns, steps, lag) - level[columns]) / scale[columns]
        for lag in SPANS[lore.past.cadence].lags
    ]
    dated = lore.calendar[origin + steps - 1]
    return np.column_stack([steps / lore.horizon, last[columns], *moving, dated]).astype(np.float32)


def targets(lore: Lore, origin: int, columns: Index, steps: Index) -> Array:
    """What the rows should say, [M], in the same units; NaN where nothing was observed."""
    level, scale = units(lore, origin)
    actual = lore.past.values[origin + steps - 1, columns]
    return np.clip((actual - level[columns]) / scale[columns], -_TARGET_LIMIT, _TARGET_LIMIT)


def _standing(lore: Lore, origin: int, level: Array, scale: Array) -> Array:
    """Where each series stands at an origin, [N, F']: medians and means of windows, size against scale."""
    past, age = lore.past, origin - lore.past.birth
    out = []
    for window in SPANS[past.cadence].windows:
        part = past.filled[max(origin - window, 0) : origin]
        middles = (median0(part), part.mean(axis=0))
        out += [np.where(age >= window, (middle - level) / scale, np.nan) for middle in middles]
    out.append(np.log(np.maximum(np.abs(level) / scale, 1e-3)))
    return np.stack(out, axis=1)


def _lags(lore: Lore, origin: int, columns: Index, steps: Index) -> list[Array]:
    """Values [M] that a row's target resembles, in the metric's unit."""
    cadence, week = lore.past.cadence, 7 * lore.past.cadence.per_day
    out = [_lag(lore, origin, columns, steps, lag) for lag in SPANS[cadence].lags]
    out.append(_usual(lore, origin, week, _CYCLES)[(steps - 1) % week, columns])
    if cadence is Cadence.HOURLY:
        out.append(_usual(lore, origin, 24, 7)[(steps - 1) % 24, columns])
    else:
        out.append(_year_ago(lore, origin, columns, steps))
    return out


def _lag(lore: Lore, origin: int, columns: Index, steps: Index, lag: int) -> Array:
    """The latest known value a multiple of `lag` points before the target, [M]; NaN before the first observation."""
    row = origin - lag + (steps - 1) % lag
    return np.where(row >= lore.past.birth[columns], lore.past.filled[np.maximum(row, 0), columns], np.nan)


def _usual(lore: Lore, origin: int, season: int, cycles: int) -> Array:
    """Median of each slot of the last `cycles` seasons, [season, N]; NaN for series that are younger."""
    age = origin - lore.past.birth
    if origin < season * cycles:
        return np.full((season, len(age)), np.nan)
    usual = median0(by_slot(lore.past.filled[:origin], season, cycles))
    return np.where(age >= season * cycles, usual, np.nan)


def _year_ago(lore: Lore, origin: int, columns: Index, steps: Index) -> Array:
    """The level plus how far the smoothed values moved, a year ago, from then to the target's date, [M]."""
    level = SPANS[Cadence.DAILY].level
    first = origin - _YEAR - level  # of the rows looked at
    if first < 0:
        return np.full(len(steps), np.nan)
    seen = lore.past.filled[first:origin]
    total = np.concatenate([np.zeros((1, seen.shape[1])), np.cumsum(seen, axis=0)])
    row = level + (steps - 1) % _YEAR
    low, high = row - _SMOOTH, np.minimum(row + _SMOOTH + 1, len(seen))
    smooth = (total[high, columns] - total[low, columns]) / (high - low)
    moved = (median0(seen[-level:]) - median0(seen[:level]))[columns] + smooth
    return np.where((first >= lore.past.birth)[columns], moved, np.nan)
