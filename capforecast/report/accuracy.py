"""Accuracy by metric, from the backtest's rows: what summary, command line and benchmarks print."""

from __future__ import annotations

import logging
import math

import numpy as np
import pandas as pd

from capforecast.forecast.scores import geometric_mean
from capforecast.report.summary import Accuracy
from capforecast.schema import METRIC

log = logging.getLogger(__name__)
DIGITS = 6  # significant digits of a figure in the summary


def metric_accuracy(business_unit: str | None, backtest: pd.DataFrame) -> list[Accuracy]:
    """Accuracy of each metric over the whole horizon; `business_unit` None = fleet.

    backtest: rows of BACKTEST_COLUMNS. Metrics with nothing to compare are absent.
    """
    table = _whole(backtest)
    if not len(table):
        return []
    scored = [_scores(business_unit, str(metric), rows) for metric, rows in table.groupby(METRIC, sort=True)]
    return [row for row in scored if row is not None]


def _whole(backtest: pd.DataFrame) -> pd.DataFrame:
    if not len(backtest):
        return backtest
    table = backtest[backtest["bucket"] == "all"]
    return table[np.isfinite(table["mae"].astype("float64")) & (table["points"] > 0)]


def _scores(business_unit: str | None, metric: str, rows: pd.DataFrame) -> Accuracy | None:
    """Accuracy of some series: MAE, RMSE and coverage pooled over points, relative MAE the geometric mean over series
    (Fleming & Wallace 1986: ratios average geometrically), the other ratios the median over series.
    """
    relative = geometric_mean(rows["relative_mae"].to_numpy(dtype=np.float64))
    if math.isnan(relative):
        log.info("%s of %s: no error of the seasonal naive forecast to compare with", metric, business_unit or "fleet")
        return None
    mae, square = _pooled(rows, "mae"), _pooled(rows.assign(square=rows["rmse"] ** 2), "square")
    return Accuracy(
        business_unit=business_unit,
        metric=metric,
        series=len(rows),
        origins=int(rows["origins"].median()),
        mae=rounded(mae),
        rmse=rounded(math.sqrt(square)),
        mae_naive=rounded(_pooled(rows, "mae_naive")),
        wape=figure(_median(rows, "wape")),
        mape_floored=figure(_median(rows, "mape_floored")),
        mase=figure(_median(rows, "mase")),
        relative_mae=rounded(relative),
        skill=rounded(1 - relative),
        coverage_80=figure(_pooled(rows, "coverage_80")),
        coverage_95=figure(_pooled(rows, "coverage_95")),
    )


def _pooled(rows: pd.DataFrame, name: str) -> float:
    """Mean over all scored points of the series that have the figure."""
    values, points = rows[name].to_numpy(dtype=np.float64), rows["points"].to_numpy(dtype=np.float64)
    known = np.isfinite(values)
    return float(np.average(values[known], weights=points[known])) if known.any() else math.nan


def _median(rows: pd.DataFrame, name: str) -> float:
    values = rows[name].to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else math.nan


def figure(value: float | None) -> float | None:
    """A finite figure, rounded; None where there is none."""
    return rounded(value) if value is not None and math.isfinite(value) else None


def rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
