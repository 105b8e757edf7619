"""Deciding in the dashboard: the same records as by the command line, seen at once."""

from __future__ import annotations

import pytest

from capforecast.actions import decisions
from capforecast.dashboard import advice
from capforecast.dashboard.reading import Lake, OpenRun
from capforecast.errors import ConflictError, UsageError


def newest(lake: Lake) -> OpenRun:
    return lake.open(lake.run(None))


def test_a_decision_is_recorded_and_stands_in_the_table_at_once(own_lake: Lake) -> None:
    book = advice.open_advice(newest(own_lake))
    assert book is not None
    rows = advice.listed(book, [], [], [])
    server = str(rows["Server"].iloc[0])
    assert advice.decide(book, "accepted", [server], " ann ", "change 4711") == "Recorded: accepted for 1 server."
    (kept,) = decisions.history(own_lake.store)
    assert (kept.record.server_id, kept.record.state, kept.record.by) == (server, "accepted", "ann")
    assert kept.record.note == "change 4711"
    again = advice.open_advice(newest(own_lake))
    assert again is not None
    now = advice.listed(again, [], [], ["accepted"])
    assert list(now["Server"]) == [server]
    assert list(advice.history(again)["By"]) == ["ann"]
    assert "same was said before" in advice.decide(again, "accepted", [server], "ann", "change 4711")


def test_of_two_who_decide_at_once_the_second_is_told(own_lake: Lake) -> None:
    """Both looked before either wrote; a decision on another server in between is no rival."""
    book = advice.open_advice(newest(own_lake))
    assert book is not None
    first, second, third = advice.listed(book, [], [], [])["Server"].iloc[:3]
    advice.decide(book, "rejected", [third, first], "bob", "not now")
    with pytest.raises(ConflictError, match="bob has just recorded `rejected`"):
        advice.decide(book, "accepted", [first], "ann", "")
    advice.decide(book, "accepted", [second], "ann", "")
    told = [(each.record.server_id, each.record.by) for each in decisions.history(own_lake.store)]
    assert told == [(third, "bob"), (first, "bob"), (second, "ann")]


@pytest.mark.parametrize(("by", "servers", "said"), [("", ["x"], "Your name"), ("ann", [], "no row is selected")])
def test_what_is_missing_is_said_and_nothing_recorded(own_lake: Lake, by: str, servers: list[str], said: str) -> None:
    book = advice.open_advice(newest(own_lake))
    assert book is not None
    with pytest.raises(UsageError, match=said):
        advice.decide(book, "rejected", servers, by, "")
    assert decisions.history(own_lake.store) == []


def test_advice_is_filtered_and_upsizes_come_first(opened: OpenRun) -> None:
    book = advice.open_advice(opened)
    assert book is not None
    rows = advice.listed(book, [], [], [])
    assert set(rows["Action"]) <= {"upsize", "downsize", "stop"}
    ranks = [("upsize", "stop", "downsize").index(kind) for kind in rows["Action"]]
    assert ranks == sorted(ranks)
    unit = str(rows["Business unit"].iloc[0])
    assert set(advice.listed(book, ["upsize"], [unit], [])["Business unit"]) == {unit}


def test_the_record_of_a_server_has_every_part(opened: OpenRun) -> None:
    book = advice.open_advice(opened)
    assert book is not None
    server = str(advice.listed(book, [], [], [])["Server"].iloc[0])
    titles = [title for title, _ in advice.record(book, server)]
    assert {"decision", "size", "evidence", "made from"} <= set(titles)
    assert advice.record(book, "nobody") == []
