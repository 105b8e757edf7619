"""What a scenario may say, and what is said of one that cannot be meant."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast.actions import scenario_apply, scenario_book, scenario_text
from capforecast.actions.scenario import LONGEST_NAME, MOST_NAMES, MOST_NEW, Scenario
from capforecast.actions.scenario_changes import KINDS, AnyChange, Growth, Load, Selection
from capforecast.errors import UsageError
from capforecast.lake.store import Store
from capforecast.report import scenario_words

YAML = """
name: third quarter
note: what sales expects
changes:
  - kind: growth
    percent_per_month: 5
    select: {business_units: payments}
  - {kind: load, metric: cpu, amount: 10, start: 2026-12-01, end: 2026-12-24}
  - {kind: migrate, select: {servers: [a, b]}, onto: {regions: [eu-west-1]}, retire: true}
"""


def test_yaml_and_json_say_the_same_and_keep_their_id():
    read = Scenario.from_text(YAML)
    assert read.changes[0] == Growth(percent_per_month=5, select=Selection(business_units=("payments",)))
    again = Scenario.from_text(read.to_json())
    assert again == read
    assert again.id == read.id
    assert len(read.id) == 16
    assert json.loads(read.to_json())["changes"][1]["start"] == "2026-12-01"
    assert Scenario.from_text(YAML.replace("5", "6")).id != read.id


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("changes: [{kind: grow}]", r"changes\[1\]: `kind` must be one of growth, load"),
        ("changes: [{kind: growth}]", r"changes\[1\] \(growth\): percent_per_month: Field required"),
        ("changes: [{kind: growth, percent_per_moth: 5}]", "no such field; did you mean percent_per_month"),
        ("changes: [{kind: growth, percent: 5}]", "percent: no such field; there are kind, metrics, percent_per_month"),
        ("changes: [{kind: retire, select: {serverz: a}}]", "select.serverz: no such field; did you mean servers?"),
        ("change: [{kind: retire}]", "change: no such field; did you mean changes?"),
        ("changes: [{kind: growth, percent_per_month: .nan}]", "finite"),
        ("changes: [{kind: growth, percent_per_month: -100}]", "greater than -100"),
        ("changes: [{kind: load, metric: cpu}]", "give one of `amount`, `percent` and `units_each`"),
        ("changes: [{kind: load, metric: cpu, amount: 1, start: 2026-02-01, end: 2026-01-01}]", "is before `start`"),
        ("changes: [{kind: resize}]", "give `instance_type`, or at least one of"),
        ("changes: [{kind: resize, instance_type: m5.large, vcpus: 3}]", "not both"),
        ("changes: [{kind: threshold, metric: cpu, high: 90, very_high: 80}]", "is above `very_high`"),
        (
            "changes: [{kind: migrate, select: {servers: a}, onto: {}, percent: 50, retire: true}]",
            "needs `percent` 100",
        ),
        ("changes: [{kind: project}]", "give at least one of `vcpus`"),
        ("name: ' x'", "no space at its ends"),
        ('name: "a\\u0000b"', "no control characters"),
        (f"name: {'x' * (LONGEST_NAME + 1)}", "at most 80 characters"),
        ("a: [", "neither YAML nor JSON"),
        ("- 1", "not a scenario; it is an object"),
        ("!!python/object/apply:os.system [ls]", "neither YAML nor JSON"),
    ],
)
def test_what_cannot_be_meant_says_where_and_why(text, said):
    with pytest.raises(UsageError, match=f"^mine.yaml: .*{said}"):
        Scenario.from_text(text, "mine.yaml")


def _nested(leaf, node):
    """YAML of nine levels, each of which names the one below nine times: a few hundred characters, 9 ** 9 values."""
    names = "abcdefghij"
    lines = [f"a: &a {leaf}"]
    lines += [f"{new}: &{new} {node % ','.join(['*' + old] * 9)}" for old, new in pairwise(names)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_nested("[x]", "[%s]"), "more than 200,000 values"),
        (_nested("{p: 1}", "{<<: [%s]}"), "more than 200,000 values"),
        (f"name: x\n#{'x' * scenario_text.LONGEST}", "1,000,009 characters, and a scenario has at most 1,000,000"),
        ("name: &n [*n]", "within what it names"),
    ],
)
def test_a_text_that_grows_without_end_is_refused_before_it_is_built(text, said, monkeypatch):
    def built(*_):
        raise AssertionError("it was built")

    monkeypatch.setattr("yaml.SafeLoader.construct_document", built)
    with pytest.raises(UsageError, match=f"^mine.yaml: .*{said}"):
        Scenario.from_text(text, "mine.yaml")


def test_an_alias_is_read_as_what_it_names():
    text = "changes: [{kind: retire, select: &s {regions: r}}, {<<: {kind: growth, percent_per_month: 1}, select: *s}]"
    assert [change.select.regions for change in Scenario.from_text(text).changes] == [("r",), ("r",)]


def test_names_and_new_servers_of_all_changes_together_are_bounded():
    names = f"[{','.join(f's{number}' for number in range(MOST_NAMES // 4))}]"
    change = "- {kind: migrate, select: {servers: *names}, onto: {servers: *names}}"
    text = f"note: x\nchanges:\n- {{kind: retire, select: {{servers: &names {names}}}}}\n{change}\n%s"
    assert len(Scenario.from_text(text % "").changes) == 2
    with pytest.raises(UsageError, match="hold 62,500 names, and at most 50,000 are allowed in all: select by"):
        Scenario.from_text(text % change)
    new = {"kind": "new_servers", "count": MOST_NEW // 2 + 1, "like": "web-1"}
    assert Scenario.of({"changes": [new]})
    with pytest.raises(UsageError, match="100,002 new servers, and at most 100,000 are allowed in all"):
        Scenario.of({"changes": [new, new]})


def test_what_is_too_long_to_read_again_is_not_saved():
    names = [f"{number:0>100}" for number in range(9_800)]
    long = Scenario.of({"changes": [{"kind": "retire", "select": {"servers": names}}]})
    with pytest.raises(UsageError, match="bytes, and at most 1,000,000 are kept: select servers by business unit"):
        scenario_book.save(Store("memory://"), long)


@given(text=st.text(max_size=200))
def test_any_text_is_a_scenario_or_a_usage_error(text):
    with suppress(UsageError):
        assert Scenario.from_text(text).name


def test_a_saved_scenario_comes_back_and_a_later_kind_says_so():
    store, mine = Store("memory://"), Scenario(name="Q3", changes=(Load(metric="cpu", amount=3),))
    assert scenario_book.save(store, mine) == mine.id
    assert scenario_book.read(store, "Q3") == mine == scenario_book.read(store, mine.id)
    from capforecast.lake import scenarios

    later = scenarios.save(store, '{"name": "later", "changes": [{"kind": "teleport"}]}')
    with pytest.raises(UsageError, match=rf"^scenario {later}: changes\[1\]: `kind` must be one of"):
        scenario_book.read(store, "later")
    assert {(entry.id, entry.scenario is None) for entry in scenario_book.listed(store)} == {
        (mine.id, False), (later, True),
    }  # fmt: skip
    assert scenario_book.delete(store, "Q3") == mine.id
    assert [entry.id for entry in scenario_book.listed(store)] == [later]


def test_every_kind_of_change_has_an_effect_words_and_a_row_in_the_docs():
    kinds = {kind.model_fields["kind"].default for kind in get_args(get_args(AnyChange)[0])}
    assert set(KINDS) == set(scenario_apply._KINDS) == set(scenario_words._SAID) == kinds
    page = (Path(__file__).parents[2] / "docs/what-if.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"| `{kind}` |" not in page] == []
