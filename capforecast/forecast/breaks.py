"""Daily trend with few breaks: steps and changes of slope taken up one by one while each is worth it.

A line with weekday and yearly effects is fitted to all series at once; then each series takes up, of steps and hinges
at dates ever further apart, the one that lowers its squared error most, as long as that pays for the choice (orthogonal
matching pursuit, Pati et al. 1993, stopped by an information criterion; compare the sparse breaks of Prophet, Taylor &
Letham 2018, and step indicators, Castle et al. 2015). Unlike by a ridge, a few strong breaks are followed whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from capforecast.forecast.base import TILE, Array, Array32, Block, Family, Index, register
from capforecast.forecast.smoothing import damped_sum
from capforecast.forecast.structural import Columns, Design, columns, estimators
from capforecast.forecast.tiles import put_lines, tiles_of
from capforecast.schema import Cadence

_DESIGNS = (
    Design("week", hinges=0, slope=1e-3, season=0.1, least=90),
    Design("year", hinges=0, slope=1e-3, season=0.1, pairs=4, year=0.1, least=550),
)
_STEPS = (10, 14, 20, 28, 40, 56, 75, 100, 130, 165, 205, 250, 300, 360, 430, 510, 600, 700, 820, 950, 1100, 1260)
_HINGES = _STEPS[3:]  # days before the origin; a slope wants four weeks of evidence
_EDGE = 28  # days at the beginning without breaks
_PRICES = (3.0, 10.0)  # of a break, in natural logarithms of the length, in units of the residual variance
_MOST = 8  # breaks
_DAMPING = (1.0, 0.99)
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
    per_design = 2 * len(_PRICES) * len(_DAMPING)
    steps = np.stack([damped_sum(np.array(phi), block.horizon) for _ in _PRICES for phi in _DAMPING])
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
    for price, row in zip(_PRICES, size, strict=True):
        _choose(steps - fit.cross @ coefficients, fit.gram, left, price * np.log(len(values)) / len(values), row)
    state = (fit.wanted @ coefficients)[None] + np.stack([fit.moved @ one for one in size])
    season = np.stack([fit.season @ one[2:] for one in state])
    repeat = len(_DAMPING)
    return np.repeat(state[:, 0], repeat, axis=0), np.repeat(state[:, 1], repeat, axis=0), np.repeat(season, repeat, 0)


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
def _choose(products, gram, left, price, size):  # type: ignore[no-untyped-def]
    """Sizes [P, TILE] of the breaks each series takes up.

    products: [P, TILE] of the breaks' columns with what the design leaves of a history.  left: its squares, [TILE].
    price: share of the squares still left that a break must take away.
    """
    count, width = products.shape
    chosen, rest = np.empty(_MOST, dtype=np.int64), np.empty(count)
    matrix, right = np.empty((_MOST, _MOST)), np.empty(_MOST)
    for j in range(width):
        rest[:] = products[:, j]
        remains = left[j]
        for taken in range(_MOST):
            best, gain = -1, price * remains
            for p in range(count):
                if gram[p, p] > _COLLINEAR and rest[p] * rest[p] > gain * gram[p, p]:
                    best, gain = p, rest[p] * rest[p] / gram[p, p]
            if best < 0:
                break
            chosen[taken] = best
            for a in range(taken + 1):
                right[a] = products[chosen[a], j]
                for b in range(taken + 1):
                    matrix[a, b] = gram[chosen[a], chosen[b]]
                matrix[a, a] *= 1.0 + 1e-6
            _solve(matrix, right, taken + 1)
            remains = left[j]
            rest[:] = products[:, j]
            for a in range(taken + 1):
                remains -= right[a] * products[chosen[a], j]
                for p in range(count):
                    rest[p] -= gram[p, chosen[a]] * right[a]
            remains = max(remains, 0.0)
            size[:, j] = 0.0
            for a in range(taken + 1):
                size[chosen[a], j] = right[a]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _solve(matrix, right, count):  # type: ignore[no-untyped-def]
    """Solves a small positive definite system in place; the solution stands in `right`."""
    for a in range(count):
        for b in range(a + 1, count):
            share = matrix[b, a] / matrix[a, a]
            for c in range(a, count):
                matrix[b, c] -= share * matrix[a, c]
            right[b] -= share * right[a]
    for a in range(count - 1, -1, -1):
        for b in range(a + 1, count):
            right[a] -= matrix[a, b] * right[b]
        right[a] /= matrix[a, a]


FAMILY = register(
    Family(
        "breaks",
        Cadence.DAILY,
        tuple(
            f"{design.name}_{kind}_{price:g}_{phi:g}"
            for design in _DESIGNS
            for kind in ("level", "log")
            for price in _PRICES
            for phi in _DAMPING
        ),
        _daily,
    )
)
