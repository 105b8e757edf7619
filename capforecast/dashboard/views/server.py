"""One server: every metric with its past, its forecast and what earlier runs said; what to do, and why."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from capforecast.dashboard import advice, fan_figure, fleet, one_server, server_words, ui
from capforecast.dashboard.one_server import Row
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun
from capforecast.report.words import reason_text


def show(opened: OpenRun) -> None:
    """The server of the link; without one, a choice."""
    server = st.query_params.get(ui.SERVER, "")
    row = one_server.server_row(opened, server) if server else None
    if row is None:
        _missing(opened, server)
        return
    _head(opened, row)
    unit = str(row["business_unit"])
    rows = one_server.series_rows(opened, unit, server)
    if not rows:
        ui.empty("Nothing was ever observed of this server.", " ".join(reason_text(str(row.get("reason", "")))))
    else:
        _series(opened, unit, rows)
    _advice(opened, server)


def _missing(opened: OpenRun, server: str) -> None:
    st.title("Server")
    if not server:
        ui.empty("No server is chosen.", "Find one by the field on the left, or open Servers.")
    else:
        ui.empty(f"This run knows no server called {server}.", "Choose another run on the left, or another server.")
    found = fleet.find(fleet.servers(opened), server, most=10) if server else []
    for name in found:
        st.page_link(ui.page("server"), label=in_markdown(name), query_params={ui.SERVER: name})
    st.page_link(ui.page("servers"), label="All servers", icon=":material/dns:")


def _head(opened: OpenRun, row: Row) -> None:
    st.title(in_markdown(row["server_id"]))
    with st.container(horizontal=True):
        ui.badge(str(row["tier"]))
        for fact in server_words.facts(row):
            st.badge(in_markdown(fact), color="gray")
    if str(row["tier"]) == "unknown":
        for line in reason_text(str(row["reason"])):
            ui.say(line)
        if row.get("detail"):
            ui.note(row["detail"])


@ui.part
def _series(opened: OpenRun, unit: str, rows: Sequence[Row]) -> None:
    metrics = [str(row["metric"]) for row in rows]
    server = str(rows[0]["server_id"])
    metric = st.segmented_control("Metric", metrics, default=metrics[0], required=True, key=f"metric_{server}")
    left, right = st.columns(2, vertical_alignment="bottom")
    cadence = opened.run.cadence
    past = left.segmented_control(
        "Past",
        list(fan_figure.SHOWN_DAYS[cadence]),
        default=fan_figure.USUAL[cadence],
        required=True,
        key=f"past_{cadence}",
        persist_state="session",
    )
    known = {run.name: run for run in one_server.earlier_runs(opened)[:12]}
    chosen = right.multiselect(
        "What earlier runs said",
        list(known),
        max_selections=3,
        key="earlier",
        persist_state="session",
        placeholder="choose runs" if known else "there is no earlier run",
        disabled=not known,
    )
    view = one_server.series_view(opened, unit, rows[metrics.index(metric)])
    ui.say(view.sentence)
    fared = one_server.hindsight(view, [opened.lake.open(known[name]) for name in chosen])
    if not len(view.timestamps):
        ui.empty("This metric was never observed.", "The page Data says what is missing.")
    else:
        ui.chart(
            fan_figure.fan_figure(view, ui.colours(), fan_figure.SHOWN_DAYS[cadence][past], fared),
            fan_figure.fan_alt(view),
            "fan",
        )
    for line in server_words.hindsight_lines(fared, view):
        ui.note(line)
    st.dataframe(server_words.metric_table(opened, rows), hide_index=True, alt="Every metric of this server")
    _marks(view)


def _marks(view: one_server.SeriesView) -> None:
    if view.row.get("peaks_unseen"):
        ui.note(
            f"Ahead, and not in its history: {view.row['peaks_unseen']}. The forecast cannot know how high that is."
        )
    if view.marks:
        with st.expander(f"{len(view.marks)} anomalies in its history"):
            st.dataframe(server_words.mark_table(view), hide_index=True, alt="Anomalies, newest first")


@ui.part
def _advice(opened: OpenRun, server: str) -> None:
    st.header("What to do")
    book = advice.open_advice(opened)
    sections = advice.record(book, server) if book else []
    if book is None or not sections:
        ui.empty("This run decided nothing about this server.")
        return
    ui.say(advice.in_short(book, server))
    with st.expander("The record behind it: sizes, money, test, decisions, what it was made from"):
        for title, lines in sections:
            st.markdown(f"**{in_markdown(title)}**")
            st.dataframe(lines, hide_index=True, alt=title)
    st.page_link(ui.page("money"), label="Decide on it in Money", icon=":material/arrow_forward:")
