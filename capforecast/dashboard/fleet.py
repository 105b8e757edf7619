"""The servers of a run as one table to search, and what a choice of them is."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from capforecast.dashboard.reading import OpenRun
from capforecast.errors import LakeError
from capforecast.report.data import breach_dates, text_column, worst_first
from capforecast.schema import BUSINESS_UNIT, CRITICALITY, METRIC, REGION, SERVER_ID, TIER_ORDER

COLUMNS = (
    SERVER_ID,
    BUSINESS_UNIT,
    REGION,
    CRITICALITY,
    "environment",
    "owner",
    "host_id",
    "instance_type",
    "vcpus",
    "memory_gib",
    "tier",
    "reason",
    "detail",
    METRIC,
    "statistic",
    "last_value",
    "threshold_high",
    "threshold_very_high",
    "in_breach_high",
    "in_breach_very_high",
    "probability_high",
    "probability_very_high",
    "days_q10",
    "days_q50",
    "days_q90",
    "horizon_days",
    "peak_q50",
    "peak_q90",
    "capacity_remaining",
    "capacity_remaining_units",
    "paths",
    "relative_mae",
    "coverage_80",
)
SEARCHED = (SERVER_ID, "owner", "host_id", "instance_type")
ADVISED = (SERVER_ID, "segment", "action", "monthly_change", "currency")
SEGMENT, ACTION, BREACH = "segment", "action", "breach_date"
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would compute


@dataclass(frozen=True)
class Choice:
    """Which servers are looked at. Of each tuple any value will do; an empty one asks for nothing."""

    text: str = ""
    units: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    criticalities: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        """Does it leave nobody out?"""
        return not any(getattr(self, field.name) for field in fields(self))


_COLUMN_OF = {
    "units": BUSINESS_UNIT,
    "regions": REGION,
    "criticalities": CRITICALITY,
    "tiers": "tier",
    "segments": SEGMENT,
    "actions": ACTION,
}


def servers(opened: OpenRun) -> pd.DataFrame:
    """Every server of a run, worst first: COLUMNS that it has, segment, action, money, and the date of a likely breach.

    Without segment, action and money where the advice cannot be read (`unadvised`).
    breach_date: when half of the sample paths have breached `high`; NaT = later than the horizon, or unlikely.
    """
    if unadvised(opened):  # not remembered: once the advice can be read, it is
        return _servers(opened, pd.DataFrame())
    return opened.remembered("servers", lambda: _servers(opened, opened.of_fleet("actions", ADVISED)))


def unadvised(opened: OpenRun) -> LakeError | None:
    """Why the advice of the run cannot be read, which leaves the servers without segment, action and money."""
    try:
        opened.of_fleet("actions", ADVISED)
    except LakeError as error:
        return error
    return None


def _servers(opened: OpenRun, advised: pd.DataFrame) -> pd.DataFrame:
    table = opened.of_units("servers", COLUMNS)
    if not len(table):
        return table.assign(**{SERVER_ID: [], "tier": []}) if SERVER_ID not in table else table
    plain = table.astype({name: "str" for name in (METRIC, "tier") if name in table})
    ranked = worst_first(plain).reset_index(drop=True)
    if len(advised):
        ranked = ranked.merge(advised, on=SERVER_ID, how="left", validate="one_to_one")
    days = ranked["days_q50"] if "days_q50" in ranked else pd.Series(np.nan, index=ranked.index)
    tiers = pd.Categorical(ranked["tier"], categories=[str(tier) for tier in TIER_ORDER])
    return ranked.assign(**{"tier": tiers, BREACH: breach_dates(days, opened.summary)})


def values(table: pd.DataFrame, name: str) -> list[str]:
    """The values of a column there are, in order; tiers worst first."""
    if name not in table:
        return []
    there = {str(value) for value in table[name].dropna().unique()} - {""}
    known = [str(tier) for tier in TIER_ORDER if tier in there] if name == "tier" else []
    return known + sorted(there - set(known))


def chosen(table: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """The rows that a choice means, in their order. Words of the text must all be found, in any of SEARCHED."""
    keep = np.ones(len(table), dtype=bool)
    for field, column in _COLUMN_OF.items():
        wanted = getattr(choice, field)
        if wanted:
            keep &= table[column].isin(wanted).to_numpy() if column in table else False
    for word in choice.text.lower().split():
        keep &= _holds(table, word)
    return table[keep]


def _holds(table: pd.DataFrame, word: str) -> np.ndarray:
    found = np.zeros(len(table), dtype=bool)
    for name in SEARCHED:
        if name in table:
            found |= (
                table[name].astype("str").str.lower().str.contains(word, regex=False, na=False).to_numpy(dtype=bool)
            )
    return found


def find(table: pd.DataFrame, text: str, most: int = 20) -> list[str]:
    """Names of servers that a text means: the one of that name, else those whose name begins so, else that hold it."""
    names = table[SERVER_ID].astype("str") if len(table) else pd.Series(dtype="str")
    wanted = text.strip()
    if not wanted:
        return []
    if (names == wanted).any():
        return [wanted]
    lowered, low = names.str.lower(), wanted.lower()
    first = names[lowered.str.startswith(low)]
    others = chosen(table, Choice(text=wanted))[SERVER_ID].astype("str")
    return list(dict.fromkeys([*first, *others]))[:most]


def to_csv(table: pd.DataFrame, columns: Sequence[str]) -> bytes:
    """CSV of some columns, safe to open in a spreadsheet: a text that begins like a formula gets an apostrophe."""
    here = [name for name in columns if name in table]
    plain = table[here].copy()
    for name in here:
        if not pd.api.types.is_numeric_dtype(plain[name]) and not pd.api.types.is_datetime64_any_dtype(plain[name]):
            plain[name] = text_column(plain, name).map(_harmless)
    text = io.StringIO()
    plain.to_csv(text, index=False, quoting=csv.QUOTE_MINIMAL, date_format="%Y-%m-%d", lineterminator="\r\n")
    return text.getvalue().encode("utf-8-sig")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def as_lists(tiers: pd.Series) -> pd.Series:
    """Each tier as a list of one: the form in which a table shows it as a coloured word."""
    words = {str(tier): [str(tier)] for tier in TIER_ORDER}
    return pd.Series([words.get(str(tier), [str(tier)]) for tier in tiers], index=tiers.index, dtype="object")
