"""Every setting, its bounds and its effect, as one frozen model.

`Settings()` is complete without any file, so the library works from a notebook; `configuration.load` layers files,
environment and options over it. config/default.yaml spells the same defaults with their units (a test compares).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from capforecast.schema import STATISTICS, Cadence
from capforecast.settings_base import Count, Factor, Section, Share, time_zone, variable_name
from capforecast.settings_sources import RemoteSettings

ReportFormat = Literal["pdf", "xlsx", "json", "html"]


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


class ForecastSettings(Section):
    """The fleet engine, or another model in its place."""

    model: Literal["fleet", "prophet", "trees", "random-forest", "seasonal-naive"] = Field(
        "fleet", description="what forecasts; others than fleet are fitted anew at every past origin"
    )
    horizon_days: Count = Field(90, description="days forecast from daily input")
    horizon_hours: Count = Field(168, description="hours forecast from hourly input")
    history_days: Count = Field(1500, description="days of daily history the engine looks at")
    history_hours: Count = Field(2000, description="hours of hourly history the engine looks at")
    origins_daily: Count = Field(12, description="rolling origins for daily input, 30 days apart where history allows")
    origins_hourly: Count = Field(8, description="rolling origins for hourly input, a third of the horizon apart")
    temperature: float = Field(8.0, gt=0, description="how sharply better candidates are preferred (softmax)")
    block_size: Count = Field(128, description="series solved together; results do not depend on it")
    threads: int = Field(0, ge=0, description="blocks at a time, 0 = one per core; results do not depend on it")


class ModelsSettings(Section):
    """Models that are kept: when a new one is trained, when it becomes champion, how many are kept."""

    retrain: Literal["always", "when_needed", "never"] = Field(
        "always",
        description="a run trains: always; when the champion will not do; never, it forecasts with the champion",
    )
    promote_margin: Share = Field(
        0.02, description="a challenger made otherwise than the champion must be better by this share of its error"
    )
    refresh_tolerance: Share = Field(
        0.1, description="one made as the champion was, on newer data, replaces it unless worse by more than this share"
    )
    max_age_days: Count = Field(35, description="a champion older than this is replaced by the next challenger")
    least_known_share: Share = Field(
        0.95, description="a champion that knows fewer of the usable series than this is replaced, or trained anew"
    )
    fall_back: bool = Field(
        True, description="a champion that cannot be used gives way to the last good version, and the report says so"
    )
    keep: Count = Field(
        8, description="versions of a business unit that pruning keeps beside the champion and pinned ones"
    )


class DriftSettings(Section):
    """From where on a model no longer fits what it forecasts."""

    input_limit: float = Field(
        3.0,
        gt=0,
        description="level or spread of a series has moved when it changed by so many times its usual change",
    )
    forecast_change: float = Field(
        1.0, gt=0, description="a forecast has moved when it did by so many half-widths of its earlier 80 % interval"
    )
    share_limit: Share = Field(
        0.1, description="share of a metric's series that moved above which it is an alarm; its standard error is added"
    )
    tier_change_share: Share = Field(0.2, description="share of servers with another tier from which on it is an alarm")
    live_error_ratio: float = Field(
        1.5, gt=0, description="error of the earlier forecast by what its backtest promised, above which it is an alarm"
    )
    least_coverage_80: Share = Field(
        0.6, description="share of values in the earlier 80 % intervals below which it is an alarm"
    )
    least_points: Count = Field(30, description="values that must have come since the earlier run to judge it by them")
    least_series: Count = Field(3, description="series, or servers, that must have moved at the least for an alarm")


class BreachSettings(Section):
    """When an excursion above a threshold counts: k of n consecutive periods."""

    k_daily: Count = Field(3, description="days above the threshold ...")
    n_daily: Count = Field(7, description="... within this many consecutive days")
    k_hourly: Count = Field(3, description="hours above the threshold ...")
    n_hourly: Count = Field(24, description="... within this many consecutive hours")

    @model_validator(mode="after")
    def _possible(self) -> BreachSettings:
        for k, n, name in ((self.k_daily, self.n_daily, "daily"), (self.k_hourly, self.n_hourly, "hourly")):
            if k > n:
                raise ValueError(f"`k_{name}` ({k}) is above `n_{name}` ({n}): the rule could never fire")
        return self


class PoolSettings(Section):
    """What of a pool (business unit x region) may be used, and how full a purchase may leave it."""

    reserve_servers: int = Field(0, ge=0, description="largest servers of a pool held back; 1 = N+1, 0 = none")
    buffer_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="policy buffer: share of what the reserve leaves that may not be used"
    )
    headroom_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="headroom: share of usable capacity that the peak should leave free after a purchase"
    )


class RiskSettings(Section):
    """Breach probability, tiers and pools."""

    breach: BreachSettings = BreachSettings()
    pool: PoolSettings = PoolSettings()
    horizons_daily: tuple[Count, ...] = Field(
        (7, 14, 30, 60, 90), min_length=1, description="days at which P(breach) is stated"
    )
    horizons_hourly: tuple[Count, ...] = Field(
        (24, 168), min_length=1, description="hours at which P(breach) is stated"
    )
    critical_horizon_days: Count = Field(30, description="days; horizon of the `critical` rule")
    tier_horizon_days: Count = Field(90, description="days; horizon of the `high` and `watch` rules")
    critical_probability: Share = Field(0.5, description="critical: P(critical horizon, very_high) at least this")
    high_probability: Share = Field(0.5, description="high: P(tier horizon, high) at least this")
    watch_probability: Share = Field(0.1, description="watch: P(tier horizon, high) at least this")
    nearest_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="share of the pooled error paths used: those whose state at the origin was most alike"
    )
    lead_time_days: Count = Field(30, description="days; procurement lead time over which remaining capacity is stated")
    reserve_share: Share = Field(0.0, description="share of every server's capacity held back for a failover (N+1)")
    buffer_share: Share = Field(0.0, description="share of every server's capacity held back by policy")

    @model_validator(mode="after")
    def _ordered(self) -> RiskSettings:
        if self.watch_probability > self.high_probability:
            raise ValueError(
                f"`watch_probability` ({self.watch_probability:g}) is above `high_probability` "
                f"({self.high_probability:g}): no server could be on watch"
            )
        if self.critical_horizon_days > self.tier_horizon_days:
            raise ValueError(
                f"`critical_horizon_days` ({self.critical_horizon_days}) is above `tier_horizon_days` "
                f"({self.tier_horizon_days}): the worst tier may not look further than the others"
            )
        if self.usable_share <= 0:
            raise ValueError(
                f"`reserve_share` ({self.reserve_share:g}) and `buffer_share` ({self.buffer_share:g}) leave no usable "
                "capacity; their sum must be below 1"
            )
        return self

    @property
    def usable_share(self) -> float:
        """Share of a server's capacity that may be used: all but reserve and buffer."""
        return 1.0 - (self.reserve_share + self.buffer_share)  # 0.7 and 0.3 leave nothing, not 6e-17


class SizingSettings(Section):
    """Right-sizing: what a size must hold, which sizes a server may have, and how the rule is tested."""

    headroom: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of a size that stays free at the projected peak"
    )
    headroom_memory_p95: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="headroom of memory where a source has no maximum of it, only a P95"
    )
    fit_share: Share = Field(
        0.95, description="share of the sample paths whose peak a size must hold, CPU and memory together"
    )
    exceedance_limit: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.01,
        description="promise: share of periods above 100 % of a smaller size; advice is withheld where the test of the "
        "rule does not bear it out",
    )
    least_servers: Count = Field(
        100,
        description="replayed servers that need less than they have, which a segment must have for a test of its own; "
        "smaller ones are tested together",
    )
    replay_origins: Count = Field(12, description="newest past origins at which the rule is replayed")
    least_history_days: Count = Field(30, description="days a server must have been seen before it is made smaller")
    least_horizon_days: Count = Field(30, description="days a forecast must look ahead to make a server smaller")
    least_cut: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of CPU or memory that a smaller size must save; less is not worth a change"
    )
    least_vcpus: float = Field(1.0, gt=0, description="vCPUs below which no size is recommended")
    least_memory_gib: float = Field(1.0, gt=0, description="GiB below which no size is recommended")
    families: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="instance families a business unit may change to besides the one it has, by its name; `*` = all",
    )

    def families_of(self, business_unit: str) -> tuple[str, ...]:
        """Families that the servers of a business unit may change to besides their own."""
        return (*self.families.get("*", ()), *self.families.get(business_unit, ()))


class IdleSettings(Section):
    """Servers that do nothing: each limit must hold on every observed day of the window."""

    days: Count = Field(14, description="days before as_of looked at")
    least_days: Count = Field(10, description="of these, days that must have been observed")
    cpu_percent: float = Field(5.0, ge=0, description="percent; mean CPU of a day above it is work")
    network_mb: float = Field(5.0, ge=0, description="MB a day, in and out together; more traffic is work")
    disk_io_mb_s: float = Field(0.0, ge=0, description="MB/s, mean of a day; more disk activity is work")

    @model_validator(mode="after")
    def _possible(self) -> IdleSettings:
        if self.least_days > self.days:
            raise ValueError(f"`least_days` ({self.least_days}) is above `days` ({self.days}): nothing could be idle")
        return self


class ConsolidationSettings(Section):
    """Packing servers onto fewer hosts or instances; needs hourly means or maxima."""

    weeks: int = Field(4, ge=2, description="latest weeks of hours that are added up, hour by hour")
    held_out_weeks: Count = Field(
        1, description="of these, the last ones, on which a packing of the others is replayed"
    )
    headroom: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of a host that stays free at the busiest hour"
    )
    spare: int = Field(1, ge=0, description="hosts that may fail with everything still fitting: 1 = N+1, 0 = none")
    instance_type: str = Field(
        "", description="size to pack onto where hosts are not known; empty = the best that a group's servers have"
    )
    least_servers: int = Field(3, ge=2, description="fewer servers in a business unit, region and criticality are left")
    exceedance_limit: Annotated[float, Field(gt=0, le=1)] = Field(
        0.01, description="share of the held-out hours of its hosts above 100 % from which a packing is withheld"
    )

    @model_validator(mode="after")
    def _possible(self) -> ConsolidationSettings:
        if self.held_out_weeks >= self.weeks:
            raise ValueError(
                f"`held_out_weeks` ({self.held_out_weeks}) leaves nothing of `weeks` ({self.weeks}) to pack by"
            )
        return self


class LifecycleSettings(Section):
    """What became of earlier advice."""

    repeat_after_days: Count = Field(180, description="days for which advice that was rejected is not given again")


class DiscountSettings(Section):
    """What is paid of a list price under each kind of commitment."""

    reserved: Factor = Field(1.0, description="share of the on-demand price paid with reservations; 1 = no discount")
    savings_plan: Factor = Field(1.0, description="share of the on-demand price paid with a savings plan; 1 = none")


class PriceSettings(Section):
    """Prices of servers, per hour, on demand."""

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="ISO 4217 code of all prices; none is converted")
    files: tuple[str, ...] = Field((), description="price files of your own; a later one wins")
    sample: bool = Field(True, description="begin with the shipped sample of EC2 prices; false = only `files`")
    discount: Literal["none", "reserved", "savings_plan"] = Field(
        "none", description="which discount applies to list prices, besides the figures without"
    )
    discounts: DiscountSettings = DiscountSettings()

    @property
    def factor(self) -> float:
        """What list prices are multiplied with."""
        factors = {"reserved": self.discounts.reserved, "savings_plan": self.discounts.savings_plan}
        return factors.get(self.discount, 1.0)


class SegmentsSettings(Section):
    """Segments: servers grouped by how they are used."""

    k: Annotated[int, Field(ge=1, le=50)] | None = Field(
        None, description="number of segments; null = chosen by the silhouette between k_min and k_max"
    )
    k_min: int = Field(4, ge=2, le=50, description="fewest segments tried")
    k_max: int = Field(10, ge=2, le=50, description="most segments tried")
    window_days: int = Field(365, ge=30, description="days before as_of that the features of a server look at")
    least_servers: int = Field(8, ge=2, description="fewer servers that can be described are one segment")
    least_share: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.01, description="a number of segments that leaves one with a smaller share of the servers is passed over"
    )
    sample: int = Field(5000, ge=100, description="of more servers a sample of so many chooses the number of segments")
    starts: Count = Field(8, description="random starts of k-means for each number of segments; the best is kept")
    seed: int = Field(7, ge=0, le=2**32 - 1, description="seed of these starts and of the sample")

    @model_validator(mode="after")
    def _ordered(self) -> SegmentsSettings:
        if self.k_min > self.k_max:
            raise ValueError(f"`k_min` ({self.k_min}) is above `k_max` ({self.k_max}); change one of them")
        return self


class ReportSettings(Section):
    """What the report shows."""

    title: str = Field("Weekly capacity report", description="title on page 1")
    organisation: str = Field("", description="name printed beside the title")
    page_size: Literal["A4", "Letter"] = Field("A4", description="paper")
    top_risks: Count = Field(12, description="servers drawn as fan charts")
    table_rows: Count = Field(100, description="servers listed in print; the workbook lists all")
    formats: tuple[ReportFormat, ...] = Field(
        ("pdf", "xlsx", "json", "html"), description="files of a report; summary.json is written whether named or not"
    )
    per_business_unit: bool = Field(True, description="a report of each business unit beside that of the run")
    most_unit_pdfs: int = Field(
        50, ge=0, description="business units whose report is printed too, those with most servers at risk first"
    )
    processes: Count = Field(2, description="processes that draw reports side by side; changes no byte of them")

    @field_validator("formats")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))


class DeliverySettings(Section):
    """Who is told that a report is there. No secret stands here: only names of environment variables that hold them."""

    webhook_url_env: str | None = Field(
        None, description="environment variable with the address of a Slack-compatible webhook; null = none"
    )
    smtp_host: str | None = Field(None, description="mail server; null = no e-mail")
    smtp_port: int = Field(587, ge=1, le=65535, description="its port")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="encryption: starttls (as a rule port 587), tls from the start (465), or none"
    )
    smtp_from: str = Field("", description="address that e-mails come from")
    smtp_to: tuple[str, ...] = Field((), description="addresses that e-mails go to")
    smtp_user_env: str | None = Field(
        None, description="environment variable with the user to log in as; null = no log-in"
    )
    smtp_password_env: str | None = Field(None, description="environment variable with the user's password")
    timeout_seconds: Count = Field(30, description="seconds to wait for webhook or mail server")
    retries: int = Field(2, ge=0, description="further tries of a delivery that may pass (connection, 5xx, busy)")
    base_url: str | None = Field(
        None, description="http(s) address under which the store's files open in a browser; null = the store's own"
    )

    @field_validator("webhook_url_env", "smtp_user_env", "smtp_password_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        return variable_name(name)

    @field_validator("smtp_from")
    @classmethod
    def _sender(cls, address: str) -> str:
        return _address(address) if address else address

    @field_validator("smtp_to")
    @classmethod
    def _receivers(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_address(each) for each in addresses))

    @field_validator("base_url")
    @classmethod
    def _opens(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if "@" in parts.netloc:
            raise ValueError("must hold no user or password: it is printed in every message")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no address; write https://host/path")
        return address.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> DeliverySettings:
        if self.smtp_host is not None and not (self.smtp_from and self.smtp_to):
            raise ValueError("`smtp_host` is given: `smtp_from` and `smtp_to` must say from whom and to whom")
        if (self.smtp_user_env is None) != (self.smtp_password_env is None):
            raise ValueError("`smtp_user_env` and `smtp_password_env` go together: give both or neither")
        if self.smtp_user_env is not None and self.smtp_security == "none":
            raise ValueError("`smtp_security` is none: the password would travel in the clear; use starttls or tls")
        return self


def _address(text: str) -> str:
    if not text.isascii() or not re.fullmatch(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+", text):
        raise ValueError(f"{text!r} is no e-mail address; write name@example.com")
    return text


class AlertSettings(Section):
    """What is worth an alert, and where alerts go (`capforecast setup`). No secret stands here."""

    new_critical: int = Field(
        1, ge=0, description="servers that became critical since the run before from which on it is an event; 0 = never"
    )
    scorecard_floor: float | None = Field(
        0.0,
        le=1,
        description="Brier skill of past warnings, at the horizon of the tier `high`, below which it is an event; "
        "null = never",
    )
    scorecard_events: Count = Field(30, description="breaches that must stand behind that skill to judge it")
    webhook_url_env: str | None = Field(
        None, description="environment variable with the address that alerts are posted to as JSON; null = none"
    )
    slack_url_env: str | None = Field(
        None, description="environment variable with the address of a Slack incoming webhook; null = none"
    )
    private_address: bool = Field(
        False, description="alerts may be posted to an address of a private network or of the server itself"
    )
    sns_topic: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$",
        description="ARN of the SNS topic that alerts are published to, by the deployment notify/notify; null = none",
    )
    runbook_url: str = Field(
        "docs/runbook.md", description="where people open the runbook; alerts point to its section on alerts"
    )

    @field_validator("webhook_url_env", "slack_url_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        return variable_name(name)


class FlowSettings(Section):
    """How Prefect runs it."""

    fan_out: Literal["inline", "deployment"] = Field(
        "inline",
        description="business units as subflows of the run's own process, or each as a flow run of `unit_deployment`",
    )
    unit_deployment: str = Field(
        "business-unit-run/business-unit",
        pattern=r"^[^/]+/[^/]+$",
        description="deployment that runs one business unit",
    )
    poll_seconds: float = Field(2.0, gt=0, description="seconds between two looks at the flow run of a business unit")
    concurrent_units: Count = Field(2, description="business units worked on at once")
    result_block: str | None = Field(
        None,
        description="S3Bucket block of prefect-aws that keeps task results; null = `results/` of the lake",
    )
    task_runner: Literal["threads", "dask"] = Field(
        "threads", description="where blocks of a business unit's series are computed; results do not depend on it"
    )
    dask_address: str | None = Field(
        None, description="scheduler of a Dask cluster, tcp://host:8786; null = a cluster of this machine"
    )
    dask_workers: Count = Field(2, description="processes of the Dask cluster of this machine")
    restarts: int = Field(
        3, ge=0, description="automatic restarts of a crashed run; then it fails and waits for people"
    )
    time_zone: str = Field(
        "UTC",
        description="IANA name of the zone whose date a run takes that is asked for `scheduled` or `business-day`",
    )
    retries: int = Field(2, ge=0, description="further tries of a task whose error may pass (storage, network)")
    retry_delay_seconds: float = Field(2.0, ge=0, description="first delay; doubles, with jitter")
    stage_timeout_seconds: Count = Field(3600, description="a stage that takes longer fails")
    drill: str | None = Field(
        None, description="`stage:business unit` that fails on purpose, to rehearse a retry; null = none"
    )

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        return time_zone(name)


class LambdaSettings(Section):
    """What the Lambda function does with events, and what it keeps for itself."""

    incoming: str = Field(
        "incoming/",
        min_length=1,
        description="objects whose key begins so are observations to forecast from; others are ignored, with a reason",
    )
    suffixes: tuple[str, ...] = Field(
        (".parquet", ".csv", ".csv.gz"), min_length=1, description="and whose key ends in one of these"
    )
    inventory: str | None = Field(
        None,
        description="inventory that such events are read with, as s3://bucket/key; null = that of the lake",
    )
    reserve_seconds: Count = Field(
        20, description="seconds of the function's time that are kept for ending in order; less left = nothing is begun"
    )


class SageMakerSettings(Section):
    """Jobs of SageMaker: what they run on. Never credentials: those come from the AWS chain of the process."""

    train: bool = Field(False, description="a run trains by SageMaker jobs, one per business unit, and follows them")
    role: str | None = Field(None, description="ARN of the role that jobs run as; null = none can be submitted")
    image: str | None = Field(None, description="address of the image `sagemaker`, by digest; null = likewise")
    output: str | None = Field(
        None, description="s3://bucket/prefix that jobs write to; null = `sagemaker/` of the lake's bucket and prefix"
    )
    instance_type: str = Field("ml.m6i.xlarge", pattern=r"^ml\.", description="machine of a job")
    instances: Count = Field(1, description="machines of a processing job; training takes one")
    volume_gib: Count = Field(30, description="disk of each machine, GiB")
    most_seconds: Count = Field(7200, description="a job that runs longer is stopped by SageMaker")
    poll_seconds: float = Field(15.0, gt=0, description="seconds between two looks at a job")
    kms_key: str | None = Field(None, description="KMS key for disks and what jobs write; null = AWS's own")
    subnets: tuple[str, ...] = Field((), description="subnets of jobs; none = the network of SageMaker")
    security_groups: tuple[str, ...] = Field((), description="security groups of jobs; with subnets only")
    tags: dict[str, str] = Field(default_factory=dict, description="tags of jobs, beside `application: capforecast`")

    @field_validator("role")
    @classmethod
    def _is_role(cls, role: str | None) -> str | None:
        if role is not None and not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", role):
            raise ValueError(f"{role!r} is no role; write it as arn:aws:iam::<account of 12 digits>:role/<name>")
        return role

    @model_validator(mode="after")
    def _whole_network(self) -> SageMakerSettings:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("`subnets` and `security_groups` go together: give both, or neither")
        return self


class AthenaSettings(Section):
    """Queries by Athena instead of DuckDB (`capforecast query --engine athena`)."""

    workgroup: str | None = Field(None, description="workgroup that queries run in; null = none can be run")
    database: str | None = Field(None, description="Glue database of the tables; null = none can be run")
    output: str | None = Field(
        None, pattern=r"^s3://", description="s3://bucket/prefix for answers; null = as the workgroup says"
    )
    most_scanned_gib: float = Field(
        10.0, gt=0, description="GiB; a query that is seen to have read more is cancelled (the workgroup has its own)"
    )
    usd_per_tb: float = Field(5.0, ge=0, description="price of a terabyte read, USD, for the cost that is shown")
    timeout_seconds: Count = Field(600, description="seconds after which a query that has not ended is cancelled")


class LogSettings(Section):
    """Logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level shown and written")


def _default_metrics() -> dict[str, MetricSettings]:
    return {
        "cpu": MetricSettings(implausible_above=1000.0, high=80.0, very_high=90.0),
        "mem": MetricSettings(implausible_above=1000.0, high=80.0, very_high=90.0),
        "disk": MetricSettings(implausible_above=1000.0, high=80.0, very_high=90.0, fills_up=True),
        "net": MetricSettings(unit="Mbit/s", high_share=0.8, very_high_share=0.9),
        "net_in": MetricSettings(unit="Mbit/s", high_share=0.8, very_high_share=0.9),
        "net_out": MetricSettings(unit="Mbit/s", high_share=0.8, very_high_share=0.9),
        "disk_io": MetricSettings(unit="MB/s"),
    }


class StorageSettings(Section):
    """How an s3:// store is reached. Never credentials: those come from the AWS chain of the process."""

    endpoint: str | None = Field(None, description="http(s) address of an S3 server other than AWS; null = AWS")
    region: str | None = Field(None, description="AWS region of the bucket; null = as AWS_REGION or the profile says")
    profile: str | None = Field(
        None, description="profile of ~/.aws with the credentials; null = as the AWS chain says"
    )
    encryption: Literal["none", "AES256", "aws:kms"] = Field(
        "none", description="server-side encryption asked for on every write; none = what the bucket does by itself"
    )
    kms_key: str | None = Field(None, description="ARN or id of the KMS key for aws:kms; null = the account's own")
    retries: int = Field(
        18, ge=0, description="further tries of a request that may pass (5xx, connection); 18 outlast half a minute"
    )
    timeout_seconds: Count = Field(60, description="seconds a request may take, and after which none is tried again")

    @field_validator("endpoint")
    @classmethod
    def _reachable(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if "@" in parts.netloc:  # not repeated in the message: it holds a password
            raise ValueError("must hold no user or password; give credentials through the AWS chain")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is no address; write https://host or http://host:port")
        return address.rstrip("/")

    @model_validator(mode="after")
    def _key_is_used(self) -> StorageSettings:
        if self.kms_key is not None and self.encryption != "aws:kms":
            raise ValueError(f"`kms_key` is given, but `encryption` is {self.encryption}; set it to aws:kms")
        return self


class Settings(Section):
    """All settings of a run."""

    store: str = Field("capforecast-lake", min_length=1, description="folder or s3://bucket/prefix of the lake")
    storage: StorageSettings = StorageSettings()
    source: SourceSettings = SourceSettings()
    inventory: InventorySettings = InventorySettings()
    remote: RemoteSettings = RemoteSettings()
    metrics: dict[str, MetricSettings] = Field(default_factory=_default_metrics)
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
