"""The form of What-if says a scenario, and a scenario that it can say fills it again."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.actions.scenario import Scenario
from capforecast.dashboard.what_if_form import Answers, answers_of, as_values, from_values, names_of, scenario_of
from capforecast.errors import UsageError

NAMES = st.text("abcdeü-<>&'\"=", min_size=1, max_size=8).map(str.strip).filter(bool)
ANSWERS = st.builds(
    Answers,
    servers=st.lists(NAMES, unique=True, max_size=3).map("\n".join),
    business_units=st.lists(NAMES, unique=True, max_size=2).map(tuple),
    tiers=st.lists(st.sampled_from(["critical", "ok"]), unique=True).map(tuple),
    start=st.none() | st.dates(date(2026, 1, 1), date(2027, 1, 1)),
    growth=st.sampled_from([0.0, -5.0, 12.5]),
    load_percent=st.sampled_from([0.0, 20.0]),
    quarter_end=st.sampled_from([1.0, 1.4]),
    threshold=st.none() | st.sampled_from([60.0, 85.0]),
    lead_time=st.none() | st.integers(1, 180),
    project_vcpus=st.sampled_from([0.0, 64.0]),
    onto=st.sampled_from(["", "bank"]),
    retire=st.booleans(),
    resize=st.sampled_from(["", "m6i.large"]),
)


@settings(deadline=None)
@given(ANSWERS)
def test_the_form_comes_back_from_the_scenario_it_said(answers: Answers) -> None:
    scenario = scenario_of(answers, "a name", "why")
    again = answers_of(scenario)
    assert again is not None
    assert scenario_of(again, "a name", "why").id == scenario.id
    assert from_values(as_values(answers)) == answers


def test_an_untouched_form_changes_nothing() -> None:
    assert scenario_of(Answers()).changes == ()


@pytest.mark.parametrize(
    "changes",
    [
        [{"kind": "growth", "percent_per_month": 1, "select": {"tiers": ["ok"]}},
         {"kind": "growth", "percent_per_month": 2, "select": {"tiers": ["high"]}}],
        [{"kind": "growth", "percent_per_month": 1, "metrics": ["mem"]}],
        [{"kind": "load", "metric": "cpu", "amount": 5}],
        [{"kind": "retire", "select": {"owners": ["ann"]}}],
    ],
)  # fmt: skip
def test_what_the_form_cannot_say_is_not_bent_into_it(changes: list[dict[str, object]]) -> None:
    assert answers_of(Scenario.of({"name": "x", "changes": changes})) is None


def test_what_makes_no_sense_is_said() -> None:
    with pytest.raises(UsageError, match="the form"):
        scenario_of(Answers(load_percent=5.0, start=date(2027, 1, 2), load_end=date(2027, 1, 1)))


def test_names_are_one_a_line_or_with_commas() -> None:
    assert names_of("a, b,,a") == ["a", "b"]
    assert names_of(" a,b \n\n c ") == ["a,b", "c"]
