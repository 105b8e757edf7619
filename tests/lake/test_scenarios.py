"""Saved scenarios: found by id and by name, whatever the name is, and never at a path of somebody's choice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.errors import UsageError
from capforecast.lake import scenarios
from capforecast.lake.store import Store


def test_what_is_saved_is_found_by_its_id_and_its_name():
    store = Store("memory://")
    first = scenarios.save(store, '{"name": "Q3", "note": "one"}')
    second = scenarios.save(store, '{"name": "Q3", "note": "two"}')
    assert scenarios.read(store, first).content["note"] == "one"
    assert scenarios.read(store, "Q3").id in {first, second}
    assert {one.id for one in scenarios.listed(store)} == {first, second}
    assert scenarios.save(store, '{"name": "Q3", "note": "one"}') == first
    scenarios.delete(store, first)
    assert scenarios.read(store, "Q3").id == second
    scenarios.delete(store, first)  # gone already


def test_a_name_that_is_not_there_names_those_that_are():
    store = Store("memory://")
    with pytest.raises(UsageError, match="no scenario 'x' in memory://; none is saved"):
        scenarios.read(store, "x")
    scenarios.save(store, '{"name": "Q3"}')
    with pytest.raises(UsageError, match="there are Q3"):
        scenarios.read(store, "0123456789abcdef")


@settings(max_examples=50, deadline=None)
@given(name=st.one_of(st.text(min_size=1), st.sampled_from(["../../etc/passwd", "/etc/passwd", "a/b", "..", "C:\\x"])))
def test_no_name_gets_into_a_key(name):
    store = Store("memory://")
    with pytest.raises(UsageError):
        scenarios.read(store, name)
    if not scenarios.is_id(name):
        with pytest.raises(UsageError, match="is no id of a scenario"):
            scenarios.delete(store, name)
    assert store.keys("") == []


@pytest.mark.parametrize(
    ("data", "problem"), [(b"[]", "no JSON object"), (b"{", "no JSON object"), (b"\xff", "no JSON")]
)
def test_what_cannot_be_read_says_so_and_hides_no_other(data, problem):
    import hashlib

    store = Store("memory://")
    scenarios.save(store, '{"name": "fine"}')
    store.put(f"scenarios/{hashlib.sha256(data).hexdigest()[:16]}.json", data)
    store.put("scenarios/0123456789abcdef.json", b'{"name": "changed"}')
    store.put("scenarios/readme.txt", b"")
    problems = sorted(one.problem for one in scenarios.listed(store))
    assert problems[0] == ""
    assert problem in problems[1] or problem in problems[2]
    assert any("was changed since it was saved" in text for text in problems)


def test_a_memory_is_asked_before_the_store(monkeypatch):
    store, kept = Store("memory://"), {}
    scenarios.save(store, '{"name": "Q3"}')

    def remembered(key, make):
        return kept.setdefault(key, kept.get(key) or make())

    first = scenarios.listed(store, remembered)
    monkeypatch.setattr(store, "read", None)
    assert scenarios.listed(store, remembered) == first
    assert [one.name for one in first] == ["Q3"]


def test_one_that_is_deleted_while_all_are_read_is_left_out(monkeypatch):
    store = Store("memory://")
    gone, stays = scenarios.save(store, '{"name": "gone"}'), scenarios.save(store, '{"name": "stays"}')
    listed = store.listed(scenarios.FOLDER)
    scenarios.delete(store, gone)
    monkeypatch.setattr(store, "listed", lambda prefix: listed)
    assert [one.id for one in scenarios.listed(store)] == [stays]
