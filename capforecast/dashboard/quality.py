"""Tables of the page Data."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from capforecast.dashboard.reading import OpenRun
from capforecast.report.data import text_column
from capforecast.report.summary import Quality
from capforecast.report.words import count

MOST_ROWS = 50_000  # entries of the quarantine that a page holds
SERIES = (
    "server_id",
    "metric",
    "statistic",
    "business_unit",
    "verdict",
    "reason",
    "flags",
    "observed",
    "first_seen",
    "last_seen",
)


def counts(quality: Quality) -> list[tuple[str, str, str]]:
    """Label, figure and meaning of what became of the rows."""
    return [
        ("Files", count(quality.files), f"{count(quality.files_refused)} of them refused as a whole"),
        ("Rows read", count(quality.rows_read), "Used, set aside and duplicates together"),
        ("Rows used", count(quality.rows_used), "Rows that went on"),
        ("Rows set aside", count(quality.rows_rejected), "Each with its reason below"),
        ("Duplicates", count(quality.duplicates), "Rows that say what another row says"),
    ]


def sources(opened: OpenRun) -> pd.DataFrame:
    """Files of the run, and what became of their rows."""
    reference = opened.made.ingested.validation
    if reference is None:
        return pd.DataFrame()
    return opened.lake.frame(reference).drop(columns=["sha256"], errors="ignore")


def remarks(opened: OpenRun) -> pd.DataFrame:
    """Series that are unknown or have a flag: columns of SERIES."""
    table = opened.of_units("quality", SERIES)
    if not len(table):
        return table
    return table[(text_column(table, "reason") != "") | (text_column(table, "flags") != "")]


def words(table: pd.DataFrame) -> list[str]:
    """Reasons and flags that occur."""
    flags = {word for text in text_column(table, "flags").unique() for word in text.split()}
    return sorted((set(text_column(table, "reason").unique()) - {""}) | flags)


def having(table: pd.DataFrame, chosen: Sequence[str]) -> pd.DataFrame:
    """The rows with any of these reasons or flags; all where none is chosen."""
    if not chosen:
        return table
    wanted = set(chosen)
    every = text_column(table, "reason") + " " + text_column(table, "flags")
    known = {text: bool(wanted & set(text.split())) for text in every.unique()}
    return table[every.map(known).to_numpy(dtype=bool)]


def quarantine(opened: OpenRun) -> pd.DataFrame:
    """Values set aside, the first MOST_ROWS of them."""
    reference = opened.made.ingested.quarantine
    return pd.DataFrame() if reference is None else opened.lake.frame(reference).head(MOST_ROWS)
