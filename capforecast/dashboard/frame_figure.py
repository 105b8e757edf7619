"""What all charts share: ground, type, axes, hover."""

from __future__ import annotations

import plotly.graph_objects as go

from capforecast.dashboard.looks import Looks

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
        hoverlabel={"font": {"color": "#1c2733"}, "bgcolor": "#ffffff"},
        legend={"orientation": "h", "y": -0.14, "x": 0, "yanchor": "top", "font": {"color": looks.ink}},
        xaxis={"title": {"text": x_title}, "showgrid": False, "automargin": True, **line},
        yaxis={"title": {"text": y_title, "standoff": 6}, "automargin": True, "zeroline": False, **line},
        yaxis2={"overlaying": "y", "range": [0, 1.02], "visible": False, "fixedrange": True},
    )
    return figure


def shade(colour: str, alpha: float) -> str:
    """`#rrggbb` as a see-through colour."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
