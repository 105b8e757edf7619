"""What a report was made from, in words: printed among the definitions, on the last page and in the workbook."""

from __future__ import annotations

from capforecast.report.summary_actions import ActionsSummary
from capforecast.report.summary_provenance import Provenance
from capforecast.report.words import listed, plural

FROM_INVENTORY = "inventory"


def provenance_terms(made: Provenance | None, actions: ActionsSummary | None) -> dict[str, str]:
    """Run key, versions and price date as definitions; empty where nothing is on record."""
    found = {}
    if made is not None:
        found["run key"] = (
            f"{made.run_key}: the same key stands on every report of the same inputs ({made.inputs}), settings "
            f"({made.settings}) and code ({made.code}), whenever it was run."
        )
        found["versions"] = f"{listed([f'{name} {version}' for name, version in made.versions.items()])}."
    if actions is not None and actions.priced:
        sources = [f"{name} ({plural(n, 'server')})" for name, n in actions.price_sources.items()]
        found["prices"] = f"Present costs come from {'; '.join(sources)}, in {actions.currency}."
    return found
