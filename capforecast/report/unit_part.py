"""The part of one business unit in the fleet's tables, as if it were a fleet of its own: for its own report."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from capforecast.actions.bounds import EVERYONE
from capforecast.schema import BUSINESS_UNIT, SERVER_ID

_FLEET = "fleet"
_SCOPED = ("scorecard", "reliability", "savings")  # a row for each scope; the unit's own stands for the fleet's
TERM = "this report"


def part_of_unit(tables: Mapping[str, pd.DataFrame], unit: str) -> dict[str, pd.DataFrame]:
    """Fleet-level tables cut down to a unit, by name: rows of its servers and pools, figures of its scope.

    `bounds` keep their figures, which are of the whole fleet: the rule is tested there. So do the centroids of
    `segment_sizes`; servers are counted anew.
    """
    found = {name: _rows(name, table, unit) for name, table in tables.items()}
    if "segment_sizes" in found:
        found["segment_sizes"] = _recounted(found["segment_sizes"], found.get("segments", pd.DataFrame()))
    if "bounds" in found:
        found["bounds"] = _tested(found["bounds"], found.get("actions", pd.DataFrame()))
    if "realised" in found:
        found["realised"] = _followed(found["realised"], found.get("actions", pd.DataFrame()))
    return found


def meaning(unit: str) -> str:
    """What a reader of a unit's report must know of its figures: the definition of TERM."""
    return (
        f"All figures are of business unit {unit}, and “fleet” is all its servers, except: rows read are those of the "
        "whole delivery; what stands behind the promise of smaller sizes, and the typical use of each segment, are of "
        "all business units of the run together, since one alone may be too few to tell."
    )


def _rows(name: str, table: pd.DataFrame, unit: str) -> pd.DataFrame:
    if name in _SCOPED and len(table):
        mine = table[(table["scope"] == BUSINESS_UNIT) & (table["name"] == unit)]
        whole = mine.assign(scope=_FLEET, name="")
        return pd.concat([whole, mine], ignore_index=True) if name == "savings" else whole.reset_index(drop=True)
    return table[table[BUSINESS_UNIT] == unit].reset_index(drop=True) if BUSINESS_UNIT in table else table


def _recounted(sizes: pd.DataFrame, segments: pd.DataFrame) -> pd.DataFrame:
    """Sizes of the segments that the unit's servers are in."""
    if not len(sizes) or not len(segments):
        return sizes.iloc[:0]
    counts = segments["segment"].value_counts()
    mine = sizes[sizes["segment"].isin(counts.index)]
    return mine.assign(servers=mine["segment"].map(counts).astype("int64")).reset_index(drop=True)


def _tested(bounds: pd.DataFrame, actions: pd.DataFrame) -> pd.DataFrame:
    """Tests of the strata that the unit's servers are in."""
    if not len(bounds) or not len(actions) or "stratum" not in actions:
        return bounds.iloc[:0]
    return bounds[bounds["stratum"].isin([*actions["stratum"].unique(), EVERYONE])].reset_index(drop=True)


def _followed(realised: pd.DataFrame, actions: pd.DataFrame) -> pd.DataFrame:
    if not len(realised) or SERVER_ID not in actions:
        return realised.iloc[:0]
    return realised[realised[SERVER_ID].isin(actions[SERVER_ID])].reset_index(drop=True)
