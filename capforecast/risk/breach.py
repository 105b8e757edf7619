"""Breach probability of every series, from joint sample paths: forecast + past error paths, tested by the breach rule.

A probability is the share of sample paths in which the k-of-n rule fires, so it sees how long an excursion lasts,
which pointwise quantiles cannot. The same paths give first-breach dates, peaks and the capacity that remains.
`past_risk` (risk/past.py) states the same of a past origin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import StageError
from capforecast.fleet.trend import TREND_PER_MONTH, TREND_SINCE, recent_trend
from capforecast.risk.moment import KEYS, Recent, check_series, present, usable
from capforecast.risk.path_levels import PathLevels
from capforecast.risk.rule import breach_fires
from capforecast.risk.simulate import DATES, LEVELS, Figures, horizons, simulate
from capforecast.risk.thresholds import thresholds, units_each, usable_capacity
from capforecast.risk.tiers import series_tiers
from capforecast.schema import METRIC, RISK_COLUMNS, ErrorPaths, FloatArray, Forecast, Panel, probability_column
from capforecast.settings import Settings

__all__ = ["assess", "breach_fires"]

Numbers = npt.NDArray[np.float64]


def assess(
    panel: Panel,
    forecast: Forecast | None,
    errors: ErrorPaths | None,
    settings: Settings,
    backtest: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Risk of every series of a panel, one row each, unknown ones included (RISK_COLUMNS and probabilities).

    forecast, errors: of the usable series of the panel, in panel order; None when there are none. Nothing observed
    after the origin of the forecast is looked at. Where error paths cover a shorter time than a horizon, its
    probability is missing, and the longest time covered stands in for the tier (`horizon_days`). A series without
    enough error paths to state a probability is `unknown` for `no_evidence`, unless it is in breach now.
    backtest: rows of BACKTEST_COLUMNS whose bucket "all" is the evidence printed beside each series.

    Hourly paths are reduced to the 95 % quantile of each 24 hours from the origin; tiers, dates and peaks are of
    those days. Only the probabilities per horizon are of the hourly rule.

    Raises StageError when forecast or error paths are not of the usable series of the panel.
    """
    return assess_with_levels(panel, forecast, errors, settings, backtest)[0]


def assess_with_levels(
    panel: Panel,
    forecast: Forecast | None,
    errors: ErrorPaths | None,
    settings: Settings,
    backtest: pd.DataFrame | None = None,
    keep: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same, and with `keep` what is kept of the sample paths (path_levels.COLUMNS; else no rows)."""
    able = usable(panel)
    if forecast is not None and errors is not None:
        panel = _until_origin(panel, forecast)
        check_series(panel.usable().series, forecast.series, "forecast")
        check_series(panel.usable().series, errors.series, "error paths")
    elif able.any():
        raise StageError(f"{int(able.sum())} usable series have no forecast or error paths; pass both to assess")
    levels = thresholds(panel.series, settings)
    figures = Figures.unstated(len(horizons(settings, panel.cadence)), len(able))
    kept = PathLevels.unknown(int(able.sum()) if keep else 0, settings, panel.cadence)
    if forecast is not None and errors is not None:
        moment = present(panel.take(able), forecast, errors, levels[able], settings)
        figures.put(able, simulate(moment, settings, kept if keep else None))
    return _table(panel, settings, levels, figures, backtest), kept.table(panel.series[able][: len(kept.present)])


def _until_origin(panel: Panel, forecast: Forecast) -> Panel:
    origin = forecast.timestamps[0] - panel.cadence.step
    if len(panel.timestamps) == 0 or panel.timestamps[-1] < origin:
        last = panel.timestamps[-1] if len(panel.timestamps) else "nothing"
        raise StageError(
            f"the panel ends at {last}, the forecast starts at {forecast.timestamps[0]}: not made from this panel; "
            "forecast it again"
        )
    return panel.until(origin)


def _table(
    panel: Panel, settings: Settings, levels: FloatArray, figures: Figures, backtest: pd.DataFrame | None
) -> pd.DataFrame:
    risks = panel.series.reset_index(drop=True).copy()
    now = Recent.of(panel, settings).in_breach(risks[METRIC], levels, settings)
    risks["last_value"] = _last(panel.values)
    risks[[TREND_PER_MONTH, TREND_SINCE]] = recent_trend(panel.values, panel.timestamps, panel.cadence)
    for column, level in enumerate(LEVELS):
        risks[f"threshold_{level}"] = levels[:, column].astype(np.float64)
        risks[f"in_breach_{level}"] = now[:, column]
        risks[f"probability_{level}"] = figures.within[column]
    for column, percent in enumerate(DATES):
        risks[f"days_q{percent}"] = figures.days[0, column]
    for name in ("horizon_days", "peak_q50", "peak_q90", "paths"):
        risks[name] = getattr(figures, name)
    full = usable_capacity(risks, settings)
    left = np.maximum(full - figures.lead_q90, 0.0)
    risks["capacity_remaining"] = 100.0 * left / full
    risks["capacity_remaining_units"] = left * units_each(risks, settings)
    by_horizon = {
        probability_column(level, periods, panel.cadence): figures.by_horizon[row, column]
        for row, level in enumerate(LEVELS)
        for column, periods in enumerate(horizons(settings, panel.cadence))
    }
    risks = risks.assign(**by_horizon)
    risks["tier"], risks["reason"] = series_tiers(risks, settings)
    risks = _with_evidence(risks, backtest)
    return risks[[*RISK_COLUMNS, *by_horizon]]


def _last(values: FloatArray) -> Numbers:
    """Last value seen of each series, [T, N] -> [N]; NaN = none."""
    last = np.full(values.shape[1], np.nan)
    if len(values):
        finite = np.isfinite(values)
        newest = len(values) - 1 - finite[::-1].argmax(axis=0)
        last[:] = np.where(finite.any(axis=0), values[newest, np.arange(values.shape[1])], np.nan)
    return last


def _with_evidence(risks: pd.DataFrame, backtest: pd.DataFrame | None) -> pd.DataFrame:
    names = ["relative_mae", "coverage_80"]
    if backtest is None or backtest.empty:
        return risks.assign(**dict.fromkeys(names, np.nan))
    whole = backtest.loc[backtest["bucket"] == "all", [*KEYS, *names]]
    return risks.merge(whole, on=KEYS, how="left", validate="one_to_one")
