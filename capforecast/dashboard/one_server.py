"""Everything a run says of one server: its series, their past and forecasts, marks, and what earlier runs said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.dashboard.fleet import servers
from capforecast.dashboard.published import Run
from capforecast.dashboard.reading import OpenRun
from capforecast.fleet.calendar import occurrences
from capforecast.lake.slices import rows_of
from capforecast.report.data import Mark, Peak
from capforecast.report.top_risks import risk_of, unseen_peaks
from capforecast.report.words import reason_text
from capforecast.schema import BUSINESS_UNIT, METRIC, QUANTILE_NAMES, SERVER_ID, TIMESTAMP, Tier, Verdict

Row = dict[str, Any]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outlook:
    """A forecast of one series: q025 ... q975 by moment (naive, UTC)."""

    run: Run
    timestamps: pd.DatetimeIndex
    quantiles: dict[str, Values]


@dataclass(frozen=True)
class Hindsight:
    """How an earlier run's forecast of a series fared on what came since.

    error: mean absolute error of the median, metric's unit.  inside: share of the values within the 80 % band.
    """

    outlook: Outlook
    points: int
    error: float | None
    inside: float | None


@dataclass(frozen=True)
class SeriesView:
    """One metric of a server.

    row: of `risks`.  unit: the metric's.  history: by timestamps (naive, UTC), NaN = not seen.
    """

    row: Row
    unit: str
    sentence: str
    timestamps: pd.DatetimeIndex
    history: Values
    outlook: Outlook | None
    marks: tuple[Mark, ...]
    peaks: tuple[Peak, ...]
    origin: pd.Timestamp

    @property
    def metric(self) -> str:
        """Its metric."""
        return str(self.row[METRIC])

    def date(self, days: object) -> pd.Timestamp | None:
        """The day that lies so many days after the origin."""
        if days is None or pd.isna(days):
            return None
        return (self.origin + pd.Timedelta(days=float(days))).floor("D")  # type: ignore[arg-type]


def server_row(opened: OpenRun, server: str) -> Row | None:
    """The row of a server in the table of servers; None where the run does not know it."""
    table = servers(opened)
    found = table[table[SERVER_ID] == server] if len(table) else table
    return {str(k): v for k, v in found.to_dict("records")[0].items()} if len(found) else None


def series_rows(opened: OpenRun, unit: str, server: str) -> list[Row]:
    """Rows of `risks` of a server, the deciding metric first: worst tier, then most probable."""
    rows = opened.rows("risks", unit, server)
    if not len(rows):
        return []
    rank = {str(tier): place for place, tier in enumerate(Tier)}
    order = pd.DataFrame(
        {
            "none": rows["threshold_high"].isna(),
            "tier": rows["tier"].astype("str").map(rank),
            "chance": -rows["probability_high"].fillna(-1.0),
            METRIC: rows[METRIC].astype("str"),
        }
    )
    unseen = unseen_peaks(rows.astype({name: "str" for name in ("flags", "unseen_peaks") if name in rows}))
    ranked = rows.assign(peaks_unseen=unseen).loc[order.sort_values(list(order.columns)).index]
    return [{str(k): v for k, v in row.items()} for row in ranked.to_dict("records")]


def sentence(opened: OpenRun, row: Row) -> str:
    """What the run says of a series, in words; of an unknown one why, and what to do."""
    if str(row.get("verdict", Verdict.OK)) != Verdict.OK or str(row["tier"]) == Tier.UNKNOWN:
        return " ".join(reason_text(str(row["reason"])))
    return risk_of(row, opened.settings, opened.origin).sentence


def series_view(opened: OpenRun, unit: str, row: Row) -> SeriesView:
    """One metric of a server with its past, its forecast, marks and known peaks."""
    server, metric = str(row[SERVER_ID]), str(row[METRIC])
    stamps, history = _history(opened, unit, server, f"{metric}_{row['statistic']}")
    outlook = _outlook(opened, unit, server, metric)
    ends = [*stamps[:1], *stamps[-1:], *(outlook.timestamps[-1:] if outlook else [])]
    known = occurrences(ends[0].date(), ends[-1].date(), opened.settings.calendar) if ends else []
    return SeriesView(
        row=row,
        unit=opened.settings.metric(metric).unit,
        sentence=sentence(opened, row),
        timestamps=stamps,
        history=history,
        outlook=outlook,
        marks=_marks(opened.rows("anomalies", unit, server), metric),
        peaks=tuple(Peak(each.peak, pd.Timestamp(each.first), pd.Timestamp(each.last)) for each in known),
        origin=opened.origin,
    )


def _history(opened: OpenRun, unit: str, server: str, column: str) -> tuple[pd.DatetimeIndex, Values]:
    """Moments on the grid and values; empty where the server was never seen."""
    reference = opened.made.of_unit(unit, "processed")
    if reference is None:
        return pd.DatetimeIndex([]), np.array([])
    wanted = (opened.lake, reference)
    key = ("history", reference.sha256, server)
    table = opened.lake.memory.get(key, lambda: rows_of(wanted[0].store, wanted[1], server))
    if not table.num_rows or column not in table.column_names:
        return pd.DatetimeIndex([]), np.array([])
    frame = table.select([TIMESTAMP, column]).to_pandas()
    series = pd.Series(frame[column].to_numpy(dtype=np.float64), index=_naive(frame[TIMESTAMP]))
    grid = pd.date_range(series.index[0], opened.origin, freq=opened.run.cadence.frequency)
    return grid, series.reindex(grid).to_numpy()


def _naive(stamps: pd.Series) -> pd.DatetimeIndex:
    index = pd.DatetimeIndex(stamps)
    return index if index.tz is None else index.tz_convert("UTC").tz_localize(None)


def _outlook(opened: OpenRun, unit: str, server: str, metric: str) -> Outlook | None:
    reference = opened.made.of_unit(unit, "forecasts")
    if reference is None:
        return None
    key = ("outlook", reference.sha256, server)
    columns = [METRIC, TIMESTAMP, *QUANTILE_NAMES]
    frame = opened.lake.memory.get(key, lambda: rows_of(opened.lake.store, reference, server, columns).to_pandas())
    rows = frame[frame[METRIC] == metric]
    if not len(rows):
        return None
    quantiles = {name: rows[name].to_numpy(dtype=np.float64) for name in QUANTILE_NAMES}
    return Outlook(opened.run, _naive(rows[TIMESTAMP]), quantiles)


def _marks(rows: pd.DataFrame, metric: str) -> tuple[Mark, ...]:
    if not len(rows):
        return ()
    here = rows[rows[METRIC] == metric].sort_values(["began"])
    found = zip(here["kind"].astype("str"), _naive(here["began"]), here["value"], here["size"], strict=True)
    return tuple(Mark(kind, began, float(value), float(size)) for kind, began, value, size in found)


def earlier_runs(opened: OpenRun) -> list[Run]:
    """Runs of the same data with an earlier cut-off, newest first."""
    mine = opened.run
    return [
        run for run in opened.lake.runs() if run.cadence == mine.cadence and run.as_of < mine.as_of and not run.part
    ]


def hindsight(view: SeriesView, earlier: Sequence[OpenRun]) -> list[Hindsight]:
    """What earlier runs forecast of a series, and how it fared on what has come since."""
    server, metric = str(view.row[SERVER_ID]), view.metric
    found = []
    for opened in earlier:
        outlook = _outlook(opened, str(view.row[BUSINESS_UNIT]), server, metric)
        if outlook is None:  # in another unit then; looked up only here, since it reads all servers of that run
            row = server_row(opened, server)
            outlook = None if row is None else _outlook(opened, str(row[BUSINESS_UNIT]), server, metric)
        if outlook is not None:
            found.append(_fared(outlook, view))
    return found


def _fared(outlook: Outlook, view: SeriesView) -> Hindsight:
    came = pd.Series(view.history, index=view.timestamps).reindex(outlook.timestamps).to_numpy()
    seen = np.isfinite(came)
    if not seen.any():
        return Hindsight(outlook, 0, None, None)
    told = {name: outlook.quantiles[name][seen] for name in ("q10", "q50", "q90")}
    inside = (came[seen] >= told["q10"]) & (came[seen] <= told["q90"])
    return Hindsight(outlook, int(seen.sum()), float(np.abs(came[seen] - told["q50"]).mean()), float(inside.mean()))
