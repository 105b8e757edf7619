"""Breach probability of every series, from joint sample paths: forecast + past error paths, tested by the breach rule.

A probability is the share of sample paths in which the k-of-n rule fires, so it sees how long an excursion lasts,
which pointwise quantiles cannot. The same paths give first-breach dates, peaks and the capacity that remains.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.errors import StageError
from capforecast.fleet.bounds import physical_range
from capforecast.fleet.trend import TREND_PER_MONTH, TREND_SINCE, recent_trend
from capforecast.risk.rule import breach_fires, fires_now, rule_for
from capforecast.risk.simulate import LEVELS, Figures, MetricRisk, Recent, horizons
from capforecast.risk.tiers import series_tiers
from capforecast.schema import (
    BUSINESS_UNIT,
    CRITICALITY,
    METRIC,
    RISK_COLUMNS,
    SERVER_ID,
    BoolArray,
    Cadence,
    ErrorPaths,
    FloatArray,
    Forecast,
    Panel,
    Verdict,
)
from capforecast.settings import Settings

__all__ = ["assess", "breach_fires"]

KEYS = [SERVER_ID, METRIC]


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
    usable = (panel.series["verdict"] == Verdict.OK).to_numpy(dtype=bool)
    if forecast is not None and errors is not None:
        panel = _until_origin(panel, forecast)
        _check_series(panel.usable().series, forecast.series, "forecast")
        _check_series(panel.usable().series, errors.series, "error paths")
    elif usable.any():
        raise StageError(f"{int(usable.sum())} usable series have no forecast or error paths; pass both to assess")
    recent = Recent.of(panel, settings)
    limits = physical_range(panel, settings)
    thresholds = _thresholds(panel.series, settings)
    figures = Figures(len(usable), horizons(settings, panel.cadence), panel.cadence)
    if forecast is not None and errors is not None:
        where = np.flatnonzero(usable)
        for metric in sorted(forecast.series[METRIC].unique()):
            members = (forecast.series[METRIC] == metric).to_numpy(dtype=bool)
            job = MetricRisk(forecast, errors, members, where[members], metric, settings, recent, thresholds, limits)
            job.run(figures)
    return _table(panel, settings, recent, thresholds, figures, backtest)


def _until_origin(panel: Panel, forecast: Forecast) -> Panel:
    origin = forecast.timestamps[0] - panel.cadence.step
    if len(panel.timestamps) == 0 or panel.timestamps[-1] < origin:
        last = panel.timestamps[-1] if len(panel.timestamps) else "nothing"
        raise StageError(
            f"the panel ends at {last}, the forecast starts at {forecast.timestamps[0]}: not made from this panel; "
            "forecast it again"
        )
    return panel.until(origin)


def _check_series(expected: pd.DataFrame, found: pd.DataFrame, what: str) -> None:
    wanted = expected[KEYS].reset_index(drop=True)
    have = found[KEYS].reset_index(drop=True)
    if wanted.astype(str).equals(have.astype(str)):
        return
    lost = pd.MultiIndex.from_frame(wanted).difference(pd.MultiIndex.from_frame(have))
    example = f"; missing: {lost[0]}" if len(lost) else "; the order differs"
    raise StageError(f"{what}: {len(have)} series where the panel has {len(wanted)} usable ones{example}")


def _thresholds(series: pd.DataFrame, settings: Settings) -> FloatArray:
    """Thresholds `high`, `very_high` of each series, float32 [N, 2]; NaN = none."""
    keys = pd.MultiIndex.from_frame(series[[METRIC, BUSINESS_UNIT, CRITICALITY]].astype(str))
    codes, kinds = keys.factorize()
    table = [[np.nan if value is None else value for value in settings.thresholds(*kind)] for kind in kinds]
    levels: FloatArray = np.asarray(table, np.float32).reshape(-1, len(LEVELS))
    chosen: FloatArray = levels[codes]
    return chosen


def _table(
    panel: Panel,
    settings: Settings,
    recent: Recent,
    thresholds: FloatArray,
    figures: Figures,
    backtest: pd.DataFrame | None,
) -> pd.DataFrame:
    risks = panel.series.reset_index(drop=True).copy()
    now = _in_breach(risks[METRIC], settings, recent, thresholds)
    risks["last_value"] = recent.last.astype(np.float64)
    risks[[TREND_PER_MONTH, TREND_SINCE]] = recent_trend(panel.values, panel.timestamps, panel.cadence)
    for column, level in enumerate(LEVELS):
        risks[f"threshold_{level}"] = thresholds[:, column].astype(np.float64)
        risks[f"in_breach_{level}"] = now[:, column]
    for name, values in figures.columns.items():
        risks[name] = values
    risks["paths"] = figures.paths
    risks["tier"], risks["reason"] = series_tiers(risks, settings)
    risks = _with_evidence(risks, backtest)
    return risks[[*RISK_COLUMNS, *figures.probabilities.values()]]


def _in_breach(metrics: pd.Series, settings: Settings, recent: Recent, thresholds: FloatArray) -> BoolArray:
    """Is each series above `high`, `very_high` now, by the daily rule on what was observed?  bool [N, 2]."""
    above = recent.days[:, None, :] > thresholds[:, :, None]
    result = np.zeros(thresholds.shape, np.bool_)
    for metric in metrics.unique():
        rows = (metrics == metric).to_numpy(dtype=bool)
        result[rows] = fires_now(above[rows], rule_for(settings.metric(metric), settings.risk, Cadence.DAILY))
    return result


def _with_evidence(risks: pd.DataFrame, backtest: pd.DataFrame | None) -> pd.DataFrame:
    names = ["relative_mae", "coverage_80"]
    if backtest is None or backtest.empty:
        return risks.assign(**dict.fromkeys(names, np.nan))
    whole = backtest.loc[backtest["bucket"] == "all", [*KEYS, *names]]
    return risks.merge(whole, on=KEYS, how="left", validate="one_to_one")
