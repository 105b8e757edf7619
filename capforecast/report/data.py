"""What PDF and workbook are drawn from: the summary and the frames behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from capforecast.report.summary import RunSummary
from capforecast.risk.tiers import order_by_risk
from capforecast.schema import METRIC, QUANTILE_LEVELS, Cadence, FloatArray
from capforecast.settings import Settings

_PROBABILITY = re.compile(r"p_(very_high|high)_(\d+)([dh])")


@dataclass(frozen=True)
class Mark:
    """Something unusual in the history of a series (schema.ANOMALY_COLUMNS): value and size in the metric's unit."""

    kind: str  # spike | level_shift
    began: pd.Timestamp
    value: float
    size: float


@dataclass(frozen=True)
class Peak:
    """A known peak that a chart marks (fleet.calendar.Occurrence): `month_end`, `holiday`, `event: <name>` ..."""

    name: str
    first: pd.Timestamp
    last: pd.Timestamp  # its last day, inclusive


@dataclass(frozen=True)
class FanChart:
    """One series, past and forecast.

    history: float [T], NaN where nothing was observed.  quantiles: float32 [Q + 1, H], schema.QUANTILE_LEVELS, then
    the mean.  Thresholds in `unit`, None where there is none.  days_*: days from the origin (the last moment the model
    saw) to the first breach of `high`; None (or NaN) = later than the horizon.  peaks: known ones, past and ahead.
    in_breach: the breach rule fires on what was observed, so that dates of a first breach say nothing.
    """

    server_id: str
    metric: str
    statistic: str
    unit: str
    business_unit: str
    region: str
    tier: str
    sentence: str
    history_timestamps: pd.DatetimeIndex
    history: FloatArray
    forecast_timestamps: pd.DatetimeIndex
    quantiles: FloatArray
    threshold_high: float | None = None
    threshold_very_high: float | None = None
    days_q10: float | None = None
    days_q50: float | None = None
    days_q90: float | None = None
    in_breach: bool = False
    marks: tuple[Mark, ...] = ()
    peaks: tuple[Peak, ...] = ()
    peaks_unseen: str = ""

    def __post_init__(self) -> None:
        expected = (len(QUANTILE_LEVELS) + 1, len(self.forecast_timestamps))
        if np.shape(self.quantiles) != expected or len(self.history) != len(self.history_timestamps):
            raise ValueError(
                f"fan chart of {self.server_id} {self.metric}: quantiles are {np.shape(self.quantiles)}, expected "
                f"{expected}; {len(self.history)} values for {len(self.history_timestamps)} timestamps"
            )


@dataclass(frozen=True)
class ReportData:
    """Everything a report shows. Columns a frame lacks are left out of the report, further ones go to the workbook.

    servers: one row per server: server_id, business_unit, region, criticality, tier, metric, reason, the risk figures
    of its worst metric (schema.RISK_COLUMNS, p_<level>_<horizon>) and inventory columns.
    risks: one row per series (schema.RISK_COLUMNS, p_<level>_<horizon>).  backtests: schema.BACKTEST_COLUMNS.
    fans: charts of the top risks, in the order of summary.top_risks.  sources: one row per file that was read
    (sources.tally.TALLY_COLUMNS).  scorecard, reliability, pools, demand, anomalies: as schema.py spells them; empty
    where the run has none.  drift_series: one row per series and check that is over its limit.
    actions, savings, bounds, segments, segment_sizes, consolidation, packing, realised: what to do, as
    schema.py, actions.segments and actions.lifecycle spell them.  changes: servers in another tier than at the run
    before (changes.CHANGED_COLUMNS).
    forecast_weeks: one row per series that has a forecast, as report.forecast_weeks has it.
    what_if: servers whose figures differ in summary.what_if (actions.what_if.SERVER_COLUMNS).
    partition: where these tables lie in the lake, below the name of each: `cadence=daily/as_of=2026-11-23`.
    """

    summary: RunSummary
    servers: pd.DataFrame
    risks: pd.DataFrame
    backtests: pd.DataFrame
    fans: list[FanChart] = field(default_factory=list)
    sources: pd.DataFrame = field(default_factory=pd.DataFrame)
    scorecard: pd.DataFrame = field(default_factory=pd.DataFrame)
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    pools: pd.DataFrame = field(default_factory=pd.DataFrame)
    demand: pd.DataFrame = field(default_factory=pd.DataFrame)
    anomalies: pd.DataFrame = field(default_factory=pd.DataFrame)
    drift_series: pd.DataFrame = field(default_factory=pd.DataFrame)
    actions: pd.DataFrame = field(default_factory=pd.DataFrame)
    savings: pd.DataFrame = field(default_factory=pd.DataFrame)
    bounds: pd.DataFrame = field(default_factory=pd.DataFrame)
    segments: pd.DataFrame = field(default_factory=pd.DataFrame)
    segment_sizes: pd.DataFrame = field(default_factory=pd.DataFrame)
    consolidation: pd.DataFrame = field(default_factory=pd.DataFrame)
    packing: pd.DataFrame = field(default_factory=pd.DataFrame)
    realised: pd.DataFrame = field(default_factory=pd.DataFrame)
    changes: pd.DataFrame = field(default_factory=pd.DataFrame)
    forecast_weeks: pd.DataFrame = field(default_factory=pd.DataFrame)
    what_if: pd.DataFrame = field(default_factory=pd.DataFrame)
    partition: str = ""


@dataclass(frozen=True)
class ProbabilityColumn:
    """A breach probability column, taken apart: `p_high_30d` is level high within 30 days."""

    name: str
    level: str  # high | very_high
    periods: int
    unit: str  # d | h

    @property
    def hours(self) -> int:
        """Horizon in hours."""
        return self.periods * (24 if self.unit == "d" else 1)

    @property
    def horizon(self) -> str:
        """Horizon as people say it."""
        return f"{self.periods}\N{NO-BREAK SPACE}{self.unit}"


def probability_columns(frame: pd.DataFrame) -> list[ProbabilityColumn]:
    """Breach probability columns of a frame: level `high` before `very_high`, short horizons before long."""
    matches = [(str(c), _PROBABILITY.fullmatch(str(c))) for c in frame.columns]
    found = [ProbabilityColumn(name, m[1], int(m[2]), m[3]) for name, m in matches if m]
    return sorted(found, key=lambda p: (p.level, p.hours))


def as_of_time(summary: RunSummary) -> pd.Timestamp:
    """The run's cut-off as a naive UTC timestamp: the one date that outputs carry."""
    moment = pd.Timestamp(summary.as_of)
    return moment if moment.tzinfo is None else moment.tz_convert("UTC").tz_localize(None)


def breach_dates(days: pd.Series, summary: RunSummary) -> pd.Series:
    """Dates on which a breach `days` after the last observation falls; NaT where none is expected in the horizon."""
    origin = as_of_time(summary) - Cadence(summary.cadence).step
    return (origin + pd.to_timedelta(pd.to_numeric(days, errors="coerce"), unit="D")).dt.floor("D")


def text_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column as text, "" where missing or when there is no such column."""
    if name not in frame:
        return pd.Series("", index=frame.index, dtype="str")
    column = frame[name]
    if isinstance(column.dtype, pd.StringDtype):
        return column.fillna("").astype("str")
    return column.astype("object").where(column.notna(), "").astype("str")


def ranked_servers(data: ReportData) -> pd.DataFrame:
    """Servers worst first, in the order that top risks are chosen by."""
    return worst_first(data.servers)


def worst_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Servers or series worst first; figures that the frame lacks count as none."""
    if frame.empty:
        return frame
    absent = {
        "in_breach_high": False, "in_breach_very_high": False, "probability_high": np.nan,
        "probability_very_high": np.nan, "capacity_remaining": np.nan, METRIC: "",
    }  # fmt: skip
    whole = frame.assign(**{name: value for name, value in absent.items() if name not in frame})
    return frame.loc[order_by_risk(whole).index]


def units_by_metric(data: ReportData) -> dict[str, str]:
    """Unit of each metric: as the run's own risks and charts name it, else as the default settings do."""
    named: dict[str, str] = {}
    if {METRIC, "unit"} <= set(data.servers.columns):
        named |= dict(zip(text_column(data.servers, METRIC), text_column(data.servers, "unit"), strict=True))
    named |= {fan.metric: fan.unit for fan in data.fans} | {risk.metric: risk.unit for risk in data.summary.top_risks}
    defaults = Settings()
    metrics = [text_column(frame, METRIC) for frame in (data.servers, data.risks, data.backtests)]
    every = sorted(set(pd.concat(metrics)) | {row.metric for row in data.summary.accuracy})
    return {metric: named.get(metric) or defaults.metric(metric).unit for metric in every}
