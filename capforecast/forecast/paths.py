"""Error paths of past origins: the size of error to expect and where a series stood, both as known at the origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.forecast.base import Array, Index

_PSEUDO = 2.0  # past origins that the in-sample scale counts for
_LATEST = 12  # origins averaged
_FLOOR = 0.01  # of the pool's median scale: an idle series may wake up
_STATE_LIMIT = 6.0


@dataclass(frozen=True)
class Group:
    """Series of one pool replayed alike: numbers [N] for pooling, distance of independent origins, which ones count."""

    number: Index
    gap: int
    stride: int = 1


def naive_scales(values: Array, origins: tuple[int, ...], season: int) -> Array:
    """In-sample mean absolute seasonal difference before each origin, [O, N], on observed pairs; NaN without any."""
    change = np.abs(values[season:] - values[:-season])
    known = np.isfinite(change)
    total = np.cumsum(np.where(known, change, 0.0), axis=0)
    count = np.cumsum(known, axis=0)
    rows = np.array(origins) - season - 1
    some = (rows >= 0)[:, None] & (count[rows] > 0)
    return np.where(some, total[rows] / np.maximum(count[rows], 1), np.nan)


def scales(
    errors: Array, naive: Array, naive_now: Array, group: Group, typical: Array | None = None
) -> tuple[Array, Array]:
    """Size of error to expect at each origin [O, N] and now [N].

    errors: [O, H, N], newest origin first; naive: [O, N] and [N], in-sample seasonal naive errors. Mean of the mean
    errors of at most 12 origins whose outcome was complete, and 2 pseudo-origins at the in-sample error times the
    pool's median ratio of the two, or at `typical` [O + 1, N] (last = now) where that is given.
    """
    seen = np.isfinite(errors)
    count = seen.sum(axis=1)
    size = np.where(count > 0, np.where(seen, np.abs(errors), 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(naive > 0, size / naive, np.nan)
    at_origins = [
        _scale(
            size[o + group.gap :: group.stride],
            ratio[o + group.gap :: group.stride],
            naive[o],
            group.number,
            None if typical is None else typical[o],
        )
        for o in range(len(errors))
    ]
    past = np.stack(at_origins) if at_origins else np.empty((0, errors.shape[2]))
    last = None if typical is None else typical[-1]
    return past, _scale(size[:: group.stride], ratio[:: group.stride], naive_now, group.number, last)


def _scale(size: Array, ratio: Array, naive: Array, number: Index, given: Array | None) -> Array:
    """Expected size of error [N] from complete origins' mean errors and ratios [<= O, N]."""
    latest = size[:_LATEST]
    known = np.isfinite(latest)
    out = np.empty(len(naive))
    base = np.where(np.isfinite(naive), naive, 0.0)
    for which in np.unique(number):
        members = number == which
        pool = ratio[:, members][np.isfinite(ratio[:, members])]
        typical = np.asarray(np.median(pool) if len(ratio) >= 3 and pool.size else 1.0)
        typical = typical if given is None else given[members]
        total = np.where(known, latest, 0.0).sum(axis=0)[members] + _PSEUDO * typical * base[members]
        value = total / (known.sum(axis=0)[members] + _PSEUDO)
        alive = value[value > 0]
        out[members] = np.maximum(value, _FLOOR * float(np.median(alive)) if alive.size else 1e-6)
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
