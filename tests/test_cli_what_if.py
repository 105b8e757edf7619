"""`capforecast what-if` and `scenarios` as one types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Call
from what_if_lake import a_world

from capforecast.lake.store import Store


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with one finished run."""
    folder = tmp_path_factory.mktemp("lake")
    a_world(store=Store(folder), servers=12, metrics=("cpu", "mem"))
    return folder


def read(call: Call, lake: Path, *words: object, code: int = 0) -> Any:
    done = call("what-if", *words, "--store", lake, "--json")
    assert done.code == code, done.err
    return json.loads(done.out)


def test_options_are_changes_of_the_servers_selected(call, lake):
    found = read(
        call, lake, "--growth", 6, "--load", "cpu=5%", "--load", "mem=3", "--threshold", "cpu=75/85", "--lead-time", 45,
        "--quarter-end", 1.2, "--business-unit", "retail", "--start", "2025-06-01",
    )  # fmt: skip
    kinds = [change["kind"] for change in found["scenario"]["changes"]]
    assert kinds == ["growth", "load", "load", "threshold", "lead_time", "quarter_end"]
    assert all(change["select"] == {"business_units": ["retail"]} for change in found["scenario"]["changes"])
    assert [change.get("start") for change in found["scenario"]["changes"]] == ["2025-06-01"] * 3 + [None] * 3
    assert {row["business_unit"] for row in found["servers"]} == {"retail"}
    assert found["totals"][0]["servers"] == 24
    every = read(call, lake, "--growth", 6, "--business-unit", "retail", "--all")
    assert len(every["servers"]) == 24
    more = read(call, lake, "--new-servers", "2:rs0003", "--retire", "--server", "ps0001", "--resize", "m.2xlarge",
                "--project", "vcpus=4", "--project", "memory_gib=8")  # fmt: skip
    assert more["totals"][0]["servers"] == 25
    assert [change["kind"] for change in more["scenario"]["changes"]] == ["resize", "retire", "new_servers", "project"]


def test_people_read_what_differs(call, lake):
    done = call("what-if", "--load", "cpu=12", "--store", lake)
    assert done.code == 0, done.err
    assert "servers at risk" in done.out.splitlines()[0]
    assert "unnamed" not in done.out
    assert done.out.startswith("12 more of cpu, each: the fleet, as of ")
    assert "payments" in done.out
    assert "->" in done.out
    assert "(+" in done.out


def test_a_size_without_a_price_gives_no_saving(call, lake):
    words = ("--change", "{kind: resize, vcpus: 7, memory_gib: 9, select: {business_units: retail}}")
    fleet, payments, retail = read(call, lake, *words)["totals"]
    for row in (fleet, retail):
        assert (row["monthly"], row["monthly_unknown"]) == (None, "12 servers have no price in the scenario")
    assert (payments["monthly"], payments["monthly_unknown"]) == (payments["monthly_before"], "")
    said = call("what-if", *words, "--store", lake).out
    assert "cost unknown (12 servers have no price in the scenario) a month" in " ".join(said.split())
    assert "(-" not in said


def test_a_scenario_is_read_from_a_file_saved_shown_and_deleted(call, lake, tmp_path):
    file = tmp_path / "q3.yaml"
    file.write_text("name: Q3 =1+1\nchanges:\n- {kind: growth, percent_per_month: 4}\n")
    done = call("what-if", "--file", file, "--save", "--store", lake)
    assert done.code == 0, done.err
    listed = json.loads(call("scenarios", "list", "--store", lake, "--json").out)
    assert [(row["name"], row["changes"]) for row in listed] == [("Q3 =1+1", "growth")]
    assert listed[0]["id"] in done.out
    assert read(call, lake, "--scenario", "Q3 =1+1")["id"] == listed[0]["id"]
    assert read(call, lake, "--scenario", listed[0]["id"], "--lead-time", 9)["scenario"]["changes"][1]["days"] == 9
    shown = call("scenarios", "show", "Q3 =1+1", "--store", lake).out
    assert json.loads(shown)["changes"] == [{"kind": "growth", "percent_per_month": 4.0}]
    assert call("scenarios", "delete", "Q3 =1+1", "--store", lake).code == 0
    assert "no scenario is saved yet" in call("scenarios", "list", "--store", lake).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing is asked"),
        (("--load", "cpu"), "write a name and an amount"),
        (("--threshold", "cpu"), "write cpu=75"),
        (("--new-servers", "web-1"), "write how many"),
        (("--change", "{kind: growth"), "neither YAML nor JSON"),
        (("--change", "growth"), "write e.g."),
        (("--growth", 5, "--save"), "--save needs a name"),
        (("--growth", 5, "--cadence", "weekly"), "use daily or hourly"),
        (("--growth", 5, "--cadence", "hourly"), "there is no finished hourly run"),
        (("--growth", 5, "--as-of", "2020-01-01"), "no daily run as of 2020-01-01"),
        (("--growth", 5, "--as-of", "x"), "is no date"),
        (("--growth", 5, "--run", "../../x"), "has left a manifest"),
        (("--growth", 5, "--business-unit", "retial"), "there are payments, retail"),
        (("--scenario", "nope"), "no scenario 'nope'"),
        (("--file", "nope.yaml"), "cannot be read"),
        (("--growth", 5, "--start", "soon"), "start"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(call, lake, words, said):
    done = call("what-if", *words, "--store", lake)
    assert done.code == 2
    assert said in done.err
