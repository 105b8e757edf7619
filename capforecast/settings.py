"""Every setting, its bounds and its effect, as one frozen model; the sections are in settings_*.py.

`Settings()` is complete without any file, so the library works from a notebook; `configuration.load` layers files,
environment and options over it. config/default.yaml spells the same defaults with their units (a test compares).
"""

from __future__ import annotations

from pydantic import Field

from capforecast.schema import Cadence
from capforecast.settings_actions import (
    ConsolidationSettings,
    DiscountSettings,
    IdleSettings,
    LifecycleSettings,
    PriceSettings,
    SegmentsSettings,
    SizingSettings,
)
from capforecast.settings_base import Section
from capforecast.settings_models import (
    BreachSettings,
    DriftSettings,
    ForecastSettings,
    ModelsSettings,
    PoolSettings,
    RiskSettings,
)
from capforecast.settings_outputs import AlertSettings, DeliverySettings, ReportFormat, ReportSettings
from capforecast.settings_running import (
    AthenaSettings,
    FlowSettings,
    LambdaSettings,
    LogSettings,
    SageMakerSettings,
    StorageSettings,
)
from capforecast.settings_series import (
    CalendarSettings,
    Event,
    InventorySettings,
    MetricSettings,
    QualitySettings,
    SourceSettings,
    ThresholdOverride,
    default_metrics,
)
from capforecast.settings_sources import RemoteSettings

__all__ = [
    "AlertSettings", "AthenaSettings", "BreachSettings", "CalendarSettings", "ConsolidationSettings",
    "DeliverySettings", "DiscountSettings", "DriftSettings", "Event", "FlowSettings", "ForecastSettings",
    "IdleSettings", "InventorySettings", "LambdaSettings", "LifecycleSettings", "LogSettings", "MetricSettings",
    "ModelsSettings", "PoolSettings", "PriceSettings", "QualitySettings", "RemoteSettings", "ReportFormat",
    "ReportSettings", "RiskSettings", "SageMakerSettings", "SegmentsSettings", "Settings", "SizingSettings",
    "SourceSettings", "StorageSettings", "ThresholdOverride",
]  # fmt: skip


class Settings(Section):
    """All settings of a run."""

    store: str = Field("capforecast-lake", min_length=1, description="folder or s3://bucket/prefix of the lake")
    storage: StorageSettings = StorageSettings()
    source: SourceSettings = SourceSettings()
    inventory: InventorySettings = InventorySettings()
    remote: RemoteSettings = RemoteSettings()
    metrics: dict[str, MetricSettings] = Field(default_factory=default_metrics)
    quality: QualitySettings = QualitySettings()
    calendar: CalendarSettings = CalendarSettings()
    forecast: ForecastSettings = ForecastSettings()
    models: ModelsSettings = ModelsSettings()
    drift: DriftSettings = DriftSettings()
    risk: RiskSettings = RiskSettings()
    segments: SegmentsSettings = SegmentsSettings()
    sizing: SizingSettings = SizingSettings()
    idle: IdleSettings = IdleSettings()
    consolidation: ConsolidationSettings = ConsolidationSettings()
    prices: PriceSettings = PriceSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    report: ReportSettings = ReportSettings()
    delivery: DeliverySettings = DeliverySettings()
    alerts: AlertSettings = AlertSettings()
    flow: FlowSettings = FlowSettings()
    aws_lambda: LambdaSettings = LambdaSettings()
    sagemaker: SageMakerSettings = SageMakerSettings()
    athena: AthenaSettings = AthenaSettings()
    log: LogSettings = LogSettings()

    def metric(self, name: str) -> MetricSettings:
        """Settings of a metric; one that is not configured is forecast without threshold."""
        return self.metrics.get(name, MetricSettings(unit=""))

    def horizon(self, cadence: Cadence) -> int:
        """Periods to forecast for a cadence."""
        return self.forecast.horizon_days if cadence is Cadence.DAILY else self.forecast.horizon_hours

    def thresholds(self, metric: str, business_unit: str, criticality: str) -> tuple[float | None, float | None]:
        """`high` and `very_high` of a metric for a server; later matching overrides win."""
        high, very_high = self._levels(metric, business_unit, criticality, ("high", "very_high"))
        return high, very_high

    def threshold_shares(self, metric: str, business_unit: str, criticality: str) -> tuple[float | None, float | None]:
        """`high_share` and `very_high_share`, likewise."""
        high, very_high = self._levels(metric, business_unit, criticality, ("high_share", "very_high_share"))
        return high, very_high

    def _levels(self, metric: str, business_unit: str, criticality: str, names: tuple[str, str]) -> list[float | None]:
        known = self.metric(metric)
        levels = [getattr(known, name) for name in names]
        for override in known.overrides:
            if override.business_unit not in (None, business_unit) or override.criticality not in (None, criticality):
                continue
            given = [getattr(override, name) for name in names]
            levels = [old if new is None else new for old, new in zip(levels, given, strict=True)]
        return levels
