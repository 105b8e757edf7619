"""What all charts share: ground, type, axes, hover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from capforecast.dashboard.looks import LIGHT, Looks
from capforecast.report.style import PAPER

FONT = "Source Sans, Source Sans 3, IBM Plex Sans, system-ui, sans-serif"
CONFIG = {"displaylogo": False, "displayModeBar": False, "responsive": True}


def framed(looks: Looks, height: int, y_title: str = "", *, x_title: str = "") -> go.Figure:
    """An empty chart in the page's colours; the second y axis runs from 0 to 1.02 over the whole height."""
    figure = go.Figure()
    line = {"gridcolor": looks.rule, "zerolinecolor": looks.rule, "linecolor": looks.rule, "tickcolor": looks.muted}
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 96, "t": 34, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "color": looks.ink, "size": 13},
        hovermode="x unified",
        hoverlabel={"font": {"color": LIGHT.ink}, "bgcolor": PAPER},
        legend={"orientation": "h", "y": -0.14, "x": 0, "yanchor": "top", "font": {"color": looks.ink}},
        xaxis={"title": {"text": x_title}, "showgrid": False, "automargin": True, **line},
        yaxis={"title": {"text": y_title, "standoff": 6}, "automargin": True, "zeroline": False, **line},
        yaxis2={"overlaying": "y", "range": [0, 1.02], "visible": False, "fixedrange": True},
    )
    return figure


def add_bands(
    figure: go.Figure, at: pd.DatetimeIndex, told: Mapping[str, Any] | pd.DataFrame, looks: Looks, prefix: str = ""
) -> None:
    """The 95 and the 80 % band of what is told at the times `at` by the columns `<prefix>q025` and so on."""
    for low, high, colour, name in (
        ("q025", "q975", looks.band_95, "95 % band"),
        ("q10", "q90", looks.band_80, "80 % band"),
    ):
        edge = {"x": at, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(y=told[prefix + low], showlegend=False, **edge)
        figure.add_scatter(y=told[prefix + high], fill="tonexty", fillcolor=colour, name=name, **edge)


def shade(colour: str, alpha: float) -> str:
    """`#rrggbb` as a see-through colour."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
