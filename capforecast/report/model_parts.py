"""From a run's tables `champions` and `drift` to the summary's parts on models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from capforecast.report.accuracy import figure
from capforecast.report.model_words import sentence
from capforecast.report.part import Part
from capforecast.report.summary_models import DriftCheck, ModelUsed
from capforecast.report.words import is_missing
from capforecast.schema import BUSINESS_UNIT


def model_versions(champions: pd.DataFrame) -> list[ModelUsed]:
    """One per row, by name of the business unit; columns that the summary does not show are left out."""
    if not len(champions):
        return []
    rows = champions.sort_values(BUSINESS_UNIT, kind="stable").to_dict("records")
    found = [ModelUsed(**_known(row, ModelUsed)) for row in rows]
    return [model.model_copy(update={"sentence": sentence(model)}) for model in found]


def drift_checks(drift: pd.DataFrame) -> list[DriftCheck]:
    """One per row: alarms first, then by business unit, check and metric."""
    if not len(drift):
        return []
    found = [DriftCheck(**_known(row, DriftCheck)) for row in drift.to_dict("records")]
    named = [check.model_copy(update={"sentence": _begun(check)}) for check in found]
    return sorted(named, key=lambda each: (not each.alarm, each.business_unit, each.check, each.metric))


def _begun(check: DriftCheck) -> str:
    """Its sentence, beginning with the business unit."""
    text = check.sentence
    return text if not text or text.startswith(f"{check.business_unit}: ") else f"{check.business_unit}: {text}"


def _known(row: Mapping[Any, Any], part: type[Part]) -> dict[str, Any]:
    """The fields of a part that a row has; figures with the summary's digits, missing values left to the default."""
    present = {name: row[name] for name in part.model_fields if name in row and not is_missing(row[name])}
    return {name: figure(value) if isinstance(value, float) else _plain(value) for name, value in present.items()}


def _plain(value: Any) -> Any:
    """A value without numpy or pandas around it."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
