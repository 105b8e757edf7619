"""Daily trend with few breaks: steps and changes of slope taken up one by one while each is worth it.

A line with weekdays and, in some members, the year and the calendar is fitted to all series at once; then each series
takes up, of steps and hinges at dates ever further apart, the one that lowers its squared error most, as long as that
pays for the choice (orthogonal matching pursuit, Pati et al. 1993, stopped by an information criterion; compare the
sparse breaks of Prophet, Taylor & Letham 2018, and step indicators, Castle et al. 2015). Unlike by a ridge, a few
strong breaks are followed whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from capforecast.forecast.base import TILE, Array, Array32, Block, Family, Index, register
from capforecast.forecast.structural import Columns, Design, columns, estimators
from capforecast.forecast.tiles import put_lines, tiles_of
from capforecast.schema import Cadence

_DESIGNS = (
    Design("week", hinges=0, slope=1e-3, season=0.1, least=90),
    Design("year", hinges=0, slope=1e-3, season=0.1, pairs=10, year=0.1, least=550),
    Design("calendar", hinges=0, slope=1e-3, season=0.5, pairs=3, year=4.0, calendar=2.0, least=400),
)
_STEPS = (10, 14, 20, 28, 40, 56, 75, 100, 130, 165)  # days before the origin; hinges do for older ones
_HINGES = (*range(28, 500, 24), *range(500, 1261, 40))  # a slope wants four weeks of evidence
_EDGE = 28  # days at the beginning without breaks
_PRICES = (1.4, 4.0)  # of a break, in natural logarithms of the length, in units of the residual variance
_MOST = 8  # breaks
_UNIT = 100.0  # days; hinges grow by one in so many
_COLLINEAR = 1e-6  # squares a break's column must have beside the design


@dataclass(frozen=True)
class _Fit:
    """One design over the same rows, and the breaks a history has room for. P breaks, C columns, Q seasonal ones.

    solve: [C, seen], coefficients of a centred history.  normal: [C, C], matrix of the normal equations.
    wanted: [2 + Q, C], from coefficients to level at the end of the history, slope a day and seasonal effects.
    season: seasonal columns ahead, [H, Q].  ages: days since each break, its first day included, [P].
    gram: [P, P], of the breaks' columns less what the design explains of them.  cross: [P, C], with its columns.
    moved: [2 + Q, P], what level, slope and effects become when the history rises by one break of size one.
    """

    solve: Array
    normal: Array
    wanted: Array
    season: Array
    ages: Index
    gram: Array
    cross: Array
    moved: Array


def _breaks(seen: int) -> tuple[Array, Index]:
    """Columns [seen, P] of steps, then of hinges (per hundred days), and days since each began."""
    ages = np.array([*_STEPS, *_HINGES], dtype=np.int64)
    hinge = np.arange(len(ages)) >= len(_STEPS)
    room = ages <= seen - _EDGE
    since = np.arange(seen)[:, None] - (seen - ages[room]) + 1.0
    return np.where(since > 0, np.where(hinge[room], since / _UNIT, 1.0), 0.0), np.where(hinge, -ages, ages)[room]


def _fit(block: Block, design: Design, start: int, origin: int) -> _Fit:
    key = ("breaks", design, start, origin)
    if key not in block.memo:
        laid = columns(block, design, start, origin)
        block.memo[key] = _laid(laid)
    fit: _Fit = block.memo[key]
    return fit


def _laid(laid: Columns) -> _Fit:
    past = laid.every[: laid.seen]
    made, ages = _breaks(laid.seen)
    solve = estimators(laid, np.eye(past.shape[1]))
    wanted = np.zeros((past.shape[1], past.shape[1]))
    now, then = laid.every[laid.seen - 1 : laid.seen + 1, :2]
    wanted[:2, :2] = now, then - now
    wanted[2:, 2:] = np.eye(past.shape[1] - 2)
    cross = made.T @ past
    moved = -wanted @ solve @ made
    moved[0] += made[-1]
    moved[1] += np.where(ages < 0, 1.0 / _UNIT, 0.0)
    gram = made.T @ made - cross @ (solve @ made)
    normal = past.T @ past + np.diag(laid.ridge)
    return _Fit(solve, normal, wanted, laid.season[laid.seen :], ages, gram, cross, moved)


def _daily(block: Block, out: Array32) -> None:
    per_design = 2 * len(_PRICES)
    steps = np.tile(np.arange(1.0, block.horizon + 1.0), (len(_PRICES), 1))
    for o, origin in enumerate(block.origins):
        for tile in tiles_of(block, origin):
            if origin - tile.start < _DESIGNS[0].least:
                continue
            for kind, values in enumerate(tile.values(block, tile.start, origin)):
                mean = values.mean(axis=0)
                values -= mean
                for number, design in enumerate(_DESIGNS):
                    if origin - tile.start < design.least:
                        continue
                    level, slope, season = _broken(_fit(block, design, tile.start, origin), values)
                    level = np.where(tile.age >= design.least, level + mean, np.nan)
                    members = number * per_design + kind * len(steps) + np.arange(len(steps))
                    put_lines(out[o], members, tile, kind == 1, level, slope, steps, season)


def _broken(fit: _Fit, values: Array) -> tuple[Array, Array, Array]:
    """Level and slope [members, TILE] and season [members, H, TILE] of centred histories [seen, TILE]."""
    coefficients = fit.solve @ values
    steps = np.zeros((len(fit.ages), TILE))
    _rises(values, fit.ages, steps)
    explained = (coefficients * (fit.normal @ coefficients)).sum(axis=0)
    left = np.maximum((values * values).sum(axis=0) - explained, 0.0)
    size = np.zeros((len(_PRICES), len(fit.ages), TILE))
    prices = np.array(_PRICES) * np.log(len(values)) / len(values)
    _choose(steps - fit.cross @ coefficients, fit.gram, left, prices, size)
    state = (fit.wanted @ coefficients)[None] + np.stack([fit.moved @ one for one in size])
    season = np.stack([fit.season @ one[2:] for one in state])
    return state[:, 0], state[:, 1], season


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _rises(values, ages, out):  # type: ignore[no-untyped-def]
    """Products of the breaks' columns with histories [seen, TILE], into [P, TILE]: sums (of sums) from the end."""
    seen, width = values.shape
    once, twice = np.zeros(width), np.zeros(width)
    for back in range(1, seen + 1):
        for j in range(width):
            once[j] += values[seen - back, j]
            twice[j] += once[j]
        for p in range(len(ages)):
            if ages[p] == back:
                out[p] = once
            elif ages[p] == -back:
                out[p] = twice / _UNIT


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _choose(products, gram, left, prices, size):  # type: ignore[no-untyped-def]
    """Sizes [prices, P, TILE] of the breaks each series takes up, by a Cholesky factor that grows with each of them.

    products: [P, TILE] of the breaks' columns with what the design leaves of a history.  left: its squares, [TILE].
    prices: share of the squares still left that a break must take away, rising.
    """
    count, width = products.shape
    chosen, factor = np.empty(_MOST, dtype=np.int64), np.empty((_MOST, count))
    rest, norm, solved = np.empty(count), np.empty(count), np.empty(_MOST)
    for j in range(width):
        rest[:] = products[:, j]
        for p in range(count):
            norm[p] = gram[p, p]
        remains, dear = left[j], len(prices)
        for taken in range(_MOST + 1):
            best, gain = -1, 0.0
            for p in range(count):
                if norm[p] > _COLLINEAR * gram[p, p] and rest[p] * rest[p] > gain * norm[p]:
                    best, gain = p, rest[p] * rest[p] / norm[p]
            while dear > 0 and (best < 0 or taken == _MOST or gain <= prices[dear - 1] * remains):
                dear -= 1
                _sizes(factor, chosen, solved, taken, size[dear, :, j])
            if dear == 0:
                break
            root = np.sqrt(norm[best])
            for p in range(count):
                product = gram[best, p]
                for a in range(taken):
                    product -= factor[a, best] * factor[a, p]
                factor[taken, p] = product / root
            chosen[taken], solved[taken] = best, rest[best] / root
            for p in range(count):
                rest[p] -= factor[taken, p] * solved[taken]
                norm[p] -= factor[taken, p] * factor[taken, p]
            norm[best] = 0.0
            remains = max(remains - gain, 0.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sizes(factor, chosen, solved, taken, size):  # type: ignore[no-untyped-def]
    """Back substitution: the sizes [P] of the breaks taken so far."""
    for a in range(taken - 1, -1, -1):
        total = solved[a]
        for b in range(a + 1, taken):
            total -= factor[a, chosen[b]] * size[chosen[b]]
        size[chosen[a]] = total / factor[a, chosen[a]]


FAMILY = register(
    Family(
        "breaks",
        Cadence.DAILY,
        tuple(
            f"{design.name}_{kind}_{price:g}" for design in _DESIGNS for kind in ("level", "log") for price in _PRICES
        ),
        _daily,
    )
)
