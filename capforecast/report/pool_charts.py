"""Small multiples of the tightest pools: demand by date, how sure that is, and what is usable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.report import style, ticks
from capforecast.report.canvas import draw
from capforecast.report.pooling import resource_unit, units_text
from capforecast.report.summary import PoolSummary
from capforecast.report.words import NBSP, compact, date_text
from capforecast.schema import BUSINESS_UNIT, QUANTILE_NAMES, REGION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Days = npt.NDArray[np.float64]
_USABLE = style.THRESHOLD_VERY_HIGH  # dark enough to stand out from the bands in grey print
_PLOT = (0.088, 0.164, 0.715, 0.735)  # left, bottom, width, height of the plot within the picture


def demand_of(demand: pd.DataFrame, pool: PoolSummary) -> pd.DataFrame:
    """A pool's rows of DEMAND_COLUMNS, by date."""
    if not len(demand):
        return demand
    mine = (
        (demand[BUSINESS_UNIT] == pool.business_unit)
        & (demand[REGION] == pool.region)
        & (demand["resource"] == pool.resource)
    )
    return demand[mine].sort_values("date")


def pool_chart(pool: PoolSummary, demand: pd.DataFrame) -> str:
    """SVG of one pool: median demand with its 80 and 95 % bands, and what is usable. demand: its rows, by date."""
    days = np.asarray(pd.DatetimeIndex(pd.to_datetime(demand["date"])).as_unit("ns").asi8 / 86_400e9, dtype=np.float64)
    bands = [demand[f"demand_{name}"].to_numpy(dtype=np.float64) for name in QUANTILE_NAMES]
    usable = demand["usable"].to_numpy(dtype=np.float64)

    def paint(axes: Axes) -> None:
        axes.set_position(_PLOT)
        _scale(axes, days, bands, usable)
        q025, q10, q50, q90, q975 = bands
        axes.fill_between(days, q025, q975, color=style.BAND_95, linewidth=0, zorder=2)
        axes.fill_between(days, q10, q90, color=style.BAND_80, linewidth=0, zorder=2.1)
        axes.plot(days, q50, color=style.MEDIAN, linewidth=1.1, zorder=4)
        axes.plot(days, usable, color=_USABLE, linewidth=1.2, linestyle=(0, (4, 2)), zorder=5,
                  drawstyle="steps-post")  # fmt: skip
        _names(axes, pool, q50, usable)

    return draw(style.FAN_WIDTH, style.FAN_HEIGHT, pool_alt(pool, demand), paint)


def pool_alt(pool: PoolSummary, demand: pd.DataFrame) -> str:
    """The chart in words."""
    last = demand.iloc[-1]
    median, usable = (units_text(float(last[name]), pool.resource) for name in ("demand_q50", "usable"))
    text = (
        f"{pool.sentence}. Demand on {date_text(pd.Timestamp(last['date']))}: {median}, "
        f"80 % interval {last['demand_q10']:,.0f} to {last['demand_q90']:,.0f}; usable {usable}."
    )
    return text.replace(NBSP, " ")


def _scale(axes: Axes, days: Days, bands: list[npt.NDArray[np.float64]], usable: npt.NDArray[np.float64]) -> None:
    """Limits that hold what is usable and the bands, not from zero: what matters is how near they come."""
    values = np.concatenate([bands[1], bands[3], bands[4], usable])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = max(high - low, 0.1 * abs(high), 1e-6)
    low, high = max(low - 0.15 * room, 0.0), high + 0.12 * room
    start, end = float(days[0]), float(max(days[-1], days[0] + 1e-3))
    axes.set_xlim(start, end)
    axes.set_ylim(low, high)
    for value in ticks.round_values(low, high):
        axes.axhline(value, color=style.RULE, linewidth=0.4, zorder=0)
        axes.annotate(compact(value), (0, value), xycoords=("axes fraction", "data"), xytext=(-3, 0),
                      textcoords="offset points", ha="right", va="center", color=style.MUTED)  # fmt: skip
    for when, label in ticks.dates(start, end):
        at = (when - start) / (end - start)
        axes.plot([at, at], [0, -0.025], color=style.MUTED, linewidth=0.5, transform=axes.transAxes, clip_on=False)
        axes.annotate(label, (at, 0), xycoords="axes fraction", xytext=(0, -4), textcoords="offset points",
                      ha="center", va="top", color=style.MUTED)  # fmt: skip
    axes.plot([0, 1], [0, 0], color=style.MUTED, linewidth=0.5, transform=axes.transAxes, clip_on=False)


def _names(axes: Axes, pool: PoolSummary, median: npt.NDArray[np.float64], usable: npt.NDArray[np.float64]) -> None:
    """The two lines named at their right ends, kept apart; above the plot the resource and its unit."""
    low, high = axes.get_ylim()
    points = style.FAN_HEIGHT * _PLOT[3] / (high - low)
    ends = sorted([(float(median[-1]), "demand", style.MEDIAN), (float(usable[-1]), "usable", _USABLE)])
    placed = -np.inf
    for value, name, colour in ends:
        placed = max((value - low) * points, placed + 7.4)
        axes.annotate(f"{compact(round(value, 1))} {name}", (1, low + placed / points),
                      xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points", va="center",
                      color=colour, fontsize=style.CHART_TEXT_SMALL)  # fmt: skip
    axes.annotate(f"demand, {resource_unit(pool.resource)}", (0, 1),
                  xycoords="axes fraction", xytext=(-style.FAN_WIDTH * _PLOT[0] + 1, 4), textcoords="offset points",
                  ha="left", va="bottom", color=style.INK, fontsize=style.CHART_TEXT_SMALL)  # fmt: skip
