"""Calibrated intervals: quantiles of |error| by horizon bucket, from forecasts whose weights had not seen the outcome.

Daily: errors in units of the size expected at their origin, pooled over the series of a group (slow drift, few
independent origins). Hourly: the series' own errors, pooled only where it has few origins. A width for a past origin
never uses an origin whose outcome overlaps its own, nor one at which less was known than now: forecast by weights
that were not learnt, or in units of an error that was not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from capforecast.forecast.backtest import buckets
from capforecast.forecast.base import Array, Index, Mask
from capforecast.schema import Cadence

LEVELS = (0.8, 0.95)
_FEWEST_SCORES = 50  # a group with fewer leans on the whole panel
_FEWEST_ORIGINS = 4  # a series with fewer own origins is pooled; fewer older origins yield to newer ones
_TAIL = 1.5  # exponent of the tail assumed beyond the worst error seen; a larger one costs coverage
_GROWTH = (0.1, 0.5)  # exponent of the horizon beyond what was replayed


@dataclass(frozen=True)
class Errors:
    """What calibration works on: errors [O, H, N], newest first, scales [O, N], independence gap.

    telling: [O], origins that calibrate; errors of the others are NaN.  settled: [O], origins whose scale was known;
    scales of the others are NaN.
    """

    errors: Array
    scale: Array
    gap: int
    cadence: Cadence
    telling: Mask
    settled: Mask

    def then(self, origin: int) -> Index:
        """Origins whose errors calibrate past origin number `origin`."""
        return independent(self.telling, origin, self.gap)

    def scaled_then(self, origin: int) -> Index:
        """Origins whose scaled errors do."""
        return independent(self.telling & self.settled, origin, self.gap)

    @cached_property
    def bucket_ends(self) -> Index:
        """Last point of each bucket, counted from 1."""
        return np.array([last for _, _, last in buckets(self.cadence, self.errors.shape[1])], dtype=np.int64)

    @cached_property
    def worst(self) -> Array:
        """Largest |error| of each origin and bucket, [O, B, N]; -1 where nothing was observed."""
        size = np.where(np.isfinite(self.errors), np.abs(self.errors), -1.0)
        return np.asarray(np.maximum.reduceat(size, np.append(0, self.bucket_ends[:-1]), axis=1))

    @property
    def now(self) -> Index:
        """Origins that calibrate a forecast made now."""
        return np.arange(len(self.errors))


def group_widths(errors: Errors, group: Index, groups: int) -> Array:
    """Quantiles of scaled |error| by group and bucket for each past origin and now, [O + 1, 2, B, G]; NaN = none.

    group: [N], of the series whose errors are given.
    """
    sets = [*(errors.scaled_then(o) for o in range(len(errors.errors))), errors.now]
    wanted = np.arange(groups)
    places = buckets(errors.cadence, errors.errors.shape[1])
    out = np.full((len(sets), len(LEVELS), len(places), groups), np.nan)
    scaled = np.abs(errors.errors / errors.scale[:, None])
    for row, chosen in zip(out, sets, strict=True):
        for b, (_, first, last) in enumerate(places):
            row[:, b] = pooled_quantiles(scaled[chosen, first - 1 : last], group, wanted)
    return out


def independent(usable: Mask, origin: int, gap: int) -> Index:
    """Usable origins complete before `origin`; if few, those begun after its outcome if more; if none, all others."""
    every: Index = np.flatnonzero(usable)
    older, newer = every[every >= origin + gap], every[every <= origin - gap]
    chosen = older if len(older) >= min(_FEWEST_ORIGINS, len(newer)) else newer
    return np.asarray(chosen if len(chosen) else every[every != origin])


def widths(errors: Errors, chosen: Index, scale: Array, pooled: Array) -> Array:
    """Half-widths [2, B, N] by horizon bucket from some origins, where the error to expect is `scale` [N].

    pooled: [2, B, N], what `group_widths` says of each series' group.
    """
    out = pooled * scale
    if not len(chosen):
        return out
    if errors.cadence is Cadence.HOURLY:
        _own_quantiles(np.abs(errors.errors), chosen, errors.bucket_ends, np.array(LEVELS), _FEWEST_ORIGINS, out)
        return out
    largest = np.fmax.reduce(errors.scale[chosen], axis=0)
    grown = np.fmax(scale / largest, 1.0)  # wilder now than at any origin: no past limit
    out[1] = np.fmax(out[0], np.minimum(out[1], _most_supported(errors.worst[chosen], errors.gap) * grown))
    return out


def _most_supported(worst: Array, gap: int) -> Array:
    """Widest outer half-width [B, N] that a series' own worst errors [O, B, N] support, however wild its group.

    A group whose steady series once jumped has scaled errors of any size; they say little of a series whose scale
    already knows its jumps. Of n independent origins' worst errors, the next exceeds the largest with probability
    1 / (n + 1); where that is more often than the level allows, the worst is raised as in a tail of exponent 1.5
    (heavy: the variance is infinite). No limit for a series with few origins.
    """
    seen = (worst >= 0).sum(axis=0)
    independent_origins = 1 + np.maximum(seen - 1, 0) / gap
    raised = np.maximum(1.0 / (independent_origins + 1.0) / (1.0 - LEVELS[1]), 1.0) ** (1 / _TAIL)
    return np.asarray(np.where(seen >= _FEWEST_ORIGINS, worst.max(axis=0) * raised, np.inf))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _own_quantiles(size, chosen, ends, levels, fewest, out):  # type: ignore[no-untyped-def]
    """Quantiles by bucket of each series' own |errors| [O, H, N] at chosen origins, into [2, B, N].

    A series seen at fewer than `fewest` origins of a bucket keeps what stands there. The next value lies below the
    k-th smallest of n independent ones with probability k / (n + 1). Of errors worth fewer independent ones, w, the
    quantile at level p is less certain, and as tails thin out it covers less than p: by p / 2w where the tail is
    exponential (half of F''(q) times the variance p (1 - p) / w f(q)^2 of the quantile).
    """
    width = size.shape[2]
    held = np.empty(len(chosen) * size.shape[1])
    for n in range(width):
        first = 0
        for b in range(len(ends)):
            count, origins = 0, 0
            for o in chosen:
                before = count
                for h in range(first, ends[b]):
                    if np.isfinite(size[o, h, n]):
                        held[count] = size[o, h, n]
                        count += 1
                origins += count > before
            first = ends[b]
            if origins < fewest:
                continue
            excess = count / _worth(held[:count]) - 1.0
            ordered = np.sort(held[:count])
            for q in range(len(levels)):
                rank = min(max(int(np.ceil(levels[q] * (count + 1 + 0.5 * excess))) - 1, 0), count - 1)
                out[q, b, n] = ordered[rank]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _worth(held):  # type: ignore[no-untyped-def]
    """How many independent values some [n] are worth: n (1 - r) / (1 + r), r their lag-one correlation (Bartlett)."""
    count = len(held)
    centred = held - held.mean()
    total = (centred * centred).sum()
    carry = (centred[1:] * centred[:-1]).sum() / total if total > 0.0 else 0.0
    carry = min(max(carry, 0.0), 1.0 - 1.0 / count)
    return max(count * (1.0 - carry) / (1.0 + carry), 1.0)


def lent_widths(scored: Array, group: Index, wanted: Index, cadence: Cadence) -> Array:
    """Half-widths [2, B, M] in units of the error expected, for groups `wanted` [M]: those of others' errors.

    scored: scaled errors [P, H] of paths of groups `group` [P].
    """
    size = np.abs(scored).T[None]
    parts = [size[:, first - 1 : last] for _, first, last in buckets(cadence, scored.shape[1])]
    return np.stack([pooled_quantiles(part, group, wanted) for part in parts], axis=1)


def pooled_quantiles(scored: Array, group: Index, wanted: Index | None = None) -> Array:
    """Quantiles of scaled errors [O, h, N] over each group, [2, N]; over the whole panel where a group has few.

    wanted: groups [M] of the series asked about, [2, M]; the same series unless told.
    """
    wanted = group if wanted is None else wanted
    everything = scored[np.isfinite(scored)]
    out = np.full((len(LEVELS), len(wanted)), np.nan)
    for which in np.unique(wanted):
        mine = scored[:, :, group == which]
        mine = mine[np.isfinite(mine)]
        pool = mine if mine.size >= _FEWEST_SCORES else everything
        if pool.size:
            out[:, wanted == which] = np.quantile(pool, LEVELS)[:, None]
    return out


def own_quantiles(size: Array) -> Array:
    """Quantiles of each column's finite values, [2, N] of [M, N]; NaN where there is none."""
    ordered = np.sort(size, axis=0)  # NaN last
    count = np.isfinite(ordered).sum(axis=0)
    out = []
    for level in LEVELS:
        rank = np.clip(np.ceil(level * (count + 1)).astype(int) - 1, 0, np.maximum(count - 1, 0))
        out.append(np.where(count > 0, np.take_along_axis(ordered, rank[None], axis=0)[0], np.nan))
    return np.stack(out)


def naive_widths(values: Array, week: int, cadence: Cadence) -> Array:
    """Half-widths [2, B, N] of a week's buckets without any past origin: quantiles of the change over a week."""
    known = own_quantiles(np.abs(values[week:] - values[:-week])) if len(values) > week else None
    found = np.full((len(LEVELS), values.shape[1]), np.nan) if known is None else known
    return np.repeat(found[:, None], len(buckets(cadence, week)), axis=1)


def spread(widths: Array, replayed: int, horizon: int, cadence: Cadence) -> Array:
    """Half-widths [2, B, N] of buckets up to `replayed` points as half-widths [2, H, N] of every step.

    Between the middles of buckets they are interpolated. Beyond what was replayed they grow with a power of the
    horizon, read off the buckets (0.1 to 0.5, the random walk's; 0.5 where there is one bucket only).
    """
    places = buckets(cadence, replayed)
    middles = np.array([(first + last) / 2 for _, first, last in places])
    steps = np.arange(1, horizon + 1)
    at = np.minimum(steps, replayed)
    share = np.stack([np.interp(at, middles, row) for row in np.eye(len(places))], axis=1)  # [H, B]
    out = np.einsum("hb,qbn->qhn", share, widths)
    if horizon > replayed:
        out *= np.maximum(steps / replayed, 1.0)[None, :, None] ** _growth(widths, middles)
    return np.asarray(out)


def _growth(widths: Array, middles: Array) -> Array:
    """Exponent of widths in the horizon, [2, 1, N]."""
    if len(middles) < 2:
        return np.full((len(widths), 1, widths.shape[2]), _GROWTH[1])
    x = np.log(middles) - np.log(middles).mean()
    y = np.log(np.maximum(widths, 1e-12))
    slope = (x[None, :, None] * y).sum(axis=1, keepdims=True) / (x @ x)
    return np.clip(np.where(np.isfinite(slope), slope, _GROWTH[1]), *_GROWTH)


def quantile_levels(point: Array, half: Array, mean: Array, low: Array, high: Array) -> Array:
    """[Q + 1, H, N]: QUANTILE_LEVELS and the mean, clipped to the metric's range [low, high], [N]."""
    mean = np.clip(mean, point - half[0], point + half[0])
    stack = np.stack([point - half[1], point - half[0], point, point + half[0], point + half[1], mean])
    return np.asarray(np.clip(stack, low, high))
