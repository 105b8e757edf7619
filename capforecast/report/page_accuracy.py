"""How accurate the forecasts were, in words and rows: page 1, the fleet by metric, business units by metric."""

from __future__ import annotations

from typing import Any

from capforecast.report.summary import Accuracy, RunSummary
from capforecast.report.words import NBSP, NONE, count, number, percent, probability

_MOST_UNITS = 20  # rows of business units in print; the workbook lists all
_MOST_METRICS = 7  # columns


def accuracy_page(summary: RunSummary, units: dict[str, str]) -> dict[str, Any]:
    """The fleet by metric, and a row for each business unit where there are several. units: of each metric."""
    rows = fleet_rows(summary)
    return {"fleet": [_accuracy_row(row, units) for row in rows], **_by_unit(summary, [row.metric for row in rows])}


def _by_unit(summary: RunSummary, metrics: list[str]) -> dict[str, Any]:
    """Relative MAE and coverage by business unit (rows, the least accurate first) and metric (columns)."""
    metrics = metrics[:_MOST_METRICS]
    cells = {(row.business_unit, row.metric): row for row in summary.accuracy if row.business_unit is not None}
    names = sorted({unit for unit, _ in cells}, key=lambda unit: (-_worst(cells, unit), unit))
    if len(names) < 2:
        return {"metrics": [], "units": [], "of": 0}
    shown = [{"name": unit, "cells": [_cell(cells.get((unit, metric))) for metric in metrics]} for unit in names]
    return {"metrics": metrics, "units": shown[:_MOST_UNITS], "of": len(names)}


def _worst(cells: dict[tuple[str, str], Accuracy], unit: str) -> float:
    """The largest relative MAE of a unit."""
    found = (row.relative_mae for (name, _), row in cells.items() if name == unit)
    return max((value for value in found if value is not None), default=0.0)


def _cell(row: Accuracy | None) -> dict[str, str]:
    if row is None:
        return {"relative": NONE, "coverage": "", "worse": ""}
    worse = row.relative_mae is not None and row.relative_mae >= 1.005
    return {
        "relative": number(row.relative_mae, 2),
        "coverage": "" if row.coverage_80 is None else f"{probability(row.coverage_80)} inside",
        "worse": "worse" if worse else "",
    }


def fleet_rows(summary: RunSummary) -> list[Accuracy]:
    return [row for row in summary.accuracy if row.business_unit is None]


def quality_line(row: Accuracy) -> dict[str, str]:
    """One metric's accuracy as an executive reads it."""
    against, worse = "nothing to compare with", False
    if row.relative_mae is not None:
        change = row.relative_mae - 1
        worse = change >= 0.005
        word = "larger" if worse else "smaller"
        against = "same error as" if abs(change) < 0.005 else f"{probability(abs(change))} {word} error than"
        against += " seasonal naive"
    return {
        "metric": row.metric,
        "against": against,
        "relative": number(row.relative_mae, 2),
        "coverage": probability(row.coverage_80),
        "worse": "worse" if worse else "",
    }


def _accuracy_row(row: Accuracy, units: dict[str, str]) -> dict[str, str]:
    unit = units.get(row.metric, "")
    return {
        "metric": row.metric,
        "unit": "points" if unit == "percent" else unit,
        "series": count(row.series),
        "origins": count(row.origins),
        "mae": number(row.mae, 2),
        "mae_naive": number(row.mae_naive, 2),
        "rmse": number(row.rmse, 2),
        "relative_mae": number(row.relative_mae, 2),
        "mase": number(row.mase, 2),
        "wape": percent(row.wape),
        "mape": NONE if row.mape_floored is None else f"{number(row.mape_floored, 0)}{NBSP}%",
        "coverage_80": probability(row.coverage_80),
        "coverage_95": probability(row.coverage_95),
    }
