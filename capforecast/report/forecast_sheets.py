"""The sheet Forecasts: every series by week, and where a sparkline elsewhere finds its weeks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from capforecast.report.columns import PLACE, Column, columns_of
from capforecast.report.data import ReportData, units_by_metric, worst_first
from capforecast.report.forecast_weeks import Stretch, stretches
from capforecast.report.sheets import MAX_ROWS, Over, Sheets, Spark
from capforecast.schema import METRIC, SERVER_ID

NAME = "Forecasts"
NO_FORECAST = "No series could be forecast."
_BEFORE = (*PLACE, "tier", "reason", METRIC, "unit", "last_value", "threshold_high", "threshold_very_high")
_LARGEST = {
    "q50": ("median", "Sparkline and the columns after it: of each week (ISO 8601; hourly data: of each day) the "
            "largest median of its days (hours), in the metric's unit. The first and the last may be a part of one."),
    "q90": ("90 %", "Sparkline and the columns after it: the largest of the week's 90 % values, each of which is "
            "stayed below on its day with a chance of 90 %. The week's peak exceeds it with a chance of 10 % or more; "
            "peaks of the whole horizon, path by path, stand on the sheet Risks."),
}  # fmt: skip


class ForecastTable(NamedTuple):
    """What the sheet Forecasts shows: rows of `risks`, worst first, with their weeks."""

    frame: pd.DataFrame
    columns: list[Column]

    def outlook(self, frame: pd.DataFrame) -> pd.DataFrame:
        """`frame` with the cells of each row's median by week as `outlook`, where its series has a forecast."""
        if "median" not in self.frame or not len(frame):
            return frame
        own = self.frame[self.frame["median"].notna()].drop_duplicates([SERVER_ID, METRIC])
        cells = own.set_index([SERVER_ID, METRIC])["median"]
        keys = pd.MultiIndex.from_frame(frame[[SERVER_ID, METRIC]])
        return frame.assign(outlook=cells.reindex(keys).to_numpy())

    def write(self, sheets: Sheets) -> None:
        """Write the sheet; weeks above a threshold of their row are filled."""
        over = []
        for quantile in dict.fromkeys(c.key.partition(":")[0] for c in self.columns if ":" in c.key):
            keys = [c.key for c in self.columns if c.key.startswith(f"{quantile}:")]
            over += [Over(keys[0], keys[-1], "threshold_very_high", "far_over"),
                     Over(keys[0], keys[-1], "threshold_high")]  # fmt: skip
        printed = len(_BEFORE) + 1 + sum(c.key.startswith("q50:") for c in self.columns)
        sheets.table(NAME, self.frame, self.columns, NO_FORECAST, printed, dataset="forecasts", over=over)


def forecast_table(data: ReportData) -> ForecastTable:
    """All series of `risks`, worst first, unknown ones too, with the weeks of those that have a forecast."""
    ranked = worst_first(data.risks)
    own = ranked[[name for name in _BEFORE if name in ranked]]
    if not len(data.forecast_weeks) or not len(own):
        empty = pd.DataFrame(columns=list(_BEFORE))
        return ForecastTable(empty, columns_of(empty))
    weeks = stretches(data.forecast_weeks)
    kept = data.forecast_weeks[[SERVER_ID, METRIC, *(each.key for each in weeks)]]
    named = units_by_metric(data)
    own = own.reindex(columns=list(_BEFORE))
    own = own.assign(unit=own["unit"].where(own["unit"].notna(), own[METRIC].map(named)))
    frame = own.merge(kept, on=[SERVER_ID, METRIC], how="left", validate="many_to_one")
    columns = columns_of(frame, _BEFORE)[: len(_BEFORE)]
    for quantile, (name, note) in _LARGEST.items():
        mine = [each for each in weeks if each.quantile == quantile]
        columns += [Column(name, f"Outlook, {name}", note, "spark", 18), *(_column(each, name) for each in mine)]
        frame[name] = _cells(frame, mine, len(columns) - len(mine))
    return ForecastTable(frame[[column.key for column in columns]], columns)


def _column(stretch: Stretch, name: str) -> Column:
    days = f"{stretch.first:%Y-%m-%d}"
    if stretch.last != stretch.first:
        days += f" to {stretch.last:%Y-%m-%d}"
    return Column(
        stretch.key, f"{stretch.label} {name}", f"Largest {name} value of {days}.", "figure", 9.5, listed=False
    )


def _cells(frame: pd.DataFrame, mine: Sequence[Stretch], at: int) -> pd.Series:
    """Sparks of each row's weeks where they will stand; None where it has none, or its row is cut off."""
    from xlsxwriter.utility import xl_col_to_name

    first, last = xl_col_to_name(at), xl_col_to_name(at + len(mine) - 1)
    known = frame[[each.key for each in mine]].notna().any(axis=1).to_numpy()[: MAX_ROWS - 4]
    percent = (frame["unit"] == "percent").tolist()
    found = [
        Spark(f"{NAME}!{first}{row}:{last}{row}", percent[row - 2]) if there else None
        for row, there in enumerate(known.tolist(), 2)
    ]
    return pd.Series(found + [None] * (len(frame) - len(found)), index=frame.index, dtype="object")
