"""Sizes: safe on the paths, cheapest of those allowed, withheld with the reason, one action a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.actions.rightsize import TIGHT, Action, rightsize
from capforecast.actions.size_choice import Needs
from capforecast.actions.sizes import Sizes
from capforecast.settings import SizingSettings

RULES = SizingSettings()
PATHS = 200


def catalogue() -> pd.DataFrame:
    rows = [
        (f"{family}.{size}", family, architecture, 2.0**i, ratio * 2.0**i, family == "t3")
        for family, architecture, ratio in (
            ("m5", "x86_64", 4), ("c5", "x86_64", 2), ("m6g", "arm64", 4), ("t3", "x86_64", 4),
        )
        for i, size in enumerate(("medium", "large", "xlarge", "2xlarge", "4xlarge"))
    ]  # fmt: skip
    columns = ["instance_type", "family", "architecture", "vcpus", "memory_gib", "burstable"]
    return pd.DataFrame(rows, columns=columns).astype({"burstable": "boolean"})


def sizes(region: str = "eu") -> Sizes:
    table = catalogue()
    prices = table[["instance_type"]].assign(
        region=region, os="linux", hourly=0.05 * table["vcpus"] + 0.01 * table["memory_gib"]
    )
    return Sizes.of(table, prices)


def needs(cpu: list[float], memory: list[float], **columns: Any) -> Needs:
    """Servers whose peaks are these numbers of vCPU and GiB, give or take a tenth."""
    count, rng = len(cpu), np.random.default_rng(0)
    swing = rng.uniform(0.9, 1.1, (PATHS, count))
    servers = pd.DataFrame(
        {
            "server_id": [f"srv-{i}" for i in range(count)], "business_unit": "retail", "region": "eu",
            "criticality": "high", "tier": "ok", "instance_type": "m5.2xlarge", "vcpus": 8.0, "memory_gib": 32.0,
            "history_days": 400, "horizon_days": 90.0,
            "peaks_unseen": "", "cpu_statistic": "p95", "memory_statistic": "max", "basis": "P95",
            "other_risk": "",
        } | columns
    )  # fmt: skip
    return Needs(
        servers, (swing * cpu / 8).astype(np.float32), (swing * memory / 32).astype(np.float32),
        pd.date_range("2026-01-01", periods=PATHS, tz="UTC"), np.zeros(PATHS, np.int64),
    )  # fmt: skip


def one(given: Needs, rules: SizingSettings = RULES, of: Sizes | None = None) -> pd.Series:
    table = rightsize(given, of or sizes(), rules)
    assert len(table) == 1
    return table.iloc[0]


def test_a_server_that_needs_little_gets_the_cheapest_safe_size_of_its_family() -> None:
    row = one(needs([1.4], [5.0]))
    assert (row["action"], row["to_type"]) == (Action.DOWNSIZE, "m5.large")
    assert row["fits"] == 1.0
    assert row["need_vcpus"] == pytest.approx(1.4 * 1.1 / 0.8, rel=0.01)
    assert row["hourly"] - row["to_hourly"] == pytest.approx(0.05 * 6 + 0.01 * 24)
    assert "m5.medium: holds 0% of the paths" in row["alternatives"]


def test_memory_binds_as_much_as_cpu() -> None:
    row = one(needs([1.0], [11.0]))
    assert row["to_type"] == "m5.xlarge"
    assert row["need_memory_gib"] > 15


def test_cpu_and_memory_must_fit_on_the_same_path() -> None:
    given = needs([1.0], [1.0])
    half = np.arange(PATHS) % 20 == 0  # one path in twenty wants a lot of CPU, another lot of memory
    given.cpu[half] = 7.0 / 8
    given.memory[np.roll(half, 1)] = 30.0 / 32
    assert one(given)["action"] == Action.KEEP, "each alone would fit on 95 % of the paths, together on 90 %"


def test_a_server_at_risk_gets_the_least_size_that_holds_its_peaks() -> None:
    row = one(needs([9.0], [20.0], tier="critical"))
    assert (row["action"], row["to_type"]) == (Action.UPSIZE, "m5.4xlarge")
    assert "runs at its limit" in row["reason"], "9 of 8 vCPUs"
    assert "limit" not in one(needs([7.0], [20.0], tier="critical"))["reason"]
    stuck = one(needs([40.0], [20.0], tier="high"))
    assert stuck["action"] == Action.WITHHELD
    assert "no size" in stuck["reason"]
    assert one(needs([2.0], [8.0], tier="high"))["action"] == Action.KEEP, "its disk, say, is what is at risk"


def test_a_server_that_stays_without_the_headroom_wanted_says_so() -> None:
    row, fits = one(needs([7.5], [20.0], tier="watch")), one(needs([5.0], [20.0], tier="watch"))
    assert row["fits"] < RULES.fit_share <= fits["fits"]
    assert (row["action"], row["reason"]) == (Action.KEEP, TIGHT)
    assert (fits["action"], fits["reason"]) == (Action.KEEP, "the size fits")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"peaks_unseen": "quarter end"}, "peak lies ahead that its history does not hold: quarter end"),
        ({"history_days": 20}, "30 days of history"),
        ({"horizon_days": 7.0}, "a forecast of 30 days"),
        ({"cpu_statistic": "mean"}, "means hide them"),
    ],
)
def test_what_is_missing_withholds_a_smaller_size(columns: dict[str, Any], said: str) -> None:
    row = one(needs([1.4], [5.0], **columns))
    assert row["action"] == Action.WITHHELD
    assert said in row["reason"]
    assert row["to_type"] == ""
    assert np.isnan(row["to_vcpus"])


def test_without_a_forecast_of_memory_nothing_is_made_smaller_but_what_is_at_risk_is_made_larger() -> None:
    given = needs([1.4, 9.0], [5.0, 20.0], tier=["ok", "critical"])
    given.memory[:] = np.nan
    first, second = (rightsize(given, sizes(), RULES).iloc[i] for i in range(2))
    assert first["action"] == Action.WITHHELD
    assert "memory" in first["reason"]
    assert (second["action"], second["to_type"]) == (Action.UPSIZE, "m5.4xlarge")


def test_another_size_is_no_remedy_for_a_disk_that_fills_up() -> None:
    row = one(needs([9.0], [20.0], tier="critical", other_risk="disk"))
    assert row["action"] == Action.KEEP
    assert row["reason"] == "it is at risk by its disk: another size is no remedy"
    assert one(needs([1.0], [3.0], tier="high", other_risk="disk"))["action"] == Action.KEEP, "nor is a smaller one"


def test_nothing_is_recommended_for_the_unknown() -> None:
    row = one(needs([1.0], [1.0], tier="unknown"))
    assert row["action"] == Action.NONE


def test_other_families_only_where_they_are_allowed_and_never_another_architecture() -> None:
    given = needs([1.4], [2.0])
    assert one(given)["to_type"] == "m5.large"
    rules = SizingSettings(families={"retail": ("c5", "m6g", "t3")})
    assert one(given, rules)["to_type"] == "c5.large"
    assert one(given, SizingSettings(families={"web": ("c5",)}))["to_type"] == "m5.large"
    assert one(given, SizingSettings(least_vcpus=4))["to_type"] == "m5.xlarge"


def test_without_prices_the_smallest_safe_size_is_taken_and_no_money_invented() -> None:
    row = one(needs([1.4], [5.0]), of=sizes("elsewhere"))
    assert (row["action"], row["to_type"]) == (Action.DOWNSIZE, "m5.large")
    assert np.isnan(row["hourly"])
    assert np.isnan(row["to_hourly"])


def test_a_server_whose_own_sizes_have_no_price_is_sized_though_others_in_its_region_have_one() -> None:
    table = catalogue()
    others = table[table["family"] != "m5"]
    listed = Sizes.of(table, others[["instance_type"]].assign(region="eu", os="linux", hourly=0.05 * others["vcpus"]))
    row = one(needs([1.4], [5.0]), of=listed)
    assert (row["action"], row["to_type"]) == (Action.DOWNSIZE, "m5.large")
    assert np.isnan(row["to_hourly"])
    up = one(needs([9.0], [20.0], tier="critical"), of=listed)
    assert (up["action"], up["to_type"]) == (Action.UPSIZE, "m5.4xlarge")
    priced = one(needs([9.0], [20.0], tier="critical"), SizingSettings(families={"*": ("c5",)}), listed)
    assert priced["to_type"] == "c5.4xlarge", "a size with a price before one without"
    assert "m5.4xlarge: safe too, but without a price" in priced["alternatives"]


def test_a_price_without_region_holds_in_every_region() -> None:
    row = one(needs([1.4], [5.0]), of=sizes("*"))
    assert row["to_hourly"] == pytest.approx(0.05 * 2 + 0.01 * 8)


def test_without_instance_types_sizes_are_vcpus_and_gib() -> None:
    row = one(needs([1.4], [5.0], instance_type="", vcpus=8.0, memory_gib=30.0))
    assert row["action"] == Action.DOWNSIZE
    assert (row["to_type"], row["to_vcpus"], row["to_memory_gib"]) == ("", 2.0, 7.0)
    assert row["to_cpu_share"] == pytest.approx(0.25)
    assert np.isnan(row["to_hourly"])
    odd = one(needs([5.3], [5.0], instance_type="", vcpus=7.0))
    assert odd["to_vcpus"] == 7.0, "a size between the usual ones that holds the need stays"


def test_a_cut_that_is_not_worth_a_change_is_not_advised() -> None:
    row = one(needs([5.1], [20.5], instance_type="", vcpus=8.0, memory_gib=30.0))
    assert row["action"] == Action.KEEP, "7.1 of 8 vCPUs, 26.4 of 30 GiB"
    half = one(needs([1.4], [20.5], instance_type="", vcpus=8.0, memory_gib=30.0))
    assert (half["to_vcpus"], half["to_memory_gib"]) == (2.0, 30.0), "the memory stays as it is"


def test_without_sizes_the_advice_is_a_share_of_what_there_is() -> None:
    row = one(needs([1.4], [21.0], instance_type="", vcpus=np.nan, memory_gib=np.nan))
    assert (row["action"], row["to_cpu_share"], row["to_memory_share"]) == (Action.DOWNSIZE, 0.25, 1.0)
    assert np.isnan(row["to_vcpus"])
    up = one(needs([9.0], [20.0], instance_type="", vcpus=np.nan, memory_gib=np.nan, tier="critical"))
    assert (up["action"], up["to_cpu_share"], up["to_memory_share"]) == (Action.UPSIZE, 2.0, 1.0)


def test_memory_known_by_its_p95_alone_gets_a_wider_margin() -> None:
    row = one(needs([1.0], [11.5]))
    wider = one(needs([1.0], [11.5], memory_statistic="p95"))
    assert wider["need_memory_share"] / row["need_memory_share"] == pytest.approx(0.8 / 0.7, rel=1e-3)
    assert (row["to_type"], wider["action"]) == ("m5.xlarge", Action.KEEP)


def test_a_server_at_risk_gives_nothing_up_and_another_gets_no_more_of_anything() -> None:
    rules = SizingSettings(families={"*": ("c5", "m5")})
    up = one(needs([9.0], [3.0], tier="critical"), rules)
    assert (up["to_type"], up["to_memory_share"]) == ("c5.4xlarge", 1.0)
    down = one(needs([1.0], [20.0], instance_type="c5.2xlarge", vcpus=8.0, memory_gib=16.0), rules)
    assert (down["to_type"], down["to_memory_share"]) == ("m5.xlarge", 1.0), "c5.large is cheaper, m5.2xlarge has more"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_every_server_has_one_action_and_what_is_recommended_is_safe(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    given = needs(
        rng.uniform(0.1, 20, count).tolist(), rng.uniform(0.5, 70, count).tolist(),
        tier=rng.choice(["critical", "high", "watch", "ok", "unknown"], count),
        instance_type=rng.choice(["m5.2xlarge", "", "made.up"], count),
        peaks_unseen=rng.choice(["", "year end"], count),
    )  # fmt: skip
    table = rightsize(given, sizes(), RULES)
    assert table["server_id"].tolist() == given.servers["server_id"].tolist()
    assert set(table["action"]) <= set(Action)
    assert (table["reason"] != "").all()
    assert (table.loc[given.servers["tier"] == "unknown", "action"] == Action.NONE).all()
    moved = table["action"].isin([Action.UPSIZE, Action.DOWNSIZE])
    assert (table.loc[moved, "fits"] >= RULES.fit_share).all()
    assert table.loc[~moved, "to_vcpus"].isna().all()
    smaller = table["action"] == Action.DOWNSIZE
    assert (table.loc[smaller, "to_vcpus"] <= 8).all()
    order = rng.permutation(count)
    shuffled = replace(given, servers=given.servers.iloc[order], cpu=given.cpu[:, order], memory=given.memory[:, order])
    again = rightsize(shuffled, sizes(), RULES)
    pd.testing.assert_frame_equal(again, table.iloc[order].reset_index(drop=True))
