"""From a run's tables `champions` and `drift` to the summary's parts on models."""

from __future__ import annotations

import pandas as pd

from capforecast.report.from_rows import part_of
from capforecast.report.model_words import sentence
from capforecast.report.summary_models import DriftCheck, ModelUsed
from capforecast.schema import BUSINESS_UNIT


def model_versions(champions: pd.DataFrame) -> list[ModelUsed]:
    """One per row, by name of the business unit; columns that the summary does not show are left out."""
    if not len(champions):
        return []
    rows = champions.sort_values(BUSINESS_UNIT, kind="stable").to_dict("records")
    found = [part_of(row, ModelUsed) for row in rows]
    return [model.model_copy(update={"sentence": sentence(model)}) for model in found]


def drift_checks(drift: pd.DataFrame) -> list[DriftCheck]:
    """One per row: alarms first, then by business unit, check and metric."""
    if not len(drift):
        return []
    found = [part_of(row, DriftCheck) for row in drift.to_dict("records")]
    named = [check.model_copy(update={"sentence": _begun(check)}) for check in found]
    return sorted(named, key=lambda each: (not each.alarm, each.business_unit, each.check, each.metric))


def _begun(check: DriftCheck) -> str:
    """Its sentence, beginning with the business unit."""
    text = check.sentence
    return text if not text or text.startswith(f"{check.business_unit}: ") else f"{check.business_unit}: {text}"
