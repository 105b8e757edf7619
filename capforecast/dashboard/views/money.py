"""What the run advises, what it is worth, and what people decide about it."""

from __future__ import annotations

import streamlit as st

from capforecast.dashboard import figures, ui
from capforecast.dashboard.reading import OpenRun


def show(opened: OpenRun) -> None:
    """Savings."""
    st.title("Money")
    found = opened.summary.actions
    if found is None:
        ui.empty(
            "This run decided nothing about its servers.",
            "Runs of another version, or of stages before actions, do so.",
        )
        return
    ui.say(found.sentence)
    figure = figures.savings_figure(found, ui.colours())
    if figure is None:
        ui.empty(
            "No price is known, so nothing is said of money.", "docs/data-dictionary.md says where prices come from."
        )
    else:
        ui.chart(figure, found.sentence, "savings")
