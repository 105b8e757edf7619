"""Tasks on models: backtest and train, forecast."""

from __future__ import annotations

from typing import Any

from capforecast import stages
from tasks.common import Job, added_references, executed, stage_task


@stage_task("train")
def train(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Backtest, choose, calibrate and publish a business unit's model."""
    return executed(job, "train", business_unit, lambda: added_references(stages.train, job, unit))


@stage_task("forecast")
def forecast(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Forecast a business unit with its model."""
    return executed(job, "forecast", business_unit, lambda: added_references(stages.forecast, job, unit))
