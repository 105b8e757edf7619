"""`capforecast actions` and `explain` as one types them."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from advice import actions, append, decision, publish
from commands import Call

from capforecast.actions import decisions
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.report.advice_words import GROUPS
from capforecast.schema import ACTION_COLUMNS

NOTHING = {"to_type": "", "to_vcpus": np.nan, "to_memory_gib": np.nan, "monthly_change": np.nan}
UNPRICED = {
    "instance_type": "", "to_type": "", "vcpus": np.nan, "memory_gib": np.nan, "to_vcpus": np.nan,
    "to_memory_gib": np.nan, "to_cpu_share": 0.5, "to_memory_share": 1.0, "need_vcpus": np.nan,
    "need_memory_gib": np.nan, "need_cpu_share": 0.45, "monthly": np.nan, "to_monthly": np.nan,
    "monthly_change": np.nan, "monthly_change_discounted": np.nan, "change_q10": np.nan, "change_q50": np.nan,
    "change_q90": np.nan, "price_source": "",
    "price_reason": "the inventory gives neither instance_type nor hourly_cost",
}  # fmt: skip


def fleet() -> pd.DataFrame:
    """Six servers of two business units."""
    return actions(
        web_1={},
        web_3={"action": "upsize", "to_type": "m5.4xlarge", "monthly_change": 80.0, "tier": "high"},
        web_2={"action": "upsize", "to_type": "m5.4xlarge", "monthly_change": 280.32, "tier": "critical"},
        db_1={"action": "withheld", "withheld_action": "downsize", "reason": "needs 30 days of history"} | NOTHING,
        vm_1={"business_unit": "labs"} | UNPRICED,
        vm_2={"business_unit": "labs", "action": "keep", "reason": "the size fits"} | NOTHING,
    )


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake with the actions of two weeks."""
    publish(Store(tmp_path), actions(web_1={}, old_1={}), "2026-11-16")
    publish(Store(tmp_path), fleet())
    return tmp_path


def read(call: Call, lake: Path, *words: object, code: int = 0) -> Any:
    done = call(*words, "--store", lake, "--json")
    assert done.code == code, done.err
    return json.loads(done.out)


def refused(call: Call, lake: Path, *words: object) -> str:
    done = call("actions", *words, "--store", lake)
    assert done.code == 2, done.out
    assert Store(lake).keys(decisions.FOLDER) == []
    return done.err


def states(call: Call, lake: Path, *words: object) -> dict[str, str]:
    return {row["server_id"]: row["state"] for row in read(call, lake, "actions", "list", *words)["actions"]}


def test_what_to_do_is_listed_upsizes_first_then_by_savings(call: Call, lake: Path) -> None:
    found = read(call, lake, "actions", "list")
    assert found["as_of"] == "2026-11-23"
    assert [row["server_id"] for row in found["actions"]] == ["web-2", "web-3", "web-1", "vm-1"]
    assert set(found["actions"][0]) == set(ACTION_COLUMNS)
    assert found["counts"] == {"upsize": 2, "downsize": 2, "stop": 0, "keep": 1, "withheld": 1, "none": 0}
    text = call("actions", "list", "--store", lake).out
    for words in ("as of 2026-11-23", "m5.2xlarge  m5.xlarge", "+280.32 USD", "−140.16 USD", "50 % of its CPU"):
        assert words in text


def test_the_list_is_narrowed_and_a_past_run_can_be_asked(call: Call, lake: Path) -> None:
    labs = read(call, lake, "actions", "list", "--business-unit", "labs")
    assert [row["server_id"] for row in labs["actions"]] == ["vm-1"]
    assert labs["counts"]["keep"] == 1
    held = read(call, lake, "actions", "list", "--action", "withheld")
    assert [row["reason"] for row in held["actions"]] == ["needs 30 days of history"]
    assert "withheld (downsize)" in call("actions", "list", "--store", lake, "--action", "withheld").out
    assert set(states(call, lake, "--as-of", "2026-11-16")) == {"web-1", "old-1"}


def test_business_units_that_ran_alone_stand_beside_the_fleet_the_newest_counts(call: Call, lake: Path) -> None:
    publish(Store(lake), actions(vm_1={"action": "keep", "business_unit": "labs"}, vm_3={}), unit="labs")
    assert set(states(call, lake)) == {"web-1", "web-2", "web-3", "vm-3"}
    assert read(call, lake, "actions", "list")["counts"]["keep"] == 2


def test_a_decision_is_recorded_listed_and_told(call: Call, lake: Path) -> None:
    said = ("--by", "ann", "--note", "change 4711")
    (first, second) = read(call, lake, "actions", "accept", "web-1", "web-2", "web-1", *said)
    assert (first["server"], first["state"], first["to"], first["number"]) == ("web-1", "accepted", "m5.xlarge", 1)
    assert second["number"] == 2
    record = decisions.history(Store(lake))[0].record
    expected = decision("web-1", "accepted", record.at, note="change 4711")
    assert record == expected
    assert states(call, lake) == {"web-1": "accepted", "web-2": "accepted", "web-3": "", "vm-1": ""}
    call("actions", "reject", "web-2", "--store", lake, "--by", "bob", "--note", "no")
    told = read(call, lake, "actions", "history")
    assert [(row["number"], row["server_id"], row["state"], row["by"]) for row in told] == [
        (3, "web-2", "rejected", "bob"), (2, "web-2", "accepted", "ann"), (1, "web-1", "accepted", "ann"),
    ]  # fmt: skip
    assert [row["number"] for row in read(call, lake, "actions", "history", "web-1")] == [1]
    text = call("actions", "history", "--store", lake).out
    assert "change 4711" in text
    assert "−140.16 USD" in text


def test_who_decides_is_the_user_unless_said(call: Call, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "carol")
    done = call("actions", "reject", "web-1", "--store", lake)
    assert done.code == 0
    assert "1 recorded; runs whose cut-off (--as-of) is later than" in done.out
    assert decisions.history(Store(lake))[0].record.by == "carol"

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert "--by" in call("actions", "accept", "web-1", "--store", lake).err


def test_saying_the_same_again_records_nothing(call: Call, lake: Path) -> None:
    call("actions", "accept", "web-1", "--store", lake)
    again = call("actions", "accept", "web-1", "web-2", "--store", lake)
    assert "1 recorded, 1 said before" in again.out
    assert len(decisions.history(Store(lake))) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("accept", "web-1", "web1"),
            "no server is called 'web1' in the run as of 2026-11-23 (labs, retail); did",
        ),
        (("accept", "old-1"), "give --as-of 2026-11-16"),
        (("accept", "web-1", "vm-2"), "vm-2 has no open advice (keep: the size fits)"),
        (("reject", "db-1"), "db-1 has no open advice (withheld: needs 30 days of history)"),
        (("accept", "web-1", "--at", "2999-01-01"), "has not come yet"),
        (("accept", "web-1", "--at", "soon"), "'soon' is no date"),
        (("accept", "web-1", "--as-of", "2026-11-09"), "no daily actions as of 2026-11-09"),
        (("accept", "web-1", "--cadence", "weekly"), "use daily or hourly"),
        (("list", "--action", "shrink"), "use upsize, downsize"),
        (("list", "--business-unit", "lab"), "there are: labs, retail"),
        (("history", "web-1"), "there is no decision on 'web-1'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words_and_nothing_is_recorded(
    call: Call, lake: Path, words: tuple[str, ...], told: str
) -> None:
    assert told in refused(call, lake, *words)


def test_a_lake_without_actions_says_what_makes_them(call: Call, tmp_path: Path) -> None:
    assert "`capforecast run` makes them" in call("actions", "list", "--store", tmp_path).err
    key = "actions/cadence=hourly/as_of=2026-11-23/business_unit=_fleet/part-0.parquet"
    write_table(Store(str(tmp_path)), key, actions(vm_1={}))
    assert "no daily actions" in (err := call("explain", "vm-1", "--store", tmp_path).err)
    assert "give --cadence hourly" in err
    assert "--store" in call("actions", "history", "--store", tmp_path / "none").err
    assert "nobody has decided anything yet" in call("actions", "history", "--store", tmp_path).out


def test_what_was_accepted_is_what_is_applied_whatever_is_advised_by_now(call: Call, lake: Path) -> None:
    append(
        Store(lake), decision("vm-2", "accepted", to_type="m5.large"), decision("web-1", "accepted", to_type="m5.large")
    )
    rows = read(call, lake, "actions", "applied", "vm-2", "web-1", "--at", "2026-11-25")
    assert [(row["to"], row["at"]) for row in rows] == [("m5.large", "2026-11-25 00:00")] * 2
    assert states(call, lake, "--action", "keep") == {"vm-2": "applied"}
    early = call("actions", "reject", "web-1", "--store", lake, "--at", "2026-11-24")
    assert early.code == 2
    assert "give a later --at" in early.err


def test_advice_that_is_withheld_because_of_a_rejection_can_be_taken_up_after_all(call: Call, lake: Path) -> None:
    held = {
        "action": "withheld",
        "withheld_action": "downsize",
        "reason": "rejected on 2026-11-24 by ann: no",
    } | NOTHING
    publish(Store(lake), actions(web_1=held), "2026-11-30")
    append(Store(lake), decision("web-1"))
    (row,) = read(call, lake, "actions", "accept", "web-1", "--note", "yes after all")
    assert (row["action"], row["to"]) == ("downsize", "m5.xlarge")
    assert states(call, lake, "--action", "withheld") == {"web-1": "accepted"}


def test_a_decision_on_another_run_does_not_show_in_an_earlier_one(call: Call, lake: Path) -> None:
    append(Store(lake), decision("web-1"))
    assert states(call, lake)["web-1"] == "rejected"
    assert states(call, lake, "--as-of", "2026-11-16")["web-1"] == ""


def test_a_broken_record_is_told_and_stops_nobody(call: Call, lake: Path) -> None:
    Store(lake).put("lifecycle/records/000001.json", b"{")
    assert "000001.json" in call("actions", "list", "--store", lake).out
    (row,) = read(call, lake, "actions", "accept", "web-1")
    assert row["number"] == 2
    assert [told["state"] for told in read(call, lake, "actions", "history")] == ["accepted", "cannot be read"]
    assert "delete it" in read(call, lake, "actions", "history")[1]["problem"]
    assert "cannot be read" in call("actions", "history", "--store", lake).out


def test_tables_of_another_version_are_named(call: Call, lake: Path) -> None:
    publish(Store(lake), fleet().drop(columns="bound_upper"), "2026-11-30")
    done = call("actions", "list", "--store", lake)
    assert done.code == 1
    assert "no bound_upper" in done.err
    assert "run again" in done.err


def test_one_server_is_explained_with_all_that_stands_behind(call: Call, lake: Path) -> None:
    append(Store(lake), decision("web-1", "accepted", note="change 4711"))
    text = call("explain", "web-1", "--store", lake).out
    for words in (
        "as of 2026-11-23, daily data", "downsize to m5.xlarge", "a smaller size holds its peaks",
        "m5.2xlarge (8 vCPU, 32 GiB)", "3.1 vCPU, 12.5 GiB, headroom included", "m5.xlarge (4 vCPU, 16 GiB)",
        "99 % of the sample paths", "m5.large: holds 61% of the paths", "280.32 USD", "140.16 USD", "−140.16 USD",
        "−98.11 USD", "−210.24 USD to −140.16 USD, median −140.16 USD", "ec2_on_demand.csv of 2026-11-02",
        "41 servers of `steady low`, 14,760 periods", "12 periods (0.08 %) above", "need, at most 0.31 %",
        "0 of 3,600 periods (0 %)", "at most 1.00 % of the periods above the size: kept", "730 days",
        "2,000", "2024-11-24 to 2026-11-22", "2026-11-23-ab",
        "accepted by ann: downsize to m5.xlarge (change 4711)", "a" * 64, "b" * 64, "c" * 64,
    ):  # fmt: skip
        assert words in text, words


def test_the_explanation_as_json_has_every_column_once(call: Call, lake: Path) -> None:
    append(Store(lake), decision("web-1", "accepted"))
    found = read(call, lake, "explain", "web-1")
    names = ["server_id", *(name for group in (*GROUPS, "other") for name in found.get(group, {}))]
    assert sorted(names) == sorted(ACTION_COLUMNS)
    assert found["decision"]["state"] == "accepted"
    assert found["evidence"]["bound_upper"] == 0.0031
    assert found["decisions"][0]["note"] == "quarter end"


@pytest.mark.parametrize(
    ("server", "words", "not_said"),
    [
        ("vm-1", ["none: the inventory gives neither", "50 % of its CPU, 100 % of its memory"], ["USD", "nan", "None"]),
        ("db-1", ["withheld", "needs 30 days of history", "downsize"], ["nan", "None", "m5.xlarge"]),
        ("vm-2", ["keep", "the size fits", "had anything to decide"], ["nan", "None"]),
        ("web-2", ["upsize to m5.4xlarge", "+280.32 USD", "has decided yet"], ["nan", "None"]),
    ],
)
def test_what_is_not_known_is_said_and_no_money_is_invented(
    call: Call, lake: Path, server: str, words: list[str], not_said: list[str]
) -> None:
    text = call("explain", server, "--store", lake).out
    assert [word for word in words if word not in text] == []
    assert [word for word in not_said if word in text] == []


def test_what_stands_behind_a_promise_is_told_kept_or_not(call: Call, lake: Path) -> None:
    untested = dict.fromkeys(("bound_servers", "bound_periods", "bound_over", "bound_rate", "bound_upper"), np.nan)
    servers = {
        "a": {"bound_upper": 0.02}, "b": untested, "c": {"size_over": 360.0}, "d": {"promised": np.nan} | untested,
        "e": {"size_periods": 0.0},
    }  # fmt: skip
    publish(Store(lake), actions(**servers), "2026-11-30")
    text = {name: call("explain", name, "--store", lake).out for name in servers}
    promise = "at most 1.00 % of the periods above the size"
    assert [f"{promise}: not kept" in said for said in text.values()] == [True, False, True, False, False]
    assert [f"{promise}: kept" in said for said in text.values()] == [False, False, False, False, True]
    assert "none: nothing proves it" in text["b"]
    assert "360 of 3,600 periods (10 %)" in text["c"]
    assert "not called for" in text["d"]


def test_idle_servers_say_so(call: Call, lake: Path) -> None:
    idle = {"idle": True, "idle_basis": "14 of 14 days: CPU mean at most 2.1 %"}
    publish(Store(lake), actions(a=idle, b=idle | {"zombie": True}), "2026-11-30")
    assert "nobody owns it" not in call("explain", "a", "--store", lake).out
    text = call("explain", "b", "--store", lake).out
    assert "idle, and nobody owns it (zombie)" in text
    assert "14 of 14 days" in text


def test_a_server_nobody_knows_is_refused_with_names_like_it(call: Call, lake: Path) -> None:
    done = call("explain", "vm-9", "--store", lake)
    assert done.code == 2
    assert "did you mean vm-2, vm-1?" in done.err


def test_what_is_to_stop_or_to_stay_is_explained_without_another_size(call: Call, lake: Path) -> None:
    stay = {"monthly_change": 0.0, "to_monthly": 280.32, "change_q50": np.nan, "promised": np.nan}
    stop = {"action": "stop", "reason": "it has been idle", "to_monthly": 0.0, "monthly_change": -280.32}
    unknown = {"action": "none", "tier": "unknown", "paths": 0.0, "need_vcpus": np.nan, "need_memory_gib": np.nan}
    publish(Store(lake), actions(a=NOTHING | stop, b=NOTHING | stay | {"action": "keep"}, c=NOTHING | stay | unknown),
            "2026-11-30")  # fmt: skip
    text = {name: call("explain", name, "--store", lake).out for name in "abc"}
    assert "−280.32 USD" in text["a"]
    assert "median" not in text["a"]
    assert "99 % of the sample paths, as it is" in text["b"]
    assert "280.32 USD" in text["b"]
    for name in "bc":
        assert "change" not in text[name]
    assert "of the sample paths" not in text["c"]
