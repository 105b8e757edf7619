"""What trees see of a daily series' level: its weekly medians in logarithms, less today's level.

Weeks are counted back from the moment a forecast is made, so one table of weekly medians serves that moment and every
one a whole number of weeks earlier. Numbers are rounded, so that a unit of measurement decides no split of a tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from capforecast.forecast.base import Array, Array32, Index, Mask
from capforecast.forecast.ensemble import nanmedian0

LEAST = 26  # weeks a series must have had
_YEAR = 52
_NOW = 4  # weeks whose median is today's level
_RECENT = (8, 16, 32, 52)  # weeks whose medians are compared with it
_SLOPES = (16, 52)
_DIGITS = 5
_LIMIT = 2.0  # a level further away in logarithms teaches no more


@dataclass(frozen=True)
class Weeks:
    """Weeks before a moment, newest first: medians of logarithms and of the distances from them, [W, N]; NaN = none.

    offset: what was added before taking logarithms, [N].
    """

    level: Array
    noise: Array
    offset: Array

    def before(self, weeks: int) -> Weeks:
        """The same so many weeks earlier."""
        return Weeks(self.level[weeks:], self.noise[weeks:], self.offset)

    @property
    def old_enough(self) -> Mask:
        """Series [N] that were seen in enough weeks, and in the last."""
        recent = np.isfinite(self.level[:_NOW]).any(axis=0) if len(self.level) else np.zeros(len(self.offset), bool)
        return np.asarray(recent & (np.isfinite(self.level).sum(axis=0) >= LEAST))

    @property
    def now(self) -> Array:
        """Today's level [N]."""
        return nanmedian0(self.level[:_NOW])


def weeks_of(values: Array, most: int | None = None) -> Weeks:
    """Weeks before the end of a history [T, N] (NaN = unobserved) without negative values, at most so many."""
    size = np.abs(values)
    seen = np.isfinite(values)
    mean = np.where(seen, size, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    offset = np.where(mean > 0, 0.05 * mean, 1.0)
    count = len(values) // 7 if most is None else min(len(values) // 7, most)
    level, noise = np.full((2, count, values.shape[1]), np.nan)
    _weekly(np.log(np.maximum(values, 0.0) + offset), level, noise)
    return Weeks(level, noise, offset)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weekly(logs, level, noise):  # type: ignore[no-untyped-def]
    days = np.empty(7)
    for w in range(len(level)):
        last = len(logs) - 7 * w
        for j in range(logs.shape[1]):
            count = 0
            for t in range(last - 7, last):
                if np.isfinite(logs[t, j]):
                    days[count] = logs[t, j]
                    count += 1
            if count:
                level[w, j] = np.median(days[:count])
                noise[w, j] = np.median(np.abs(days[:count] - level[w, j]))


def rows(weeks: Weeks, ahead: Index, longest: int) -> Array32:
    """Features float32 [K, N, F] for the weeks `ahead` [K] (1 = the next) of a horizon of `longest` weeks."""
    level = weeks.now
    still = np.stack(_standing(weeks, level), axis=1)
    out = np.empty((len(ahead), len(level), still.shape[1] + 3), dtype=np.float32)
    for row, week in zip(out, ahead, strict=True):
        row[:, 0] = week / longest
        row[:, 1], row[:, 2] = (np.round(_year_ago(weeks.level, int(week), years), _DIGITS) for years in (1, 2))
        row[:, 3:] = np.round(still, _DIGITS)
    return out


def _standing(weeks: Weeks, level: Array) -> list[Array]:
    """Where each series stands, [N] each."""
    history, none = weeks.level, np.full(len(level), np.nan)
    year = history[:_YEAR]
    out = [(history[w] if w < len(history) else none) - level for w in range(_NOW)]
    out += [nanmedian0(history[:window]) - level if len(history) >= window else none for window in _RECENT]
    for window in _SLOPES:
        x = np.arange(window)[::-1] - (window - 1) / 2
        whole = history[:window]
        out.append((x[:, None] * (whole - level)).sum(axis=0) * window / (x @ x) if len(whole) == window else none)
    ordered = np.sort(year, axis=0)  # NaN last
    count = np.maximum(np.isfinite(year).sum(axis=0) - 1, 0)
    for share in (0.1, 0.9):
        out.append(np.take_along_axis(ordered, (count * share).astype(np.int64)[None], axis=0)[0] - level)
    out.append(level - _level_then(history, _YEAR))
    out.append(np.log(nanmedian0(np.abs(year[1:] - year[:-1])) + 1e-3))
    out.append(np.log(nanmedian0(weeks.noise[:8]) + 1e-3))
    return out


def _level_then(history: Array, back: int) -> Array:
    """Level so many weeks ago [N]."""
    then = history[back : back + _NOW]
    return nanmedian0(then) if len(then) == _NOW else np.full(history.shape[1], np.nan)


def _year_ago(history: Array, week: int, years: int) -> Array:
    """How far the same week stood from the level then, so many years ago; beyond a year ahead the year repeats."""
    back = years * _YEAR
    place = back - 1 - (week - 1) % _YEAR
    return history[place] - _level_then(history, back) if place < len(history) else np.full(history.shape[1], np.nan)


def wanted(weeks: Weeks, at: int, ahead: Index) -> Array:
    """What came in the weeks `ahead` of the moment `at` weeks before the end, less the level then, [K, N]."""
    came = weeks.level[at - ahead] - weeks.before(at).now
    return np.asarray(np.clip(came, -_LIMIT, _LIMIT))
