"""What if: other growth, load, sizes, thresholds or lead times; tiers, dates and cost at once, before and after."""

from __future__ import annotations

from typing import Any

import streamlit as st

from capforecast.actions.scenario import Scenario
from capforecast.actions.what_if import Outcome
from capforecast.dashboard import fleet, ui, what_if, what_if_form
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun
from capforecast.dashboard.views import what_if_fields as form
from capforecast.errors import UsageError
from capforecast.lake.datasets import as_of_segment

LINK = "scenario"  # query parameter: which saved scenario
TIER_WIDTH, COST_WIDTH = 124, 212  # pixels; they go on in the next line where the screen is narrow
LOADED, TOLD = "scenario_loaded", "scenario_told"


def show(opened: OpenRun) -> None:
    """The form beside what comes of it."""
    st.title("What if")
    ui.note(
        "Figures of this run under other circumstances. Nothing is forecast anew: the run kept levels of its sample "
        "paths, which a scenario scales, lifts and holds against its thresholds."
    )
    what_if.baseline(opened)  # a run without them says so here
    with ui.told():  # of a link that leads nowhere; the form is there all the same
        _follow_link(opened)
    _scenario(opened)


def _follow_link(opened: OpenRun) -> None:
    """Fill the form with the scenario of a link, once."""
    wanted = st.query_params.get(LINK, "")
    if not wanted or st.session_state.get(LOADED) == wanted:
        return
    st.session_state[LOADED] = wanted
    _fill(what_if.load(opened.lake, wanted))


def _fill(scenario: Scenario) -> None:
    """Make the form say a scenario; what it cannot say is put as text."""
    answers = what_if_form.answers_of(scenario)
    form.fill(answers or what_if_form.Answers())
    st.session_state[form.NAME], st.session_state[form.NOTE] = scenario.name, scenario.note
    st.session_state[form.AS_TEXT] = answers is None
    st.session_state[form.TEXT] = scenario.to_json()


@ui.part
def _scenario(opened: OpenRun) -> None:
    left, right = st.columns([2, 3], gap="large")
    with left:
        _saved(opened)
        scenario = _asked(opened)
    with right:
        if scenario is None:
            ui.empty("Mend the scenario on the left to see what comes of it.")
            return
        with ui.told():
            _outcome(opened, what_if.outcome(opened, scenario))
    with left:
        _save(opened, scenario)


def _saved(opened: OpenRun) -> None:
    known = what_if.saved(opened.lake)
    if not known:
        return
    with st.popover("Open a saved scenario", icon=":material/folder_open:", width="stretch"):
        picked = st.selectbox(
            "Scenario",
            list(known),
            index=None,
            key="scenario_pick",
            placeholder=f"{len(known)} saved",
            format_func=lambda name: f"{known[name].name or name} · {known[name].saved:%Y-%m-%d %H:%M}",
        )
        if st.button("Open", disabled=picked is None, type="primary") and picked:
            st.session_state.pop(LOADED, None)
            st.query_params[LINK] = picked
            st.rerun(scope="app")


def _asked(opened: OpenRun) -> Scenario | None:
    """The scenario of the form, or of the text; None, and why, where it is none."""
    as_text = st.toggle("Write it as text", key=form.AS_TEXT, help="YAML or JSON, as `capforecast what-if` reads it")
    try:
        if as_text:
            if not st.session_state.get(form.TEXT):
                st.session_state[form.TEXT] = _of_form(form.said()).to_json()
            text = st.text_area("Scenario", key=form.TEXT, height=420, max_chars=200_000)
            return Scenario.from_text(text, "the text")
        return _of_form(form.fields(opened))
    except UsageError as error:
        st.error(in_markdown(error), icon=":material/error:")
        return None


def _of_form(answers: what_if_form.Answers) -> Scenario:
    return what_if_form.scenario_of(answers, st.session_state.get(form.NAME, ""), st.session_state.get(form.NOTE, ""))


def _save(opened: OpenRun, scenario: Scenario) -> None:
    if ui.read_only():
        ui.note("This dashboard is read only: save scenarios by `capforecast what-if`.")
        return
    with st.container(border=True):
        st.text_input("Name", key=form.NAME, max_chars=80, placeholder="what people call it", persist_state="session")
        st.text_input("Why", key=form.NOTE, max_chars=2000, persist_state="session")
        if st.button("Save, and link to it", icon=":material/save:", type="primary", width="stretch"):
            name = what_if.save(opened.lake, scenario)
            st.session_state[LOADED], st.session_state[TOLD] = name, name
            st.query_params[LINK] = name
            st.rerun(scope="app")
        if st.session_state.get(TOLD) and st.session_state.get(TOLD) == st.query_params.get(LINK):
            st.success("Saved. The address of this page is now the link to it.", icon=":material/link:")
            as_of = as_of_segment(opened.run.as_of)
            st.code(f"capforecast report --as-of {as_of} --scenario {scenario.id} --output .", language=None)


def _outcome(opened: OpenRun, found: Outcome) -> None:
    st.markdown(f"## {in_markdown(what_if.headline(found))}")
    scopes = what_if.scopes(found)
    scope = ""
    if len(scopes) > 1:
        scope = st.selectbox("Of", scopes, format_func=lambda name: name or "the fleet", key="what_if_scope")
    figures = what_if.figures(found, scope or "")
    with st.container(horizontal=True):
        for figure in figures:
            st.metric(
                figure.label,
                figure.after,
                delta=figure.change,
                border=True,
                help=in_markdown(figure.unknown) if figure.unknown else None,
                delta_color="inverse" if figure.worse else "normal",
                width=TIER_WIDTH if figure.label in what_if.TIERS else COST_WIDTH,
            )
    for said in filter(None, (what_if.whose_cost(found, scope or ""), *found.notes)):
        ui.note(said)
    _tables(opened, found)


def _tables(opened: OpenRun, found: Outcome) -> None:
    units, servers = st.tabs(["Servers in another tier", "Business units"])
    with units:
        table = what_if.moved(found)
        if not len(table):
            ui.empty("No server is in another tier.", "Move a slider on the left.")
        else:
            st.dataframe(
                table,
                hide_index=True,
                height=430,
                column_config=columns(),
                placeholder="–",
                key="moved",
                alt=f"{len(table)} servers whose tier, size or existence the scenario changes",
            )
            st.download_button(
                "CSV of all servers",
                lambda: fleet.to_csv(found.servers, list(found.servers.columns)),
                mime="text/csv",
                file_name=f"what-if-{as_of_segment(opened.run.as_of)}.csv",
                on_click="ignore",
                icon=":material/download:",
            )
    servers.dataframe(what_if.totals(found), hide_index=True, alt="Before and after by business unit")


def columns() -> dict[str, Any]:
    """How the columns of the table of servers are shown."""
    chance: dict[str, Any] = {"min_value": 0, "max_value": 1, "format": "percent"}
    money: dict[str, Any] = {"format": "%.2f"}
    config = st.column_config
    return {
        "server_id": "Server", "business_unit": "Business unit", "change": "Change", "tier_before": "Tier now",
        "tier": "Tier then", "metric": "Metric",
        "probability_high_before": config.ProgressColumn("Breach chance now", **chance),
        "probability_high": config.ProgressColumn("Breach chance then", **chance),
        "breach_date_before": config.DateColumn("Even odds by, now"),
        "breach_date": config.DateColumn("Even odds by, then"),
        "order_by": config.DateColumn("Order by"),
        "monthly_before": config.NumberColumn("A month now", **money),
        "monthly": config.NumberColumn("A month then", **money),
        "safe_monthly_before": config.NumberColumn("Safe size now", **money),
        "safe_monthly": config.NumberColumn("Safe size then", **money),
    }  # fmt: skip
