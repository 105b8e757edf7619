"""Charts of pages other than a server's: pools, reliability, money, tiers over runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from capforecast.dashboard.frame_figure import add_bands, framed
from capforecast.dashboard.looks import Looks
from capforecast.dashboard.plain import in_chart
from capforecast.report.savings_chart import steps
from capforecast.report.summary import ActionsSummary, Bin, RunSummary
from capforecast.report.words import compact, date_text
from capforecast.schema import TIER_ORDER

_SMALL = 5  # a bin of fewer cases than this many says little: drawn open


def tiers_figure(summaries: Sequence[RunSummary], looks: Looks) -> go.Figure:
    """Servers by tier at each cut-off, stacked; without those that are ok, which would hide the rest."""
    figure = framed(looks, 260, "servers")
    ordered = sorted(summaries, key=lambda each: each.as_of)
    days = [date_text(pd.Timestamp(each.as_of)) for each in ordered]
    for tier in (str(each) for each in TIER_ORDER if each not in ("ok",)):
        counts = [getattr(each.tiers, tier) for each in ordered]
        figure.add_bar(
            x=days,
            y=counts,
            name=tier,
            text=counts,
            textposition="inside",
            insidetextanchor="middle",
            marker={"color": looks.tiers[tier], "line": {"color": looks.muted, "width": 0.5}},
            textfont={"color": looks.tier_text[tier]},
            hovertemplate="%{y:,}<extra>" + tier + "</extra>",
        )
    figure.update_layout(barmode="stack", margin={"l": 8, "r": 8, "t": 8, "b": 8}, bargap=0.45)
    figure.update_xaxes(type="category")
    return figure


def demand_figure(rows: pd.DataFrame, supply: float | None, unit: str, looks: Looks) -> go.Figure:
    """Demand of a pool by day (rows of the `demand` dataset) against what it has and what of that may be used."""
    figure = framed(looks, 380, in_chart(unit))
    at = pd.DatetimeIndex(rows["date"]).tz_localize(None)
    add_bands(figure, at, rows, looks, "demand_")
    figure.add_scatter(
        x=at,
        y=rows["demand_q50"],
        mode="lines",
        line={"color": looks.median, "width": 2},
        name="demand",
        hovertemplate="%{y:,.4~s}<extra>demand</extra>",
    )
    usable = float(rows["usable"].iloc[0])
    levels = [(usable, "usable", looks.very_high, "solid")]
    if supply is not None and np.isfinite(supply) and abs(supply - usable) > 1e-9:
        levels.append((float(supply), "supply", looks.high, "dash"))
    for value, label, colour, dash in levels:
        figure.add_hline(
            y=value,
            line={"color": colour, "width": 1.5, "dash": dash},
            annotation={
                "text": f"{compact(value)} {label}",
                "font": {"color": colour},
                "xanchor": "left",
                "yanchor": "middle",
                "x": 1.005,
            },
        )
    return figure


def reliability_figure(bins: Sequence[Bin], looks: Looks) -> go.Figure:
    """How often breaches came by how probable they were said to be; the diagonal is perfect."""
    figure = framed(looks, 380, "came, % of cases", x_title="said, %")
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": looks.muted, "dash": "dot", "width": 1},
        name="perfect",
        hoverinfo="skip",
    )
    most = max((each.cases for each in bins), default=1)
    for horizon, colour in zip(
        sorted({each.horizon_days for each in bins}), (looks.median, *looks.earlier), strict=False
    ):
        here = [each for each in bins if each.horizon_days == horizon]
        figure.add_scatter(
            x=[100 * each.mean_probability for each in here],
            y=[100 * each.rate for each in here],
            mode="lines+markers",
            name=f"within {horizon} d",
            line={"color": colour, "width": 1.5},
            marker={
                "size": [8 + 16 * (each.cases / most) ** 0.5 for each in here],
                "color": colour,
                "symbol": ["circle-open" if each.cases < _SMALL else "circle" for each in here],
                "opacity": 0.9,
            },
            customdata=[each.cases for each in here],
            hovertemplate="said %{x:.0f} %, came %{y:.0f} % of %{customdata:,} cases<extra></extra>",
        )
    figure.update_layout(hovermode="closest", legend={"y": 1.02, "yanchor": "bottom"}, margin={"r": 16})
    figure.update_xaxes(range=[-2, 102])
    figure.update_yaxes(range=[-2, 102], selector={"overlaying": None})
    return figure


def savings_figure(found: ActionsSummary, looks: Looks) -> go.Figure | None:
    """From the monthly cost now to the cost then, step by step; None where no price is known or nothing is advised."""
    bars = steps(found)
    if not bars:
        return None
    figure = framed(looks, 320, f"{in_chart(found.currency)} a month")
    colours = [looks.median if bar.total else looks.good if bar.end < bar.start else looks.bad for bar in bars]
    figure.add_bar(
        x=[in_chart(bar.name) for bar in bars],
        base=[min(bar.start, bar.end) for bar in bars],
        y=[abs(bar.end - bar.start) for bar in bars],
        marker={"color": colours},
        showlegend=False,
        text=[f"{bar.end - bar.start:+,.0f}" if not bar.total else f"{bar.end:,.0f}" for bar in bars],
        textposition="outside",
        textfont={"color": looks.ink},
        hovertemplate="%{x}: %{text}<extra></extra>",
        cliponaxis=False,
    )
    figure.update_layout(margin={"l": 8, "r": 8, "t": 24, "b": 8}, hovermode="closest")
    return figure
