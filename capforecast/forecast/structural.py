"""Piecewise-linear trend + weekday + yearly Fourier terms + calendar, by ridge regression for all series at once.

A series that starts late is fitted on its own history (rounded up to a few lengths, so that designs are shared).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.forecast.base import TILE, Array, Block, Family, Mask, register
from capforecast.forecast.baselines import median0
from capforecast.schema import Cadence

_HINGES = 25  # over the first 80 % of the history
_CALENDAR = ("month_end", "quarter_end", "year_end", "holiday", "event")


@dataclass(frozen=True)
class Design:
    """One regression: its terms and how strongly each is held back (ridge, in units of observations)."""

    name: str
    hinge: float = 3.0
    season: float = 0.5
    pairs: int = 0  # yearly Fourier pairs
    year: float = 2.0
    year_per_point: float = 0.0  # > 0: held back in proportion to the history, which damps the yearly swing
    calendar: float | None = None
    half_life: float | None = None  # points; recent days weigh more
    slope: float = 1e-3
    slope_per_point: float = 0.0
    hinges: int = _HINGES  # 0: a straight line
    least: int = 28  # days of history needed


WEEK = Design("week", half_life=270.0)
YEAR = Design("year", season=2.0, pairs=6, least=600)
HALF_YEAR = Design("half_year", season=2.0, pairs=4, year=0.0, year_per_point=0.5, least=400)
_FLEX = Design("flexible", hinge=1.0)
_FLEX_YEAR = Design("flexible_year", hinge=1.0, pairs=6, year=0.5, least=600)
_CALM = Design("calm", hinges=0, slope_per_point=0.02, calendar=2.0, least=56)
_CALM_YEAR = Design("calm_year", hinges=0, slope_per_point=0.02, pairs=2, year=4.0, calendar=2.0, least=400)
_LINE_YEAR = Design("line_year", hinges=0, pairs=3, year=4.0, calendar=2.0, least=400)
_TREND_CALENDAR = Design("trend_calendar", hinge=30.0, pairs=3, year=8.0, calendar=2.0, least=550)


def _trend(rows: int, seen: int, hinges: int) -> Array:
    t = np.arange(rows) / seen
    knots = np.linspace(0.0, 0.8, hinges + 1)[1:]
    return np.column_stack([np.ones(rows), t, *(np.maximum(t - knot, 0.0) for knot in knots)])


def _weekdays(calendar: pd.DataFrame) -> Array:
    """Six contrasts: each weekday against Sunday."""
    day = calendar["day_of_week"].to_numpy()
    return np.stack([(day == j) * 1.0 - (day == 6) * 1.0 for j in range(6)], axis=1)


def _yearly(timestamps: pd.DatetimeIndex, pairs: int) -> Array:
    days = (timestamps - pd.Timestamp("2000-01-01", tz=timestamps.tz)) / pd.Timedelta(days=1)
    angle = 2 * np.pi * np.asarray(days, dtype=np.float64)[:, None] * np.arange(1, pairs + 1) / 365.25
    return np.hstack([np.sin(angle), np.cos(angle)])


@dataclass(frozen=True)
class Terms:
    """Solved design: coefficients = solve @ history; `ahead` and `seasonal` give forecast and seasonal part."""

    solve: Array  # [P, seen]
    trend: int  # number of trend columns, which come first
    columns: Array  # [seen + H, P]


def normal_equations(block: Block, design: Design, start: int, origin: int) -> tuple[Array, list[float]]:
    """Columns [seen + H, P] of a design over rows start .. origin + H - 1 (trend first) and their ridge [P]."""
    key = ("columns", design, start, origin)
    if key not in block.memo:
        block.memo[key] = _columns(block, design, start, origin)
    columns, ridge = block.memo[key]
    return columns, ridge


def _columns(block: Block, design: Design, start: int, origin: int) -> tuple[Array, list[float]]:
    calendar = block.calendar.iloc[start : origin + block.horizon]
    seen = origin - start
    parts = [_trend(len(calendar), seen, design.hinges), _weekdays(calendar)]
    ridge = [1e-6, design.slope + design.slope_per_point * seen]
    ridge += [design.hinge] * design.hinges + [design.season] * 6
    if design.pairs:
        parts.append(_yearly(pd.DatetimeIndex(calendar.index), design.pairs))
        ridge += [design.year + design.year_per_point * seen] * (2 * design.pairs)
    if design.calendar is not None:
        flags = [name for name in calendar if name in _CALENDAR or str(name).startswith("event_")]
        parts.append(calendar[flags].to_numpy(dtype=np.float64))
        ridge += [design.calendar] * len(flags)
    return np.hstack(parts), ridge


def _terms(block: Block, design: Design, start: int, origin: int) -> Terms:
    """One design over rows [start, origin), solved once for all series."""
    key = ("terms", design, start, origin)
    if key not in block.memo:
        block.memo[key] = _solved(block, design, start, origin)
    terms: Terms = block.memo[key]
    return terms


def _solved(block: Block, design: Design, start: int, origin: int) -> Terms:
    columns, ridge = normal_equations(block, design, start, origin)
    seen = origin - start
    past = columns[:seen]
    weight = 0.5 ** (np.arange(seen)[::-1] / design.half_life)[:, None] if design.half_life else 1.0
    weighted = past * weight
    solve = np.linalg.solve(weighted.T @ past + np.diag(ridge), weighted.T).astype(np.float64)
    return Terms(solve, 2 + design.hinges, columns)


def tiles_product(matrix: Array, values: Array) -> Array:
    """matrix @ values, a fixed number of columns at a time: the same bits whatever else is in the block."""
    parts = [matrix @ np.ascontiguousarray(values[:, i : i + TILE]) for i in range(0, values.shape[1], TILE)]
    return parts[0] if len(parts) == 1 else np.hstack(parts)


def starts(block: Block, origin: int, least: int) -> dict[int, Mask]:
    """First row of the fit -> series fitted from there. Lengths are rounded up by at most a third."""
    age = block.age(origin)
    rounded = np.ceil(28 * 1.3 ** np.ceil(np.log(np.maximum(age, 28) / 28) / np.log(1.3) - 1e-9)).astype(int)
    start = np.where(age >= origin - 7, 0, np.maximum(origin - rounded, 0))
    able = age >= least
    return {int(s): able & (start == s) for s in np.unique(start[able])}


def fit(block: Block, design: Design, origin: int, values: Array) -> tuple[Array, Array] | None:
    """Fitted design for values [T, N] (levels or logs): forecast [H, N] and seasonal part [origin + H, N].

    The seasonal part is everything but the trend. Both are NaN for series with too little history; None when all have.
    """
    total = origin + block.horizon
    begins = starts(block, origin, design.least)
    if not begins:
        return None
    ahead = np.full((block.horizon, block.width), np.nan)
    seasonal = np.full((total, block.width), np.nan)
    for start, which in begins.items():
        terms = _terms(block, design, start, origin)
        coefficients = tiles_product(terms.solve, values[start:origin])
        rest = tiles_product(terms.columns[:, terms.trend :], coefficients[terms.trend :])
        trend = tiles_product(terms.columns[origin - start :, : terms.trend], coefficients[: terms.trend])
        ahead[:, which] = (trend + rest[origin - start :])[:, which]
        seasonal[start:, which] = rest[:, which]
        if start:  # before the fit: repeat its first weeks, for smoothers that start earlier
            seasonal[:start, which] = rest[:, which][(np.arange(start) - start) % 7]
    return ahead, seasonal


def log_offset(values: Array) -> Array:
    """What is added before taking logarithms, [N]: a twentieth of the usual level, so that zeros do no harm."""
    size = 0.5 * median0(values) + 0.5 * values.mean(axis=0)
    return np.asarray(0.05 * np.maximum(size, 0.0) + 5e-11 * (1.0 + np.abs(values).max(axis=0)))


def to_log(values: Array, offset: Array) -> Array:
    """log(value + offset), negative values taken as zero."""
    return np.asarray(np.log(np.maximum(values, 0.0) + offset))


def from_log(values: Array, offset: Array) -> Array:
    """Inverse of `to_log`."""
    return np.asarray(np.exp(np.minimum(values, 300.0)) - offset)


_PLAIN = (_FLEX, _FLEX_YEAR, _CALM, _CALM_YEAR, _LINE_YEAR, _TREND_CALENDAR)


def _daily(block: Block) -> Array:
    out = block.empty(2 * len(_PLAIN))
    for o, origin in enumerate(block.origins):
        seen = block.clean[:origin]
        offset = log_offset(seen)
        logs = to_log(seen, offset)
        positive = block.nonnegative(origin)
        for k, design in enumerate(_PLAIN):
            level, log = fit(block, design, origin, seen), fit(block, design, origin, logs)
            if level is not None and log is not None:
                out[o, 2 * k] = level[0]
                out[o, 2 * k + 1] = np.where(positive, from_log(log[0], offset), np.nan)
    return out


register(
    Family(
        "regression",
        Cadence.DAILY,
        tuple(f"{design.name}_{kind}" for design in _PLAIN for kind in ("level", "log")),
        _daily,
    )
)
