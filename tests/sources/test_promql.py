"""PromQL: what is put into it stays a value, and a period's statistic is of that period."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.schema import Cadence
from capforecast.sources.promql import PRESETS, fill, literal, matchers, over_period, quoted

ODD = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=40)
@given(ODD, ODD)
def test_a_literal_matches_itself_alone(text: str, other: str) -> None:
    assert re.fullmatch(literal(text), text, re.DOTALL)
    assert bool(re.fullmatch(literal(text), other, re.DOTALL)) == (text == other)


@settings(max_examples=40)
@given(ODD)
def test_a_quoted_text_cannot_end_its_string(text: str) -> None:
    inside = quoted(text)[1:-1]
    assert not re.search(r'(?<!\\)(\\\\)*"', inside)
    assert "\n" not in inside
    assert not re.search(r"(?<!\\)(\\\\)*\\$", inside)  # no backslash that would escape the closing quote


def test_matchers_are_of_values_not_of_what_values_say() -> None:
    assert matchers({}, {"instance": ['x"} or vector(0) or up{a="']}) == r'instance="x\"} or vector(0) or up{a=\""'
    assert matchers({"env": "prod|test"}, {"instance": ["b.c", "a|b"]}) == (r'env=~"prod|test",instance=~"a\\|b|b\\.c"')


def test_only_our_own_words_are_replaced() -> None:
    own = 'x{a=~"y$",b=~"$matches",$match}[$rate] by ($by) $other'
    assert fill(own, ("k", "l"), 'c="d"', 7) == 'x{a=~"y$",b=~"$matches",c="d"}[7m] by (k, l) $other'


@pytest.mark.parametrize(
    ("statistic", "cadence", "query"),
    [
        ("p95", Cadence.DAILY, "quantile_over_time(0.95, (x)[86399s:5m])"),
        ("p99", Cadence.HOURLY, "quantile_over_time(0.99, (x)[3599s:5m])"),
        ("mean", Cadence.HOURLY, "avg_over_time((x)[3599s:5m])"),
        ("max", Cadence.DAILY, "max_over_time((x)[86399s:5m])"),
    ],
)
def test_the_range_of_a_period_leaves_its_begin_to_the_one_before(statistic: str, cadence: Cadence, query: str) -> None:
    assert over_period(statistic, "x", cadence, 5) == query


def test_no_preset_fills_gaps() -> None:
    for preset in PRESETS.values():
        for query in preset.queries:
            assert "vector(" not in query.expression
            assert "absent" not in query.expression
            assert query.remedy
            assert "$match" in query.present
            assert query.expression.count("{") == query.expression.count("$match")  # each selector can be narrowed
