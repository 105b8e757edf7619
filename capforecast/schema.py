"""Column names, units and the types stages exchange: the one place they are spelled.

docs/data-dictionary.md explains them in prose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

# Observations at rest: SERVER_ID, TIMESTAMP, <metric>_<statistic> ..., INGESTED_AT.
SERVER_ID = "server_id"
TIMESTAMP = "timestamp"
INGESTED_AT = "ingested_at"
# Long form only.
SERIES_ID = "series_id"
METRIC = "metric"
VALUE = "value"
STATISTICS = ("p95", "mean", "max", "min", "p99", "p50")  # p95 is the one forecast where a source has several

# Inventory: a dated row per change; anything but server_id may be missing.
BUSINESS_UNIT = "business_unit"
REGION = "region"
CRITICALITY = "criticality"
VALID_FROM = "valid_from"
RENAMED_FROM = "renamed_from"  # optional: the name a server had until the row's valid_from
DIMENSIONS = (BUSINESS_UNIT, REGION, CRITICALITY)
INVENTORY_TEXT = (*DIMENSIONS, "environment", "owner", "host_id", "instance_type")
INVENTORY_NUMBERS = ("vcpus", "memory_gib", "disk_gib", "network_mbps", "hourly_cost")
UNASSIGNED = "unassigned"  # business unit, region or criticality that nobody gave
FLEET = "_fleet"  # business unit of fleet-level rows in the lake

# Catalogue of instance shapes (config/prices/shapes.csv), and the `shapes` dataset: one row per instance type.
SHAPE_COLUMNS = (
    "instance_type", "family", "architecture", "vcpus", "memory_gib", "network_baseline_mbps", "network_burst_mbps",
    "burstable",
)  # fmt: skip

QUANTILE_LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)  # of every forecast, followed by the mean
QUANTILE_NAMES = ("q025", "q10", "q50", "q90", "q975")


class Cadence(StrEnum):
    """Spacing of a series."""

    DAILY = "daily"
    HOURLY = "hourly"

    @property
    def frequency(self) -> str:
        """pandas offset alias."""
        return "D" if self is Cadence.DAILY else "h"

    @property
    def step(self) -> pd.Timedelta:
        """Time between two points."""
        return pd.Timedelta(days=1) if self is Cadence.DAILY else pd.Timedelta(hours=1)

    @property
    def season(self) -> int:
        """Points in the cycle of the seasonal naive forecast: 7 daily, 24 hourly."""
        return 7 if self is Cadence.DAILY else 24

    @property
    def per_day(self) -> int:
        """Points in a day."""
        return 1 if self is Cadence.DAILY else 24

    def label(self, periods: int) -> str:
        """A horizon as people say it: `90 d`, `168 h`."""
        return f"{periods} {'d' if self is Cadence.DAILY else 'h'}"


class Verdict(StrEnum):
    """Can this series be forecast?"""

    OK = "ok"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a series is unknown (docs/data-dictionary.md)."""

    TOO_SHORT = "too_short"
    STALE = "stale"
    GAPPY = "gappy"
    ALL_MISSING = "all_missing"
    NO_THRESHOLD = "no_threshold"  # of a server: nothing that is ok has a threshold
    NO_OBSERVATIONS = "no_observations"  # of a server: in the inventory, never observed
    NO_EVIDENCE = "no_evidence"  # forecast, but too few past forecast errors to state a probability
    NOT_TRAINED = "not_trained"  # it could be forecast, but the model is older than it


class DriftCheck(StrEnum):
    """What is compared with what, to tell whether a model still fits (forecast/drift.py)."""

    FORECAST = "forecast_change"  # the forecast of the same days, with the earlier run's
    TIERS = "tier_change"  # likewise the servers' tiers
    LIVE = "live_error"  # the earlier forecast, with what came
    LEVEL = "input_level"  # level of the latest weeks, with the weeks before
    SPREAD = "input_spread"  # likewise the spread


class PoolReason(StrEnum):
    """Why figures of a pool are missing; the first that holds."""

    NO_SIZES = "no_sizes"  # no server whose vCPUs, or memory, are known
    NO_OBSERVATIONS = "no_observations"  # of none of these has the metric been seen
    NO_FORECAST = "no_forecast"  # all series are unknown: only the demand last seen can be told
    NO_EVIDENCE = "no_evidence"  # forecast, but too few past forecast errors to state a probability


class Tier(StrEnum):
    """Risk of a server, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    WATCH = "watch"
    OK = "ok"
    UNKNOWN = "unknown"


TIER_ORDER = tuple(Tier)


class Reference(BaseModel):
    """A named object in the lake and the content it must have. Stages exchange these, never frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str  # relative to the root of the store, so that a lake can be moved
    sha256: str
    rows: int


# Series table of a panel, one row per series in panel order.
SERIES_COLUMNS = (
    SERVER_ID, METRIC, "statistic", *DIMENSIONS,
    "verdict", "reason",  # Verdict; Reason or ""
    "flags",  # space-separated words, "" when none
    "observed", "first_seen", "last_seen",  # count of points; timestamps, NaT when never seen
    "capacity",  # float64, units at 100 %: vCPU, GiB, Mbit/s of network; NaN = not known
    "unseen_peaks",  # known peaks within the horizon that the history does not hold, ", " between; "" when none
)  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """Every series of a business unit on one regular grid; the engine's only input.

    values: float32 [T, N], NaN = not observed.  timestamps: UTC [T], regular, ascending.
    series: one row per column of `values` (SERIES_COLUMNS), sorted by server and metric.
    """

    values: FloatArray
    timestamps: pd.DatetimeIndex
    series: pd.DataFrame
    cadence: Cadence

    def take(self, keep: BoolArray) -> Panel:
        """The panel of the series where `keep` [N] is true."""
        return replace(self, values=self.values[:, keep], series=self.series[keep].reset_index(drop=True))

    def usable(self) -> Panel:
        """The panel of the series whose verdict is ok."""
        return self.take((self.series["verdict"] == Verdict.OK).to_numpy(dtype=bool))

    def until(self, end: pd.Timestamp) -> Panel:
        """The panel of the points at or before `end` (inclusive)."""
        count = int(self.timestamps.searchsorted(end, side="right"))
        return replace(self, values=self.values[:count], timestamps=self.timestamps[:count])


@dataclass(frozen=True)
class Forecast:
    """Quantiles of what comes next, series by series.

    quantiles: float32 [Q + 1, H, N]: QUANTILE_LEVELS, then the mean.  timestamps: UTC [H].
    series: [N] server_id, metric, origin (last timestamp the model saw), model, model_version.
    """

    quantiles: FloatArray
    timestamps: pd.DatetimeIndex
    series: pd.DataFrame
    cadence: Cadence

    @property
    def median(self) -> FloatArray:
        """Point forecast [H, N]."""
        median: FloatArray = self.quantiles[QUANTILE_LEVELS.index(0.5)]
        return median


@dataclass(frozen=True)
class ErrorPaths:
    """What went wrong at past origins, as whole paths: the raw material of intervals and breach probability.

    errors: float32 [O, H, N], actual - forecast made at that origin by weights that had not seen it; NaN where
    nothing was observed or no forecast could be made.  origins: UTC [O], newest first.
    scale: float32 [O, N], size of error to expect, as known at that origin, NaN where it was not yet known;
    scale_now: [N], at the panel's end.
    states: float32 [O, N, S], where the series stood at the origin, in units of scale; states_now: [N, S].
    series: [N] server_id and metric, in the order of the forecast.
    """

    errors: FloatArray
    origins: pd.DatetimeIndex
    scale: FloatArray
    scale_now: FloatArray
    states: FloatArray
    states_now: FloatArray
    series: pd.DataFrame
    cadence: Cadence

    def take(self, members: BoolArray | npt.NDArray[np.int64]) -> ErrorPaths:
        """The error paths of some series: a mask [N], or their numbers."""
        return replace(
            self, errors=self.errors[:, :, members], scale=self.scale[:, members], scale_now=self.scale_now[members],
            states=self.states[:, members], states_now=self.states_now[members],
            series=self.series.loc[members].reset_index(drop=True),
        )  # fmt: skip


def probability_column(level: str, periods: int, cadence: Cadence) -> str:
    """Column of `risks` with the breach probability of a threshold level within a horizon: `p_high_30d`."""
    return f"p_{level}_{cadence.label(periods).replace(' ', '')}"


# Rows of a fleet model's table `choice`: the five candidates that carry each forecast, heaviest first.
CHOICE_COLUMNS = (
    SERVER_ID, METRIC,
    "candidate",  # family/member
    "weight",  # share of the vote, 0..1
    "expected_error",  # its error by the median candidate's, as past origins tell
)  # fmt: skip

# Rows of the `risks` dataset, one per series, unknown ones included. Breach probabilities (0..1) stand beside these,
# one column per level (high, very_high) and horizon, named by probability_column.
RISK_COLUMNS = (
    SERVER_ID, METRIC, "statistic", *DIMENSIONS,
    "verdict", "reason", "flags",
    "unseen_peaks",  # as in the series table of a panel
    "tier",  # Tier of this series alone
    "last_value", "threshold_high", "threshold_very_high",  # metric's unit; NaN = no threshold
    "trend_per_month", "trend_since",  # metric's unit, NaN = none that is clear; UTC day, NaT
    "in_breach_high", "in_breach_very_high",  # bool: the breach rule fires on what was observed
    "probability_high",  # 0..1, P(breach of `high` within horizon_days), which decided high and watch
    "probability_very_high",  # 0..1, P(breach of `very_high` within the critical horizon, or what is supported)
    "days_q10", "days_q50", "days_q90",  # days to the first breach of `high`; NaN = later than the horizon
    "horizon_days",  # horizon that stood behind the tier
    "peak_q50", "peak_q90",  # quantiles of the maximum over the horizon, metric's unit
    "capacity_remaining",  # percent of usable capacity left at the 90 % peak within the procurement lead time
    "capacity_remaining_units",  # the same in vCPU, GiB, Mbit/s; NaN where the server's size is not known
    "paths",  # how many error paths stand behind the probabilities
    "relative_mae", "coverage_80",  # evidence from the backtest of this series
)  # fmt: skip

# Rows of the `warnings` dataset: what would have been said of a series at a past origin, and what came. One per series,
# origin and level; series in breach of the level at the origin are left out. Breach probabilities stand beside these,
# one column per horizon, named p_<days>d.
WARNING_COLUMNS = (
    SERVER_ID, METRIC, *DIMENSIONS,
    "origin",  # last moment seen, UTC
    "level", "threshold",  # high | very_high; metric's unit
    "paths",  # error paths behind the probabilities
    "days_q10", "days_q50",  # first breach by them, days after the origin; NaN = later than the horizon
    "event_days",  # first breach that came, days after the origin; NaN = none within observed_days
    "observed_days",  # days after the origin whose outcome is known
    "line_28", "line_90",  # days until a line through the last 28, 90 days crosses the threshold; inf = never
    "near_share",  # largest value of the last 7 days by the threshold
    "above_share",  # share of the last 365 days above the threshold
)  # fmt: skip

# Rows of the `scorecard` dataset: one per scope, level, horizon and rule.
SCORECARD_COLUMNS = (
    "scope", "name",  # fleet | business_unit | metric | criticality | region; which one ("" = fleet)
    "level", "horizon_days", "rule",  # high | very_high | both; risk/scorecard.py names the rules
    "servers", "series", "origins", "cases", "events", "base_rate",
    "warned", "precision", "recall", "recall_low", "recall_high",
    "false_alarms",  # per 100 servers and month
    "lead_days",  # median days from a warning to the breach it announced
    "brier", "brier_skill", "skill_low", "skill_high",  # of rules that state a probability
    "calibration_error", "chance_floor",  # expected calibration error; what perfect probabilities would show by chance
    "mean_probability",
    "our_recall", "recall_ratio", "ratio_low", "ratio_high",  # ours at this rule's false alarms, by its
)  # fmt: skip

# Rows of the `reliability` dataset: stated against observed frequency, ten bins per scope, level and horizon.
RELIABILITY_COLUMNS = (
    "scope", "name", "level", "horizon_days", "low", "high", "cases", "mean_probability", "rate",
)  # fmt: skip

# Rows of the `pools` dataset: one per pool (business unit x region) and resource; `demand` has them by date.
# Sums of pools stand apart, in the partition of FLEET: region ALL_REGIONS of each unit, and business unit FLEET.
POOL_COLUMNS = (
    BUSINESS_UNIT, REGION, "resource",  # vcpu | memory_gib
    "reason",  # PoolReason of the figures that are missing, "" = none is
    "servers", "unsized",  # all; of unknown size, which stand for nothing
    "unobserved", "unforecast",  # of known size: never seen, so in no demand; counted at their last known demand
    "supply", "usable",  # units; less the N+1 reserve and the policy buffer
    "demand_now", "peak_q50", "peak_q90",  # units; on the last day; quantiles of the largest demand within the horizon
    "p_30d", "p_90d",  # 0..1, P(demand over `usable` by the breach rule) within so many days, or the horizon if shorter
    "days_q10", "days_q50", "days_q90", "horizon_days",  # to running out; NaN = later than the horizon
    "buy_q50", "buy_q90",  # units to add so that the peak fits `usable` with headroom; 0 = none
    "buy_by",  # last day to order, for the 10 % date and the procurement lead time; NaT = none
    "paths",
)  # fmt: skip
DEMAND_COLUMNS = (BUSINESS_UNIT, REGION, "resource", "date", "usable", *(f"demand_{q}" for q in QUANTILE_NAMES))
ALL_REGIONS = "_all"  # region of rows that sum over regions

# Rows of the `actions` dataset: one per server, unknown ones included; what it should become, why, and the money.
# Sizes: vCPUs and GiB, NaN = not known; `_share`: of what it has now, 1 = as it is. Money: a month of 730 hours, in
# `currency`; NaN = no price; a change below 0 is a saving.
ACTION_COLUMNS = (
    SERVER_ID, *DIMENSIONS, "owner",
    "tier", "risk_basis",  # and what it rests on, in words; "" of servers that are ok or unknown
    "segment",  # name of its segment
    "action",  # actions.rightsize.Action: upsize | downsize | stop | keep | withheld | none
    "reason",  # why this action, in words
    "withheld_action",  # what would have been advised, where that is withheld; "" = nothing is known of it
    "instance_type", "vcpus", "memory_gib", "to_type", "to_vcpus", "to_memory_gib", "to_cpu_share", "to_memory_share",
    "need_vcpus", "need_memory_gib", "need_cpu_share", "need_memory_share",  # headroom included, on fit_share of paths
    "fits",  # share of the sample paths that the size advised, or else the present one, holds
    "basis",  # by which statistic and headroom it was sized, in words
    "alternatives",  # sizes that were considered, and why not, in words
    "monthly", "to_monthly", "monthly_change", "monthly_change_discounted",
    "change_q10", "change_q50", "change_q90",  # of the cheapest safe size, path by path
    "price_source", "price_reason", "currency",  # file and date; why there is no price
    "idle", "zombie", "idle_basis",  # flags; what was looked at, in words
    "stratum",  # servers whose replay stands behind it: a segment's name, or `smaller segments`
    "bound_servers", "bound_periods", "bound_over", "bound_rate", "bound_upper", "promised",  # of the worse resource
    "size_periods", "size_over",  # of servers of the stratum that would have been made smaller
    "state", "state_since", "state_note",  # actions.lifecycle.State of earlier advice; "" = none
    "history_days", "peaks_unseen", "paths", "horizon_days",
    "model_version", "window_first", "window_last", "inputs", "config", "code",  # hashes of what it was made from
)  # fmt: skip

# Rows of the `savings` dataset: sums of ACTION_COLUMNS' money. Kinds add up to `all`, and so do the names of a scope.
SAVING_COLUMNS = (
    "scope", "name",  # fleet | business_unit | region | segment; which one ("" = fleet)
    "kind",  # downsize | stop | upsize | all
    "servers", "priced",  # with such an action; of these, with prices of both sizes
    "monthly", "to_monthly", "monthly_change", "monthly_change_discounted",  # of the priced
    "change_q10", "change_q50", "change_q90",  # of the sum over servers, path by path
    "currency",
)  # fmt: skip

# Rows of the `bounds` dataset: the rule replayed at past origins, by resource and stratum.
BOUND_COLUMNS = (
    "resource", "stratum",  # vcpu | memory_gib; a segment's name, `smaller segments` or `all servers`
    "test",  # need: what it said every server needs; size: the smaller sizes it would have advised
    "cases", "servers", "periods", "over", "rate", "upper", "promised", "kept",
)  # fmt: skip

# Rows of the `segments` dataset, one per server, and of `segment_sizes`: actions.segments.

# Rows of the `consolidation` dataset: one per business unit, region and criticality; and of `packing`, one per server.
CONSOLIDATION_COLUMNS = (
    *DIMENSIONS,
    "reason",  # why nothing can be said ("needs hourly mean or maximum"), "" = it can
    "statistic",  # of the hours added up: mean | max
    "servers", "packed",  # all; of known size and seen, which are packed
    "hosts", "hosts_needed", "spare", "freed",  # today; without spare ones; held for a failure; hosts less both
    "onto",  # `hosts` of the inventory, or the size of the instances
    "vcpus", "memory_gib",  # of one instance, NaN for hosts
    "busiest",  # share of its capacity that the fullest host uses at its busiest hour
    "replayed_hours", "replayed_over", "replayed_rate", "replayed_upper",  # held-out host-hours over 100 %
    "monthly", "to_monthly", "monthly_change", "currency", "price_source", "price_reason",
)  # fmt: skip
PACKING_COLUMNS = (SERVER_ID, *DIMENSIONS, "host_from", "host_to", "peak_vcpus", "peak_memory_gib")

# Rows of the `anomalies` dataset: incident spikes and level shifts of the history.
ANOMALY_COLUMNS = (
    SERVER_ID, METRIC, *DIMENSIONS, "kind",  # spike | level_shift
    "told", "began",  # UTC: first moment at which it could be told; estimated start
    "value", "usual", "size",  # metric's unit: seen, expected then, and the difference
)  # fmt: skip

# Rows of the `backtests` dataset: one per series and horizon bucket ("all" = the whole horizon).
BACKTEST_COLUMNS = (
    SERVER_ID, METRIC, *DIMENSIONS, "bucket", "origins", "points",
    "mae", "rmse", "mape_floored", "wape", "mase", "mae_naive", "relative_mae", "coverage_80", "coverage_95", "pinball",
)  # fmt: skip

# Rows of the `drift` dataset, one per check and metric of a business unit.
DRIFT_COLUMNS = (
    "check", "metric",  # DriftCheck; "" = over all metrics
    "value", "limit", "alarm",  # value is NaN where there was nothing to compare with
    "series", "series_over",  # checked; over their own limit (of tiers: servers)
    "example",  # a server that shows it
    "sentence",
)  # fmt: skip

# Rows of the `drift_series` dataset: series over their own limit. before and now are in the metric's unit.
DRIFT_SERIES_COLUMNS = (SERVER_ID, METRIC, "check", "value", "limit", "before", "now")
