"""All servers: search, filter, sort, take along."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from capforecast.dashboard import fleet, ui
from capforecast.dashboard.fleet import Choice
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun
from capforecast.lake.datasets import as_of_segment
from capforecast.report.words import count

FILTERS = {
    "unit": ("business_unit", "Business unit"),
    "region": ("region", "Region"),
    "criticality": ("criticality", "Criticality"),
    "tier": ("tier", "Tier"),
    "segment": ("segment", "Segment"),
    "action": ("action", "Action"),
}
SHOWN = (
    "server_id",
    "tier",
    "business_unit",
    "region",
    "criticality",
    "metric",
    "last_value",
    "threshold_high",
    "probability_high",
    "breach_date",
    "peak_q90",
    "capacity_remaining",
    "instance_type",
    "owner",
    "segment",
    "action",
    "monthly_change",
    "reason",
)

TAKEN = (*fleet.COLUMNS, fleet.SEGMENT, fleet.ACTION, "monthly_change", fleet.BREACH)


def show(opened: OpenRun) -> None:
    """Filters, table, CSV."""
    st.title("Servers")
    _table(opened)


@ui.part
def _table(opened: OpenRun) -> None:
    table = fleet.servers(opened)
    if not len(table):
        ui.empty("This run has no server.", "The page Data says what became of the rows that were read.")
        return
    if lacking := fleet.unadvised(opened):
        st.warning(in_markdown(f"Segments, actions and money are missing here: {lacking}"), icon=":material/warning:")
    choice = _choice(table)
    found = fleet.chosen(table, choice)
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        st.markdown(f"**{count(len(found))}** of {count(len(table))} servers. Select a row to open it.")
    right.download_button(
        "CSV",
        lambda: fleet.to_csv(found, TAKEN),
        file_name=f"servers-{as_of_segment(opened.run.as_of)}.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        width="stretch",
        help="The servers of the table, with all their figures",
    )
    if len(found):
        ui.server_table(opened, found, SHOWN, "servers_table", height=620)
    else:
        ui.empty("No server fits.", "Take a filter away, or search for less.")


def _choice(table: pd.DataFrame) -> Choice:
    text = st.text_input(
        "Search",
        placeholder="part of a name, an owner, a host, a type",
        key="q",
        bind="query-params",
        persist_state="session",
    )
    columns = st.columns(len(FILTERS))
    taken = {}
    for column, (name, (source, label)) in zip(columns, FILTERS.items(), strict=True):
        known = fleet.values(table, source)
        taken[name] = column.multiselect(
            label,
            known,
            key=f"f_{name}",
            bind="query-params",
            persist_state="session",
            placeholder="any",
            disabled=not known,
        )
    return Choice(
        text=text,
        units=tuple(taken["unit"]),
        regions=tuple(taken["region"]),
        criticalities=tuple(taken["criticality"]),
        tiers=tuple(taken["tier"]),
        segments=tuple(taken["segment"]),
        actions=tuple(taken["action"]),
    )
