"""Made-up tables of champions and drift, as the stages leave them; figures hang together as those of a real run do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from capforecast.report.data import ReportData
from capforecast.report.model_parts import drift_checks, model_versions
from capforecast.report.terms import model_terms
from capforecast.settings import Settings

NOW, BEFORE = "2026-01-05T00:00:00+00:00", "2025-12-22T00:00:00+00:00"
NONE_BEFORE = "no earlier run to compare with"
CHALLENGER = "2026-01-05-f00dcafe1234"
# What was decided: model_as_of, age, challenger, error ratio, reason.
DECISIONS: dict[str, tuple[str, float, str, float | None, str]] = {
    "first": (NOW, 0, CHALLENGER, None, "the first model of this business unit"),
    "promoted": (NOW, 0, CHALLENGER, 0.93, f"{CHALLENGER}, made with other code: its relative error is 0.930 times"),
    "refreshed": (NOW, 0, CHALLENGER, 1.012, f"{CHALLENGER}, made as the champion was, on newer data"),
    "kept": (BEFORE, 14, CHALLENGER, 0.99, f"{CHALLENGER}, made with other code: its relative error is 0.990 times"),
    "pinned": (BEFORE, 14, CHALLENGER, 0.91, "2025-12-22-0a1b2c3d4e5f is pinned: under investigation, ticket 4711."),
    "replaced": (NOW, 0, CHALLENGER, None, "the champion 2025-11-24-0a1b2c3d4e5f is 42 days old, more than 35"),
    "backfill": (BEFORE, 0, "2025-12-22-0123456789ab", None, "the champion has seen later data"),
    "fell_back": (BEFORE, 14, "", None, "the champion cannot be used (2026-01-04-beefbeefbeef: errors.parquet was "
                  "changed); 2025-12-22-0a1b2c3d4e5f, the last good one, took its place"),
    "champion": (BEFORE, 14, "", None, "2025-12-22-0a1b2c3d4e5f is the champion"),
}  # fmt: skip


def champion_row(unit: str, action: str = "champion", **changes: Any) -> dict[str, Any]:
    """A row of `champions`."""
    as_of, age, challenger, ratio, reason = DECISIONS[action]
    mine = challenger if challenger.startswith(as_of[:10]) else f"{as_of[:10]}-0a1b2c3d4e5f"
    return {
        "business_unit": unit, "version": mine, "kind": "fleet", "model_as_of": as_of, "age_days": age,
        "action": action, "reason": reason, "challenger": challenger,
        "ratio": np.nan if ratio is None else ratio, "series_compared": 0 if ratio is None else 118,
        "series_known": 120, "series_not_trained": 0, "previous_as_of": BEFORE[:10], "relative_mae": 0.7812345678,
        "coverage_80": 0.8012, "coverage_95": 0.9489,
    } | changes  # fmt: skip


def champions_frame(actions: dict[str, str]) -> pd.DataFrame:
    """A row for each business unit."""
    return pd.DataFrame([champion_row(unit, action) for unit, action in actions.items()])


def drift_rows(unit: str, alarms: Sequence[str] = (), before: bool = True) -> list[dict[str, Any]]:
    """The checks of one business unit. before: is there an earlier run?"""
    checks = [("forecast_change", "cpu", 0.021, 0.1), ("tier_change", "", 0.03, 0.2), ("live_error", "mem", 1.04, 1.5),
              ("input_level", "cpu", 0.008, 0.05), ("input_spread", "disk", 0.01, 0.05)]  # fmt: skip
    rows = []
    for check, metric, usual, limit in checks:
        alarm = check in alarms
        over = 41 if alarm else 1
        words = check.replace("_", " ") + (f" of {metric}" if metric else "")
        row = {
            "business_unit": unit, "check": check, "metric": metric, "value": 4 * limit if alarm else usual,
            "limit": limit, "alarm": alarm, "series": 120, "series_over": over, "example": "srv-0007",
            "sentence": f"{words}: {over} of 120 series are over their limit",
        }  # fmt: skip
        if not before and not check.startswith("input"):
            row |= {"value": np.nan, "alarm": False, "series": 0, "series_over": 0, "example": "",
                    "sentence": NONE_BEFORE}  # fmt: skip
        rows.append(row)
    return rows


def drift_series_frame(unit: str) -> pd.DataFrame:
    """Series that are over their limit."""
    return pd.DataFrame(
        {"business_unit": unit, "server_id": ["=1+1", "srv-0007"], "metric": "cpu", "check": "input_level",
         "value": [5.2, 7.1], "limit": 4.0, "usual_level": 41.5}
    )  # fmt: skip


def with_models(
    data: ReportData, champions: pd.DataFrame, drift: pd.DataFrame, series: pd.DataFrame | None = None
) -> ReportData:
    """Report data of report_samples with versions and drift."""
    versions, checks = model_versions(champions), drift_checks(drift)
    summary = data.summary.model_copy(
        update={"model_versions": versions, "drift": checks,
                "definitions": data.summary.definitions | model_terms(Settings(), versions, checks)}
    )  # fmt: skip
    return dataclasses.replace(data, summary=summary, drift_series=pd.DataFrame() if series is None else series)
