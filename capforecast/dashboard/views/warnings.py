"""How often past warnings came true, beside the rules in use today, and how honest the probabilities were."""

from __future__ import annotations

import streamlit as st

from capforecast.dashboard import evidence, figures, ui
from capforecast.dashboard.reading import OpenRun

HELP = {
    "rule": "What warns: this report, its probability from 0.1 on, or a rule in use elsewhere",
    "warned": "Cases (a series at a past date) in which it warned",
    "precision": "Of its warnings, how many came true within the days chosen",
    "recall": "Of the breaches that came, how many it had warned of; in brackets what chance allows (95 %)",
    "false alarms": "Warnings that did not come true, per 100 servers and month",
    "lead": "Median days from a warning that came true to the breach",
    "Brier skill": "How much closer its probabilities came than the base rate does; 1 = perfect, 0 = no better",
    "ours at equal false alarms": "This report's recall over the rule's, once it may give as many false alarms",
}


def show(opened: OpenRun) -> None:
    """Scorecard by scope and horizon, reliability diagram."""
    st.title("Warnings")
    record = opened.summary.warnings
    if record is None:
        ui.empty(
            "No past warning could be replayed yet.",
            "That needs past forecasts whose horizon is over; a longer history brings them.",
        )
        return
    ui.say(record.last_quarter.sentence if record.last_quarter else record.sentence)
    ui.note(evidence.replayed(record))
    _scores(opened)
    _reliability(opened)


@ui.part
def _scores(opened: OpenRun) -> None:
    st.header("Scorecard")
    table = opened.of_fleet("scorecard")
    if not len(table):
        ui.empty("This run kept no scorecard.")
        return
    scopes, horizons = evidence.scopes(table), evidence.horizons(table)
    left, right = st.columns([3, 2])
    scope = left.selectbox("Of", list(scopes), format_func=scopes.__getitem__, key="score_scope")
    horizon = right.segmented_control(
        "Breach within",
        horizons,
        default=horizons[0],
        required=True,
        format_func=lambda days: f"{days} d",
        key="score_days",
    )
    rows = evidence.scores(table, scope, horizon)
    if not len(rows):
        ui.empty("There is no case of that.")
        return
    ui.note(evidence.cases(table, scope, horizon))
    st.dataframe(
        rows,
        hide_index=True,
        column_config={name: st.column_config.TextColumn(name, help=said) for name, said in HELP.items()},
        alt="Rules and how often they were right; the first row is this report's",
    )


@ui.part
def _reliability(opened: OpenRun) -> None:
    st.header("Said against came")
    record = opened.summary.warnings
    bins = record.reliability if record else []
    if not bins:
        ui.empty("There are too few cases to draw.")
        return
    left, right = st.columns([3, 2])
    with left:
        ui.chart(figures.reliability_figure(bins, ui.colours()), evidence.reliability_words(bins), "reliability")
    right.dataframe(evidence.bins(bins), hide_index=True, alt="The same in figures", height=380)
    ui.note("On the dotted line, of 100 breaches said to be 30 % likely 30 came. Larger points stand for more cases.")
    for line in evidence.honesty(record):
        ui.note(line)
