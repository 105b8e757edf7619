"""Sheets on models and drift: versions, checks, and the series that drifted; a sheet without rows says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from capforecast.report.columns import PLACE, Column, columns_of
from capforecast.report.data import ReportData
from capforecast.report.model_words import decision
from capforecast.report.page_models import check_name
from capforecast.report.part import Part
from capforecast.report.sheets import Sheets
from capforecast.report.summary_models import DriftCheck, ModelUsed

MOST_SERIES = 50_000
NO_VERSION = "This run has no model's version on record."
NO_CHECK = "Nothing was checked for drift."
NO_DRIFT = "No series drifted, or none could be checked."

_UNIT = Column("business_unit", "Business unit", "The unit in force at the cut-off.", width=22)
MODELS = (
    _UNIT,
    Column("version", "Version", "Of the model that made its forecasts, as `capforecast models` names it.", width=30),
    Column("kind", "Kind of model", "What kind of model it is: `fleet` is the engine.", width=10),
    Column("model_as_of", "Trained before", "It was trained on data before this day.", "date", 12),
    Column("age_days", "Age, days", "From then to the run's cut-off.", "figure", 8),
    Column("decision", "Decision", "What was decided on this version in this run.", width=14),
    Column("why", "Because", "Why this version and no other.", width=52),
    Column("relative_mae", "Model's relative MAE",
           "Of its backtest, geometric mean over series; below 1 is better than seasonal naive.", "score", 10),
    Column("coverage_80", "Model in 80 % interval", "Of its backtest; should be near 80 %.", "share", 10),
    Column("coverage_95", "Model in 95 % interval", "Of its backtest; should be near 95 %.", "share", 10),
    Column("series_known", "Series known", "Usable series that the model was trained on.", "count", 9),
    Column("series_not_trained", "Series not trained",
           "Usable series that the model does not know: verdict unknown until it is trained anew.", "count", 10),
    Column("challenger", "Challenger", "Version that this run trained; empty = none.", width=30),
    Column("ratio", "Challenger to champion",
           "Error of the challenger over that of the champion; below 1 the challenger is better.", "fine", 11),
    Column("series_compared", "Series compared", "Series behind that ratio: those that both know.", "count", 10),
    Column("previous", "Run before", "Cut-off of the run before; empty = there was none.", "date", 12),
    Column("reason", "Reason as recorded", "What the record of the decision says.", width=52),
)  # fmt: skip
MODELS_PRINTED = 12

DRIFT = (
    _UNIT,
    Column("check", "Check", "What was compared.", width=22),
    Column("checked_metric", "Metric checked", "Empty = all metrics together.", width=9),
    Column("alarm", "Alarm", "Is it over its limit?", "flag", 8),
    Column("value", "Found", "What was found, in the check's own unit.", "fine", 10),
    Column("limit", "Limit", "From which it is an alarm, in the same unit.", "fine", 10),
    Column("series", "Series checked", "Series behind it.", "count", 9),
    Column("series_over", "Series over", "Of these, over their own limit.", "count", 9),
    Column("example", "Example", "A server that shows it.", width=26),
    Column("said", "In words", "The same as a sentence.", width=80, wrap=True),
)


def write_models(sheets: Sheets, data: ReportData) -> None:
    """Write the sheets Models, Drift and Drift by series."""
    summary = data.summary
    _write(sheets, "Models", _versions(summary.model_versions), MODELS, NO_VERSION, MODELS_PRINTED)
    _write(sheets, "Drift", _checks(summary.drift), DRIFT, NO_CHECK)
    flagged = data.drift_series
    sheets.table("Drift by series", _series(flagged), _series_columns(flagged), NO_DRIFT, dataset="drift_series",
                 most=MOST_SERIES)  # fmt: skip


def _write(
    sheets: Sheets,
    name: str,
    frame: pd.DataFrame,
    columns: Sequence[Column],
    empty: str,
    printed: int = 0,
    **options: Any,
) -> None:
    sheets.table(
        name, frame.reindex(columns=[column.key for column in columns]), list(columns), empty, printed, **options
    )


def _versions(models: Sequence[ModelUsed]) -> pd.DataFrame:
    frame = _frame(models)
    if not len(frame):
        return frame
    words = [decision(model) for model in models]
    return frame.assign(
        decision=[label for label, _ in words],
        why=[why for _, why in words],
        previous=frame["previous_as_of"].map(_time),
        model_as_of=frame["model_as_of"].map(_time),
    )


def _checks(checks: Sequence[DriftCheck]) -> pd.DataFrame:
    frame = _frame(checks)
    if not len(frame):
        return frame
    return frame.assign(check=frame["check"].map(check_name), checked_metric=frame["metric"], said=frame["sentence"])


def _series(flagged: pd.DataFrame) -> pd.DataFrame:
    return flagged.assign(check=flagged["check"].map(check_name)) if "check" in flagged else flagged


def _series_columns(flagged: pd.DataFrame) -> list[Column]:
    """Columns of the table, whatever figures the checks leave in it."""
    own = {column.key: column for column in DRIFT}
    found = []
    for column in columns_of(flagged, (*PLACE, "metric", "check", "value", "limit")):
        if column.note.startswith("Label "):  # not of the source, but of the check
            column = own.get(column.key, replace(column, note=f"Figure `{column.key}` of the check for drift."))
        found.append(column)
    return found or [_UNIT]


def _time(text: str) -> pd.Timestamp:
    """Each text on its own: some carry an hour, some none. NaT where it is no time."""
    return pd.Timestamp(pd.to_datetime(text or None, errors="coerce", utc=True))


def _frame(parts: Sequence[Part]) -> pd.DataFrame:
    return pd.DataFrame([part.model_dump() for part in parts])
