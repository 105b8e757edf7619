"""The risk matrix: servers by tier and business unit, region or criticality, and what a cell of it means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from capforecast.dashboard.fleet import Choice
from capforecast.dashboard.looks import Looks
from capforecast.report.summary import RunSummary
from capforecast.report.summary_changes import ChangedServer
from capforecast.report.words import NONE, date_text
from capforecast.schema import TIER_ORDER

DIMENSIONS = {"unit": "Business unit", "region": "Region", "criticality": "Criticality"}
_TIERS = [str(tier) for tier in TIER_ORDER]


def difference(now: int, before: int) -> str | None:
    """A change of a count with its sign; None where there is none."""
    return f"{now - before:+,}" if now != before else None


def dimensions(summary: RunSummary) -> dict[str, str]:
    """What the rows of the matrix may be."""
    having = {"unit": summary.business_units, "region": summary.by_region, "criticality": summary.by_criticality}
    return {name: DIMENSIONS[name] for name, rows in having.items() if rows} or {"unit": DIMENSIONS["unit"]}


def table(summary: RunSummary, by: str) -> pd.DataFrame:
    """Servers by tier, a row for each value, most at risk first; the index has the values."""
    if by == "unit":
        rows = {unit.name: unit.tiers for unit in summary.business_units if unit.status == "finished"}
    else:
        cells = summary.by_region if by == "region" else summary.by_criticality
        rows = {str(getattr(cell, by)): cell.tiers for cell in cells}
    ranked = sorted(rows.items(), key=lambda item: (-item[1].critical - item[1].high, -item[1].watch, item[0]))
    frame = pd.DataFrame([{tier: getattr(tiers, tier) for tier in _TIERS} for _, tiers in ranked], columns=_TIERS)
    frame.index = pd.Index([name for name, _ in ranked], name=DIMENSIONS[by])
    return frame


def styled(frame: pd.DataFrame, looks: Looks) -> Any:
    """The table with each tier's colour where there are servers."""

    def paint(column: pd.Series) -> list[str]:
        ground, ink = looks.tiers[str(column.name)], looks.tier_text[str(column.name)]
        return [f"background-color: {ground}; color: {ink}; font-weight: 600" if value else "" for value in column]

    return frame.style.apply(paint, axis=0).format("{:,}")


def in_words(frame: pd.DataFrame) -> str:
    """The matrix for those who cannot see it."""
    rows = [f"{name}: " + ", ".join(f"{row[tier]} {tier}" for tier in _TIERS) for name, row in frame.iterrows()]
    return f"Servers by tier. {'; '.join(rows[:40])}"


def choice_of(frame: pd.DataFrame, by: str, cells: Sequence[tuple[int, str]]) -> Choice | None:
    """What a selected cell means; None where none is selected. The cell with a row's name means the whole row."""
    if not cells or cells[0][0] >= len(frame):
        return None
    row, column = cells[0]
    field = {"unit": "units", "region": "regions", "criticality": "criticalities"}[by]
    tiers = {"tiers": (column,)} if column in _TIERS else {}
    return Choice(**{field: (str(frame.index[row]),)}, **tiers)  # type: ignore[arg-type]


def cell_name(choice: Choice) -> str:
    """A cell as people name it: `retail, critical`."""
    return ", ".join([*choice.units, *choice.regions, *choice.criticalities, *choice.tiers])


def changed(rows: Sequence[ChangedServer]) -> pd.DataFrame:
    """Servers whose tier changed, as a table to read."""
    return pd.DataFrame(
        [
            {
                "Server": row.server_id,
                "Business unit": row.business_unit,
                "Then": row.tier_before or "not there",
                "Now": row.tier or "gone",
                "Metric": row.metric or NONE,
            }
            for row in rows
        ]
    )


def side_by_side(summaries: Sequence[RunSummary]) -> pd.DataFrame:
    """Headline figures of runs, a row each."""
    rows = []
    for each in sorted(summaries, key=lambda summary: summary.as_of, reverse=True):
        recent = each.warnings.last_quarter if each.warnings else None
        rows.append(
            {"As of": date_text(pd.Timestamp(each.as_of)), "Servers": each.servers}
            | {tier: getattr(each.tiers, tier) for tier in _TIERS}
            | {
                "Warnings that came true": f"{recent.came_true} of {recent.warned}" if recent else NONE,
                "Complete": "yes" if each.complete else "no",
            }
        )
    return pd.DataFrame(rows)
