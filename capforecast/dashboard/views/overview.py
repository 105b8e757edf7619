"""The answer first: how many servers are at risk, where, what changed, how good past warnings were."""

from __future__ import annotations

import streamlit as st

from capforecast.dashboard import figures, fleet, matrix, ui
from capforecast.dashboard.fleet import Choice
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun
from capforecast.report import answer, changes_words
from capforecast.report.model_notes import model_notes
from capforecast.report.words import plural
from capforecast.schema import TIER_ORDER

LISTED = (
    "server_id",
    "tier",
    "business_unit",
    "metric",
    "last_value",
    "threshold_high",
    "probability_high",
    "breach_date",
    "capacity_remaining",
    "action",
)
CHANGES = {
    "top_newly_at_risk": "Newly at risk",
    "top_no_longer_at_risk": "No longer at risk",
    "top_worse": "Worse",
    "top_better": "Better",
    "top_newly_unknown": "Newly unknown",
    "top_new": "New",
    "top_gone": "Gone",
}


def show(opened: OpenRun) -> None:
    """Headline, tiers, matrix, changes, runs side by side."""
    summary = opened.summary
    st.title("Overview")
    st.markdown(f"## {in_markdown(answer.headline(summary))}")
    _problems(opened)
    _tiers(opened)
    _matrix(opened)
    _changed(opened)
    _facts(opened)
    _side_by_side(opened)


def _problems(opened: OpenRun) -> None:
    for unit, problem in opened.made.problems.items():
        st.warning(in_markdown(f"{unit} is missing from all figures: {problem}"), icon=":material/warning:")
    for said in model_notes(opened.summary.model_dump(mode="json")):
        ui.note(said)
    reach = answer.reach(opened.summary)
    if reach:
        ui.note(reach[1])


def _tiers(opened: OpenRun) -> None:
    before = opened.summary.changes.tiers_before if opened.summary.changes else None
    for column, tier in zip(st.columns(len(TIER_ORDER)), map(str, TIER_ORDER), strict=True):
        now = getattr(opened.summary.tiers, tier)
        delta = matrix.difference(now, getattr(before, tier)) if before else None
        column.metric(
            tier,
            f"{now:,}",
            delta=delta,
            border=True,
            delta_color="normal" if tier == "ok" else "inverse",
            help=None if before is None else "The small figure: against the run before, of servers in both.",
        )


@ui.part
def _matrix(opened: OpenRun) -> None:
    st.header("Where the risk is")
    known = matrix.dimensions(opened.summary)
    by = st.segmented_control(
        "Rows",
        list(known),
        format_func=known.__getitem__,
        default=next(iter(known)),
        required=True,
        key="matrix_by",
        label_visibility="collapsed",
    )
    table = matrix.table(opened.summary, by)
    event = st.dataframe(
        matrix.styled(table, ui.colours()),
        key=f"matrix_{by}",
        on_select="rerun",
        selection_mode="single-cell",
        height=min(38 + 35 * len(table), 460),
        alt=matrix.in_words(table),
    )
    choice = matrix.choice_of(table, by, list(event.selection.cells))
    servers = fleet.servers(opened)
    if choice is None:
        ui.note("Select a cell to see its servers. Below: the worst of the fleet.")
        chosen = fleet.chosen(servers, Choice(tiers=("critical", "high", "watch"))).head(10)
    else:
        chosen = fleet.chosen(servers, choice)
        ui.note(f"{plural(len(chosen), 'server')} in {matrix.cell_name(choice)}.")
    if len(chosen):
        ui.server_table(opened, chosen, LISTED, f"matrix_servers_{by}", height=388)
    else:
        ui.empty("No server is there.")


def _changed(opened: OpenRun) -> None:
    st.header("What changed")
    told = changes_words.changes_fact(opened.summary)
    if told is None or opened.summary.changes is None:
        ui.empty("There is no earlier run to compare with.", "After the next run this says which servers moved.")
        return
    ui.say(told[1])
    lists = {title: getattr(opened.summary.changes, name) for name, title in CHANGES.items()}
    lists = {title: rows for title, rows in lists.items() if rows}
    if not lists:
        return
    for tab, (title, rows) in zip(st.tabs(list(lists)), lists.items(), strict=True):
        with tab:
            frame = matrix.changed(rows)
            event = st.dataframe(
                frame,
                hide_index=True,
                key=f"changed_{title}",
                on_select="rerun",
                selection_mode="single-row",
                alt=f"{title}: {len(frame)} servers",
            )
            if event.selection.rows:
                ui.go_to_server(str(frame["Server"].iloc[event.selection.rows[0]]))


def _facts(opened: OpenRun) -> None:
    st.header("What to do, and how far to trust it")
    left, right = st.columns(2)
    with left, st.container(border=True):
        st.markdown("**Actions**")
        ui.say(opened.summary.actions.sentence if opened.summary.actions else "This run decided nothing.")
        st.page_link(ui.page("money"), label="Open Money", icon=":material/arrow_forward:")
    with right, st.container(border=True):
        st.markdown("**Track record**")
        told = answer.record(opened.summary)
        ui.say(told[1] if told else "No past warning could be replayed yet: that takes a longer history.")
        st.page_link(ui.page("warnings"), label="Open Warnings", icon=":material/arrow_forward:")


@ui.part
def _side_by_side(opened: OpenRun) -> None:
    st.header("Runs side by side")
    runs = {run.name: run for run in opened.lake.runs() if run.cadence == opened.run.cadence}
    chosen = st.multiselect(
        "Runs",
        list(runs),
        default=list(runs)[:4],
        key="side_by_side",
        label_visibility="collapsed",
        max_selections=12,
    )
    if not chosen:
        ui.note("Choose runs to compare.")
        return
    summaries, problems = opened.lake.summaries([runs[name] for name in chosen])
    for problem in problems:
        ui.note(problem)
    if not summaries:
        return
    figure, words = figures.tiers_figure(summaries, ui.colours()), matrix.side_by_side(summaries)
    left, right = st.columns([2, 3])
    with left:
        ui.chart(figure, "Servers by tier at each run; the table beside it has the figures", "tiers_by_run")
    right.dataframe(words, hide_index=True, alt="Headline figures of each run")
