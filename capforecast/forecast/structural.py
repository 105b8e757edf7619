"""Piecewise-linear trend + weekday + yearly Fourier terms + calendar, by ridge regression for all series at once.

A series that starts late is fitted on its own history (rounded up to a few lengths, so that designs are shared).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.forecast.base import Array, Array32, Block, Family, Mask, register
from capforecast.forecast.tiles import put_lines, tiles_of
from capforecast.schema import Cadence

_HINGES = 25
_LAST_KNOT = 0.8  # of the history: the last fifth has no hinge
_MOST_PAIRS = 10  # yearly
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


@dataclass(frozen=True)
class Columns:
    """A design laid out: its columns over history and horizon, the trend's first, and how strongly each is held."""

    every: Array  # [seen + H, P]
    trends: int  # of the P columns
    ridge: Array  # [P]
    weight: Array  # [seen]

    @property
    def seen(self) -> int:
        """Rows of history; the rest lie ahead."""
        return len(self.weight)

    @property
    def season(self) -> Array:
        """All columns but the trend's, [seen + H, Q]."""
        return self.every[:, self.trends :]


def columns(block: Block, design: Design, start: int, origin: int) -> Columns:
    """A design over rows start .. origin + H - 1."""
    seen, rows = origin - start, slice(start, origin + block.horizon)
    weekdays, yearly, flags = (part[rows] for part in calendar_columns(block))
    held = [1e-6, design.slope + design.slope_per_point * seen] + [design.hinge] * design.hinges
    trends = len(held)
    parts = [(weekdays, design.season)]
    if design.pairs:
        parts.append((yearly[:, : 2 * design.pairs], design.year + design.year_per_point * seen))
    if design.calendar is not None:
        parts.append((flags, design.calendar))
    every = np.empty((seen + block.horizon, trends + sum(part.shape[1] for part, _ in parts)))
    _trend(every[:, :trends], seen)
    np.concatenate([part for part, _ in parts], axis=1, out=every[:, trends:])
    held += [ridge for part, ridge in parts for _ in range(part.shape[1])]
    ago = np.arange(seen)[::-1]
    weight = 0.5 ** (ago / design.half_life) if design.half_life else np.ones(seen)
    return Columns(every, trends, np.array(held), weight)


def _trend(out: Array, seen: int) -> None:
    """Write ones, a line that reaches 1 after the history, and hinges, [rows, 2 + hinges]."""
    t = np.arange(len(out)) / seen
    out[:, 0], out[:, 1] = 1.0, t
    knots = np.linspace(0.0, _LAST_KNOT, out.shape[1] - 1)[1:]
    np.maximum(np.subtract.outer(t, knots), 0.0, out=out[:, 2:])


def calendar_columns(block: Block) -> tuple[Array, Array, Array]:
    """Columns of the whole calendar, [T + H, .]: weekdays, yearly pairs (slowest first), flags."""
    if "calendar" not in block.memo:
        flags = [name for name in block.calendar if name in _CALENDAR or str(name).startswith("event_")]
        block.memo["calendar"] = (
            _weekdays(block.calendar),
            _yearly(pd.DatetimeIndex(block.calendar.index)),
            block.calendar[flags].to_numpy(dtype=np.float64),
        )
    weekdays, yearly, flagged = block.memo["calendar"]
    return weekdays, yearly, flagged


def _weekdays(calendar: pd.DataFrame) -> Array:
    """Six contrasts: each weekday against Sunday."""
    day = calendar["day_of_week"].to_numpy()
    return np.stack([(day == j) * 1.0 - (day == 6) * 1.0 for j in range(6)], axis=1)


def _yearly(timestamps: pd.DatetimeIndex) -> Array:
    days = (timestamps - pd.Timestamp("2000-01-01", tz=timestamps.tz)) / pd.Timedelta(days=1)
    angle = 2 * np.pi * np.asarray(days, dtype=np.float64)[:, None] * np.arange(1, _MOST_PAIRS + 1) / 365.25
    return np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(len(angle), -1)


def estimators(laid: Columns, wanted: Array) -> Array:
    """What turns a history into combinations of its ridge coefficients: wanted [R, P] -> [R, seen]."""
    past = laid.every[: laid.seen]
    weighted = past * laid.weight[:, None]
    normal = weighted.T @ past + np.diag(laid.ridge)
    return np.asarray(np.linalg.solve(normal, wanted.T).T @ weighted.T)


@dataclass(frozen=True)
class _Stack:
    """All designs over the same rows. What their forecasts need of a history is one product, `states` @ history.

    states: [R, seen]; of each design, where the trend stands, its slope a day, and its other coefficients.
    members: for each design its number, its rows of `states` and its other columns ahead, [H, Q].
    """

    states: Array
    members: tuple[tuple[int, slice, Array], ...]


def _stack(block: Block, start: int, origin: int) -> _Stack:
    key = ("regression", start, origin)
    if key not in block.memo:
        parts, members, row = [], [], 0
        for number, design in enumerate(_PLAIN):
            if origin - start >= design.least:
                laid = columns(block, design, start, origin)
                known: Mask = (laid.season[: laid.seen] != 0).any(axis=0)  # what never happened has no effect yet
                parts.append(estimators(laid, _ahead(laid, known)))
                members.append((number, slice(row, row + len(parts[-1])), laid.season[laid.seen :, known]))
                row += len(parts[-1])
        block.memo[key] = _Stack(np.concatenate(parts), tuple(members))
    stack: _Stack = block.memo[key]
    return stack


def _ahead(laid: Columns, known: Mask) -> Array:
    """Combinations of coefficients that forecasts need, [2 + Q, P]: beyond the last knot a trend is a straight line."""
    count, trends = len(laid.ridge), laid.trends
    now, then = laid.every[laid.seen - 1 : laid.seen + 1, :trends]
    line = np.zeros((2, count))
    line[:, :trends] = now, then - now
    return np.concatenate([line, np.eye(count)[trends:][known]])


_PLAIN = (_FLEX, _FLEX_YEAR, _CALM, _CALM_YEAR, _LINE_YEAR, _TREND_CALENDAR)
_LEAST = np.array([design.least for design in _PLAIN])


def _daily(block: Block, out: Array32) -> None:
    for o, origin in enumerate(block.origins):
        for tile in tiles_of(block, origin):
            stack = _stack(block, tile.start, origin)
            numbers = np.array([number for number, _, _ in stack.members])
            steps = np.broadcast_to(np.arange(1.0, block.horizon + 1), (len(numbers), block.horizon))
            old = tile.age >= _LEAST[numbers][:, None]
            for kind, values in enumerate(tile.values(block, tile.start, origin)):
                state = stack.states @ values
                level, slope = (np.stack([state[rows][i] for _, rows, _ in stack.members]) for i in (0, 1))
                season = np.stack([ahead @ state[rows][2:] for _, rows, ahead in stack.members])
                put_lines(
                    out[o], 2 * numbers + kind, tile, kind == 1, np.where(old, level, np.nan), slope, steps, season
                )


register(
    Family(
        "regression",
        Cadence.DAILY,
        tuple(f"{design.name}_{kind}" for design in _PLAIN for kind in ("level", "log")),
        _daily,
    )
)
