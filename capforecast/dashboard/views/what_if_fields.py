"""Fields of the form of What-if; each remembers its value, also on other pages."""

from __future__ import annotations

import streamlit as st

from capforecast.dashboard import fleet, what_if
from capforecast.dashboard.reading import OpenRun
from capforecast.dashboard.what_if_form import Answers, as_values, from_values

PREFIX = "w_"
NAME, NOTE, AS_TEXT, TEXT = "scenario_name", "scenario_note", "scenario_as_text", "scenario_text"
_NOT_SET = {"threshold": 0.0, "lead_time": 0}  # what sliders show of what is left as it is


def fill(answers: Answers) -> None:
    """Set every field; before they are drawn."""
    for name, value in as_values(answers).items():
        st.session_state[PREFIX + name] = _NOT_SET[name] if value is None and name in _NOT_SET else value


def fields(opened: OpenRun) -> Answers:
    """Draw the form; what is set in it."""
    if PREFIX + "growth" not in st.session_state:
        fill(Answers())
    _whom(opened)
    _load(opened)
    _rules(opened)
    _fleet(opened)
    return said()


def said() -> Answers:
    """What the form says, drawn or not."""
    values = {name: st.session_state.get(PREFIX + name, value) for name, value in as_values(Answers()).items()}
    values |= {name: values[name] or None for name in _NOT_SET}
    return from_values(values)


def _whom(opened: OpenRun) -> None:
    table = fleet.servers(opened)
    with st.expander("For whom: the fleet, unless chosen here"):
        for name, column, label in (
            ("business_units", "business_unit", "Business units"),
            ("regions", "region", "Regions"),
            ("criticalities", "criticality", "Criticalities"),
            ("tiers", "tier", "Tiers"),
            ("segments", "segment", "Segments"),
        ):
            _multiselect(name, label, fleet.values(table, column))
        st.text_area(
            "Servers", key=PREFIX + "servers", height=80, placeholder="names, one a line", persist_state="session"
        )
    st.date_input(
        "From",
        key=PREFIX + "start",
        value=None,
        persist_state="session",
        format="YYYY-MM-DD",
        help="First day; empty: the first day of the forecast",
    )


def _multiselect(name: str, label: str, known: list[str]) -> None:
    """A choice; what a scenario names and this run does not have stays to be seen."""
    given = st.session_state.get(PREFIX + name) or []
    options = known + [each for each in given if each not in known]
    st.multiselect(label, options, key=PREFIX + name, placeholder="any", persist_state="session")


def _load(opened: OpenRun) -> None:
    st.slider(
        "Growth, % a month",
        -20.0,
        50.0,
        step=0.5,
        key=PREFIX + "growth",
        persist_state="session",
        help="Compound, on top of what is forecast",
    )
    left, right = st.columns([3, 2])
    left.slider("One-off load, % more", 0.0, 300.0, step=5.0, key=PREFIX + "load_percent", persist_state="session")
    _select(right, "load_metric", "of", what_if.metrics(opened))
    if st.session_state.get(PREFIX + "load_percent"):
        st.date_input("until", key=PREFIX + "load_end", value=None, persist_state="session", format="YYYY-MM-DD")
    st.slider(
        "Quarter end, times the load",
        0.5,
        3.0,
        step=0.05,
        key=PREFIX + "quarter_end",
        persist_state="session",
        help="In the last seven days of each quarter",
    )


def _rules(opened: OpenRun) -> None:
    left, right = st.columns([3, 2])
    left.slider(
        "Threshold `high`, 0 = as it is",
        0.0,
        100.0,
        step=1.0,
        key=PREFIX + "threshold",
        persist_state="session",
    )
    _select(right, "threshold_metric", "of", what_if.metrics(opened))
    usual = f"{opened.settings.risk.lead_time_days:g}"
    st.slider(
        f"Lead time, days, 0 = as it is ({usual})",
        0,
        180,
        step=1,
        key=PREFIX + "lead_time",
        persist_state="session",
        help="From ordering capacity to having it",
    )


def _fleet(opened: OpenRun) -> None:
    with st.expander("A project: so much in all, shared by those chosen"):
        for name, label in (
            ("project_vcpus", "vCPUs"),
            ("project_memory", "GiB of memory"),
            ("project_disk", "GiB of disk"),
        ):
            st.number_input(label, 0.0, 1e9, key=PREFIX + name, persist_state="session")
        st.number_input("Days over which it comes", 0, 3650, key=PREFIX + "ramp_days", persist_state="session")
    with st.expander("New servers, retirement, migration, resize"):
        st.number_input("New servers", 0, 100_000, key=PREFIX + "new_count", persist_state="session")
        st.text_input("like", key=PREFIX + "new_like", placeholder="name of a server", persist_state="session")
        st.checkbox("They take over load of those chosen", key=PREFIX + "new_share", persist_state="session")
        st.checkbox("Retire those chosen", key=PREFIX + "retire", persist_state="session")
        _select(st, "onto", "Their load moves onto", ["", *fleet.values(fleet.servers(opened), "business_unit")])
        st.slider("so much of it, %", 1.0, 100.0, step=1.0, key=PREFIX + "onto_percent", persist_state="session")
        _select(st, "resize", "Resize those chosen to", ["", *what_if.types(opened)])


def _select(place: object, name: str, label: str, known: list[str]) -> None:
    """A choice of one; what a scenario names and this run does not have stays to be seen."""
    given = str(st.session_state.get(PREFIX + name) or "")
    options = known if given in known else [*known, given]
    place.selectbox(  # type: ignore[attr-defined]
        label, options, key=PREFIX + name, format_func=lambda each: each or "as it is", persist_state="session"
    )
