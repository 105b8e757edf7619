"""Settings of what is read: files, inventory, metrics with their thresholds, quality, the calendar."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from capforecast.schema import STATISTICS
from capforecast.settings_base import Count, Section, Share, time_zone


class SourceSettings(Section):
    """Where observations come from and how foreign columns are read."""

    columns: dict[str, str] = Field({}, description="foreign column -> <metric>_<statistic>, server_id, timestamp, ...")
    scale: dict[str, float] = Field({}, description="our column -> factor into our unit, e.g. 100 for a fraction")
    labels: tuple[str, ...] = Field((), description="numeric-looking columns to keep as labels, not as metrics")
    timezone: str = Field("UTC", description="zone of timestamps that name none")
    cadence: Literal["auto", "daily", "hourly"] = Field("auto", description="spacing of the input; auto detects it")
    max_rejected_share: Share = Field(0.5, description="refuse a file when a larger share of its rows is unreadable")
    stop_on_refused_file: bool = Field(False, description="end the run when one of several files is refused")
    max_metrics: Count = Field(200, description="refuse a file with more metric columns (or metrics in long form)")
    max_labels: Count = Field(100, description="label columns kept; those beyond are left out and put on record")

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        return time_zone(name)


class InventorySettings(Section):
    """How the inventory is read."""

    columns: dict[str, str] = Field({}, description="foreign column -> our inventory column")
    shapes: str | None = Field(
        None, description="CSV of instance shapes that corrects and extends the one shipped; null = none"
    )


class ThresholdOverride(Section):
    """Thresholds for one business unit, one criticality, or both."""

    business_unit: str | None = Field(None, description="only servers of this business unit; null = of all")
    criticality: str | None = Field(None, description="only servers of this criticality; null = of all")
    high: float | None = Field(None, description="threshold `high` there; null = the metric's")
    very_high: float | None = Field(None, description="threshold `very_high` there; null = the metric's")
    high_share: Share | None = Field(None, description="`high_share` there; null = the metric's")
    very_high_share: Share | None = Field(None, description="`very_high_share` there; null = the metric's")


class MetricSettings(Section):
    """What a metric means: which statistic is forecast, its range and its thresholds."""

    statistic: str = Field("p95", description="statistic forecast where the source has several; else the one there is")
    unit: str = Field("percent", description="unit the values are in")
    minimum: float | None = Field(0.0, description="smallest possible value; forecasts are clipped to it")
    maximum: float | None = Field(None, description="largest possible value; forecasts are clipped to it")
    implausible_above: float | None = Field(None, description="a larger value is set aside as a mistake; null = none")
    high: float | None = Field(None, description="threshold `high`, in the metric's unit; null = no threshold")
    very_high: float | None = Field(None, description="threshold `very_high`, in the metric's unit")
    high_share: Share | None = Field(
        None,
        description="`high` as a share of the server's capacity (network: baseline bandwidth), where `high` is null",
    )
    very_high_share: Share | None = Field(None, description="likewise `very_high`; not for a unit of percent")
    fills_up: bool = Field(False, description="true for a disk: one period above the threshold is a breach")
    overrides: tuple[ThresholdOverride, ...] = Field((), description="thresholds by business unit or criticality")

    @field_validator("statistic")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in STATISTICS:
            raise ValueError(f"{name!r} is not a statistic; use one of {', '.join(STATISTICS)}")
        return name

    @model_validator(mode="after")
    def _ordered(self) -> MetricSettings:
        self._check_shares()
        pairs = [("", self.high, self.very_high)] + [
            (
                "in `overrides` ",
                self.high if other.high is None else other.high,
                self.very_high if other.very_high is None else other.very_high,
            )
            for other in self.overrides
        ]
        for where, high, very_high in pairs:
            if high is not None and very_high is not None and high > very_high:
                raise ValueError(f"{where}`high` ({high:g}) is above `very_high` ({very_high:g}); change one of them")
            for name, level in (("high", high), ("very_high", very_high)):
                if level is not None and self.maximum is not None and level > self.maximum:
                    raise ValueError(
                        f"{where}`{name}` ({level:g}) is above `maximum` ({self.maximum:g}): nothing could reach it"
                    )
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"`minimum` ({self.minimum:g}) is not below `maximum` ({self.maximum:g})")
        return self

    def _check_shares(self) -> None:
        pairs = [("", self.high_share, self.very_high_share)] + [
            (
                "in `overrides` ",
                self.high_share if other.high_share is None else other.high_share,
                self.very_high_share if other.very_high_share is None else other.very_high_share,
            )
            for other in self.overrides
        ]
        for where, high, very_high in pairs:
            if self.unit == "percent" and (high is not None or very_high is not None):
                raise ValueError(f"{where}`high_share` is for units other than percent; a percentage has `high`")
            if high is not None and very_high is not None and high > very_high:
                raise ValueError(
                    f"{where}`high_share` ({high:g}) is above `very_high_share` ({very_high:g}); change one of them"
                )


def default_metrics() -> dict[str, MetricSettings]:
    return {
        "cpu": MetricSettings(implausible_above=1000.0, high=80.0, very_high=90.0),
        "mem": MetricSettings(implausible_above=1000.0, high=80.0, very_high=90.0),
        "disk": MetricSettings(implausible_above=1000.0, high=80.0, very_high=90.0, fills_up=True),
        "net": MetricSettings(unit="Mbit/s", high_share=0.8, very_high_share=0.9),
        "net_in": MetricSettings(unit="Mbit/s", high_share=0.8, very_high_share=0.9),
        "net_out": MetricSettings(unit="Mbit/s", high_share=0.8, very_high_share=0.9),
        "disk_io": MetricSettings(unit="MB/s"),
    }


class QualitySettings(Section):
    """When a series can be forecast."""

    min_days_daily: Count = Field(30, description="days; a shorter daily history is too_short")
    min_days_hourly: Count = Field(14, description="days; a shorter hourly history is too_short")
    stale_days: Count = Field(7, description="days; nothing seen in the last of them before as_of is stale")
    gap_window_days: Count = Field(90, description="days before as_of in which gaps are counted")
    max_gap_share: Share = Field(0.2, description="a larger share missing in that window is gappy")


class Event(Section):
    """A declared period of unusual demand."""

    name: str = Field(description="what the report calls it")
    start: str = Field(description="first day, yyyy-mm-dd")
    end: str = Field(description="last day, yyyy-mm-dd")

    @model_validator(mode="after")
    def _dated(self) -> Event:
        for day in (self.start, self.end):
            try:
                date.fromisoformat(day)
            except ValueError as error:
                raise ValueError(f"event {self.name!r}: {day!r} is not a day; write yyyy-mm-dd") from error
        if date.fromisoformat(self.start) > date.fromisoformat(self.end):
            raise ValueError(f"event {self.name!r}: `start` ({self.start}) is after `end` ({self.end})")
        return self


class CalendarSettings(Section):
    """Which days are special."""

    country: str | None = Field("US", description="ISO country whose public holidays count; null = none")
    subdivision: str | None = Field(None, description="state or province, as the `holidays` library names it")
    events: tuple[Event, ...] = Field((), description="declared events: {name, start, end}")
