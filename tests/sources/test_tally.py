"""Rows that are neither used, nor set aside, nor duplicates end the run."""

from __future__ import annotations

import pandas as pd
import pytest

from capforecast.errors import StageError
from capforecast.sources.tally import TALLY_COLUMNS, Tally, check, frame


def entries(*rows: tuple[str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["file", "row", "reason"])


SOUND = Tally("a.csv", "x", rows_read=10, rows_used=7, rows_rejected=2, duplicates=1)
REJECTS = entries(("a.csv", 3, "off_grid"), ("a.csv", 4, "off_grid"), ("a.csv", 5, "infinite"))


def test_rows_that_add_up_and_stand_in_quarantine_pass() -> None:
    check((SOUND,), REJECTS)
    table = frame((SOUND,), REJECTS)
    assert tuple(table.columns) == TALLY_COLUMNS
    assert table.loc[0, ["values_rejected", "rejected_share", "reasons"]].tolist() == [1, 0.2, "infinite 1, off_grid 2"]


@pytest.mark.parametrize(
    ("tally", "rejects"),
    [
        (Tally("a.csv", "x", 10, 6, 2, 1), REJECTS),  # one row is nowhere
        (SOUND, entries(("a.csv", 3, "off_grid"))),  # a rejected row without an entry
        (SOUND, entries(("a.csv", 3, "off_grid"), ("b.csv", 4, "off_grid"))),  # ... or with one of another file
        (Tally("a.csv", "x", 10, 0, 10, problem="bad"), entries(("a.csv", 3, "off_grid"))),  # refused, not said
    ],
)
def test_a_lost_row_is_an_error(tally: Tally, rejects: pd.DataFrame) -> None:
    with pytest.raises(StageError, match=r"a\.csv"):
        check((tally,), rejects)
