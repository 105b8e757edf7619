"""What has changed since the run before, in one line: for page 1, the workbook's Summary and the Prefect UI."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from capforecast.report.style import shorten
from capforecast.report.summary import RunSummary
from capforecast.report.summary_changes import ChangedServer, Changes
from capforecast.report.words import count, date_text, listed, plural

_NAMED = 3  # servers named in the sentence
_LONGEST = 40  # characters of a name there


def changes_fact(summary: RunSummary) -> tuple[str, str] | None:
    """Page 1: heading and sentence; None where no earlier run can be compared with."""
    if summary.changes is None:
        return None
    return "Changes", f"{since_words(summary.changes, pd.Timestamp(summary.as_of))}: {summary.changes.sentence}"


def change_terms(changes: Changes | None) -> dict[str, str]:
    """How changes are counted, where the report has them."""
    if changes is None:
        return {}
    return {
        "changes": "Each server beside itself at the run before, of the business units that both runs have. At risk: "
        "critical or high. Newly at risk counts servers that were new or unknown then, too."
    }


def since_words(changes: Changes, as_of: pd.Timestamp) -> str:
    """`Since 23 Nov`, with the year where it is another; `Since 16 to 23 Nov` where a unit missed a run."""
    first, last = pd.Timestamp(changes.since_first), pd.Timestamp(changes.since)
    days = [date_text(day, year=day.year != as_of.year) for day in (first, last)]
    return f"Since {days[1]}" if days[0] == days[1] else f"Since {days[0]} to {days[1]}"


def changes_sentence(changes: Changes) -> str:
    """How many servers came to be at risk, are so no longer, and what else moved; the worst by name."""
    parts = [
        _said(changes.newly_at_risk, "newly at risk", changes.top_newly_at_risk),
        _said(changes.no_longer_at_risk, "no longer at risk", changes.top_no_longer_at_risk),
        _said(changes.worse, "in a worse tier", changes.top_worse),
        _said(changes.better, "in a better tier", []),
        _said(changes.newly_unknown, "can no longer be forecast", changes.top_newly_unknown),
        _said(changes.known_again, "can be forecast again", []),
        _said(changes.new, "new", []),
        _said(changes.gone, "gone", []),
    ]
    said = [part for part in parts if part]
    if not said:
        return f"no tier changed ({plural(changes.tiers.total, 'server')} compared).{_left_out(changes)}"
    if not changes.newly_at_risk and not changes.no_longer_at_risk:
        said.insert(0, "no server newly at risk")
    return f"{', '.join(said)}.{_left_out(changes)}"


def _said(servers: int, words: str, named: Sequence[ChangedServer]) -> str:
    if not servers:
        return ""
    names = [shorten(server.server_id, _LONGEST) for server in named[:_NAMED]]
    more = servers - len(names)
    names += [f"{count(more)} more"] if names and more else []
    return f"{count(servers)} {words}{f' ({listed(names)})' if names else ''}"


def _left_out(changes: Changes) -> str:
    missing = changes.not_compared
    if not missing:
        return ""
    names = [shorten(name, _LONGEST) for name in missing[:_NAMED]]
    names += [f"{count(len(missing) - _NAMED)} more"] if len(missing) > _NAMED else []
    verb = "has" if len(missing) == 1 else "have"
    return f" {listed(names)} {verb} no earlier run to compare with."
