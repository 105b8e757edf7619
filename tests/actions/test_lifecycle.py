"""What a run makes of decisions: rejected advice is not repeated, states are told, promised stands beside achieved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from advice import actions, decision, numbered
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.actions import lifecycle
from capforecast.actions.decisions import Record, newest
from capforecast.fleet import inventory as inventories
from capforecast.schema import ACTION_COLUMNS
from capforecast.settings import LifecycleSettings

AS_OF = pd.Timestamp("2026-11-30", tz="UTC")
RULES = LifecycleSettings()
SMALLER_STILL = {"to_type": "m5.large", "to_vcpus": 2.0, "to_memory_gib": 8.0}
UNTYPED = {"to_type": "", "instance_type": ""}
SHARES = UNTYPED | {"to_vcpus": np.nan, "to_memory_gib": np.nan, "to_cpu_share": 0.5, "to_memory_share": 1.0}
UNSIZED = {"to_type": "", "to_vcpus": None, "to_memory_gib": None}
KEEP = {"action": "keep", "to_type": "", "to_vcpus": np.nan, "to_memory_gib": np.nan}


def applied(record: Record | None = None, as_of: pd.Timestamp = AS_OF, **row: Any) -> pd.Series:
    """The row of web-1 after what was decided."""
    states = newest(numbered(*([record] if record else [])))
    return lifecycle.apply(actions(web_1=row), states, as_of, RULES).iloc[0]


def test_rejected_advice_is_withheld_with_who_when_and_why() -> None:
    row = applied(decision("web-1"))
    assert (row["action"], row["withheld_action"]) == ("withheld", "downsize")
    assert row["reason"] == "rejected on 2026-11-24 by ann: quarter end"
    assert (row["state"], row["state_since"].isoformat()) == ("rejected", "2026-11-24T09:00:00+00:00")
    assert (row["to_type"], row["monthly"], row["to_monthly"], row["monthly_change"]) == ("", 280.32, 280.32, 0.0)
    assert row[["to_vcpus", "to_memory_gib", "to_cpu_share", "to_memory_share"]].isna().all()
    unpriced = applied(decision("web-1"), monthly=np.nan, to_monthly=np.nan, monthly_change=np.nan)
    assert unpriced[["to_monthly", "monthly_change"]].isna().all()


@pytest.mark.parametrize(
    ("record", "row"),
    [
        ({"action": "upsize"}, {}),  # another action
        (SMALLER_STILL, {}),  # another type
        ({"to_type": "", "to_memory_gib": 8.0}, UNTYPED),  # another size
        (
            {"to_type": "", "to_vcpus": None, "to_memory_gib": None, "to_cpu_share": 0.25, "to_memory_share": 1.0},
            SHARES,
        ),
        ({"at": "2026-06-02T00:00:00+00:00"}, {}),  # long ago: 181 days
    ],
)
def test_other_or_old_advice_is_proposed_again_and_the_note_tells_the_decision(
    record: dict[str, Any], row: dict[str, Any]
) -> None:
    found = applied(decision("web-1", **record), **row)
    assert (found["action"], found["reason"]) == ("downsize", "a smaller size holds its peaks")
    assert found["state"] == "proposed"
    assert pd.isna(found["state_since"])
    assert found["state_note"].startswith("before: ")
    assert "rejected on 2026-" in found["state_note"]


@pytest.mark.parametrize(
    ("record", "row"),
    [
        ({"at": "2026-06-03T00:00:00+00:00"}, {}),  # 180 days ago
        ({"to_type": "", "to_memory_gib": None}, {**UNTYPED, "to_memory_gib": np.nan}),
        (UNSIZED | {"to_cpu_share": 0.5, "to_memory_share": 1.0}, SHARES),
        ({"to_type": " M5.XLARGE "}, {}),
        ({"action": "stop", **UNSIZED}, {"action": "stop"}),
    ],
)
def test_the_same_advice_is_recognised(record: dict[str, Any], row: dict[str, Any]) -> None:
    assert applied(decision("web-1", **record), **row)["action"] == "withheld"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "m5.xlarge"),
        ({"to_type": ""}, "4 vCPU, 16 GiB"),
        ({"to_type": "", "to_vcpus": np.nan, "to_memory_gib": 15.9934}, "15.99 GiB"),
        (SHARES, "50 % of its CPU, 100 % of its memory"),
        (KEEP, ""),
    ],
)
def test_sizes_are_told_in_words(row: dict[str, Any], words: str) -> None:
    table = actions(a=row)
    assert lifecycle.size_text(table.to_dict("records")[0]) == words
    assert lifecycle.size_text(actions(a={}).to_dict("records")[0], "") == "m5.2xlarge"
    assert lifecycle.size_text(actions(a=UNTYPED).to_dict("records")[0], "") == "8 vCPU, 32 GiB"


def test_what_nobody_decided_on_is_proposed_where_it_advises_something() -> None:
    assert (applied()["state"], applied()["state_note"]) == ("proposed", "")
    assert applied(**KEEP)["state"] == ""


def test_accepted_and_applied_advice_says_so_until_the_inventory_shows_it() -> None:
    row = applied(decision("web-1", "accepted"))
    assert (row["action"], row["state"]) == ("downsize", "accepted")
    assert row["state_note"] == "downsize to m5.xlarge, by ann: quarter end"
    waiting = applied(decision("web-1", "applied"))
    assert waiting["state"] == "applied"
    assert waiting["state_note"].endswith("the inventory does not show it yet")


@pytest.mark.parametrize("state", ["accepted", "applied"])
@pytest.mark.parametrize(
    ("record", "row"),
    [
        ({}, {"instance_type": "m5.xlarge", "vcpus": 4.0, "memory_gib": 16.0}),
        ({"to_type": ""}, {"instance_type": "", "vcpus": 4.0, "memory_gib": 16.0}),
        ({"to_type": "", "to_memory_gib": None}, {"instance_type": "", "vcpus": 4.0, "memory_gib": 32.0}),
    ],
)
def test_advice_that_the_inventory_shows_is_realised(state: str, record: dict[str, Any], row: dict[str, Any]) -> None:
    assert applied(decision("web-1", state, **record), **KEEP | row)["state"] == "realised"


@pytest.mark.parametrize(
    ("state", "record", "row"),
    [
        ("rejected", {}, {"instance_type": "m5.xlarge"}),
        ("applied", {}, {"instance_type": "c5.xlarge", "vcpus": 4.0, "memory_gib": 16.0}),
        ("applied", {"to_type": ""}, {"instance_type": "", "vcpus": 4.0, "memory_gib": 8.0}),
        ("applied", {"action": "stop", **UNSIZED}, {}),
    ],
)
def test_another_size_is_not_taken_for_it(state: str, record: dict[str, Any], row: dict[str, Any]) -> None:
    assert applied(decision("web-1", state, **record), **KEEP | row)["state"] == state


def test_new_advice_after_realised_is_proposed() -> None:
    now = {"instance_type": "m5.xlarge", "vcpus": 4.0, "memory_gib": 16.0}
    row = applied(decision("web-1", "applied"), **SMALLER_STILL | now)
    assert row["state"] == "proposed"
    assert row["state_note"].startswith("before: downsize to m5.xlarge, applied on 2026-11-24 by ann")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["upsize", "downsize", "stop", "keep", "withheld", "none"]),
            st.sampled_from(["", "accepted", "rejected", "applied"]),
            st.sampled_from(["upsize", "downsize", "stop"]),
            st.sampled_from(["m5.xlarge", "m5.large"]),
        ),
        max_size=6,
    ),
    st.randoms(),
)
@settings(max_examples=25, deadline=None)
def test_no_server_is_lost_and_none_gains_advice(cases: list[tuple[str, str, str, str]], random: Any) -> None:
    table = actions(**{f"s{i}": {"action": action} for i, (action, *_) in enumerate(cases)})
    told = [decision(f"s{i}", s, action=a, to_type=t) for i, (_, s, a, t) in enumerate(cases) if s]
    random.shuffle(told)
    out = lifecycle.apply(table, newest(numbered(*told, decision("elsewhere"))), AS_OF, RULES)
    assert list(out.columns) == list(ACTION_COLUMNS)
    assert list(out["server_id"]) == list(table["server_id"])
    changed = (out["action"] != table["action"]).to_numpy()
    assert set(out.loc[changed, "action"]) <= {"withheld"}
    assert (out.loc[changed, "withheld_action"] == table.loc[changed, "action"]).all()
    assert (out.loc[changed, "state"] == "rejected").all()
    assert (out.loc[changed, "monthly_change"] == 0.0).all()
    assert (out.loc[~changed, "monthly_change"] == table.loc[~changed, "monthly_change"]).all()
    assert ((out["state"] == "proposed") <= out["action"].isin(lifecycle.ADVICE)).all()


def inventory(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """Dated rows: server, date, type, environment, hourly cost."""
    frame = pd.DataFrame(rows, columns=["server_id", "valid_from", "instance_type", "environment", "hourly_cost"])
    frame = inventories.normalise(frame)
    return frame.assign(hourly=frame["hourly_cost"])


def test_promised_stands_beside_what_today_s_prices_make_of_it() -> None:
    rows = inventory(
        ("a", None, "m5.2xlarge", "prod", 0.40), ("a", "2026-11-25", "m5.xlarge", "prod", 0.20),
        ("b", None, "m5.2xlarge", "prod", 0.40),  # not done yet
        ("c", None, "m5.2xlarge", "prod", 0.30), ("c", "2026-11-26", "m5.2xlarge", "retired", 0.30),
        ("d", None, "m5.xlarge", "prod", 0.20),  # without a date: what it was before is not known
        ("e", None, "m5.2xlarge", "prod", 0.40), ("e", "2026-11-25", "m5.xlarge", "prod", 0.20),
    )  # fmt: skip
    stop = {"action": "stop", **UNSIZED, "promised": -219.0}
    states = newest(numbered(
        decision("a", "applied"), decision("b", "applied"), decision("c", "applied", **stop), decision("d", "accepted"),
        decision("e"), decision("nobody", "applied"),
    ))  # fmt: skip
    found = lifecycle.realised(actions(a={}), states, rows)
    assert list(found.columns) == list(lifecycle.REALISED_COLUMNS)
    assert list(found["server_id"]) == ["a", "c", "d"]
    assert list(found["promised"]) == [-140.16, -219.0, -140.16]
    assert found["achieved"].tolist() == pytest.approx([-146.0, -219.0, np.nan], nan_ok=True)
    assert [f"{since:%m-%d}" for since in found["since"]] == ["11-25", "11-26", "11-24"]


def test_figures_of_two_currencies_are_not_set_against_each_other() -> None:
    rows = inventory(("a", None, "m5.2xlarge", "prod", 0.40), ("a", "2026-11-25", "m5.xlarge", "prod", 0.20))
    states = newest(numbered(decision("a", "applied", currency="EUR")))
    assert lifecycle.realised(actions(a={}), states, rows)["achieved"].isna().all()


def test_a_size_that_was_left_again_is_not_realised_and_since_is_the_latest_time() -> None:
    back = ("a", "2026-11-26", "m5.2xlarge", "prod", 0.40)
    rows = [("a", None, "m5.2xlarge", "prod", 0.40), ("a", "2026-11-25", "m5.xlarge", "prod", 0.20), back]
    states = newest(numbered(decision("a", "applied")))
    assert lifecycle.realised(actions(a={}), states, inventory(*rows)).empty
    again = inventory(*rows, ("a", "2026-11-28", "m5.xlarge", "prod", 0.20))
    assert lifecycle.realised(actions(a={}), states, again)["since"].iloc[0] == pd.Timestamp("2026-11-28", tz="UTC")


def test_without_decisions_nothing_is_realised() -> None:
    rows = inventory(("a", None, "m5.2xlarge", "prod", 0.40))
    found = lifecycle.realised(actions(a={}), newest([]), rows)
    assert found.empty
    assert list(found.columns) == list(lifecycle.REALISED_COLUMNS)
    assert lifecycle.realised(actions(), newest([]), rows.head(0)).empty
