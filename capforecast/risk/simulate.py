"""Sample paths of a block of series and what is read off them: probabilities, first-breach dates, peaks, what remains.

Arrays are [M, K, L]: M series of one metric, K sample paths each, L periods. They are built and read block by block,
so memory is bounded; every figure is of one series alone, so results do not depend on the size of a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capforecast.risk.error_pool import Pool, build_pool, choose_pool
from capforecast.risk.rule import HOURS_PER_DAY, NEVER, Rule, breach_fires, daily_peaks, observed_daily_peaks, rule_for
from capforecast.schema import BoolArray, Cadence, ErrorPaths, FloatArray, Forecast, Panel, probability_column
from capforecast.settings import Settings

LEVELS = ("high", "very_high")
MAX_ELEMENTS = 4_000_000  # path values held at once
FULL = 100.0  # usable capacity of a metric in percent


@dataclass(frozen=True)
class Recent:
    """What was observed just before the origin: days [N, n_daily] and, of hourly series, hours [N, n_hourly - 1]."""

    days: FloatArray
    hours: FloatArray
    last: FloatArray  # [N], last value seen

    @classmethod
    def of(cls, panel: Panel, settings: Settings) -> Recent:
        values, breach = panel.values, settings.risk.breach
        finite = np.isfinite(values)
        newest = len(values) - 1 - finite[::-1].argmax(axis=0) if len(values) else np.zeros(values.shape[1], int)
        last = np.where(finite.any(axis=0), values[newest, np.arange(values.shape[1])], np.nan)
        hours = _tail(values, breach.n_hourly - 1)
        hourly = panel.cadence is Cadence.HOURLY
        days = observed_daily_peaks(values, breach.n_daily) if hourly else _tail(values, breach.n_daily)
        return cls(days, hours, last.astype(np.float32))


class Figures:
    """Columns of figures over all series of the panel; NaN until stated."""

    def __init__(self, count: int, horizons: tuple[int, ...], cadence: Cadence) -> None:
        self.horizons = horizons
        self.probabilities = {
            (level, periods): probability_column(level, periods, cadence) for level in LEVELS for periods in horizons
        }
        names = [
            "probability_high", "probability_very_high", "days_q10", "days_q50", "days_q90", "horizon_days",
            "peak_q50", "peak_q90", "capacity_remaining", *self.probabilities.values(),
        ]  # fmt: skip
        self.columns = {name: np.full(count, np.nan) for name in names}
        self.paths = np.zeros(count, np.int64)

    def put(self, where: npt.NDArray[np.intp], name: str, values: npt.ArrayLike) -> None:
        self.columns[name][where] = values


@dataclass(frozen=True)
class MetricRisk:
    """All usable series of one metric: they share a pool of error paths and a rule."""

    forecast: Forecast
    errors: ErrorPaths
    members: BoolArray  # [N usable]
    where: npt.NDArray[np.intp]  # rows of the members in the panel
    metric: str
    settings: Settings
    recent: Recent
    thresholds: FloatArray  # [N panel, 2]
    limits: tuple[FloatArray, FloatArray]  # physical range, [N panel] each

    def run(self, figures: Figures) -> None:
        """Fill in the figures of the metric's series, a block at a time."""
        pool = self._pool()
        if pool is None:
            return
        columns = np.flatnonzero(self.members)
        median = self.forecast.median[: pool.length, columns].T
        scale = self.errors.scale_now[columns]
        known = np.isfinite(median).all(axis=1) & np.isfinite(scale)
        columns, where, median, scale = columns[known], self.where[known], median[known], scale[known]
        share = self.settings.risk.nearest_share
        nearest = pool.nearest(self.errors.states_now[columns], share)
        size = max(1, min(self.settings.forecast.block_size, MAX_ELEMENTS // max(1, nearest.shape[1] * pool.length)))
        for start in range(0, len(columns), size):
            block = slice(start, start + size)
            low, high = (limit[where[block], None, None] for limit in self.limits)
            paths = self._paths(pool, nearest[block], median[block], scale[block])
            np.clip(paths, low, high, out=paths)
            self._evaluate(figures, where[block], paths)

    def _pool(self) -> Pool | None:
        need = max(horizons(self.settings, self.forecast.cadence) + _tier_periods(self.settings, self.forecast.cadence))
        horizon = min(need, len(self.forecast.timestamps), self.errors.errors.shape[1])
        own = build_pool(self.errors, self.members, horizon)
        if self.members.all() or (own is not None and own.is_full(horizon)):
            return own
        return choose_pool(own, build_pool(self.errors, np.ones_like(self.members), horizon))

    def _paths(self, pool: Pool, nearest: npt.NDArray[np.int64], median: FloatArray, scale: FloatArray) -> FloatArray:
        """Sample paths [M, K, L] of M series: median + scale x scaled error."""
        paths = pool.paths[nearest]
        paths *= scale[:, None, None].astype(np.float32)
        paths += median[:, None, :]
        return paths

    def _evaluate(self, figures: Figures, where: npt.NDArray[np.intp], paths: FloatArray) -> None:
        hourly = self.forecast.cadence is Cadence.HOURLY
        days = daily_peaks(paths) if hourly else paths
        span = min(self.settings.risk.tier_horizon_days, days.shape[2])
        figures.put(where, "horizon_days", min(span, paths.shape[2] / HOURS_PER_DAY) if hourly else span)
        figures.paths[where] = paths.shape[1]
        for level in LEVELS:
            self._state_breach(figures, where, paths, days, level)
        self._state_peaks(figures, where, days, span)

    def _state_breach(
        self, figures: Figures, where: npt.NDArray[np.intp], paths: FloatArray, days: FloatArray, level: str
    ) -> None:
        """Probabilities of a level by horizon and at the tier's horizon, and the first-breach dates of `high`."""
        threshold = self.thresholds[where, LEVELS.index(level)]
        if np.isnan(threshold).all():
            return
        known, risk, cadence = self.settings.metric(self.metric), self.settings.risk, self.forecast.cadence
        first_day = first = self._first(self.recent.days[where], days, threshold, rule_for(known, risk, Cadence.DAILY))
        if cadence is Cadence.HOURLY:
            first = self._first(self.recent.hours[where], paths, threshold, rule_for(known, risk, cadence))
        for periods in figures.horizons:
            if periods <= paths.shape[2]:
                figures.put(where, figures.probabilities[level, periods], _share(first, periods, threshold))
        span = min(risk.tier_horizon_days if level == "high" else risk.critical_horizon_days, days.shape[2])
        figures.put(where, f"probability_{level}", _share(first_day, span, threshold))
        if level == "high":
            for name, date in _dates(first_day, span, threshold).items():
                figures.put(where, name, date)

    def _state_peaks(self, figures: Figures, where: npt.NDArray[np.intp], days: FloatArray, span: int) -> None:
        median, high = np.quantile(days[:, :, :span].max(axis=2), (0.5, 0.9), axis=1)
        figures.put(where, "peak_q50", median)
        figures.put(where, "peak_q90", high)
        if self.settings.metric(self.metric).unit == "percent":
            lead = days[:, :, : self.settings.risk.lead_time_days].max(axis=2)
            figures.put(where, "capacity_remaining", np.maximum(FULL - np.quantile(lead, 0.9, axis=1), 0.0))

    @staticmethod
    def _first(recent: FloatArray, future: FloatArray, threshold: FloatArray, rule: Rule) -> npt.NDArray[np.int32]:
        """First passage [M, K] of the rule in the future, with the n - 1 periods before the origin in front."""
        series, count, length = future.shape
        seen = min(rule.n - 1, recent.shape[1])
        above = np.empty((series, count, seen + length), np.bool_)
        above[:, :, :seen] = (recent[:, recent.shape[1] - seen :] > threshold[:, None])[:, None, :]
        np.greater(future, threshold[:, None, None], out=above[:, :, seen:])
        return breach_fires(above, rule.k, rule.n, observed=seen)


def _share(first: npt.NDArray[np.int32], within: int, threshold: FloatArray) -> npt.NDArray[np.float64]:
    """Share of paths [M] whose first breach lies within so many periods; NaN without a threshold."""
    fired = ((first != NEVER) & (first < within)).mean(axis=1)
    return np.where(np.isnan(threshold), np.nan, fired)


def _dates(first: npt.NDArray[np.int32], horizon: int, threshold: FloatArray) -> dict[str, npt.NDArray[np.float64]]:
    """Days by which 10, 50 and 90 % of all paths have breached; NaN where fewer do within the horizon (censored)."""
    days = np.where((first == NEVER) | (first >= horizon), np.inf, first + 1.0)
    days.sort(axis=1)
    count = days.shape[1]
    result = {}
    for name, percent in (("days_q10", 10), ("days_q50", 50), ("days_q90", 90)):
        date = days[:, -(-percent * count // 100) - 1]
        result[name] = np.where(np.isinf(date) | np.isnan(threshold), np.nan, date)
    return result


def horizons(settings: Settings, cadence: Cadence) -> tuple[int, ...]:
    """Horizons at which probabilities are printed, in periods."""
    risk = settings.risk
    return tuple(sorted(set(risk.horizons_daily if cadence is Cadence.DAILY else risk.horizons_hourly)))


def _tier_periods(settings: Settings, cadence: Cadence) -> tuple[int, ...]:
    risk = settings.risk
    days = (risk.tier_horizon_days, risk.critical_horizon_days, risk.lead_time_days)
    return tuple(day * cadence.per_day for day in days)


def _tail(values: FloatArray, count: int) -> FloatArray:
    """Last `count` periods, [T, N] -> [N, count], missing ones in front."""
    tail = np.full((values.shape[1], count), np.nan, np.float32)
    have = values[max(0, len(values) - count) :]
    tail[:, count - len(have) :] = have.T
    return tail
