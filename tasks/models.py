"""Tasks on models: backtest and train, decide which one forecasts, forecast."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from capforecast import stages
from capforecast.exchange import Unit
from tasks.common import Job, added_references, executed, stage_task


@stage_task("train")
def train(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Backtest, choose, calibrate and publish a business unit's model: here, or with `sagemaker.train` by a job.

    A retry attaches to the job that is there. One whose flow run is cancelled, or takes too long, goes on until its own
    limit, `sagemaker.most_seconds`, so that the next run finds it.
    """
    stage = stages.train_by_job if job.settings.sagemaker.train else stages.train
    return executed(job, "train", business_unit, lambda: added_references(stage, job, unit))


@stage_task("why-train", per_run=True)
def why_train(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Why a business unit needs a new model; "" = its champion will do."""
    return {"reason": stages.why_train(job.store, job.settings, Unit.model_validate(unit))}


@stage_task("champion", per_run=True)  # the lake's champion may change between runs, not within one
def champion(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Decide which model forecasts a business unit."""
    return executed(job, "champion", business_unit, lambda: added_references(stages.champion, job, unit))


@stage_task("forecast")
def forecast(job: Job, unit: dict[str, Any], business_unit: str) -> dict[str, Any]:
    """Forecast a business unit with its model."""
    return executed(job, "forecast", business_unit, lambda: added_references(stages.forecast, job, unit))


@task(name="show-models", task_run_name="show-models", cache_policy=NO_CACHE)
def show_models(job: Job, units: list[dict[str, Any]]) -> None:
    """Which model forecasts each business unit from now on, and why, in the Prefect UI."""
    rows = stages.model_overview(job.store, [Unit.model_validate(unit) for unit in units])
    create_table_artifact(key="models", table=rows, description="The model that forecasts each business unit")
