"""Rolling origins: which fit a series' history, and the evidence table drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.forecast import scores
from capforecast.forecast.base import Array, Index, Mask
from capforecast.schema import BACKTEST_COLUMNS, DIMENSIONS, METRIC, QUANTILE_LEVELS, SERVER_ID, Cadence

_EXTRA = {Cadence.DAILY: 6, Cadence.HOURLY: 3}  # further, older origins: they choose weights for the others
_SHORTER = {Cadence.DAILY: (365, 180, 90, 60, 30, 14, 7), Cadence.HOURLY: (720, 336, 168, 72, 48, 24)}
_BUCKETS = {
    Cadence.DAILY: (7, 30, 60, 90, 180, 365),
    Cadence.HOURLY: (24, 72, 168, 336, 720),
}


@dataclass(frozen=True)
class Plan:
    """How a series' past is replayed: forecasts over `horizon` points, origins `step` apart, after `least` points."""

    horizon: int
    step: int
    least: int

    def count(self, age: int) -> int:
        """Origins that fit a history of `age` points."""
        return max(0, (age - self.horizon - self.least) // self.step + 1)

    def origins(self, total: int, most: int) -> tuple[int, ...]:
        """Origins as counts of points seen, newest first, of a panel of `total` points."""
        fit = min(most, self.count(total))
        return tuple(total - self.horizon - o * self.step for o in range(fit))

    @property
    def gap(self) -> int:
        """Origins that must lie between two for their outcomes not to overlap."""
        return -(-self.horizon // self.step)


def plan_for(age: int, horizon: int, cadence: Cadence) -> Plan | None:
    """The longest replay a history of `age` points supports; None when not even the shortest fits.

    A long replay is preferred only when it leaves twice as much history to learn from as it looks ahead.
    """
    per_day = cadence.per_day
    tries = (horizon, *(h for h in _SHORTER[cadence] if h < horizon))
    for ahead in tries:
        if age - ahead < 2 * ahead and ahead > 60 * per_day:
            continue
        for plan, needed in _steps(ahead, cadence):
            if plan.count(age) >= needed:
                return plan
    for ahead in tries[::-1]:
        last = Plan(ahead, 7 if per_day == 1 else 24, 28 if per_day == 1 else 168)
        if last.count(age) >= 1:
            return last
    return None


def _steps(ahead: int, cadence: Cadence) -> list[tuple[Plan, int]]:
    """Replays over `ahead` points from roomy to cramped, each with the number of origins that makes it worth while."""
    if cadence is Cadence.DAILY:
        return [(Plan(ahead, 30, 150), 4), (Plan(ahead, 14, 56), 4), (Plan(ahead, 7, 28), 3)]
    third = max(24, ahead // 3)
    return [(Plan(ahead, third, 336), 4), (Plan(ahead, 24, 336), 3), (Plan(ahead, 24, 168), 3)]


def origins_wanted(cadence: Cadence, daily: int, hourly: int) -> int:
    """Origins replayed: as many as choose, and older ones that choose for those."""
    return (daily if cadence is Cadence.DAILY else hourly) + _EXTRA[cadence]


def buckets(cadence: Cadence, horizon: int) -> list[tuple[str, int, int]]:
    """Horizon buckets (name, first, last point; points count from 1) up to `horizon`."""
    out, first = [], 1
    for last in (*_BUCKETS[cadence], horizon):
        last = min(last, horizon)
        if last >= first:
            out.append((f"{first}-{last}", first, last))
            first = last + 1
    return out


def evidence(
    series: pd.DataFrame, actual: Array, quantiles: Array, naive: Array, scale: Array, cadence: Cadence
) -> pd.DataFrame:
    """BACKTEST_COLUMNS rows, one per series and horizon bucket, then one for the whole horizon (`all`).

    actual [O, H, N], NaN where not observed or not scored; quantiles [Q, O, H, N]; naive [O, H, N]; scale [N], the
    in-sample seasonal naive error of MASE. `origins` and `points` count what was scored.
    """
    horizon = actual.shape[1]
    frames = []
    for name, first, last in [*buckets(cadence, horizon), ("all", 1, horizon)]:
        rows = slice(first - 1, last)
        frames.append(_bucket_rows(series, name, actual[:, rows], quantiles[:, :, rows], naive[:, rows], scale))
    table = pd.concat(frames, ignore_index=True)
    table["_order"] = np.tile(np.arange(len(series)), len(frames))
    table = table.sort_values("_order", kind="stable").reset_index(drop=True)
    return table[list(BACKTEST_COLUMNS)]


def _bucket_rows(
    series: pd.DataFrame, name: str, actual: Array, quantiles: Array, naive: Array, scale: Array
) -> pd.DataFrame:
    scored: Mask = np.isfinite(actual) & np.isfinite(quantiles[2])
    width = actual.shape[2]
    flat = np.where(scored, actual, np.nan).reshape(-1, width)
    q = quantiles.reshape(len(quantiles), -1, width)
    point = q[QUANTILE_LEVELS.index(0.5)]
    count: Index = scored.any(axis=1).sum(axis=0)
    error, error_naive = scores.mae(flat, point), scores.mae(flat, naive.reshape(-1, width))
    rows = series[[SERVER_ID, METRIC, *DIMENSIONS]].reset_index(drop=True)
    return rows.assign(
        bucket=name, origins=count, points=scored.sum(axis=(0, 1)), mae=error, rmse=scores.rmse(flat, point),
        mape_floored=scores.mape_floored(flat, point), wape=scores.wape(flat, point),
        mase=scores.mase(flat, point, scale), mae_naive=error_naive,
        relative_mae=scores.relative_mae(error, error_naive), coverage_80=scores.coverage(flat, q[1], q[3]),
        coverage_95=scores.coverage(flat, q[0], q[4]), pinball=scores.pinball(flat, q, QUANTILE_LEVELS),
    )  # fmt: skip
