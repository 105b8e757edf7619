"""Figures, dates and reasons as a reader meets them."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.report import words
from capforecast.report.style import printable
from capforecast.schema import Reason


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, "0 %"), (0.004, "< 1 %"), (0.5, "50 %"), (0.996, "> 99 %"), (1, "100 %"), (None, "–"), (float("nan"), "–")],
)
def test_a_probability_is_never_rounded_to_certainty(share: float | None, expected: str) -> None:
    assert plain(words.probability(share)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(80, "80"), (1200, "1,200"), (12_500, "12.5k"), (3e6, "3M"), (-20_000, "−20k"), (0.25, "0.25")],
)
def test_axis_figures_are_short(value: float, expected: str) -> None:
    assert words.compact(value) == expected


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0052, "0.5 %"), (0.0533, "5.3 %"), (0.0996, "10 %"), (0.133, "13 %"), (None, "–")]
)
def test_a_small_rate_keeps_a_decimal(share: float | None, expected: str) -> None:
    assert plain(words.rate(share)) == expected


def test_figures_carry_their_unit_and_a_true_minus() -> None:
    assert plain(words.quantity(76.34, "percent")) == "76 %"
    assert plain(words.quantity(12.34, "Mbit/s")) == "12.3 Mbit/s"
    assert plain(words.quantity(float("nan"), "percent")) == "–"
    assert words.number(-1234.5) == "−1,234.5"
    assert plain(words.percent(-0.04)) == "−4 %"


def test_a_figure_and_its_unit_stay_on_one_line() -> None:
    assert words.tight("84 % within 90 d, 5 MB/s") == "84\xa0% within 90\xa0d, 5\xa0MB/s"
    assert words.tight("in 3 dozen cases") == "in 3 dozen cases"


def test_dates_are_english() -> None:
    assert plain(words.date_text(pd.Timestamp("2026-03-03"))) == "3 Mar 2026"
    assert words.date_text(pd.NaT) == "–"


def test_lists_read_as_sentences() -> None:
    assert [words.listed(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_meaning_and_a_fix(reason: Reason) -> None:
    meaning, fix = words.reason_text(reason)
    assert meaning.endswith(".")
    assert fix.endswith(".")
    assert reason.value in words.REASONS


def test_code_and_places_read_as_prose() -> None:
    assert words.quoted("breach of `high`, `x y`.") == "breach of “high”, “x y”."
    assert words.place("Retail", "eu") == "Retail · eu"
    assert words.place("Retail", "unassigned") == "Retail"
    assert words.place("unassigned", "unassigned") == "unassigned"


@given(st.text())
def test_printable_text_keeps_what_can_be_printed(text: str) -> None:
    shown = printable(text)
    assert not any(ord(c) < 32 or "\ud800" <= c <= "\udfff" for c in shown)
    assert printable(shown) == shown
    assert printable("Zürich 北京 \N{NO-BREAK SPACE}x") == "Zürich 北京 \N{NO-BREAK SPACE}x"


def test_a_chance_is_never_finer_than_its_paths() -> None:
    assert words.chance_of(1.0, 15).replace(words.NBSP, " ") == "> 93 %"
    assert words.chance_of(0.0, 500).replace(words.NBSP, " ") == "< 1 %"
    assert words.chance_of(0.42, 500).replace(words.NBSP, " ") == "42 %"


@pytest.mark.parametrize(
    ("share", "paths", "expected"),
    [(0.0, 500, "less than 1 %"), (0.0, 60, "less than 2 %"), (1.0, 500, "more than 99 %"), (1.0, 20, "more than 95 %"),
     (0.5, 60, "50 %")],
)  # fmt: skip
def test_certainty_is_never_claimed_from_few_paths(share: float, paths: int, expected: str) -> None:
    assert words.chance(share, paths) == expected
