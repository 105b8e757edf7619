"""What came in, what was set aside and why, and who cannot be forecast."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from capforecast.dashboard import fleet, quality, ui
from capforecast.dashboard.fleet import Choice
from capforecast.dashboard.reading import OpenRun
from capforecast.report.words import reason_text

WIDTH = 208  # pixels of a figure, for hundreds of millions
UNKNOWN = ("server_id", "business_unit", "region", "criticality", "owner", "reason", "detail")


def show(opened: OpenRun) -> None:
    """Rows of the source, unknown servers, series, quarantine."""
    st.title("Data")
    _rows(opened)
    _unknown(opened)
    _series(opened)
    _set_aside(opened)


def _rows(opened: OpenRun) -> None:
    with st.container(horizontal=True):
        for label, figure, meaning in quality.counts(opened.summary.quality):
            st.metric(label, figure, border=True, help=meaning, width=WIDTH)
    sources = quality.sources(opened)
    if len(sources):
        with st.expander("Files that were read"):
            st.dataframe(sources, hide_index=True, alt="Files, and what became of their rows")


@ui.part
def _unknown(opened: OpenRun) -> None:
    st.header("Servers that cannot be forecast")
    reasons = opened.summary.unknown_reasons
    if not reasons:
        ui.empty("Every server could be forecast.")
        return
    ranked = sorted(reasons, key=lambda name: (-reasons[name], name))
    reason = st.segmented_control(
        "Reason",
        ranked,
        default=ranked[0],
        required=True,
        key="unknown_reason",
        label_visibility="collapsed",
        format_func=lambda name: f"{name.replace('_', ' ')} ({reasons[name]:,})",
    )
    meaning, fix = reason_text(reason)
    ui.say(f"{meaning} {fix}")
    found = fleet.chosen(fleet.servers(opened), Choice(tiers=("unknown",)))
    these = found[found["reason"].astype("str") == reason]
    ui.server_table(opened, these, UNKNOWN, f"unknown_{reason}", height=ui.height(len(these), 320))


@ui.part
def _series(opened: OpenRun) -> None:
    st.header("Series with a remark")
    table = quality.remarks(opened)
    if not len(table):
        ui.empty("No series is unknown, and none has a flag.")
        return
    words = quality.words(table)
    chosen = st.multiselect("Reasons and flags", words, key="remarks", placeholder="any")
    shown = quality.having(table, chosen)
    ui.note(f"{len(shown):,} of {len(table):,} series with a remark.")
    _listed(shown, ui.SERIES_LABELS, "Series that are unknown or have a flag")


@ui.part
def _set_aside(opened: OpenRun) -> None:
    st.header("Set aside")
    table = quality.quarantine(opened)
    if not len(table):
        ui.empty("Nothing was set aside: every value that was read could be used.")
        return
    ui.note(f"{len(table):,} entries, one for each value; each says where it stood and why it could not be used.")
    _listed(table, ui.SET_ASIDE_LABELS, "Values set aside, with file, row and reason")


def _listed(table: pd.DataFrame, labels: dict[str, Any], alt: str) -> None:
    """A long table, of which the browser fetches what it shows."""
    st.dataframe(
        table,
        hide_index=True,
        height=ui.height(len(table), 320),
        placeholder="–",
        lazy=True,
        column_config=ui.LABELS | labels,
        alt=alt,
    )
