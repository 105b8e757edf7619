"""Chances in words: as fine as the paths allow, and beside the dates they belong to."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.report.odds import Outlook, in_words, outlook_words

ORIGIN = pd.Timestamp("2026-01-04")


@pytest.mark.parametrize(
    ("share", "paths", "expected"),
    [
        (0.84, 500, "8 in 10"), (0.85, 500, "9 in 10"), (0.1, 500, "1 in 10"), (0.096, 500, "1 in 10"),
        (0.09, 500, "9 in 100"), (0.004, 500, "less than 1 in 100"), (0.0, 60, "less than 2 in 100"),
        (0.0, 10, "less than 1 in 10"), (1.0, 10, "more than 9 in 10"), (0.96, 500, "96 in 100"),
        (0.949, 500, "95 in 100"), (0.94, 500, "9 in 10"), (1.0, 500, "more than 99 in 100"), (0.5, 60, "5 in 10"),
    ],
)  # fmt: skip
def test_a_chance_in_words(share: float, paths: int, expected: str) -> None:
    assert in_words(share, paths) == expected


@given(st.floats(0, 1), st.integers(1, 600))
@settings(max_examples=60, deadline=None)
def test_a_chance_in_words_is_near_the_chance_and_never_certain(share: float, paths: int) -> None:
    found = re.fullmatch(r"(less than |more than )?(\d+) in (10|100)", in_words(share, paths))
    assert found is not None
    said = int(found[2]) / int(found[3])
    if found[1] is None:
        assert abs(said - share) <= 0.051
        assert 0 < said < 1
    else:
        assert (share < said) if found[1] == "less than " else (share > said)


def test_a_date_a_year_ahead_names_its_year() -> None:
    far = Outlook(ORIGIN, 0.6, 365, 500, 20.0, 320.0)
    assert outlook_words(far, "x") == "6 in 10 chance of x by 4 Jan 2027, 5 in 10 by 20 Nov 2026, 1 in 10 by 24 Jan"
