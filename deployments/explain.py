"""`capforecast explain`: all that stands behind what is advised for one server, as a record to defend in a review."""

from __future__ import annotations

from typing import Any

from capforecast.actions.advice_book import AdviceBook
from capforecast.lake.datasets import as_of_segment
from capforecast.report.advice_words import plain, record_of
from capforecast.schema import SERVER_ID
from deployments.actions import told


def explained(advice: AdviceBook, server: str) -> dict[str, Any]:
    """Everything the run says of a server, and who decided what; raises UsageError where there is no such server."""
    advice.row(server)
    table = advice.standing()
    (row,) = plain(table[table[SERVER_ID] == server])
    decisions = told(advice.store, [server]) if advice.last(server) else []
    about = {SERVER_ID: server, "cadence": str(advice.cadence), "as_of": as_of_segment(advice.as_of)}
    return record_of(row, about, decisions, advice.broken)
