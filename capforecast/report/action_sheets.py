"""Sheets on what to do: every server's action, money, evidence, segments and packing. None in a run without actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from capforecast.report import columns_actions as spelled
from capforecast.report.action_words import KIND_NAMES, KIND_ORDER, RESOURCES, SIZES_ONLY
from capforecast.report.actions_part import in_order
from capforecast.report.columns import Column
from capforecast.report.data import ReportData
from capforecast.report.segment_features import feature_title
from capforecast.report.sheets import Sheets

MOST_PACKED = 200_000
NO_MONEY = f"No money: {SIZES_ONLY[:1].lower()}{SIZES_ONLY[1:]}"
NO_BOUND = "The rule could not be replayed: no past origin with a known outcome has enough past forecasts behind it."
NO_PACKING = "Nothing is proposed: no group of servers could be packed more tightly, or its hours are not known."
NO_REALISED = "No advice was followed yet, as far as decisions are recorded and the inventory shows."
NO_GROUP = "No group of servers was looked at."
_TESTS = {"size": "of sizes", "need": "of needs"}


def write_actions(sheets: Sheets, data: ReportData) -> None:
    """Write the sheets on actions, money, evidence, segments, packing and advice followed, where the run has them."""
    if data.summary.actions is not None:
        actions = in_order(data.actions)
        _write(sheets, "Actions", actions, spelled.ACTIONS, "", spelled.ACTIONS_PRINTED, dataset="actions")
        _write(sheets, "Savings", _savings(data.savings), spelled.SAVINGS, NO_MONEY)
        _write(sheets, "Bounds", _bounds(data.bounds), spelled.BOUNDS, NO_BOUND)
    if data.summary.segments:
        frame, columns = _segments(data)
        sheets.table("Segments", frame, columns, "", len(spelled.SEGMENTS) + 7)
    if data.summary.actions is not None:
        groups = _consolidation(data)
        _write(sheets, "Consolidation", groups, spelled.CONSOLIDATION, NO_GROUP, spelled.CONSOLIDATION_PRINTED)
        _write(sheets, "Packing", data.packing, spelled.PACKING, NO_PACKING, dataset="packing", most=MOST_PACKED)
        _write(sheets, "Realised", data.realised, spelled.REALISED, NO_REALISED, dataset="realised")


def _write(
    sheets: Sheets,
    name: str,
    frame: pd.DataFrame,
    columns: Sequence[Column],
    empty: str,
    printed: int = 0,
    **options: Any,
) -> None:
    """A sheet of exactly these columns; one that the frame lacks is empty."""
    sheets.table(
        name, frame.reindex(columns=[column.key for column in columns]), list(columns), empty, printed, **options
    )


def _savings(table: pd.DataFrame) -> pd.DataFrame:
    """Fleet first, then business units, regions, segments; in each, the kinds and their sum. Nothing without prices."""
    if not len(table) or not (table["priced"] > 0).any():
        return table.head(0)
    scopes = {"fleet": 0, "business_unit": 1, "region": 2, "segment": 3}
    ranked = table.assign(_scope=table["scope"].map(scopes), _kind=table["kind"].map(KIND_ORDER.index))
    ranked = ranked.sort_values(["_scope", "name", "_kind"], kind="stable")
    name = ranked["name"].where(ranked["scope"] != "fleet", "(fleet)")
    money = [c for c in ranked if str(c).startswith(("monthly", "to_monthly", "change_"))]
    known = ranked[money].where(ranked["priced"] > 0, np.nan)
    scope = ranked["scope"].str.replace("_", " ")
    return ranked.assign(
        **{str(c): known[c] for c in money}, name=name, scope=scope, kind=ranked["kind"].map(KIND_NAMES)
    )


def _bounds(table: pd.DataFrame) -> pd.DataFrame:
    if not len(table):
        return table
    ordered = table.sort_values(["test", "stratum", "resource"], kind="stable")
    resource = ordered["resource"].map(lambda name: RESOURCES.get(name, name))
    test = ordered["test"].map(lambda name: _TESTS.get(name, name))
    kept = np.where(ordered["kept"].eq(True), "yes", "no")
    return ordered.assign(resource=resource, test=test, kept=kept)


def _segments(data: ReportData) -> tuple[pd.DataFrame, list[Column]]:
    """Segments as the summary has them, with a column for each feature of their middle."""
    parts = data.summary.segments
    features = list(dict.fromkeys(name for part in parts for name in part.centroid))
    rows = [part.model_dump(exclude={"centroid"}) | part.centroid for part in parts]
    columns = [Column(name, feature_title(name), f"Median over its servers of `{name}`, in the metric's unit; "
                      "docs/data-dictionary.md defines it.", "figure", 10) for name in features]  # fmt: skip
    frame = pd.DataFrame(rows, columns=[*(column.key for column in spelled.SEGMENTS), *features])
    return frame, [*spelled.SEGMENTS, *columns]


def _consolidation(data: ReportData) -> pd.DataFrame:
    """Groups in the summary's order."""
    parts = data.summary.actions.consolidation if data.summary.actions else []
    return pd.DataFrame([part.model_dump() for part in parts])
