"""How the last quarter's warnings are put into a sentence, and that nothing is said where nothing is known."""

from __future__ import annotations

import pandas as pd
import pytest

from capforecast.report.recent_warnings import recent_warnings
from capforecast.risk.warnings_by_origin import ORIGIN_COLUMNS

DATES = [pd.Timestamp(day, tz="UTC") for day in ("2025-06-02", "2025-10-06", "2025-12-01")]


def counts(*rows: tuple[int, int, int, int]) -> pd.DataFrame:
    """cases, events, warned, came_true by date, at 90 days."""
    table = [(90, date, *row) for date, row in zip(DATES[-len(rows) :], rows, strict=True)]
    return pd.DataFrame(table, columns=list(ORIGIN_COLUMNS))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (((50, 9, 9, 9), (50, 3, 2, 1), (50, 2, 3, 2)),
         "The last quarter that can be judged (6 Oct to 1 Dec 2025): 3 of 5 warnings came true within 90 d; "
         "3 of 5 breaches had been warned of. Too few to judge by."),
        (((50, 0, 1, 0),), "The last quarter that can be judged (1 Dec 2025): 0 of 1 warning came true within 90 d; "
         "nothing breached."),
        (((50, 40, 22, 20),),
         "The last quarter that can be judged (1 Dec 2025): 20 of 22 warnings came true within 90 d; "
         "20 of 40 breaches had been warned of."),
        (((50, 1, 0, 0),), "The last quarter that can be judged (1 Dec 2025): no warning was given; "
         "0 of 1 breach had been warned of. Too few to judge by."),
        (((50, 0, 0, 0),), "The last quarter that can be judged (1 Dec 2025): no warning was given; nothing breached."),
    ],
)  # fmt: skip
def test_the_quarter_in_one_sentence(rows: tuple[tuple[int, int, int, int], ...], sentence: str) -> None:
    found = recent_warnings(counts(*rows), 90)
    assert found is not None
    assert found.sentence == sentence
    assert found.missed == found.events - found.came_true


def test_nothing_is_said_of_a_horizon_that_was_not_replayed() -> None:
    assert recent_warnings(counts((1, 1, 1, 1)), 30) is None
    assert recent_warnings(pd.DataFrame(), 90) is None
