"""From the rule to advice: the idle stop, what fails its test is withheld and says so, one action a server."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.actions import advice
from capforecast.actions.rightsize import MOVES


def rule(action: list[str], tier: str = "ok") -> pd.DataFrame:
    """What the rule says of some servers."""
    count = len(action)
    moves = np.isin(action, ["upsize", "downsize"])
    numbers = {name: np.where(moves, 2.0, np.nan) for name in MOVES if name != "to_type"}
    return pd.DataFrame(
        {
            "server_id": [f"srv-{i}" for i in range(count)], "tier": tier, "action": action, "reason": "so it is",
            "withheld_action": "", "alternatives": "", "to_type": np.where(moves, "m5.large", ""),
        } | numbers
    )  # fmt: skip


def idle(is_idle: list[bool], zombie: bool = False, cpu_only: bool = False) -> pd.DataFrame:
    flags = np.array(is_idle)
    return pd.DataFrame(
        {"idle": flags, "zombie": flags & zombie, "cpu_only": cpu_only, "idle_basis": "14 of 14 days: CPU"}
    )


def test_idle_servers_stop_unless_they_are_at_risk_or_unknown() -> None:
    every = ["downsize", "keep", "withheld"]
    found = advice.with_idle(rule(every), idle([True] * 3))
    assert (found["action"] == "stop").all()
    assert found["to_vcpus"].isna().all()
    assert (found["to_type"] == "").all()
    assert found["alternatives"][0] == "a smaller size, should it be needed: m5.large"
    assert found["reason"][0] == advice.IDLE
    assert advice.with_idle(rule(["keep"]), idle([True], zombie=True))["reason"][0] == advice.ZOMBIE
    for tier, action in (("critical", "upsize"), ("unknown", "none")):
        left = advice.with_idle(rule([action], tier), idle([True]))
        assert left["action"][0] == action
        assert left["idle"][0], "the fact is told all the same"


def test_a_quiet_cpu_alone_stops_nothing() -> None:
    found = advice.with_idle(rule(["keep", "downsize"]), idle([True, True], cpu_only=True))
    assert found["action"].tolist() == ["withheld", "downsize"]
    assert found["withheld_action"].tolist() == ["stop", ""]
    assert "network traffic or disk activity" in found["reason"][0]


def verdicts(**columns: object) -> pd.DataFrame:
    row = {
        "bound_servers": 200, "bound_periods": 9000, "bound_over": 9, "bound_rate": 0.001, "bound_upper": 0.004,
        "size_periods": 900.0, "size_over": 1.0, "kept": True,
    } | columns  # fmt: skip
    return pd.DataFrame([row], index=["idle"]).astype({"kept": bool})


def test_advice_carries_the_evidence_it_rests_on() -> None:
    table = rule(["downsize", "upsize", "keep"])
    stratum = pd.Series("idle", index=table["server_id"])
    found = advice.tested(table, stratum, verdicts(), 0.01)
    assert found["action"].tolist() == ["downsize", "upsize", "keep"]
    assert found["bound_upper"].fillna(-1).tolist() == [0.004, -1, -1], "an upsize promises nothing of the kind"
    assert (found["stratum"][0], found["promised"][0]) == ("idle", 0.01)


def test_what_its_test_does_not_bear_out_is_withheld_with_the_figures() -> None:
    table = rule(["downsize", "downsize"])
    stratum = pd.Series(["idle", "hot"], index=table["server_id"])
    found = advice.tested(table, stratum, verdicts(kept=False, bound_upper=0.02), 0.01)
    assert found["action"].tolist() == ["withheld", "withheld"]
    assert found["withheld_action"].tolist() == ["downsize", "downsize"]
    assert "200 servers replayed (idle) cannot rule out that 2.0%" in found["reason"][0]
    assert "m5.large" in found["reason"][0]
    assert "could not be tested" in found["reason"][1]
    assert found["to_vcpus"].isna().all()
    sizes = advice.tested(table[:1], stratum, verdicts(kept=False, size_over=30.0), 0.01)
    assert "3.3% of periods lay above such a size" in sizes["reason"][0]
    assert found["bound_upper"][0] == 0.02, "what is withheld shows its evidence too"


def test_what_a_tier_rests_on_is_said() -> None:
    row = {
        "metric": "cpu", "statistic": "p95", "threshold_high": 80.0, "threshold_very_high": 90.0,
        "in_breach_high": False, "in_breach_very_high": False,
        "probability_high": 0.62, "probability_very_high": 0.55, "horizon_days": 90.0,
        "paths": 60.0,
    }  # fmt: skip
    servers = pd.DataFrame(
        [row | {"tier": tier, "in_breach_very_high": now} for tier, now in (("critical", True), ("critical", False))]
        + [
            row | {"tier": "high"},
            row | {"tier": "high", "probability_high": 1.0},
            row | {"tier": "ok"},
            row | {"tier": "unknown", "metric": ""},
        ]
    )
    assert advice.risk_basis(servers) == [
        "cpu p95 is above 90 now", "cpu p95 will pass 90 with probability 55%",
        "cpu p95 will pass 80 within 90 days with probability 62%",
        "cpu p95 will pass 80 within 90 days with probability > 98%", "", "",
    ]  # fmt: skip


def test_a_size_is_decided_by_the_risk_of_cpu_and_memory() -> None:
    figures = {
        "statistic": "p95", "threshold_high": 80.0, "threshold_very_high": 90.0, "in_breach_high": False,
        "in_breach_very_high": False, "probability_high": 0.62, "probability_very_high": 0.55, "horizon_days": 90.0,
        "paths": 200.0,
    }  # fmt: skip
    series = [
        ("a", "disk", "critical"),
        ("a", "cpu", "high"),
        ("b", "disk", "high"),
        ("b", "cpu", "watch"),
        ("c", "cpu", "ok"),
    ]
    risks = pd.DataFrame([figures | {"server_id": name, "metric": m, "tier": tier} for name, m, tier in series])
    servers = risks[risks["metric"] == ["disk", "", "disk", "", "cpu"]].reset_index(drop=True)
    found = advice.sized_risks(servers, risks)
    assert found["other_risk"].tolist() == ["", "disk", ""]
    assert found["risk_basis"][0].startswith("cpu p95 will pass 80")
    assert found["risk_basis"][1].startswith("disk p95 will pass 80")
    assert found["risk_basis"][2] == ""
