"""Charts that Excel draws itself from the workbook's cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from capforecast.report import style
from capforecast.report.columns import Column
from capforecast.report.pool_charts import demand_of
from capforecast.report.pooling import resource_unit
from capforecast.report.sheets import Sheets
from capforecast.report.summary import PoolSummary
from capforecast.schema import TIER_ORDER

MOST_POOLS = 8  # charts: four lines of two
_FONT = {"name": "Calibri", "size": 9}
_GRID = {"visible": True, "line": {"color": style.RULE, "width": 0.5}}
_CHART = {"width": 620, "height": 300}  # pixels
_LINES = (  # column of the demand, its line; what matters most is drawn last, on top
    ("demand_q10", {"color": style.BAND_80, "width": 1}),
    ("demand_q90", {"color": style.BAND_80, "width": 1.75}),
    ("demand_q50", {"color": style.MEDIAN, "width": 2.25}),
    ("usable", {"color": style.THRESHOLD_VERY_HIGH, "width": 1.75, "dash_type": "dash"}),
)


def tier_chart(sheets: Sheets, sheet: Any, name: str, head: int, rows: int, at: int) -> int:
    """A chart of critical, high and watch by business unit; returns the first row below it."""
    chart = sheets.chart({"type": "bar", "subtype": "stacked"})
    for column, tier in enumerate(TIER_ORDER[:3], 2):
        chart.add_series(
            {"name": [name, head, column], "categories": [name, head + 1, 0, head + rows, 0],
             "values": [name, head + 1, column, head + rows, column], "gap": 50,
             "fill": {"color": style.TIER_FILL[tier]}}
        )  # fmt: skip
    _titled(chart, "Servers to look at, by business unit")
    chart.set_y_axis({"reverse": True, "num_font": _FONT, "major_gridlines": {"visible": False}})
    chart.set_x_axis({"num_font": _FONT, "num_format": "#,##0", "major_gridlines": _GRID, "label_position": "high"})
    height = 110 + 22 * min(rows, 40)
    chart.set_size({"width": 820, "height": height})
    sheet.insert_chart(at, 0, chart, {"description": "Stacked bars: servers critical, high and on watch"})
    return at + height // 20 + 2


def pool_charts(
    sheets: Sheets, pools: Sequence[PoolSummary], demand: pd.DataFrame, columns: Sequence[Column], source: str
) -> None:
    """The sheet `Pool charts`: demand against what is usable, by date, of the tightest pools that have a demand.

    pools: tightest first.  demand: as it stands on the sheet `source` from row 2 on, with these columns.
    """
    places = demand.assign(row=range(1, len(demand) + 1))
    drawn = [(pool, rows) for pool in pools if len(rows := demand_of(places, pool))][:MOST_POOLS]
    if not drawn:
        return
    sheet, form = sheets.page("Pool charts", (12,) * 16, repeat_row=None)
    sheet.fit_to_pages(1, 1)
    sheet.set_row(0, 26)
    sheet.write_string(0, 0, f"Demand of the tightest pools, from the sheet {source}", form("headline"))
    for i, (pool, rows) in enumerate(drawn):
        top, left = 2 + 17 * (i // 2), 8 * (i % 2)
        sheet.write_string(
            top - 1,
            left,
            style.shorten(style.printable(pool.sentence.removeprefix(f"{pool.name}: ")), 110),
            form("muted"),
        )
        chart = _pool_chart(sheets, pool, rows, columns, source)
        sheet.insert_chart(top, left, chart, {"description": style.printable(pool.sentence)})


def _pool_chart(sheets: Sheets, pool: PoolSummary, rows: pd.DataFrame, columns: Sequence[Column], source: str) -> Any:
    """Lines over a date axis; `rows`: of the pool, by date, with their place on the sheet."""
    keys = [column.key for column in columns]
    first, last = int(rows["row"].iloc[0]), int(rows["row"].iloc[-1])
    dates = pd.to_datetime(rows["date"], utc=True).dt.tz_localize(None)
    days = (dates - pd.Timestamp("1899-12-30")).dt.days.tolist()
    chart = sheets.chart({"type": "line"})
    for key, line in _LINES:
        at = keys.index(key)
        chart.add_series(
            {"name": columns[at].title, "line": line, "categories": [source, first, keys.index("date"), last,
             keys.index("date")], "values": [source, first, at, last, at], "categories_data": days,
             "values_data": rows[key].tolist()}
        )  # fmt: skip
    _titled(chart, style.shorten(f"Demand of {style.printable(pool.name)}", 70))
    span = days[-1] - days[0] + 1
    step = 1 if span <= 10 else 7 if span <= 45 else max(1, round(span / 210))
    unit = {"major_unit": step, "major_unit_type": "days" if span <= 45 else "months"}
    chart.set_x_axis({"date_axis": True, "num_format": "d mmm", "num_font": _FONT, **unit,
                      "major_gridlines": {"visible": False}})  # fmt: skip
    chart.set_y_axis({"name": resource_unit(pool.resource), "name_font": {**_FONT, "bold": False}, "num_font": _FONT,
                      "num_format": "#,##0", "major_gridlines": _GRID, "line": {"none": True}})  # fmt: skip
    chart.set_size(_CHART)
    return chart


def _titled(chart: Any, title: str) -> None:
    """With a title that is text: XlsxWriter would take `X!A1` in a name for the address of a cell."""
    text = title.replace("!", "!\N{WORD JOINER}")
    chart.set_title({"name": text, "name_font": {**_FONT, "size": 11}, "overlay": False})
    chart.set_legend({"position": "bottom", "font": _FONT})
