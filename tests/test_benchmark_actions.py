"""What the benchmark of advice makes of its figures, and that its fleets are what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast.fleet.synthetic import generate

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
KIND = "as made, instance types"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def found(over: list[int], to: float = 2.0, **more: object) -> pd.DataFrame:
    """Downsized servers of 4 vCPUs and 8 GiB, of which a quarter is used, in 90 days each."""
    rows = {
        "fleet": "as made 1", "cut": pd.Timestamp("2026-01-01", tz="UTC"), "kind": KIND,
        "server_id": [f"s{i}" for i in range(len(over))], "stratum": "steady", "upper": 0.005, "advised": True,
        "periods": 90, "over": over,
    }  # fmt: skip
    for size, now in (("vcpus", 4.0), ("memory_gib", 8.0)):
        rows |= {f"paid_{size}": 90 * now, f"to_{size}": 90 * now * to / 4, f"used_{size}": 90 * now / 4}
        rows |= {f"need_{size}": 90 * now * 0.4, f"least_{size}": 90 * now * 0.3}
    return pd.DataFrame(rows | more)


def told(table: pd.DataFrame) -> dict[str, tuple[str, str]]:
    import action_tables

    rows = action_tables.promise_targets(table, action_tables.by_replay(table), 0.01)
    return {words: (measured, met) for words, measured, met in rows}


def test_a_replay_is_a_stratum_of_a_fleet_at_a_date_and_only_what_was_advised_counts() -> None:
    import action_tables

    table = pd.concat([found([0, 1]), found([90], advised=False), found([3], stratum="hot")], ignore_index=True)
    replays = action_tables.by_replay(table).set_index("stratum")
    assert replays["servers"].to_dict() == {"hot": 1, "steady": 2}
    assert replays["achieved"].to_dict() == pytest.approx({"hot": 3 / 90, "steady": 1 / 180})
    targets = told(table)
    assert targets["achieved <= promised (1 %) in >= 95% of replays"][0].startswith("50.0 % of 2")
    assert targets["achieved <= promised (1 %) in >= 95% of replays"][1] == "**not met**"
    assert targets[f"{KIND}: all downsized together <= 1 %"] == ("1.481 % of 270 server-days", "**not met**")


def test_slack_is_what_is_paid_for_and_not_used() -> None:
    import action_tables

    assert action_tables.slack_cut(found([0]), "vcpus") == pytest.approx(2 / 3)
    assert action_tables.slack_cut(found([0]), "vcpus", "least") == pytest.approx(0.7 / 0.75)
    assert "| 67 % | 80 % | 93 % |" in action_tables.slack_table(found([0]))[2]
    assert told(found([0]))[f"{KIND}: slack cut by >= 50%, vCPU / GiB"] == ("67 % / 67 %", "met")
    assert told(found([0], to=3.0))[f"{KIND}: slack cut by >= 50%, vCPU / GiB"] == ("33 % / 33 %", "**not met**")


def test_a_careless_rule_is_shown_and_no_target() -> None:
    import action_tables

    careless = found([90], kind="as made, careless")
    table = pd.concat([found([0]), careless], ignore_index=True)
    assert {met for _, met in told(table).values()} == {"met", "open"}
    page = "\n".join(action_tables.promise_table(table, action_tables.by_replay(table), 0.01))
    assert "| as made, careless | 1 | 0 | 90 | 90 | 100.000 % |" in page


def test_one_size_up_is_the_same_demand_on_twice_the_size() -> None:
    import action_cases
    import action_speed

    from capforecast.settings import Settings

    observations, inventory = generate(60, 20, dirty=False)
    rows, larger = action_cases.one_size_up(observations, inventory)
    np.testing.assert_allclose(rows["cpu_p95"] * 2, observations["cpu_p95"])
    np.testing.assert_array_equal(rows["disk_p95"], observations["disk_p95"])
    sizes = action_speed.sizes_of(Settings()).table.set_index("instance_type")
    listed = sizes.loc[larger["instance_type"], ["vcpus", "memory_gib"]].to_numpy()
    np.testing.assert_array_equal(larger[["vcpus", "memory_gib"]], listed)
    np.testing.assert_array_equal(listed, 2 * inventory[["vcpus", "memory_gib"]].to_numpy())


def test_a_run_is_told_in_one_row() -> None:
    import action_fleets

    actions = pd.DataFrame({"action": ["keep", "withheld", "withheld", "upsize"], "reason": ["", "why", "why", "risk"]})
    bounds = pd.DataFrame({"stratum": ["all servers"] * 2, "test": "need", "upper": [0.002, 0.004]})
    packed = pd.DataFrame({"freed": [2, 0], "hosts": [5.0, np.nan], "reason": ["", "too few"]})
    savings = pd.DataFrame({"scope": ["fleet"], "kind": ["all"], "monthly_change": [-1234.4]})
    row = action_fleets.row(actions, bounds, packed, savings)
    assert row == ["4", "1", "0", "0", "1", "2", "0", "why (2)", "0.40 %", "2 of 5 freed", "-1,234"]
    row = action_fleets.row(actions, bounds[:0], packed[1:], savings.assign(monthly_change=np.nan))
    assert row[-3:] == ["not replayed", "too few (1)", "no prices: sizes only"]


def test_hours_to_pack_are_use_in_units_of_the_servers() -> None:
    import action_speed

    use, servers = action_speed.hourly_input(30, 2)
    assert use.vcpus.shape == use.memory_gib.shape == (14 * 24, len(servers))
    seen = np.isfinite(use.vcpus)
    assert seen.any(axis=0).mean() > 0.8
    assert (np.nan_to_num(use.vcpus) <= servers["vcpus"].to_numpy()).all()
    assert np.nanmax(use.memory_gib / servers["memory_gib"].to_numpy()) > 0.5


def test_the_clock_is_no_verdict_while_others_keep_the_cores_busy() -> None:
    import actions

    assert actions.within(40.0, 1.5, 100.0) is True
    assert actions.within(80.0, 1.5, 0.5) is False
    assert actions.within(80.0, 1.5, 1000.0) is None
    assert actions.within(40.0, 2.5, 1000.0) is False
