"""Records of decisions: numbered, never overwritten, read back as written, and a broken one is named with the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from advice import decision
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from capforecast.actions import decisions
from capforecast.actions.decisions import STATE_COLUMNS
from capforecast.errors import ConflictError, LakeError
from capforecast.lake.store import Store

AS_OF = pd.Timestamp("2026-11-30", tz="UTC")


def test_the_newest_decision_of_each_server_counts_and_all_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    decisions.append(store, decision("b"), decision("a", to_memory_gib=None, promised=None))
    decisions.append(store, decision("b", "accepted", "2026-11-25T10:00:00+01:00"))
    found = decisions.history(store)
    assert [(entry.number, entry.record.server_id, entry.record.state) for entry in found] == [
        (1, "b", "rejected"), (2, "a", "rejected"), (3, "b", "accepted"),
    ]  # fmt: skip
    table = decisions.state_table(store, AS_OF)
    assert list(table.columns) == list(STATE_COLUMNS)
    assert list(zip(table["server_id"], table["state"], strict=True)) == [("a", "rejected"), ("b", "accepted")]
    assert table["at"].iloc[1] == pd.Timestamp("2026-11-25T09:00", tz="UTC")
    assert table["to_memory_gib"].isna().tolist() == [True, False]
    assert (tmp_path / "lifecycle/records/000003.json").exists()


def test_a_run_of_a_past_moment_sees_no_later_decision(tmp_path: Path) -> None:
    store = Store(tmp_path)
    decisions.append(store, decision("a"), decision("a", "accepted", "2026-11-26T00:00:00+00:00"))
    states = {day: decisions.state_table(store, pd.Timestamp(day, tz="UTC")) for day in ("2026-11-24", "2026-11-26")}
    assert states["2026-11-24"].empty
    assert list(states["2026-11-26"]["state"]) == ["rejected"]  # the cut-off itself is not before the cut-off
    assert (states["2026-11-24"].dtypes == states["2026-11-26"].dtypes).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "proposed"}, {"state": "realised"}, {"action": "keep"}, {"server_id": ""}, {"by": ""},
        {"at": "yesterday"}, {"at": "2026-11-24T09:00:00"}, {"advised": "NaT"}, {"to_vcpus": 0.0},
        {"promised": float("nan")}, {"promised": "12"}, {"colour": "red"},
    ],
)  # fmt: skip
def test_what_is_no_decision_is_not_recorded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        decision("a", **({"state": "rejected"} | wrong))


@pytest.mark.parametrize("content", [b"{", b"[]", b"", b"\xff", b'{"server_id": "a"}'])
def test_a_broken_record_is_named_with_the_fix(content: bytes, tmp_path: Path) -> None:
    store = Store(tmp_path)
    decisions.append(store, decision("a"))
    store.create("lifecycle/records/000002.json", content)
    with pytest.raises(LakeError, match=r"lifecycle/records/000002\.json .*cannot be read.*delete it.*actions accept"):
        decisions.state_table(store, AS_OF)
    found, broken = decisions.readable(store)
    assert ([entry.number for entry in found], list(broken)) == ([1], [2])
    assert decisions.append(store, decision("b"))[0].number == 3


def test_two_writers_take_different_numbers_and_a_rival_decision_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr(decisions.records, "numbered", lambda *_: [])  # looked before the other wrote
    decisions.append(store, decision("a"))
    assert [entry.number for entry in decisions.append(store, decision("b"), decision("c"))] == [2, 3]
    with pytest.raises(ConflictError, match=r"c: ann has just recorded `rejected`; 0 of 1 .*actions history"):
        decisions.append(store, decision("c", "accepted"))
    monkeypatch.undo()
    assert [entry.record.server_id for entry in decisions.history(store)] == ["a", "b", "c"]


def test_other_files_beside_the_records_are_not_records(tmp_path: Path) -> None:
    store = Store(tmp_path)
    decisions.append(store, decision("a"))
    for name in ("notes.txt", "2.json", "old/000009.json"):
        store.put(f"lifecycle/records/{name}", b"x")
    assert [entry.number for entry in decisions.history(store)] == [1]


@given(
    server=st.text(min_size=1, max_size=20), note=st.text(max_size=30),
    size=st.one_of(st.none(), st.floats(0.01, 1e6)), change=st.one_of(st.none(), st.floats(-1e9, 1e9)),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_what_is_recorded_is_read_back(server: str, note: str, size: float | None, change: float | None) -> None:
    store = Store("memory://")
    told = decision(server, note=note, to_vcpus=size, promised=change)
    decisions.append(store, told)
    assert [entry.record for entry in decisions.history(store)] == [told]


def test_decisions_live_in_a_bucket_too(bucket: str) -> None:
    store = Store(bucket)
    decisions.append(store, decision("a"), decision("b"))
    with pytest.raises(ConflictError):
        store.create("lifecycle/records/000002.json", b"{}")
    assert list(decisions.state_table(store, AS_OF)["server_id"]) == ["a", "b"]
