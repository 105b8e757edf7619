"""The sheet on what has changed since the run before: every server in another tier, new and gone ones included."""

from __future__ import annotations

from capforecast.report.columns import Column
from capforecast.report.data import ReportData
from capforecast.report.sheets import Sheets

NO_CHANGE = "Every server is in the tier it was in at the run before."

CHANGES = (
    Column("server_id", "Server", "Name of the server, as the monitoring system gives it.", width=26),
    Column("business_unit", "Business unit", "The unit in force at the cut-off.", width=22),
    Column("region", "Region", "From inventory or observations.", width=14),
    Column("criticality", "Criticality", "From inventory or observations.", width=12),
    Column("change", "Change", "What became of it since the run before; at risk = critical or high.", width=19),
    Column("tier_before", "Tier before", "Tier at the run before; empty = the server was not there.", "tier", 11),
    Column("tier_now", "Tier now", "Tier of this run; empty = the server is gone.", "tier", 10),
    Column("changed_metric", "Deciding metric", "The metric that the tier rests on, now or else before.", width=10),
    Column("probability_before", "P(high) before", "As the run before stated it.", "probability", 10),
    Column("probability", "P(high) now", "Breach of `high` within the horizon of the tier.", "probability", 10),
    Column("since", "Since", "Cut-off of the run before.", "date", 12),
    Column("unit_before", "Unit before", "Its business unit at the run before.", width=22),
    Column("unknown_reason", "Why unknown", "Why it can no longer be forecast.", width=18),
)  # fmt: skip
_RENAMED = {"tier": "tier_now", "metric": "changed_metric", "reason": "unknown_reason"}
PRINTED = 11


def write_changes(sheets: Sheets, data: ReportData) -> None:
    """Write the sheet Changes, what matters most first. None in a run that has no earlier one to compare with."""
    if data.summary.changes is None:
        return
    frame = data.changes.rename(columns=_RENAMED).reindex(columns=[column.key for column in CHANGES])
    sheets.table("Changes", frame, list(CHANGES), NO_CHANGE, PRINTED)
