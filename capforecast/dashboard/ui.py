"""Parts that several pages share. Text from data is shown as it is: never as Markdown or HTML."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from capforecast.dashboard import faults, fleet, here
from capforecast.dashboard.frame_figure import CONFIG
from capforecast.dashboard.looks import Looks, looks
from capforecast.dashboard.plain import in_markdown
from capforecast.dashboard.reading import OpenRun
from capforecast.errors import CapforecastError, LakeError
from capforecast.report.style import TIER_FILL, TIER_MEANING
from capforecast.schema import SERVER_ID, TIER_ORDER

log = logging.getLogger("capforecast.dashboard")
Given = ParamSpec("Given")
TIER_COLOURS = {"critical": "red", "high": "orange", "watch": "yellow", "ok": "green", "unknown": "gray"}
# The report's; its paler ones are too faint for words on either ground.
TIER_HEX = {str(tier): fill for tier, fill in TIER_FILL.items()} | {"ok": "#7fa3b5", "unknown": "#9aa5ae"}
SERVER = "server"  # query parameter of the page of one server
_PAGES: dict[str, Any] = {}
LABELS: dict[str, Any] = {
    SERVER_ID: "Server",
    "tier": "Tier",
    "business_unit": "Business unit",
    "region": "Region",
    "criticality": "Criticality",
    "metric": "Metric",
    "last_value": "Last",
    "threshold_high": "Threshold",
    "probability_high": "Breach chance",
    "breach_date": "Even odds by",
    "peak_q90": "90 % peak",
    "capacity_remaining": "Left",
    "instance_type": "Type",
    "owner": "Owner",
    "segment": "Segment",
    "action": "Action",
    "monthly_change": "Change a month",
    "reason": "Why unknown",
    "environment": "Environment",
    "detail": "Metric by metric",
}

SERIES_LABELS: dict[str, Any] = {
    "statistic": "Statistic", "verdict": "Verdict", "reason": "Reason", "flags": "Flags", "observed": "Observed",
    "first_seen": st.column_config.DateColumn("First seen"), "last_seen": st.column_config.DateColumn("Last seen"),
}  # fmt: skip
SET_ASIDE_LABELS: dict[str, Any] = {
    "file": "File", "row": st.column_config.NumberColumn("Row", format="%d"), "column": "Column", "value": "Value",
    "reason": "Reason",
}  # fmt: skip


def height(rows: int, most: int) -> int:
    """Height of a table in pixels: as high as its rows, or `most`."""
    return min(38 + 35 * max(rows, 1), most)


@contextmanager
def told() -> Iterator[None]:
    """Turn what fails inside into words; details of what nobody foresaw go to the log alone."""
    try:
        yield
    except LakeError as error:
        opened: OpenRun | None = st.session_state.get("opened")
        said = faults.in_words(here.served().lake.store, None if opened is None else opened.run, error)
        st.error(in_markdown(said), icon=":material/error:")
    except CapforecastError as error:
        st.error(in_markdown(error), icon=":material/error:")
    except Exception:
        log.exception("a part of a page failed")
        st.error(
            "This part of the page could not be drawn. The log of `capforecast dashboard` says why; the rest works.",
            icon=":material/error:",
        )


def part(draw: Callable[Given, None]) -> Callable[Given, None]:
    """A part of a page that is drawn anew by itself when something in it is chosen, and fails by itself."""

    @functools.wraps(draw)
    def guarded(*given: Given.args, **named: Given.kwargs) -> None:
        with told():
            draw(*given, **named)

    drawn: Callable[Given, None] = st.fragment(guarded)
    return drawn


def say(text: object) -> None:
    """A sentence that may hold names from data."""
    st.markdown(in_markdown(text))


def note(text: object) -> None:
    """The same, less prominent."""
    st.caption(in_markdown(text))


def colours() -> Looks:
    """The colours of the ground that this visitor has chosen."""
    return looks(st.context.theme.type == "dark")


def chart(figure: go.Figure, alt: str, key: str) -> None:
    """A chart in its own colours, with what it shows in words."""
    st.plotly_chart(figure, theme=None, config=CONFIG, key=key, alt=alt)


def pages(known: dict[str, Any]) -> None:
    """Remember the pages there are, so that one can lead to another."""
    _PAGES.update(known)


def page(name: str) -> Any:
    """A page by its path."""
    return _PAGES[name]


def go_to_server(server: str) -> None:
    """Show the page of a server."""
    st.switch_page(page("server"), query_params={SERVER: server})


def badge(tier: str) -> None:
    """A tier as a coloured word."""
    meaning = {str(name): text for name, text in TIER_MEANING.items()}.get(tier, "")
    st.badge(f"{tier}: {meaning}" if meaning else in_markdown(tier), color=TIER_COLOURS.get(tier, "gray"))  # type: ignore[arg-type]


def column_config(opened: OpenRun) -> dict[str, Any]:
    """How the columns of a table of servers are shown."""
    number = st.column_config.NumberColumn
    tiers = [str(tier) for tier in TIER_ORDER]
    special = {
        "tier": st.column_config.MultiselectColumn("Tier", options=tiers, color=[TIER_HEX[t] for t in tiers], width=90),
        "probability_high": st.column_config.ProgressColumn(
            "Breach chance",
            min_value=0,
            max_value=1,
            format="percent",
            help="Chance that its worst metric breaches the threshold `high` within the horizon",
        ),
        "breach_date": st.column_config.DateColumn(
            "Even odds by", help="Day by which half of the sample paths have breached; empty: later than the horizon"
        ),
        "last_value": number("Last", format="%.1f", help="Last value observed, in the metric's unit"),
        "threshold_high": number("Threshold", format="%.0f"),
        "peak_q90": number(
            "90 % peak",
            format="%.1f",
            help="The highest value within the horizon stays below this with 90 % probability",
        ),
        "capacity_remaining": number(
            "Left, %", format="%.0f", help="Percent of usable capacity left at the 90 % peak within the lead time"
        ),
        "monthly_change": number(
            "Change a month",
            format="%.2f",
            help="Cost after the action less cost now, in the currency of the prices; below 0 is a saving",
        ),
    }
    return {name: special.get(name, label) for name, label in LABELS.items()}


def key_of(name: str, rows: Iterable[str]) -> str:
    """Key of a table to select from: another one once it has other rows.

    A selection is numbers of rows, and lives as long as its key: in another table they would be other servers.
    """
    return f"{name}_{hashlib.sha256(json.dumps(list(map(str, rows))).encode()).hexdigest()[:16]}"


def server_table(
    opened: OpenRun, table: pd.DataFrame, columns: Sequence[str], key: str, height: int | str = "auto"
) -> None:
    """Servers as a table; selecting a row opens its server."""
    shown = [name for name in columns if name in table]
    view = table[shown].reset_index(drop=True)
    if "tier" in view:
        view = view.assign(tier=fleet.as_lists(view["tier"]))
    event = st.dataframe(
        view,
        hide_index=True,
        key=key_of(key, view[SERVER_ID]),
        height=height,
        on_select="rerun",
        selection_mode="single-row",  # type: ignore[call-overload]
        column_config=column_config(opened),
        alt=f"{len(view)} servers; select a row to open its server",
        placeholder="–",
    )
    if event.selection.rows:
        go_to_server(str(view[SERVER_ID].iloc[event.selection.rows[0]]))


def empty(text: str, hint: str = "") -> None:
    """Where there is nothing to show: why, and what to do."""
    st.info(in_markdown(text) + (f"\n\n{in_markdown(hint)}" if hint else ""), icon=":material/info:")


def read_only() -> bool:
    """May nobody write here?"""
    return here.served().read_only


def pool_columns() -> dict[str, Any]:
    """How the columns of a table of pools are shown."""
    number = st.column_config.NumberColumn
    return {
        "Usable": number(format="%.0f", help="Supply less the N+1 reserve and the policy buffer"),
        "Now": number(format="%.0f", help="Demand on the last day observed"),
        "90 % peak": number(
            format="%.0f", help="The largest demand within the horizon stays below this with 90 % probability"
        ),
        "Runs out within 90 d": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent"),
        "Half odds, days": number(
            format="%.0f", help="Days until half of the paths have run out; empty: later than the horizon"
        ),
        "To buy": number(format="%.0f", help="So that the median peak leaves the headroom free"),
        "Order by": st.column_config.DateColumn(help="The 10 % date less the procurement lead time"),
    }
