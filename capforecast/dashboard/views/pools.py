"""Supply against demand of business units and regions, by date."""

from __future__ import annotations

import streamlit as st

from capforecast.dashboard import evidence, figures, ui
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun


def show(opened: OpenRun) -> None:
    """Pools, tightest first; the demand of one by day."""
    st.title("Pools")
    every = [*opened.summary.pools, *opened.summary.pool_sums]
    if not every:
        ui.empty(
            "There is no pool to show.",
            "Pools need sizes: give vcpus and memory_gib in the inventory, or an instance_type of the catalogue.",
        )
        return
    ui.note("A pool is a business unit in a region: what its servers ask for, added up, against what they have.")
    _pools(opened)


@ui.part
def _pools(opened: OpenRun) -> None:
    sums = st.toggle("Sums over regions and units, too", key="pool_sums", persist_state="session")
    shown = [*opened.summary.pools, *(opened.summary.pool_sums if sums else [])]
    if not shown:
        shown = opened.summary.pool_sums
    table = evidence.pool_table(shown)
    event = st.dataframe(
        table,
        hide_index=True,
        key=f"pools_{sums}",
        on_select="rerun",
        selection_mode="single-row",
        height=min(38 + 35 * len(table), 400),
        column_config=ui.pool_columns(),
        placeholder="–",
        alt="Pools, tightest first",
    )
    picked = event.selection.rows[0] if event.selection.rows else 0
    pool = shown[min(picked, len(shown) - 1)]
    st.header(in_markdown(pool.name))
    ui.say(pool.sentence)
    for line in evidence.pool_notes(pool):
        ui.note(line)
    rows = evidence.demand_of(opened, pool)
    if not len(rows):
        ui.empty("There is no forecast of its demand.")
        return
    figure = figures.demand_figure(rows, pool.supply, evidence.RESOURCES[pool.resource], ui.colours())
    ui.chart(figure, pool.sentence, "demand")
