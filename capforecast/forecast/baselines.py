"""Daily candidates that need no fitting: weekday profiles, flat medians, last year; the seasonal naive forecast."""

from __future__ import annotations

import numpy as np

from capforecast.forecast.base import Array, Array32, Block, Family, Index, register
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


def profile(values: Array, season: int, cycles: int, horizon: int) -> Array | None:
    """Median of each slot of the season over the last `cycles` seasons, [H, N]; None when history is shorter."""
    if len(values) < season * cycles:
        return None
    return np.asarray(median0(by_slot(values, season, cycles))[np.arange(horizon) % season])


def weekly_shape(values: Array, season: int, cycles: int, horizon: int, multiply: bool) -> Array | None:
    """Median shape around (or in proportion to) each season's mean, placed on the last season's mean, [H, N]."""
    if len(values) < season * cycles:
        return None
    slots = by_slot(values, season, cycles)
    level = slots.mean(axis=1)
    if multiply:
        shape = median0(slots / np.maximum(np.abs(level), 1e-9)[:, None]) * level[-1]
    else:
        shape = median0(slots - level[:, None]) + level[-1]
    return np.asarray(shape[np.arange(horizon) % season])


def flat(values: Array, points: int, horizon: int) -> Array | None:
    """Median of the last points, [H, N]."""
    if len(values) < points:
        return None
    return np.broadcast_to(median0(values[-points:]), (horizon, values.shape[1]))


def put(out: Array32, result: Array | None, enough: np.ndarray) -> None:
    """Write a result [H, N] where the series is old enough."""
    if result is not None:
        out[:] = np.where(enough, result, np.nan)


def _profiles_daily(block: Block, out: Array32) -> None:
    for o, origin in enumerate(block.origins):
        seen, age = block.values[:origin], block.age(origin)
        k = 0
        for weeks in _WEEKS:
            put(out[o, k], profile(seen, 7, weeks, block.horizon), age >= 7 * weeks)
            k += 1
        for weeks in _SHAPE_WEEKS:
            for multiply in (False, True):
                put(out[o, k], weekly_shape(seen, 7, weeks, block.horizon, multiply), age >= 7 * weeks)
                k += 1
        for days in _FLAT_DAYS:
            put(out[o, k], flat(seen, days, block.horizon), age >= days)
            k += 1


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
        ratio = np.clip(now / np.maximum(before, 1e-9), 0.2, 5.0)
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
