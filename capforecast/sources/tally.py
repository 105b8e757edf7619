"""What became of every row of a file, counted, so that none can get lost unnoticed."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from capforecast.errors import StageError

OBSERVATIONS, LISTED = "observations", "inventory"
# Columns of the `validation` dataset, one row per file.
TALLY_COLUMNS = (
    "file", "kind",  # kind: observations or inventory
    "sha256", "refused", "problem",  # a refused file gives nothing; problem says why, else ""
    "rows_read", "rows_used", "rows_rejected", "duplicates",  # used + rejected + duplicates = read
    "values_rejected",  # single values set aside while their row went on
    "rejected_share",  # rows_rejected / rows_read, 0 where nothing was read
    "reasons",  # entries in quarantine by reason: `off_grid 3, infinite 1`
)  # fmt: skip


@dataclass(frozen=True)
class Tally:
    """Rows of one file. rows_used: their values went on (or they show that a server was there, without any value).

    rows_rejected: set aside whole, each with an entry in quarantine; of a refused file all.
    duplicates: say what another row of the same server, time and arrival says as well.
    """

    file: str
    sha256: str
    rows_read: int
    rows_used: int
    rows_rejected: int
    duplicates: int = 0
    kind: str = OBSERVATIONS
    problem: str = ""

    @property
    def refused(self) -> bool:
        """Was the file refused as a whole?"""
        return bool(self.problem)


def check(tallies: tuple[Tally, ...], rejects: pd.DataFrame) -> None:
    """Raise StageError where a row of a file is neither used, nor in quarantine, nor a duplicate."""
    noted = rejects[rejects["row"] > 0].groupby("file")["row"].nunique()
    whole = set(rejects.loc[rejects["row"] == 0, "file"])
    for each in tallies:
        if each.rows_read != each.rows_used + each.rows_rejected + each.duplicates:
            raise StageError(
                f"{each.file}: {each.rows_read} rows were read, but {each.rows_used} used, {each.rows_rejected} "
                f"rejected and {each.duplicates} duplicates make another number"
            )
        entries = int(noted.get(each.file, 0))
        if each.file not in whole if each.refused else entries < each.rows_rejected:
            raise StageError(f"{each.file}: {each.rows_rejected} rows were rejected, {entries} stand in quarantine")


def frame(tallies: tuple[Tally, ...], rejects: pd.DataFrame) -> pd.DataFrame:
    """The tallies as the `validation` dataset: TALLY_COLUMNS, one row per file, sorted by kind and file."""
    counts = rejects.groupby(["file", "reason"]).size().rename("count").reset_index()
    words = (counts["reason"] + " " + counts["count"].astype("str")).groupby(counts["file"]).agg(", ".join)
    entries = rejects[rejects["row"] > 0].groupby("file").size()
    rows = [
        {
            "file": each.file,
            "kind": each.kind,
            "sha256": each.sha256,
            "refused": each.refused,
            "problem": each.problem,
            "rows_read": each.rows_read,
            "rows_used": each.rows_used,
            "rows_rejected": each.rows_rejected,
            "duplicates": each.duplicates,
            "values_rejected": 0 if each.refused else max(int(entries.get(each.file, 0)) - each.rows_rejected, 0),
            "rejected_share": each.rows_rejected / each.rows_read if each.rows_read else 0.0,
            "reasons": str(words.get(each.file, "")),
        }
        for each in tallies
    ]
    table = pd.DataFrame(rows, columns=list(TALLY_COLUMNS))
    texts = dict.fromkeys(("file", "kind", "sha256", "problem", "reasons"), "str")
    return table.astype(texts).sort_values(["kind", "file"], ascending=[False, True], ignore_index=True)
