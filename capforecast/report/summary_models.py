"""Parts of the summary on the models behind the forecasts: which version made them, and what has drifted."""

from __future__ import annotations

from pydantic import Field

from capforecast.report.part import Part


class ModelUsed(Part):
    """The model that forecast one business unit, and why it and no other. Null: not known, or nothing to compare."""

    business_unit: str = Field(description="Business unit")
    version: str = Field(description="Version that made the forecasts")
    kind: str = Field(description="Kind of model: fleet, prophet, ")
    model_as_of: str = Field(description="It was trained on data before then, ISO 8601 UTC")
    age_days: float | None = Field(default=None, description="From then to the run's cut-off, days")
    action: str = Field(
        description="Decision: first, promoted, refreshed, kept, pinned, backfill, replaced, fell_back or champion"
    )
    reason: str = Field(default="", description="Why, in words")
    challenger: str = Field(default="", description='Version trained in this run; "" = none was')
    ratio: float | None = Field(
        default=None, description="Error of the challenger over that of the champion, on the series that both know"
    )
    series_compared: int = Field(default=0, description="Series behind `ratio`")
    series_known: int | None = Field(default=None, description="Of the usable series, those the model was trained on")
    series_not_trained: int = Field(
        default=0, description="Usable series unknown to the model: verdict unknown, reason not_trained"
    )
    previous_as_of: str = Field(
        default="", description='Cut-off of the run before: 2025-12-22, or 2025-12-22T14; "" = there was none'
    )
    relative_mae: float | None = Field(
        default=None, description="MAE of its backtest over that of seasonal naive, geometric mean over series"
    )
    coverage_80: float | None = Field(default=None, description="Share of its backtest inside the 80 % interval")
    coverage_95: float | None = Field(default=None, description="Share of its backtest inside the 95 % interval")
    sentence: str = Field(default="", description="The same in one sentence, which begins with the business unit")


class DriftCheck(Part):
    """One check of one business unit for drift. Null `value`: it could not be made; the sentence says why."""

    business_unit: str = Field(description="Business unit")
    check: str = Field(description="What was compared")
    metric: str = Field(default="", description='Metric; "" = over all metrics')
    value: float | None = Field(
        default=None, description="What was found, in the check's own unit; null = it could not be made"
    )
    limit: float | None = Field(default=None, description="From which it is an alarm")
    alarm: bool = Field(default=False, description="Is it over its limit?")
    series: int = Field(default=0, description="Series checked")
    series_over: int = Field(default=0, description="Of these, over their limit")
    example: str = Field(default="", description="A server that shows it")
    sentence: str = Field(default="", description="The same in one sentence, which begins with the business unit")
