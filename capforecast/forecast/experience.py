"""What a sample of series teaches about candidates: who is good in a group, for whom that differs, and when.

Past errors mislead in two ways. A series' own few origins are noisy, so its deviation from its group counts only as far
as such deviations lasted in the past (empirical Bayes, James & Stein 1961). And the past was not the present: where
candidates' errors depended on the situation of a series (after a burst, say), that dependence is learnt across series
(ridge regression, a group leaning on all groups) and counts as far as it foretold origins it was not learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numba
import numpy as np

from capforecast.forecast.base import Array, Index
from capforecast.forecast.ensemble import mean0, pooled

_RIDGE = 400.0  # rows (series times origins) without any effect that a regression counts besides its own
_UNTRIED = 0.5  # share of own deviations believed before any could be seen to last
_LARGEST = 2.0  # a log-relative error further from what was expected teaches no more than this
_EXTREME = 3.0  # standard deviations, likewise for situations


@dataclass(frozen=True)
class Effects:
    """How expected errors of K candidates change with F aspects of a situation, in R rows: a replay's groups each.

    size: [R, F, K], for an aspect one standard deviation above its mean.  usual, spread: [R, F], that mean and that
    deviation.
    """

    size: Array
    usual: Array
    spread: Array

    def change(self, aspects: Array, row: Index) -> Array:
        """What situations [F, N] of series with rows [N] add to their scores, [K, N]."""
        now = standardised(aspects, self.usual[row].T, self.spread[row].T)
        out = np.zeros((self.size.shape[2], len(row)))
        for which in np.unique(row):
            members = row == which
            for effect, aspect in zip(self.size[which], now[:, members], strict=True):
                out[:, members] += effect[:, None] * aspect
        return out

    @staticmethod
    def none(rows: int, aspects: int, candidates: int) -> Effects:
        """Rows that change nothing."""
        return Effects(np.zeros((rows, aspects, candidates)), np.zeros((rows, aspects)), np.ones((rows, aspects)))

    @staticmethod
    def joined(parts: list[Effects]) -> Effects:
        """The rows of all parts, one after another."""
        return Effects(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Effects)))


@dataclass(frozen=True)
class Experience:
    """What was known at one moment about K candidates in G groups.

    pool: [K, G] mean log-relative error.  trust: share of a series' own deviation from it that lasts.
    effects: what situations change, a row for each group.
    """

    pool: Array
    trust: float
    effects: Effects

    def usual(self, scores: Array, group: Index) -> Array:
        """Expected log-relative errors [K, N] of series with past ones [O, K, N], whatever their situation."""
        return _blend(mean0(scores), self.pool[:, group], self.trust)

    def expected(self, scores: Array, aspects: Array, group: Index) -> Array:
        """The same in a situation [F, N]."""
        return self.usual(scores, group) + self.effects.change(aspects, group)


def standardised(aspects: Array, usual: Array, spread: Array) -> Array:
    """Aspects in standard deviations from their mean, held within limits."""
    return np.clip((aspects - usual) / spread, -_EXTREME, _EXTREME)


def learn(scores: Array, aspects: Array, group: Index, groups: int, gap: int) -> Experience:
    """Experience from log-relative errors [O, K, M] of sample series at past origins, newest first.

    aspects: [O, F, M] situations at the origins.  group: [M], numbers below `groups`; groups without a series here
    stay empty.  gap: origins nearer than this overlap, and do not confirm one another.
    """
    numbers, firsts, index = np.unique(group, return_index=True, return_inverse=True)
    pool, own = pooled(scores, group), mean0(scores)
    trust = _lasting_deviations(scores, index, gap)
    surprise = scores - _blend(own, pool, trust)
    usual, spread = _usual(aspects)
    then = standardised(aspects, usual, spread)
    effects = Effects.none(groups, aspects.shape[1], len(pool))
    effects.size[numbers] = _effects(then, np.clip(surprise, -_LARGEST, _LARGEST), index, gap)
    effects.usual[:], effects.spread[:] = usual.T, spread.T
    pools = np.zeros((len(pool), groups))
    pools[:, numbers] = pool[:, firsts]
    return Experience(pools, trust, effects)


def _blend(own: Array, pool: Array, trust: float) -> Array:
    """Own mean scores [K, N] held towards the pool's; the pool's where a series has none."""
    return np.where(np.isfinite(own), pool + trust * (np.where(np.isfinite(own), own, 0.0) - pool), pool)


def _usual(aspects: Array) -> tuple[Array, Array]:
    """Mean and standard deviation [F, 1] of aspects [O, F, M] over origins and series."""
    if not aspects.size:
        return np.zeros((aspects.shape[1], 1)), np.ones((aspects.shape[1], 1))
    return aspects.mean(axis=(0, 2))[:, None], aspects.std(axis=(0, 2))[:, None] + 1e-3


def _lasting_share(product: float, square: float, untried: float) -> float:
    """Slope of outcomes on predictions from sums of their products and of predictions' squares, within 0 .. 1."""
    return min(max(product / square, 0.0), 1.0) if square > 0 else untried


def _lasting_deviations(scores: Array, index: Index, gap: int) -> float:
    """Share of a series' deviation from its group over older origins that was there again at a later one."""
    product, square = _own_products(scores, index, int(index.max()) + 1 if index.size else 0, gap)
    return _lasting_share(product, square, _UNTRIED)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _own_products(scores, index, groups, gap):  # type: ignore[no-untyped-def]
    """Sums of products and squares of deviations over older origins with later ones, from scores [O, K, M]."""
    origins, candidates, width = scores.shape
    total, count = np.zeros((candidates, width)), np.zeros((candidates, width))
    older, now = np.empty(width), np.empty(width)
    product, square = 0.0, 0.0
    for o in range(origins - gap - 1, -1, -1):
        for k in range(candidates):
            for m in range(width):
                value = scores[o + gap, k, m]
                if np.isfinite(value):
                    total[k, m] += value
                    count[k, m] += 1.0
                older[m] = total[k, m] / count[k, m] if count[k, m] > 0.0 else np.nan
                now[m] = scores[o, k, m]
            _less_mean(older, index, groups)
            _less_mean(now, index, groups)
            for m in range(width):
                if np.isfinite(older[m]) and np.isfinite(now[m]):
                    product += older[m] * now[m]
                    square += older[m] * older[m]
    return product, square


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _less_mean(values, index, groups):  # type: ignore[no-untyped-def]
    """Turn values [M] into deviations from the mean of the finite ones of their group."""
    total, count = np.zeros(groups), np.zeros(groups)
    for m in range(len(values)):
        if np.isfinite(values[m]):
            total[index[m]] += values[m]
            count[index[m]] += 1.0
    for m in range(len(values)):
        values[m] -= total[index[m]] / count[index[m]] if count[index[m]] > 0.0 else 0.0


def _effects(aspects: Array, surprise: Array, index: Index, gap: int) -> Array:
    """Effects [G, F, K] of standardised aspects [O, F, M] on what scores [O, K, M] were beyond expectation."""
    groups = [index == which for which in range(int(index.max()) + 1)]
    told = np.where(np.isfinite(surprise), surprise, 0.0)
    square = np.stack([aspects[:, :, m] @ aspects[:, :, m].transpose(0, 2, 1) for m in groups])  # [G, O, F, F]
    product = np.stack([aspects[:, :, m] @ told[:, :, m].transpose(0, 2, 1) for m in groups])  # [G, O, F, K]
    sums = np.zeros(2)
    origins = np.arange(len(surprise))
    for o in origins:
        rest = np.abs(origins - o) >= gap
        if rest.any():
            effects = _ridge(square[:, rest].sum(axis=1), product[:, rest].sum(axis=1))
            effects -= effects.mean(axis=2, keepdims=True)
            sums += _foretold_products(effects, aspects[o], surprise[o] - mean0(surprise[o]), index)
    return _lasting_share(sums[0], sums[1], 0.0) * _ridge(square.sum(axis=1), product.sum(axis=1))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _foretold_products(effects, aspects, came, index):  # type: ignore[no-untyped-def]
    """Sums of products and squares of what effects [G, F, K] foretold in situations [F, M], with what came [K, M]."""
    sums, foretold = np.zeros(2), np.empty(came.shape[1])
    for k in range(came.shape[0]):
        foretold[:] = 0.0
        for f in range(len(aspects)):
            for m in range(len(foretold)):
                foretold[m] += effects[index[m], f, k] * aspects[f, m]
        for m in range(len(foretold)):
            if np.isfinite(came[k, m]):
                sums[0] += foretold[m] * came[k, m]
                sums[1] += foretold[m] * foretold[m]
    return sums


def _ridge(square: Array, product: Array) -> Array:
    """Coefficients [G, F, K] from sums [G, F, F] and [G, F, K]: all groups towards none, each towards all."""
    held = _RIDGE * np.eye(square.shape[1])
    common = np.linalg.solve(square.sum(axis=0) + held, product.sum(axis=0))
    return np.asarray(np.linalg.solve(square + held, product + _RIDGE * common))
