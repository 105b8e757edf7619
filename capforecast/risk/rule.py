"""The breach rule: above the threshold in at least k of n consecutive periods, dated at the k-th exceedance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from capforecast.schema import BoolArray, Cadence, FloatArray
from capforecast.settings import MetricSettings, RiskSettings

NEVER = -1  # what breach_fires returns where the rule does not fire
HOURS_PER_DAY = 24
DAILY_PEAK = 0.95  # quantile of a day's hourly values that stands for the day


class Rule(NamedTuple):
    """At least `k` exceedances within `n` consecutive periods."""

    k: int
    n: int


def rule_for(metric: MetricSettings, settings: RiskSettings, cadence: Cadence) -> Rule:
    """The breach rule of a metric at a cadence; a metric that fills up (disk) needs one period only."""
    if metric.fills_up:
        return Rule(1, 1)
    breach = settings.breach
    if cadence is Cadence.DAILY:
        return Rule(breach.k_daily, breach.n_daily)
    return Rule(breach.k_hourly, breach.n_hourly)


def breach_fires(above: npt.ArrayLike, k: int, n: int, observed: int = 0) -> npt.NDArray[np.int32]:
    """First passage of the k-of-n rule along the last axis.

    above: [..., T], true (or 1) where the period exceeded the threshold; NaN counts as not above.
    observed: so many leading periods lie before the origin. They fill the window, but a breach is dated at an
    exceedance after them, and positions are counted from the first period after them.

    Returns the position of the exceedance that completes k within n, [...], or NEVER.
    """
    flags = np.nan_to_num(np.asarray(above), nan=0.0).astype(bool)
    *shape, length = flags.shape
    pad = n - 1
    # Rows are laid end to end with n - 1 blanks in front of each, so no window sees the row before, and the
    # windows are sums of n shifted copies of one contiguous array.
    rows = np.zeros((int(np.prod(shape)), pad + length), np.bool_)
    rows[:, pad:] = flags.reshape(-1, length)
    flat = rows.ravel()
    count: npt.NDArray[np.unsignedinteger] = flat.astype(np.uint8 if n < 256 else np.uint32)
    for shift in range(1, n):
        np.add(count[shift:], flat[:-shift], out=count[shift:])
    fires = ((count >= k) & flat).reshape(rows.shape)[:, pad + observed :]
    if fires.shape[1] == 0:
        return np.full(shape, NEVER, np.int32)
    first = fires.argmax(axis=1)
    hit = fires[np.arange(len(fires)), first]
    return np.where(hit, first, NEVER).astype(np.int32).reshape(shape)


def fires_now(above: BoolArray, rule: Rule) -> BoolArray:
    """Does the rule fire on the last n observed periods?  above: bool [..., T], most recent last; returns [...]."""
    result: BoolArray = above[..., -rule.n :].sum(axis=-1) >= rule.k
    return result


def daily_peaks(values: FloatArray) -> FloatArray:
    """95 % quantile (linear) of each 24 hours, [..., T] -> [..., T // 24]; fewer than 24 hours make one day."""
    hours = values.shape[-1]
    per_day = min(HOURS_PER_DAY, hours)
    days = hours // per_day if per_day else 0
    blocks = values[..., : days * per_day].reshape(*values.shape[:-1], days, per_day)
    position = DAILY_PEAK * (per_day - 1)
    low = int(position)
    high = min(low + 1, per_day - 1)
    ordered = np.partition(blocks, (low, high), axis=-1)
    share = np.float32(position - low)
    peaks: FloatArray = ordered[..., low] + share * (ordered[..., high] - ordered[..., low])
    return peaks


def observed_daily_peaks(values: FloatArray, days: int) -> FloatArray:
    """95 % quantile of what was observed in each of the last `days` 24-hour blocks: [T, N] -> [N, days], NaN = nothing.

    Blocks are counted back from the end, so the last one is always whole.
    """
    need = days * HOURS_PER_DAY
    tail = np.full((need, values.shape[1]), np.nan, np.float32)
    have = values[-need:] if need else values[:0]
    tail[need - len(have) :] = have
    hours = np.sort(tail.T.reshape(values.shape[1], days, HOURS_PER_DAY), axis=-1)  # missing ones last
    seen = np.isfinite(hours).sum(axis=-1, keepdims=True)
    position = DAILY_PEAK * np.maximum(seen - 1, 0)
    low = position.astype(np.int64)
    high = np.minimum(low + 1, np.maximum(seen - 1, 0))
    below, above = np.take_along_axis(hours, low, -1), np.take_along_axis(hours, high, -1)
    share = (position - low).astype(np.float32)
    peaks: FloatArray = (below + share * (above - below))[..., 0]
    return peaks
