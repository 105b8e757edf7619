"""Daily candidates that need no fitting: weekday profiles, flat medians, last year; the seasonal naive forecast."""

from __future__ import annotations

import numba
import numpy as np

from capforecast.forecast.base import TILE, Array, Array32, Block, Family, Index, register
from capforecast.schema import Cadence

_WEEKS = (1, 2, 4, 8, 13, 26, 52)
_SHAPE_WEEKS = (4, 13, 52)
_FLAT_DAYS = (28, 56, 112, 364)
_YEAR = 364  # 52 weeks, so that weekdays stay aligned


def seasonal_naive(values: Array, horizon: int, season: int) -> Array:
    """The last season of gap-filled values [T, N] repeated, [H, N]: the forecast every score is compared with."""
    last = values[-season:]
    return np.asarray(last[np.arange(horizon) % len(last)])


def median0(values: Array) -> Array:
    """Median over the first axis. Sorting along the last axis is several times faster than numpy's median."""
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(values, 0, -1)), axis=-1)
    count = ordered.shape[-1]
    return np.asarray(0.5 * (ordered[..., (count - 1) // 2] + ordered[..., count // 2]))


def by_slot(values: Array, season: int, cycles: int) -> Array:
    """The last `cycles` seasons of [T, N] as [cycles, season, N]."""
    return values[len(values) - cycles * season :].reshape(cycles, season, values.shape[1])


def put(out: Array32, result: Array, enough: np.ndarray) -> None:
    """Write a result [H, N] where the series is old enough."""
    out[:] = np.where(enough, result, np.nan)


def _profiles_daily(block: Block, out: Array32) -> None:
    least = np.array([*(7 * weeks for weeks in (*_WEEKS, *np.repeat(_SHAPE_WEEKS, 2))), *_FLAT_DAYS])
    for first in range(0, block.width, TILE):
        columns = slice(first, first + TILE)
        seen = np.ascontiguousarray(block.values[:, columns])
        for o, origin in enumerate(block.origins):
            young = block.age(origin)[columns] < least[:, None]
            shapes = np.where(young[:, None], np.nan, _daily_shapes(seen[:origin]))
            repeat_week(shapes, out[o, :, :, columns])


def _daily_shapes(seen: Array) -> Array:
    """What each profile says of the seven days ahead, from a history [T, TILE]: [members, 7, TILE].

    Not a number in members that look further back than there is history.
    """
    made = np.full((len(_WEEKS) + 2 * len(_SHAPE_WEEKS) + len(_FLAT_DAYS), 7, seen.shape[1]), np.nan)
    weeks = min(len(seen) // 7, max(_WEEKS))
    if not weeks:
        return made
    slots = by_slot(seen, 7, weeks)[::-1]  # newest week first
    level = slots.mean(axis=1)
    usual, around, flats = np.split(made, np.cumsum([len(_WEEKS), 2 * len(_SHAPE_WEEKS)]))
    first_medians(slots, np.array(_WEEKS), usual)
    first_medians(slots - level[:, None], np.array(_SHAPE_WEEKS), around[0::2])
    first_medians(slots / np.maximum(np.abs(level), 1e-30)[:, None], np.array(_SHAPE_WEEKS), around[1::2])
    around[0::2] += level[:1]
    around[1::2] *= level[:1]
    for row, days in zip(flats, _FLAT_DAYS, strict=True):
        if len(seen) >= days:
            row[:] = median0(seen[-days:])
    return made


@numba.njit(cache=True, nogil=True, error_model="numpy")
def first_medians(slots: Array, counts: Index, out: Array) -> None:
    """Medians of the first counts[c] weeks (ascending) of [weeks, 7, TILE], where there are; writes [counts, 7, TILE].

    Rows are put in order one after the other, all columns at once, so that one pass serves every count.
    """
    weeks, days, _ = slots.shape
    ordered, coming = np.empty((weeks, TILE)), np.empty(TILE)
    for day in range(days):
        c = 0
        for week in range(weeks):
            coming[:] = slots[week, day]
            for i in range(week):
                for j in range(TILE):  # the smaller stays, the larger goes on
                    one, other = ordered[i, j], coming[j]
                    ordered[i, j] = one if one < other else other
                    coming[j] = other if one < other else one
            ordered[week] = coming
            if c < len(counts) and counts[c] == week + 1:
                out[c, day] = 0.5 * (ordered[week // 2] + ordered[(week + 1) // 2])
                c += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def repeat_week(shapes: Array, out: Array32) -> None:
    """Write shapes of a week [K, 7, N] over and over to [K, H, N]."""
    for k in range(out.shape[0]):
        for h in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[k, h, j] = shapes[k, h % 7, j]


_DAILY = register(
    Family(
        "profiles",
        Cadence.DAILY,
        (
            *(f"weekday_{weeks}w" for weeks in _WEEKS),
            *(f"shape_{kind}_{weeks}w" for weeks in _SHAPE_WEEKS for kind in ("add", "mul")),
            *(f"flat_{days}d" for days in _FLAT_DAYS),
        ),
        _profiles_daily,
    )
)


def _clipped_mean(values: Array) -> Array:
    """Mean of values cut at their 95 % quantile: one spike must not move a level."""
    ordered = np.sort(values, axis=0)
    top = ordered[int(0.95 * (len(values) - 1))]
    return np.asarray(np.minimum(values, top).mean(axis=0))


def _last_year(block: Block, out: Array32) -> None:
    for o, origin in enumerate(block.origins):
        start = origin - _YEAR
        if start < 28:
            continue
        seen = block.values[:origin]
        then = seen[start + np.arange(block.horizon) % _YEAR]  # beyond a year the last year repeats
        now, before = _clipped_mean(seen[-28:]), _clipped_mean(seen[start - 28 : start])
        weeks = by_slot(seen, 7, 8)
        shape = median0(weeks - weeks.mean(axis=1)[:, None])[np.arange(block.horizon) % 7]
        smooth = _moving_mean(then, 7)
        enough = block.age(origin) >= _YEAR + 28
        ratio = np.clip(now / np.maximum(before, 1e-30), 0.2, 5.0)
        put(out[o, 0], then + now - before, enough)
        put(out[o, 1], then * ratio, enough & block.nonnegative(origin))
        put(out[o, 2], smooth + shape + now - before, enough)
        put(out[o, 3], 0.5 * smooth + shape + now - 0.5 * before, enough)  # half the yearly movement


def _moving_mean(values: Array, half: int) -> Array:
    """Centred mean over 2 * half + 1 rows, windows cut at the edges, [H, N]."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    rows: Index = np.arange(len(values))
    low, high = np.maximum(rows - half, 0), np.minimum(rows + half + 1, len(values))
    return np.asarray((total[high] - total[low]) / (high - low)[:, None])


_YEARLY = register(Family("last_year", Cadence.DAILY, ("level", "ratio", "smooth", "half"), _last_year))
