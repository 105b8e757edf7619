"""Sample paths of series at a moment and what is read off them: probabilities, first-breach dates, peaks.

Series go through in blocks, side by side in threads; every figure is of one series alone, so results depend neither
on the size of a block nor on threads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from capforecast.forecast.threads import in_threads
from capforecast.risk.error_pool import Pool, build_pool, choose_pool
from capforecast.risk.moment import Moment
from capforecast.risk.passage import Bundle, Counts, Watch, daily_passages, days_of, hourly_passages
from capforecast.risk.path_levels import PathLevels
from capforecast.risk.rule import rule_for
from capforecast.schema import METRIC, Cadence, FloatArray
from capforecast.settings import Settings

LEVELS = ("high", "very_high")
DATES = (10, 50, 90)  # percent of paths that have breached by a date

Numbers = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """What sample paths say of N series; NaN = not stated (no threshold, no evidence, beyond what is supported).

    by_horizon: [2, K, N], P(breach of high, very_high) within each of the K horizons of the settings; hourly rule for
    hourly series.  within: [2, N], P(breach) within the tier's horizon of `high` and the critical one of `very_high`,
    daily rule.  days: [2, 3, N], days by which 10, 50, 90 % of the paths have breached within the tier's horizon.
    horizon_days: [N], the tier's horizon or the shorter one supported.  peak_q50, peak_q90: largest value (hourly: day)
    within it; lead_q90: within the procurement lead time.  paths: int64 [N], sample paths behind all this.
    """

    by_horizon: Numbers
    within: Numbers
    days: Numbers
    horizon_days: Numbers
    peak_q50: Numbers
    peak_q90: Numbers
    lead_q90: Numbers
    paths: Index

    @classmethod
    def unstated(cls, horizons: int, count: int) -> Figures:
        """Of so many series, nothing is known yet."""

        def nothing(*shape: int) -> Numbers:
            return np.full((*shape, count), np.nan)

        levels = len(LEVELS)
        return cls(
            nothing(levels, horizons), nothing(levels), nothing(levels, len(DATES)), nothing(), nothing(), nothing(),
            nothing(), np.zeros(count, np.int64),
        )  # fmt: skip

    def put(self, where: npt.NDArray[np.bool_], some: Figures) -> None:
        """Take over the figures of the series where `where` [N] is true."""
        for part in fields(self):
            getattr(self, part.name)[..., where] = getattr(some, part.name)


def simulate(moment: Moment, settings: Settings, levels: PathLevels | None = None) -> Figures:
    """Figures of all series of a moment; `levels` of as many series takes in what is kept of their sample paths."""
    figures = Figures.unstated(len(horizons(settings, moment.cadence)), len(moment.scale))
    metrics = moment.panel.series[METRIC].astype("str").to_numpy()
    for metric in sorted(set(metrics)):
        members = metrics == metric
        pool = _pool(moment, members, settings)
        if pool is None:
            continue
        able = members & (moment.length > 0) & np.isfinite(moment.scale)
        columns = np.flatnonzero(able)
        size = settings.forecast.block_size
        blocks = [columns[start : start + size] for start in range(0, len(columns), size)]
        work = _Work(moment, metric, pool, settings, figures, levels)
        in_threads(work.block, blocks, settings.forecast.threads, f"risk of {metric}")
    return figures


def horizons(settings: Settings, cadence: Cadence) -> tuple[int, ...]:
    """Horizons at which probabilities are printed, in periods."""
    risk = settings.risk
    return tuple(sorted(set(risk.horizons_daily if cadence is Cadence.DAILY else risk.horizons_hourly)))


def _pool(moment: Moment, members: npt.NDArray[np.bool_], settings: Settings) -> Pool | None:
    """Error paths for the series of a metric, as long as anything asks for."""
    risk, errors = settings.risk, moment.errors
    days = max(risk.tier_horizon_days, risk.critical_horizon_days, risk.lead_time_days)
    need = max(*horizons(settings, moment.cadence), days * moment.cadence.per_day)
    horizon = min(need, moment.point.shape[1], errors.errors.shape[1])
    scale_now = moment.scale if moment.cadence is Cadence.HOURLY else None  # a replay of weeks, not of years

    def of(who: npt.NDArray[np.bool_]) -> Pool | None:
        return build_pool(errors, who, horizon, moment.until, moment.panel, moment.least_origins, scale_now)

    own = of(members)
    if members.all() or (own is not None and own.is_full(horizon)):
        return own
    return choose_pool(own, of(np.ones_like(members)))


@dataclass(frozen=True)
class _Work:
    """Series of one metric: they share a pool of error paths and a rule. Blocks write to columns of their own."""

    moment: Moment
    metric: str
    pool: Pool
    settings: Settings
    figures: Figures
    levels: PathLevels | None

    def block(self, columns: Index) -> None:
        """Fill in the figures of some series."""
        moment, pool, risk = self.moment, self.pool, self.settings.risk
        hourly = moment.cadence is Cadence.HOURLY
        bundle = Bundle(
            pool.paths, pool.nearest(moment.states[columns], risk.nearest_share),
            np.ascontiguousarray(moment.point[columns, : pool.length]),
            np.minimum(moment.length[columns], pool.length),
            *(part[columns].astype(np.float32) for part in (moment.scale, moment.low, moment.high)),
        )  # fmt: skip
        windows = (risk.tier_horizon_days, risk.lead_time_days)
        daily = self._watch(columns, Cadence.DAILY)
        if hourly:
            by_day, by_period, peaks = hourly_passages(bundle, daily, self._watch(columns, Cadence.HOURLY), windows)
        else:
            by_day, peaks = daily_passages(bundle, daily, windows)
            by_period = by_day
        self._state_horizons(columns, by_period, bundle)
        self._state_days(columns, by_day, bundle)
        self._state_peaks(columns, peaks, bundle.length)
        if self.levels is not None:
            rule = rule_for(self.settings.metric(self.metric), risk, Cadence.DAILY)
            self.levels.put(columns, bundle, moment.recent.days[columns], rule, by_day, moment.cadence)

    def _watch(self, columns: Index, cadence: Cadence) -> Watch:
        recent = self.moment.recent.days if cadence is Cadence.DAILY else self.moment.recent.hours
        rule = rule_for(self.settings.metric(self.metric), self.settings.risk, cadence)
        return Watch.of(self.moment.thresholds[columns], recent[columns], rule)

    def _state_horizons(self, columns: Index, first: Counts, bundle: Bundle) -> None:
        """Probabilities by horizon, from the hourly rule for hourly series."""
        for number, periods in enumerate(horizons(self.settings, self.moment.cadence)):
            stated = np.where(periods <= bundle.length, periods, 0)
            self.figures.by_horizon[:, number, columns] = self._share(columns, first, stated, bundle.drawn)

    def _state_days(self, columns: Index, first: Counts, bundle: Bundle) -> None:
        """Probability within the tiers' horizons and the dates, from the daily rule."""
        risk, figures = self.settings.risk, self.figures
        days = bundle.length
        if self.moment.cadence is Cadence.HOURLY:
            days = np.array([days_of(int(hours)) for hours in bundle.length], np.int64)
        span = np.minimum(risk.tier_horizon_days, days)
        figures.horizon_days[columns] = np.minimum(span, bundle.length / self.moment.cadence.per_day)
        critical = np.minimum(risk.critical_horizon_days, days)
        figures.within[0, columns] = self._share(columns, first, span, bundle.drawn)[0]
        figures.within[1, columns] = self._share(columns, first, critical, bundle.drawn)[1]
        figures.paths[columns] = bundle.drawn
        figures.days[:, :, columns] = _dates(first, span, bundle.drawn)

    def _share(self, columns: Index, first: Counts, within: Index, paths: int) -> Numbers:
        """Share of paths [2, M] whose first breach lies within so many periods [M]; NaN for 0, or no threshold."""
        fired = np.cumsum(first, axis=2)[np.arange(len(first)), :, np.maximum(within, 1) - 1]
        share = fired / paths
        unknown = np.isnan(self.moment.thresholds[columns]) | (within == 0)[:, None]
        return np.where(unknown, np.nan, share).T

    def _state_peaks(self, columns: Index, peaks: FloatArray, length: Index) -> None:
        figures = self.figures
        figures.peak_q50[columns], figures.peak_q90[columns] = np.quantile(peaks[:, 0], (0.5, 0.9), axis=1)
        figures.lead_q90[columns] = np.quantile(peaks[:, 1], 0.9, axis=1)


def _dates(first: Counts, span: Index, paths: int) -> Numbers:
    """Days [2, 3, M] by which 10, 50 and 90 % of all paths have breached; NaN where fewer do within `span` [M]."""
    fired = np.cumsum(first, axis=2)
    fired[np.broadcast_to(np.arange(first.shape[2]) >= span[:, None, None], fired.shape)] = 0
    dates = np.full((2, len(DATES), len(first)), np.nan)
    for number, percent in enumerate(DATES):
        enough = fired >= -(-percent * paths // 100)
        dates[:, number] = np.where(enough.any(axis=2), enough.argmax(axis=2) + 1.0, np.nan).T
    return dates
