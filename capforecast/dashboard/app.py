"""The app: which run, which page, and what is said when something fails. Run by Streamlit, for each visitor anew."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from capforecast.dashboard import fleet, here, icon_path, ui
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun
from capforecast.dashboard.views import data, money, overview, pools, runs, server, servers, warnings, what_if

RUN = "run"  # query parameter: which run is looked at
PAGES: dict[str, tuple[str, str, Callable[[OpenRun], None]]] = {
    "overview": ("Overview", "dashboard", overview.show),
    "servers": ("Servers", "dns", servers.show),
    "server": ("Server", "monitoring", server.show),
    "warnings": ("Warnings", "verified", warnings.show),
    "pools": ("Pools", "stacks", pools.show),
    "money": ("Money", "savings", money.show),
    "what-if": ("What if", "tune", what_if.show),
    "data": ("Data", "database", data.show),
    "runs": ("Runs", "history", runs.show),
}


def main() -> None:
    """Draw the page that the visitor is on."""
    st.set_page_config(page_title="capforecast", page_icon=str(icon_path()), layout="wide")
    chosen = st.navigation(_pages(), position="sidebar", expanded=True)
    with ui.told():
        opened = _chosen_run()
        _search(opened)
        with ui.told():
            chosen.run()


def _pages() -> list[st.Page]:
    made = {
        path: st.Page(_shown(show), title=title, icon=f":material/{icon}:", url_path=path, default=path == "overview")
        for path, (title, icon, show) in PAGES.items()
    }
    ui.pages(made)
    return list(made.values())


def _shown(show: Callable[[OpenRun], None]) -> Callable[[], None]:
    def page() -> None:
        show(st.session_state["opened"])

    return page


def _chosen_run() -> OpenRun:
    """The run of the choice in the sidebar, or of the link that was followed; the newest at first."""
    lake = here.served().lake
    known = {run.name: run for run in lake.runs()}
    if not known:
        lake.run(None)
    asked = st.query_params.get(RUN)
    with st.sidebar:
        if lake.trouble:
            st.warning(in_markdown(f"Shown is what was read before: {lake.trouble}"), icon=":material/cloud_off:")
        name = st.selectbox(
            "Run",
            list(known),
            key=RUN,
            bind="query-params",
            persist_state="session",
            help="Everything on these pages is as of this run's cut-off.",
        )
    if asked and asked not in known:
        told = f"There is no run {asked[:80]} in this lake (any more). Shown is {name}."
        st.warning(in_markdown(told), icon=":material/warning:")
    opened = lake.open(lake.run(name))
    st.session_state["opened"] = opened
    return opened


def _search(opened: OpenRun) -> None:
    """A field on every page: a name, or part of one, leads to a server."""
    with st.sidebar.form("find", border=False, clear_on_submit=True):
        text = st.text_input("Find a server", placeholder="name, owner, host or type", key="find_text")
        sent = st.form_submit_button("Find", width="stretch")
    if sent and text.strip():
        found = fleet.find(fleet.servers(opened), text)
        if len(found) == 1:
            ui.go_to_server(found[0])
        st.switch_page(ui.page("servers"), query_params={"q": text.strip()})


main()
