"""The workbook's columns: heading, explanation, how a value is shown, and how wide the column is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from capforecast.report.data import ProbabilityColumn, probability_columns

Kind = Literal["text", "tier", "figure", "score", "count", "share", "rate", "fine", "probability", "percent", "date",
               "flag", "spark"]  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a sheet."""

    key: str
    title: str
    note: str
    kind: Kind = "text"
    width: float = 12
    wrap: bool = False  # a text of several lines
    listed: bool = True  # among the definitions; False: another column's note says what it is


_KNOWN = {
    column.key: column
    for column in (
        Column("server_id", "Server", "Name of the server, as the monitoring system gives it.", width=26),
        Column(
            "business_unit",
            "Business unit",
            "The unit in force at the cut-off; `unassigned` when nobody gave one.",
            width=22,
        ),
        Column("region", "Region", "From inventory or observations.", width=14),
        Column("criticality", "Criticality", "From inventory or observations.", width=12),
        Column(
            "tier", "Tier", "Risk: critical, high, watch, ok or unknown; rules on the sheet Definitions.", "tier", 10
        ),
        Column("metric", "Metric", "The metric; of a server, the one with the worst risk.", width=9),
        Column("statistic", "Statistic", "What a value says of its period, e.g. p95.", width=9),
        Column("unit", "Unit", "Unit of values and thresholds.", width=9),
        Column("verdict", "Verdict", "Whether the series could be forecast: ok or unknown.", width=9),
        Column("reason", "Reason", "Why it is unknown; empty when it was forecast.", width=15),
        Column("flags", "Flags", "What was noticed about the series without stopping its forecast.", width=20),
        Column("meaning", "What it means", "The reason in words.", width=52),
        Column("fix", "What to do", "What turns an unknown server into a forecast one.", width=80),
        Column("last_value", "Last value", "Last observed value, in the metric's unit.", "figure", 9),
        Column("threshold_high", "Threshold high", "Threshold `high`, in the metric's unit.", "figure", 10),
        Column(
            "threshold_very_high", "Threshold very high", "Threshold `very_high`, in the metric's unit.", "figure", 10
        ),
        Column("in_breach_high", "In breach of high", "The breach rule fires on what was observed.", "flag", 9),
        Column(
            "in_breach_very_high", "In breach of very high", "The breach rule fires on what was observed.", "flag", 9
        ),
        Column(
            "breach_10",
            "10 % breached by",
            "Day by which 10 % of the paths have breached `high`; empty = later than the horizon.",
            "date",
            12,
        ),
        Column(
            "breach_50",
            "50 % breached by",
            "Day by which half of the paths have breached `high`; empty = later than the horizon.",
            "date",
            12,
        ),
        Column(
            "breach_90",
            "90 % breached by",
            "Day by which 90 % of the paths have breached `high`; empty = later than the horizon.",
            "date",
            12,
        ),
        Column(
            "days_q10",
            "Days to breach, 10 %",
            "Days after the last observation, 10 % quantile over paths.",
            "count",
            10,
        ),
        Column("days_q50", "Days to breach, 50 %", "Days after the last observation, median over paths.", "count", 10),
        Column(
            "days_q90",
            "Days to breach, 90 %",
            "Days after the last observation, 90 % quantile over paths.",
            "count",
            10,
        ),
        Column("horizon_days", "Horizon of tier, days", "Horizon that stood behind the tier.", "count", 9),
        Column(
            "peak_q50",
            "Peak, median",
            "Median over paths of the maximum within the horizon, in the metric's unit.",
            "figure",
            9,
        ),
        Column(
            "peak_q90",
            "Peak, 90 %",
            "90 % quantile over paths of the maximum within the horizon, in the metric's unit.",
            "figure",
            9,
        ),
        Column(
            "probability_high",
            "P(high)",
            "Probability of a breach of `high` within the horizon of the tier.",
            "probability",
            10,
        ),
        Column(
            "probability_very_high",
            "P(very high)",
            "Probability of a breach of `very_high` within the horizon of the critical tier.",
            "probability",
            10,
        ),
        Column("detail", "Detail", "Reasons of all its metrics.", width=30),
        Column(
            "capacity_remaining",
            "Capacity left, %",
            "Percent of usable capacity left at the 90 % peak within the lead time, or the horizon if shorter.",
            "percent",
            10,
        ),
        Column(
            "capacity_remaining_units",
            "Units left",
            "The same in vCPU, GiB or Mbit/s; empty = size not known.",
            "figure",
            10,
        ),
        Column("capacity", "Capacity, units", "vCPU, GiB or Mbit/s at 100 %, where known.", "figure", 10),
        Column(
            "trend_per_month", "Trend a month", "Change a month, in the metric's unit; empty = none told.", "score", 9
        ),
        Column("trend_since", "Trend since", "Day since which the trend holds.", "date", 12),
        Column("unseen_peaks", "Peaks unseen", "Known peaks ahead that its history does not hold.", width=20),
        Column("paths", "Paths", "Past error paths behind the probabilities.", "count", 8),
        Column("bucket", "Horizon bucket", "Part of the horizon the figures are for; `all` = the whole.", width=10),
        Column("series", "Series", "Number of series.", "count", 9),
        Column("origins", "Origins", "Rolling origins behind the figures.", "count", 9),
        Column("points", "Points", "Observed points compared with a forecast.", "count", 9),
        Column("mae", "MAE", "Mean absolute error, in the metric's unit.", "score", 9),
        Column(
            "mae_naive",
            "MAE, seasonal naive",
            "Mean absolute error of repeating the last season, same points.",
            "score",
            10,
        ),
        Column("rmse", "RMSE", "Root mean squared error, in the metric's unit.", "score", 9),
        Column(
            "mape_floored",
            "MAPE, floored, %",
            "Mean absolute percentage error, denominator at least 1 point.",
            "percent",
            10,
        ),
        Column("wape", "WAPE", "Sum of absolute errors over sum of absolute actuals.", "share", 9),
        Column("mase", "MASE", "Error over the in-sample seasonal-naive error (Hyndman & Koehler 2006).", "score", 9),
        Column(
            "relative_mae",
            "Relative MAE",
            "MAE over seasonal naive's MAE on the same points; below 1 is better.",
            "score",
            10,
        ),
        Column("skill", "Skill", "1 - relative MAE; above 0 is better than seasonal naive.", "share", 9),
        Column(
            "coverage_80",
            "In 80 % interval",
            "Share of observed values inside the 80 % interval; should be near 80 %.",
            "share",
            10,
        ),
        Column(
            "coverage_95",
            "In 95 % interval",
            "Share of observed values inside the 95 % interval; should be near 95 %.",
            "share",
            10,
        ),
        Column(
            "pinball", "Pinball loss", "Mean pinball loss over the quantile levels, in the metric's unit.", "score", 9
        ),
        Column(
            "outlook",
            "Outlook",
            "Sparkline: the largest median of each week (hourly: day), as on the sheet "
            "Forecasts; percent from 0 to 100, else from 0 to its own largest.",
            "spark",
            16,
        ),
        Column("environment", "Environment", "From the inventory.", width=13),
        Column("owner", "Owner", "From the inventory.", width=16),
        Column("host_id", "Host", "From the inventory.", width=16),
        Column("instance_type", "Instance type", "From the inventory.", width=14),
        Column("vcpus", "vCPUs", "From the inventory.", "count", 8),
        Column("memory_gib", "Memory, GiB", "From the inventory.", "figure", 9),
        Column("disk_gib", "Disk, GiB", "From the inventory.", "figure", 9),
        Column("network_mbps", "Network, Mbit/s", "Baseline bandwidth, from the inventory.", "figure", 9),
        Column("hourly_cost", "Hourly cost", "From the inventory.", "figure", 9),
        Column("valid_from", "Inventory since", "Day from which this inventory row holds.", "date", 12),
        Column("observed", "Points observed", "Number of observed points.", "count", 9),
        Column("first_seen", "First seen", "First observation.", "date", 12),
        Column("last_seen", "Last seen", "Last observation.", "date", 12),
    )
}

PLACE = ("server_id", "business_unit", "region", "criticality")
SCORES = (
    "bucket", "series", "origins", "points", "relative_mae", "skill", "mae", "mae_naive", "rmse", "wape",
    "mape_floored", "mase", "coverage_80", "coverage_95", "pinball",
)  # fmt: skip


def risk_order(frame: pd.DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns of risk sheets: those that are printed, then those that follow on the screen."""
    high, very_high = (
        tuple(p.name for p in probability_columns(frame) if p.level == level) for level in ("high", "very_high")
    )
    printed = (*PLACE, "tier", "reason", "metric", "statistic", "unit", "last_value", "threshold_high",
               "outlook", "probability_high", *high, "breach_10", "breach_50", "capacity_remaining")  # fmt: skip
    further = ("capacity_remaining_units", "trend_per_month", "trend_since", "unseen_peaks", "in_breach_high",
               "in_breach_very_high", "threshold_very_high", "probability_very_high", *very_high,
               "breach_90", "peak_q50", "peak_q90", "days_q10", "days_q50", "days_q90")  # fmt: skip
    return printed, further


def columns_of(frame: pd.DataFrame, first: Iterable[str] = ()) -> list[Column]:
    """Columns of a frame: those named in `first`, then all others in the frame's order. None is left out."""
    probabilities = {p.name: _probability(p) for p in probability_columns(frame)}
    order = [name for name in dict.fromkeys(first) if name in frame]
    order += [str(name) for name in frame.columns if name not in order]
    return [probabilities.get(name) or _KNOWN.get(name) or _label(name, frame[name]) for name in order]


def _probability(column: ProbabilityColumn) -> Column:
    level = column.level.replace("_", " ")
    note = f"Probability of a breach of `{column.level}` within {column.horizon} of the last observation."
    return Column(column.name, f"P({level}) {column.horizon}", note, "probability", 10)


def _label(name: str, values: pd.Series) -> Column:
    """A column we know nothing of: a label of the inventory or the observations, kept as it is."""
    kind: Kind = "text"
    if pd.api.types.is_bool_dtype(values):
        kind = "flag"
    elif pd.api.types.is_numeric_dtype(values):
        kind = "figure"
    elif pd.api.types.is_datetime64_any_dtype(values):
        kind = "date"
    return Column(name, name.replace("_", " "), f"Label `{name}`, as the source gives it.", kind, 14)
