"""What a report was made from, in rows of words: the end of the printed report and of the workbook's Definitions."""

from __future__ import annotations

from capforecast.report.summary import RunSummary
from capforecast.report.words import listed, plural


def made_from(summary: RunSummary) -> list[tuple[str, str]]:
    """Price date, run key and versions, each with its heading; without what is not on record."""
    rows = []
    actions, made = summary.actions, summary.provenance
    if actions is not None and actions.priced:
        sources = [f"{name} ({plural(servers, 'server')})" for name, servers in actions.price_sources.items()]
        rows.append(("Prices", f"{'; '.join(sources)}; in {actions.currency}"))
    if made is not None:
        key = f"{made.run_key}: from inputs {made.inputs}, settings {made.settings}, code {made.code}"
        rows.append(("Run key", f"{key}. The same key is the same report, whenever it was made"))
        rows.append(("Versions", listed([f"{name} {version}" for name, version in made.versions.items()])))
    return rows
