"""Errors over a short replay in the units of a long one, so that young series and old ones share a pool.

The mean error over 90 days is larger than that over the next 14 wherever errors grow with the horizon (a random walk
2.5 times, noise not at all). A series replayed over a short horizon only is given the ratio its group showed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.forecast.base import Array, Index, Mask

_FEWEST_PATHS = 10  # a group with fewer long paths leans on all groups
_FEWEST_SEEN = 0.5  # share of a path, and of its first part, that must have been observed
_LIMITS = (0.5, 10.0)


@dataclass(frozen=True)
class LongPaths:
    """The longest error paths that are numerous enough.

    scaled: [P, H], in units of the mean error expected over H.  origin, group: [P].  learnt: [P], were weights
    learnt at the origin (only then a path calibrates intervals)?
    """

    scaled: Array
    origin: Index
    group: Index
    learnt: Mask

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

    def _fit(self, known: Mask, short: int, at: int) -> Mask:
        for chosen in (self.origin + self.horizon <= at, self.origin >= at + short):
            if (known & chosen).any():
                return np.asarray(chosen)
        return known

    def _ratio(self, whole: Array, first: Array, chosen: Mask, numbers: Index) -> Array:
        out = np.ones(len(numbers))
        for which in np.unique(numbers):
            mine = chosen & (self.group == which)
            pool = mine if mine.sum() >= _FEWEST_PATHS else chosen
            total, part = whole[pool].sum(), first[pool].sum()
            out[numbers == which] = np.clip(total / part, *_LIMITS) if part > 0 else 1.0
        return out


def longest(parts: list[LongPaths]) -> LongPaths | None:
    """The paths of the longest horizon that has enough of them, of all replays over that horizon."""
    for horizon in sorted({part.horizon for part in parts}, reverse=True):
        alike = [part for part in parts if part.horizon == horizon]
        if sum(int(np.isfinite(_mean_size(part.scaled)).sum()) for part in alike) >= _FEWEST_PATHS:
            scaled, origin, group, learnt = (
                np.concatenate([getattr(part, name) for part in alike])
                for name in ("scaled", "origin", "group", "learnt")
            )
            return LongPaths(scaled, origin, group, learnt)
    return None


def _mean_size(scaled: Array) -> Array:
    """Mean absolute error [P] of paths [P, h]; NaN where too little was observed."""
    seen = np.isfinite(scaled)
    count = seen.sum(axis=1)
    total = np.where(seen, np.abs(scaled), 0.0).sum(axis=1)
    return np.where(count >= max(_FEWEST_SEEN * scaled.shape[1], 1), total / np.maximum(count, 1), np.nan)
