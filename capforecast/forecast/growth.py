"""Errors over a short replay in the units of a long one, so that young series and old ones share a pool.

The mean error over 90 days is larger than that over the next 14 wherever errors grow with the horizon (a random walk
2.5 times, noise not at all). A series replayed over a short horizon only is given the ratio its group showed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from capforecast.forecast.base import Array, Index, Mask

_FEWEST_PATHS = 10  # a group with fewer long paths leans on all groups
_FEWEST_SEEN = 0.5  # share of a path, and of its first part, that must have been observed
_LIMITS = (0.5, 10.0)
_OUTLIER = 5.0  # times the median


@dataclass(frozen=True)
class LongPaths:
    """The longest error paths that are numerous enough.

    scaled: [P, H], in units of the mean error expected over H.  origin, group: [P].  learnt: [P], were weights
    learnt at the origin (only then a path calibrates intervals)?  per_naive: [P], that mean error expected by the
    in-sample naive error before the origin.
    """

    scaled: Array
    origin: Index
    group: Index
    learnt: Mask
    per_naive: Array

    @property
    def horizon(self) -> int:
        """Points every path covers."""
        return int(self.scaled.shape[1])

    def ratios(self, short: int, origins: tuple[int, ...], numbers: Index) -> Array:
        """Mean error over the whole length by that over the first `short` points: [O, N] at origins, by group.

        numbers: groups [N] of the series asked about. Only paths complete before an origin count; where there is
        none those begun after its outcome, as for intervals.
        """
        with np.errstate(invalid="ignore"):
            whole, first = _mean_size(self.scaled), _mean_size(self.scaled[:, :short])
        known = np.isfinite(whole) & np.isfinite(first)
        return np.stack([self._ratio(whole, first, known & self._fit(known, short, at), numbers) for at in origins])

    def per_naive_error(self, short: int, origins: tuple[int, ...], numbers: Index) -> Array:
        """Mean error over the whole length by the in-sample naive error, [O, N]: what a series without past tells.

        Mean over the paths of a group, each at most 5 times their median; paths as for `ratios`.
        """
        with np.errstate(invalid="ignore"):
            ratio = _mean_size(self.scaled) * self.per_naive
        known = np.isfinite(ratio)
        out = np.ones((len(origins), len(numbers)))
        for row, at in zip(out, origins, strict=True):
            chosen = known & self._fit(known, short, at)
            for which in np.unique(numbers):
                pool = ratio[self._pool(chosen, which)]
                if pool.size:
                    row[numbers == which] = np.minimum(pool, _OUTLIER * np.median(pool)).mean()
        return out

    def _pool(self, chosen: Mask, which: int) -> Mask:
        mine = chosen & (self.group == which)
        return mine if mine.sum() >= _FEWEST_PATHS else chosen

    def _fit(self, known: Mask, short: int, at: int) -> Mask:
        for chosen in (self.origin + self.horizon <= at, self.origin >= at + short):
            if (known & chosen).any():
                return np.asarray(chosen)
        return known

    def _ratio(self, whole: Array, first: Array, chosen: Mask, numbers: Index) -> Array:
        out = np.ones(len(numbers))
        for which in np.unique(numbers):
            pool = self._pool(chosen, which)
            total, part = whole[pool].sum(), first[pool].sum()
            out[numbers == which] = np.clip(total / part, *_LIMITS) if part > 0 else 1.0
        return out


def longest(parts: list[LongPaths]) -> LongPaths | None:
    """The paths of the longest horizon that has enough of them, of all replays over that horizon."""
    for horizon in sorted({part.horizon for part in parts}, reverse=True):
        alike = [part for part in parts if part.horizon == horizon]
        if sum(int(np.isfinite(_mean_size(part.scaled)).sum()) for part in alike) >= _FEWEST_PATHS:
            names = [field.name for field in fields(LongPaths)]
            return LongPaths(*(np.concatenate([getattr(part, name) for part in alike]) for name in names))
    return None


def _mean_size(scaled: Array) -> Array:
    """Mean absolute error [P] of paths [P, h]; NaN where too little was observed."""
    seen = np.isfinite(scaled)
    count = seen.sum(axis=1)
    total = np.where(seen, np.abs(scaled), 0.0).sum(axis=1)
    return np.where(count >= max(_FEWEST_SEEN * scaled.shape[1], 1), total / np.maximum(count, 1), np.nan)
