"""What the run advises, what it is worth, and what people decide about it."""

from __future__ import annotations

import streamlit as st

from capforecast.dashboard import advice, figures, fleet, ui
from capforecast.dashboard.advice import Book
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun
from capforecast.lake.datasets import as_of_segment
from capforecast.report.action_words import consolidation_answer, followed, priced_by, whose_cost

STATES = ("proposed", "accepted", "rejected", "applied", "realised")
VERBS = {"accepted": "Accept", "rejected": "Reject", "applied": "Applied"}
DONE = "decided"  # what was recorded a moment ago, told once


def show(opened: OpenRun) -> None:
    """Savings, then the advice to decide on."""
    st.title("Money")
    found = opened.summary.actions
    if found is None:
        ui.empty("This run decided nothing about its servers.")
        return
    ui.say(found.sentence)
    packed = consolidation_answer(found.consolidation)
    for said in (f"Consolidation. {packed}" if packed else "", followed(found.realised)):
        if said:
            ui.note(said)
    figure = figures.savings_figure(found, ui.colours())
    if figure is None and found.priced:
        ui.empty("No other size and no stop is advised, so nothing changes in cost.", priced_by(found))
    elif figure is None:
        ui.empty(
            "No price is known, so nothing is said of money.",
            "Prices come from hourly_cost of the inventory, or from a price list (setting prices).",
        )
    else:
        ui.chart(figure, found.sentence, "savings")
        ui.note(priced_by(found))
        ui.note(f"{whose_cost(found)} What if sums up all servers with a price, with advice or without.")
    _decide(opened)


@ui.part
def _decide(opened: OpenRun) -> None:
    st.header("Advice")
    book = advice.open_advice(opened)
    if book is None:
        ui.empty("The table of actions is not in the lake.")
        return
    for problem in book.book.broken:
        st.warning(in_markdown(problem), icon=":material/warning:")
    if DONE in st.session_state:
        st.success(in_markdown(st.session_state.pop(DONE)), icon=":material/check:")
    table = advice.listed(book, *_filters(book))
    if not len(table):
        ui.empty("No advice fits.", "Take a filter away.")
        return
    event = st.dataframe(
        table,
        hide_index=True,
        key=ui.key_of("advice", table["Server"]),
        on_select="rerun",
        selection_mode="multi-row",
        height=ui.height(len(table), 420),
        column_config={"A month": st.column_config.NumberColumn(format="%.2f", help="Below 0 is a saving")},
        placeholder="–",
        alt=f"{len(table)} servers with advice; select those that you decide on",
    )
    st.download_button(
        "CSV",
        lambda: fleet.to_csv(table, list(table.columns)),
        file_name=f"advice-{as_of_segment(opened.run.as_of)}.csv",
        mime="text/csv",
        on_click="ignore",
        icon=":material/download:",
        help="The advice of the table",
    )
    _form(book, [str(table["Server"].iloc[at]) for at in event.selection.rows])
    past = advice.history(book)
    if len(past):
        with st.expander(f"{len(past)} decisions so far"):
            st.dataframe(past, hide_index=True, alt="Who decided what, newest first")


def _filters(book: Book) -> tuple[list[str], list[str], list[str]]:
    counts = advice.open_count(book)
    left, middle, right = st.columns([3, 2, 2])
    kinds = left.segmented_control(
        "Action",
        list(counts),
        selection_mode="multi",
        format_func=lambda kind: f"{kind} ({counts[kind]:,})",
        key="kinds",
    )
    units = middle.multiselect("Business unit", advice.units(book), key="advice_units", placeholder="any")
    states = right.multiselect("State", STATES, key="advice_states", placeholder="any")
    return list(kinds or []), units, states


def _form(book: Book, servers: list[str]) -> None:
    if ui.read_only():
        ui.note("This dashboard is read only: decide by `capforecast actions`.")
        return
    with st.form("decide", border=True):
        st.markdown(f"**{len(servers)} selected**" + (f": {in_markdown(', '.join(servers[:5]))}" if servers else ""))
        left, right = st.columns([1, 2])
        by = left.text_input("Your name", key="by", max_chars=100, persist_state="session")
        note = right.text_input("Why, for those who read it later", key="note", max_chars=500)
        with st.container(horizontal=True):
            pressed = [
                state
                for state, verb in VERBS.items()
                if st.form_submit_button(verb, type="primary" if state == "accepted" else "secondary")
            ]
    if pressed:
        st.session_state[DONE] = advice.decide(book, pressed[0], servers, by, note)
        st.rerun(scope="fragment")
