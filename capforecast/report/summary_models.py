"""Parts of the summary on the models behind the forecasts: which version made them, and what has drifted."""

from __future__ import annotations

from capforecast.report.part import Part


class ModelUsed(Part):
    """The model that forecast one business unit, and why it and no other. Null: not known, or nothing to compare."""

    business_unit: str
    version: str
    kind: str  # fleet, prophet, ...
    model_as_of: str  # it was trained on data before then, ISO 8601 UTC
    age_days: float | None = None  # from then to the run's cut-off
    action: str  # first | promoted | refreshed | kept | pinned | backfill | replaced | fell_back | champion
    reason: str = ""  # in words
    challenger: str = ""  # version trained in this run; "" = none was
    ratio: float | None = None  # error of the challenger over that of the champion, on the series that both know
    series_compared: int = 0  # behind `ratio`
    series_known: int | None = None  # of the usable series, those the model was trained on
    series_not_trained: int = 0  # usable, but unknown to the model: verdict unknown, reason not_trained
    previous_as_of: str = ""  # cut-off of the run before: 2025-12-22, or 2025-12-22T14; "" = there was none
    relative_mae: float | None = None  # of its backtest
    coverage_80: float | None = None
    coverage_95: float | None = None
    sentence: str = ""  # begins with the business unit


class DriftCheck(Part):
    """One check of one business unit for drift. Null `value`: it could not be made; the sentence says why."""

    business_unit: str
    check: str
    metric: str = ""  # "" = over all metrics
    value: float | None = None
    limit: float | None = None
    alarm: bool = False
    series: int = 0  # that were checked
    series_over: int = 0  # of these, over their limit
    example: str = ""  # a server that shows it
    sentence: str = ""  # begins with the business unit
