"""What runs did: attempts, stages, models, drift, files to take along."""

from __future__ import annotations

import functools

import streamlit as st

from capforecast.dashboard import here, history, ui
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun


def show(opened: OpenRun) -> None:
    """Reports of this run, its models and drift; then the records of all runs."""
    st.title("Runs")
    _files(opened)
    _models(opened)
    _drift(opened)
    _records(opened)


def _files(opened: OpenRun) -> None:
    st.header("Reports of this run")
    there = history.files(opened)
    if not there:
        ui.empty("Its reports are not in the lake.")
    with st.container(horizontal=True):
        for label in there:
            st.download_button(
                label,
                functools.partial(history.content, opened, label),
                file_name=history.file_name(opened, label),
                key=f"file_{label}",
                on_click="ignore",
                icon=":material/download:",
                mime=history.mime(label),
            )


def _models(opened: OpenRun) -> None:
    st.header("Models")
    used = opened.summary.model_versions
    if not used:
        ui.empty("No model is on record.")
        return
    for each in used:
        ui.say(each.sentence)
    st.dataframe(history.models(used), hide_index=True, alt="Model versions by business unit")


def _drift(opened: OpenRun) -> None:
    st.header("Drift")
    checks = opened.summary.drift
    if not checks:
        ui.empty("Nothing was compared: that takes an earlier run.")
        return
    alarms = [each for each in checks if each.alarm]
    if alarms:
        for each in alarms:
            st.warning(in_markdown(each.sentence), icon=":material/warning:")
    else:
        ui.say("No check is over its limit.")
    with st.expander(f"All {len(checks)} checks"):
        st.dataframe(history.drift(checks), hide_index=True, alt="Checks for drift, alarms first")


@ui.part
def _records(opened: OpenRun) -> None:
    st.header("Records of runs")
    if st.button("Look again", icon=":material/refresh:", help="Runs that ended meanwhile"):
        opened.lake.look_again()
        st.rerun(scope="app")
    attempts = history.attempts(opened.lake)
    if not attempts:
        ui.empty("No run has left a record in this lake.")
        return
    prefect = here.served().prefect_url
    if not prefect:
        ui.note("Runs link to Prefect's UI where its address is known: `capforecast dashboard --prefect-url ADDRESS`.")
    table = history.table(attempts, prefect)
    columns = {"Prefect": st.column_config.LinkColumn("Prefect", display_text="open")}
    event = st.dataframe(
        table,
        hide_index=True,
        key="attempts",
        on_select="rerun",
        selection_mode="single-row",
        column_config=columns,
        height=min(38 + 35 * len(table), 380),
        alt="Attempts of runs, newest first; select one for its stages",
    )
    if not event.selection.rows:
        ui.note("Select a run for its stages.")
        return
    found = history.details(opened.lake, attempts[event.selection.rows[0]])
    for line in found.lines:
        ui.say(line)
    st.dataframe(found.stages, hide_index=True, alt="Stages and how long they took")
