"""The chart of one series: past, forecast with bands, thresholds, likely breach, marks, peaks, earlier forecasts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from capforecast.dashboard.frame_figure import add_bands, framed, shade
from capforecast.dashboard.looks import Looks
from capforecast.dashboard.one_server import Hindsight, SeriesView, Values
from capforecast.dashboard.plain import in_chart
from capforecast.report.words import compact, date_text, unit_sign
from capforecast.schema import Cadence

SHOWN_DAYS = {  # of hourly data fewer: a line of 8,760 points says nothing
    Cadence.DAILY: {"3 months": 92, "6 months": 183, "1 year": 366, "all": None},
    Cadence.HOURLY: {"2 weeks": 14, "4 weeks": 28, "2 months": 60, "all": None},
}
USUAL = {Cadence.DAILY: "6 months", Cadence.HOURLY: "4 weeks"}
_MARK = {"spike": "triangle-down", "level_shift": "diamond"}
HEIGHT = 420


def fan_figure(view: SeriesView, looks: Looks, days: int | None = 366, earlier: Sequence[Hindsight] = ()) -> go.Figure:
    """days: of the history, None = all of it. earlier: forecasts of earlier runs, drawn as lines."""
    figure = framed(looks, HEIGHT, _axis(view))
    times, values = _shown(view, days)
    _peaks(figure, view, looks, times)
    if view.outlook is not None:
        _bands(figure, view, looks)
    _history(figure, times, values, looks)
    for each, colour in zip(earlier, looks.earlier, strict=False):
        _earlier(figure, each, colour)
    _marks(figure, view, looks, times)
    _thresholds(figure, view, looks)
    _breach(figure, view, looks)
    figure.add_vline(x=view.origin, line={"color": looks.muted, "width": 1, "dash": "dot"})
    return figure


def _axis(view: SeriesView) -> str:
    unit = "%" if view.unit == "percent" else view.unit
    return in_chart(f"{view.metric} {view.row['statistic']}" + (f", {unit}" if unit else ""))


def _shown(view: SeriesView, days: int | None) -> tuple[pd.DatetimeIndex, Values]:
    """The latest part of the history."""
    if days is None:
        return view.timestamps, view.history
    keep = np.asarray(view.timestamps > view.origin - pd.Timedelta(days=days))
    return view.timestamps[keep], view.history[keep]


def _bands(figure: go.Figure, view: SeriesView, looks: Looks) -> None:
    outlook = view.outlook
    assert outlook is not None
    told, at = outlook.quantiles, outlook.timestamps
    add_bands(figure, at, told, looks)
    figure.add_scatter(
        x=at,
        y=told["q50"],
        mode="lines",
        line={"color": looks.median, "width": 2},
        name="forecast",
        customdata=np.stack([told["q10"], told["q90"]], axis=1),
        hovertemplate="%{y:.3~s} (80 %: %{customdata[0]:.3~s} to %{customdata[1]:.3~s})<extra>forecast</extra>",
    )


def _history(figure: go.Figure, times: pd.DatetimeIndex, values: Values, looks: Looks) -> None:
    figure.add_scatter(
        x=times,
        y=values,
        mode="lines",
        line={"color": looks.history, "width": 1.2},
        name="observed",
        hovertemplate="%{y:.3~s}<extra>observed</extra>",
        connectgaps=False,
    )


def _earlier(figure: go.Figure, each: Hindsight, colour: str) -> None:
    at, told = each.outlook.timestamps, each.outlook.quantiles
    name = f"forecast of {date_text(each.outlook.run.as_of)}"
    figure.add_scatter(x=at, y=told["q10"], mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=at,
        y=told["q90"],
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor=shade(colour, 0.18),
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=at,
        y=told["q50"],
        mode="lines",
        line={"color": colour, "width": 1.8, "dash": "dash"},
        name=name,
        hovertemplate="%{y:.3~s}<extra>" + name + "</extra>",
    )


def _marks(figure: go.Figure, view: SeriesView, looks: Looks, times: pd.DatetimeIndex) -> None:
    for kind, symbol in _MARK.items():
        here = [mark for mark in view.marks if mark.kind == kind and len(times) and mark.began >= times[0]]
        if here:
            figure.add_scatter(
                x=[mark.began for mark in here],
                y=[mark.value for mark in here],
                mode="markers",
                marker={"symbol": symbol, "size": 9, "color": looks.high, "line": {"color": looks.ink, "width": 0.6}},
                name=kind.replace("_", " "),
                customdata=[mark.size for mark in here],
                hovertemplate="%{y:.3~s}, %{customdata:+.3~s} to what was usual"
                + f"<extra>{kind.replace('_', ' ')}</extra>",
            )


def _peaks(figure: go.Figure, view: SeriesView, looks: Looks, times: pd.DatetimeIndex) -> None:
    """Known peaks as ticks along the top; month ends are too many to name."""
    here = [p for p in view.peaks if p.name != "month_end" and len(times) and p.last >= times[0]]
    if here:
        figure.add_scatter(
            x=[peak.first for peak in here],
            y=[1.0] * len(here),
            yaxis="y2",
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 9, "color": looks.muted},
            name="known peak",
            text=[in_chart(peak.name.replace("_", " ")) for peak in here],
            hovertemplate="%{text}<extra></extra>",
        )


def _thresholds(figure: go.Figure, view: SeriesView, looks: Looks) -> None:
    for name, label, colour, dash in (
        ("threshold_high", "high", looks.high, "dash"),
        ("threshold_very_high", "very high", looks.very_high, "solid"),
    ):
        value = view.row.get(name)
        if value is None or not np.isfinite(value):
            continue
        figure.add_hline(
            y=float(value),
            line={"color": colour, "width": 1.5, "dash": dash},
            annotation={
                "text": f"{compact(float(value))}{unit_sign(view.unit)} {label}",
                "font": {"color": colour},
                "xanchor": "left",
                "yanchor": "middle",
                "x": 1.005,
            },
        )


def _breach(figure: go.Figure, view: SeriesView, looks: Looks) -> None:
    """From when 10 % to when half of the sample paths have breached; nothing where that is unlikely or has come."""
    begin, end = view.date(view.row.get("days_q10")), view.date(view.row.get("days_q50"))
    if begin is None or end is None or view.row.get("in_breach_high"):
        return
    figure.add_vrect(
        x0=begin,
        x1=max(end, begin + pd.Timedelta(days=1)),
        fillcolor=looks.window,
        line_width=0,
        layer="below",
        annotation={
            "text": f"breach likely {date_text(begin, year=False)} – {date_text(end, year=False)}",
            "font": {"color": looks.high, "size": 12},
            "yanchor": "bottom",
            "y": 1.0,
        },
        annotation_position="top left",
    )


def fan_alt(view: SeriesView) -> str:
    """The chart in words, for those who cannot see it."""
    seen = view.history[np.isfinite(view.history)]
    said = [f"{view.row['server_id']}, {view.metric}: {view.sentence}."]
    if len(seen):
        said.append(f"Last observed {seen[-1]:.3g}{unit_sign(view.unit)}.")
    if view.outlook is not None:
        told, last = view.outlook.quantiles, view.outlook.timestamps[-1]
        said.append(
            f"Forecast for {date_text(last)}: {told['q50'][-1]:.3g}{unit_sign(view.unit)}, 80 % band "
            f"{told['q10'][-1]:.3g} to {told['q90'][-1]:.3g}."
        )
    return " ".join(said)
