"""Error paths of past origins: the size of error to expect and where a series stood, both as known at the origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.forecast.backtest import ENOUGH_PATHS
from capforecast.forecast.base import Array, Index, Mask

_PSEUDO = 2.0  # past origins that the in-sample scale counts for
_LATEST = 12  # origins averaged
_FEWEST_ORIGINS = 3  # with a known size of error that make the others dispensable
_FLOOR = 0.01  # of the pool's median scale: an idle series may wake up
_STATE_LIMIT = 6.0


def naive_scales(values: Array, origins: tuple[int, ...], season: int) -> Array:
    """In-sample mean absolute seasonal difference before each origin, [O, N], on observed pairs; NaN without any."""
    if len(values) <= season:
        return np.full((len(origins), values.shape[1]), np.nan)
    change = np.abs(values[season:] - values[:-season])
    known = np.isfinite(change)
    total = np.cumsum(np.where(known, change, 0.0), axis=0)
    count = np.cumsum(known, axis=0)
    rows = np.array(origins, dtype=np.int64) - season - 1
    early, rows = rows < 0, np.maximum(rows, 0)
    some = ~early[:, None] & (count[rows] > 0)
    return np.where(some, total[rows] / np.maximum(count[rows], 1), np.nan)


@dataclass(frozen=True)
class Sizes:
    """What past errors say of the next: the pieces of `expected`.

    size: [O, N], mean absolute error at each origin, newest first, NaN where nothing was observed.
    naive: [O + 1, N], in-sample seasonal naive error before each origin, last row = now.
    telling: [O], origins whose errors are of the kind to expect.
    gap: origins between two whose outcomes do not overlap.  stride: every so many origins count.
    """

    size: Array
    naive: Array
    telling: Mask
    gap: int = 1
    stride: int = 1

    def known(self, o: int) -> Index:
        """Telling origins whose outcome was complete at origin number `o`; O = now."""
        count = len(self.size)
        older = np.arange(o + self.gap if o < count else 0, count, self.stride)
        return older[self.telling[older]]

    def settled(self, series: int) -> Mask:
        """Moments [O + 1] at which past errors told the size of error to expect; all, where these leave few paths.

        At older origins it rests on the in-sample naive error alone. Errors in units of that say nothing of errors in
        units of what is expected now: noise around a level errs 1 / sqrt(2) of its naive error.  series: how many are
        replayed alike.
        """
        found = np.array([len(self.known(o)) > 0 for o in range(len(self.size))], dtype=bool)
        enough = found.sum() >= _FEWEST_ORIGINS and found.sum() * series >= ENOUGH_PATHS
        return np.append(found if enough else np.ones_like(found), True)


def mean_sizes(errors: Array) -> Array:
    """Mean absolute error [O, N] of paths [O, H, N]; NaN where nothing was observed."""
    seen = np.isfinite(errors)
    count = seen.sum(axis=1)
    total = np.where(seen, np.abs(errors), 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def typical_ratios(sizes: Sizes, group: Index, groups: int) -> Array:
    """Median over a group of error by naive error, as known at each origin and now, [O + 1, G]; 1 where unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(sizes.naive[:-1] > 0, sizes.size / sizes.naive[:-1], np.nan)
    out = np.ones((len(sizes.naive), groups))
    for o, row in enumerate(out):
        known = ratio[sizes.known(o)]
        for which in np.unique(group) if len(known) else ():
            pool = known[:, group == which]
            pool = pool[np.isfinite(pool)]
            row[which] = np.median(pool) if pool.size else 1.0
    return out


def expected(sizes: Sizes, typical: Array) -> Array:
    """Size of error to expect at each origin and now, [O + 1, N], without a floor.

    Mean of the mean errors of at most 12 telling origins whose outcome was complete, and 2 pseudo-origins at the
    in-sample naive error times `typical` [O + 1, N].
    """
    out = np.empty_like(sizes.naive)
    for o, row in enumerate(out):
        latest = sizes.size[sizes.known(o)][:_LATEST]
        seen = np.isfinite(latest)
        base = np.where(np.isfinite(sizes.naive[o]), sizes.naive[o], 0.0)
        total = np.where(seen, latest, 0.0).sum(axis=0) + _PSEUDO * typical[o] * base
        row[:] = total / (seen.sum(axis=0) + _PSEUDO)
    return out


def floors(scale: Array, group: Index, groups: int) -> Array:
    """Least size of error to expect in each group, [O + 1, G], from `expected` ones: an idle series may wake up."""
    out = np.full((len(scale), groups), 1e-6)
    for row, values in zip(out, scale, strict=True):
        for which in np.unique(group):
            alive = values[(group == which) & (values > 0)]
            row[which] = _FLOOR * np.median(alive) if alive.size else 1e-6
    return out


def states(values: Array, forecast: Array, scale: Array, per_day: int) -> Array:
    """Where series stood at an origin, [N, 2], in units of `scale` and cut to +-6.

    values: gap-filled history [t0, N]; forecast: [H, N]. Mean, and second largest, of the last 7 days less the mean
    forecast of the next 7.
    """
    last = values[-7 * per_day :]
    expected = forecast[: 7 * per_day].mean(axis=0)
    second = np.sort(last, axis=0)[-2] if len(last) > 1 else last[-1]
    both = np.stack([last.mean(axis=0) - expected, second - expected], axis=-1) / scale[:, None]
    return np.clip(both, -_STATE_LIMIT, _STATE_LIMIT)
