"""Servers packed hour by hour: nobody lost, no host too full, a spare kept, the rule held against later weeks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capforecast.actions.consolidate import Consolidation, Use, consolidate
from capforecast.actions.prices import PriceList, PriceSource, costs
from capforecast.actions.sizes import Sizes
from capforecast.errors import ConfigError, StageError
from capforecast.schema import CONSOLIDATION_COLUMNS, DIMENSIONS, PACKING_COLUMNS, Cadence
from capforecast.settings import ConsolidationSettings

WEEK = 168
RULES = ConsolidationSettings(weeks=2, held_out_weeks=1)
TYPES = {"m5.large": (2, 8, 0.1), "m5.xlarge": (4, 16, 0.2), "m5.4xlarge": (16, 64, 0.8)}


def sizes(listed: PriceList) -> Sizes:
    table = pd.DataFrame(
        [(name, "m5", "x86_64", float(v), float(g), None, None, False) for name, (v, g, _) in TYPES.items()],
        columns=["instance_type", "family", "architecture", "vcpus", "memory_gib", "network_baseline_mbps",
                 "network_burst_mbps", "burstable"],
    )  # fmt: skip
    return Sizes.of(table, listed.rows)


def prices(*types: str) -> PriceList:
    rows = [(name, "eu", "linux", TYPES[name][2], "list of 2026-01-01") for name in types]
    frame = pd.DataFrame(rows, columns=["instance_type", "region", "os", "hourly", "source"])
    return PriceList(frame, "EUR", (PriceSource("list", "2026-01-01", "by hand"),), frame[:0])


def fleet(count: int, **columns) -> pd.DataFrame:
    base = {
        "server_id": [f"s{i:03d}" for i in range(count)], "business_unit": "shop", "region": "eu",
        "criticality": "low", "vcpus": 4.0, "memory_gib": 16.0, "growth_cpu": 1.0, "growth_memory": 1.0,
    }  # fmt: skip
    return pd.DataFrame(base | columns, index=range(count))


def use_of(vcpus, memory=1.0, hours: int = 2 * WEEK, statistic: str = "mean") -> Use:
    """Use of [S], or [T, S]."""
    cpu = np.atleast_1d(np.asarray(vcpus, np.float32))
    shape = (hours, cpu.shape[-1])
    parts = [np.array(np.broadcast_to(np.asarray(part, np.float32), shape)) for part in (cpu, memory)]
    return Use(parts[0], parts[1], statistic, Cadence.HOURLY)


def packed(use: Use, servers: pd.DataFrame, rules=RULES, listed: PriceList | None = None, inventory=None):
    listed = listed or prices()
    paid = servers.assign(
        instance_type=servers.get("instance_type", ""), hourly_cost=servers.get("hourly_cost", np.nan)
    )  # fmt: skip
    inventory = servers if inventory is None else pd.concat([servers, inventory], ignore_index=True)
    return consolidate(use, servers, inventory, costs(paid, listed), sizes(listed), listed, rules)


def only(found: Consolidation) -> pd.Series:
    assert tuple(found.rows.columns) == CONSOLIDATION_COLUMNS
    assert tuple(found.packing.columns) == PACKING_COLUMNS
    assert len(found.rows) == 1
    return found.rows.iloc[0]


def hosts_of(count: int, vcpus: float = 16.0, memory: float = 64.0, **more) -> pd.DataFrame:
    """Inventory rows of hosts."""
    names = [f"h{b}" for b in range(count)]
    return fleet(count, server_id=names, vcpus=vcpus, memory_gib=memory, host_id="", **more)


def test_servers_that_are_busy_at_different_hours_share_a_host() -> None:
    """Four servers of 10 vCPU at their peak: a host of 16 holds all, or no two where peaks meet."""
    hour = np.arange(2 * WEEK)[:, None] % 4
    servers = fleet(4, vcpus=16.0, host_id=[f"h{i}" for i in range(4)])
    apart = packed(use_of(np.where(hour == np.arange(4), 10.0, 0.5)), servers, inventory=hosts_of(4))
    together = packed(use_of(np.where(hour == 0, 10.0, 0.5).repeat(4, axis=1)), servers, inventory=hosts_of(4))
    row = only(apart)
    assert (row["hosts"], row["hosts_needed"], row["spare"], row["freed"]) == (4, 1, 1, 2)
    assert row["busiest"] == pytest.approx(11.5 / 16)
    assert apart.packing["host_to"].nunique() == 1
    row = only(together)
    assert (row["reason"], row["freed"], row["packed"]) == ("nothing would be freed", 0, 0)
    assert together.packing.empty


def test_memory_binds_as_cpu_does() -> None:
    servers = fleet(4, vcpus=16.0, memory_gib=64.0, host_id=[f"h{i}" for i in range(4)])
    row = only(packed(use_of([0.1] * 4, 24.0), servers, inventory=hosts_of(4)))  # two on 64 GiB less a fifth
    assert (row["hosts_needed"], row["freed"]) == (2, 1)
    assert row["busiest"] == pytest.approx(48 / 64)


def test_the_spare_host_is_the_largest() -> None:
    servers = fleet(4, vcpus=16.0, host_id=[f"h{i}" for i in range(4)])
    hosts = hosts_of(4, vcpus=[8.0, 8.0, 32.0, 8.0], memory=[64.0, 64.0, 128.0, 64.0])
    found = packed(use_of([2.0] * 4), servers, inventory=hosts)
    assert "h2" not in set(found.packing["host_to"])
    assert only(found)["hosts_needed"] == 2  # three of 2 vCPU on 8 less a fifth
    none = packed(use_of([2.0] * 4), servers, RULES.model_copy(update={"spare": 0}), inventory=hosts)
    assert set(none.packing["host_to"]) == {"h2"}
    assert (only(none)["spare"], only(none)["freed"]) == (0, 3)


def test_growth_counts_and_a_fall_does_not() -> None:
    servers = fleet(6, vcpus=16.0, host_id=[f"h{i}" for i in range(6)])
    plain = packed(use_of([3.0] * 6), servers, inventory=hosts_of(6))
    grown = packed(use_of([3.0] * 6), servers.assign(growth_cpu=2.0), inventory=hosts_of(6))
    fallen = packed(use_of([3.0] * 6), servers.assign(growth_cpu=0.1), inventory=hosts_of(6))
    assert (only(plain)["hosts_needed"], only(grown)["hosts_needed"]) == (2, 3)
    assert grown.packing["peak_vcpus"].unique() == [6.0]
    pd.testing.assert_frame_equal(plain.packing, fallen.packing)


def test_hours_without_a_value_count_with_the_largest() -> None:
    hour = np.arange(2 * WEEK)[:, None] % 2
    values = np.where(hour == np.arange(6) % 2, 9.0, 0.5)
    servers = fleet(6, vcpus=16.0, host_id=[f"h{i}" for i in range(6)])
    before = packed(use_of(values), servers, inventory=hosts_of(6))
    values[hour[:, 0] == 1, 0::2] = np.nan  # half of the hours: just enough
    after = packed(use_of(values), servers, inventory=hosts_of(6))
    assert only(before)["freed"] > only(after)["freed"]


def test_who_may_not_move_stays_with_its_host() -> None:
    """Of six hosts: one of unknown memory, one hardly seen, one not forecast, one with a server of somebody else."""
    values = np.full((2 * WEEK, 8), 1.0)
    values[: WEEK + 1, 2] = np.nan
    servers = fleet(8, vcpus=16.0, host_id=[f"h{i}" for i in (0, 1, 2, 3, 4, 5, 5, 6)])
    servers.loc[1, "memory_gib"] = np.nan
    servers.loc[3, "growth_memory"] = np.nan
    other = fleet(1, server_id="other", business_unit="bank", host_id="h4")
    found = packed(use_of(values), servers, inventory=pd.concat([hosts_of(7), other]))
    row = only(found)
    assert set(found.packing["server_id"]) == {"s000", "s005", "s006", "s007"}
    assert (row["servers"], row["packed"]) == (8, 4)
    assert (row["hosts"], row["hosts_needed"], row["freed"]) == (7, 5, 1)  # 3 may move: one filled, one spare
    for words in (
        "4 of 8 servers stay",
        "memory_gib are not known",
        "CPU was seen in less",
        "not forecast",
        "of others",
    ):
        assert words in row["onto"]


def test_nothing_is_recommended_for_servers_of_unknown_capacity() -> None:
    servers = fleet(9, tier=["ok", "unknown", "critical"] * 3)
    found = packed(use_of([0.3] * 9), servers)
    assert set(found.packing["server_id"]) == set(servers.loc[servers["tier"] != "unknown", "server_id"])
    assert "3: its capacity is unknown" in only(found)["onto"]
    none = packed(use_of([0.3] * 9), servers.assign(tier="unknown"))
    assert only(none)["reason"] == "withheld: no server can be packed (9: its capacity is unknown)"


def test_what_shares_a_host_with_one_that_stays_stays() -> None:
    servers = fleet(7, vcpus=16.0, host_id=["h0", "h0", "h1", "h2", "h3", "h4", "h4"])
    servers.loc[0, "vcpus"] = np.nan
    found = packed(use_of([1.0] * 6 + [15.0]), servers, inventory=hosts_of(5))  # s006 fits no host with headroom
    assert set(found.packing["server_id"]) == {"s002", "s003", "s004"}
    assert "shares its host with a server that stays" in only(found)["onto"]


def test_a_host_is_no_server_and_its_size_is_said_where_it_is_summed() -> None:
    servers = pd.concat([fleet(6, vcpus=16.0, host_id=[f"h{i}" for i in range(6)]), hosts_of(2)], ignore_index=True)
    found = packed(use_of([1.0] * 8), servers)
    assert set(found.packing["server_id"]) == {f"s{i:03d}" for i in range(6)}
    assert only(found)["servers"] == 6
    assert "the capacity of 4 of 6 is the sum of their servers' sizes" in only(found)["onto"]


def test_without_hosts_servers_become_instances_of_a_size_that_they_have() -> None:
    servers = fleet(8, vcpus=[4.0] * 7 + [16.0], memory_gib=[16.0] * 7 + [64.0])
    row = only(packed(use_of([1.0] * 8), servers))  # 5 of 4 vCPU and 2 of 16 hold the same and one more
    assert row["onto"] == "instances of 4 vCPU, 16 GiB, chosen among 2 sizes"
    assert (row["vcpus"], row["memory_gib"], row["hosts"]) == (4, 16, 8)
    assert (row["hosts_needed"], row["freed"]) == (3, 4)
    assert np.isnan(row["monthly"])
    assert np.isnan(row["monthly_change"])
    assert "8 of 8 servers have no price" in row["price_reason"]


def test_a_smaller_size_frees_what_the_largest_server_s_would_not() -> None:
    """Ten servers that use little, and one of 4096 GiB: two of its size, which hold all, are larger than all."""
    servers = fleet(11, vcpus=[4.0] * 10 + [64.0], memory_gib=[16.0] * 10 + [4096.0])
    found = packed(use_of([0.5] * 10 + [20.0]), servers)
    row = only(found)
    assert row["onto"].startswith("instances of 4 vCPU, 16 GiB, chosen among 2 sizes; 1 of 11 servers stay as they are")
    assert (row["packed"], row["hosts"], row["hosts_needed"], row["freed"]) == (10, 11, 3, 7)
    assert "s010" not in set(found.packing["server_id"])


@pytest.mark.parametrize("criticality", ["high", "low"])  # of a group that is not looked at; not looked at itself
def test_hosts_that_carry_servers_of_others_are_not_freed(criticality: str) -> None:
    servers = fleet(8, host_id=["h0", "h1"] * 4)
    other = fleet(2, server_id=["o1", "o2"], criticality=criticality, host_id=["h0", "h1"])
    row = only(packed(use_of([0.2] * 8), servers, inventory=other))
    assert row["onto"] == "instances of 4 vCPU, 16 GiB"


def test_hosts_that_two_groups_share_are_freed_by_neither() -> None:
    servers = fleet(8, host_id=["h0", "h1"] * 4, criticality=["low"] * 4 + ["high"] * 4)
    rows = packed(use_of([0.2] * 8), servers).rows
    assert rows["onto"].tolist() == ["instances of 4 vCPU, 16 GiB"] * 2


def test_money_is_of_whole_cents() -> None:
    row = only(packed(use_of([0.5] * 9), fleet(9, hourly_cost=0.07771)))
    assert row["freed"] > 0
    assert row["monthly"] == 510.57, "9 of 56.73, which are 56.7283 each"
    for name in ("monthly", "to_monthly", "monthly_change"):
        assert row[name] == round(row[name], 2)


def test_money_of_instances_is_that_of_the_price_list() -> None:
    servers = fleet(8, instance_type="m5.xlarge")
    row = only(packed(use_of([0.5] * 8), servers, listed=prices("m5.xlarge")))
    assert (row["hosts_needed"], row["spare"], row["freed"]) == (2, 1, 5)
    assert row["onto"] == "m5.xlarge (4 vCPU, 16 GiB)"
    assert row["monthly"] == pytest.approx(8 * 0.2 * 730)
    assert row["to_monthly"] == pytest.approx(3 * 0.2 * 730)
    assert row["monthly_change"] == row["to_monthly"] - row["monthly"]
    assert (row["currency"], row["price_source"], row["price_reason"]) == ("EUR", "list of 2026-01-01", "")


def test_the_size_packed_onto_is_priced_by_a_server_that_is_itself_too_large_to_move() -> None:
    servers = fleet(13, vcpus=[4.0] * 12 + [16.0], hourly_cost=[0.2] * 12 + [0.25])
    servers["memory_gib"] = 4 * servers["vcpus"]
    row = only(packed(use_of([0.5] * 12 + [15.0]), servers))
    assert "1: its peak and headroom do not fit this size" in row["onto"]
    assert row["monthly"] == pytest.approx(12 * 0.2 * 730)
    assert row["to_monthly"] == pytest.approx(2 * 0.25 * 730)


def test_of_sizes_with_prices_the_cheapest_in_all_is_packed_onto() -> None:
    """A size costs what the dearest server of it does; where prices are equal, fewer instances win."""
    servers = fleet(12, vcpus=[4.0] * 11 + [16.0], hourly_cost=0.2)
    servers["memory_gib"] = 4 * servers["vcpus"]
    use = use_of([1.0] * 12)
    assert only(packed(use, servers))["vcpus"] == 16  # 2 instead of 5
    dear = packed(use, servers.assign(hourly_cost=[0.2] * 10 + [0.3, 0.8]))
    assert only(dear)["vcpus"] == 4
    assert only(dear)["to_monthly"] == pytest.approx(5 * 0.3 * 730)
    even = packed(use, servers.assign(hourly_cost=[0.2] * 11 + [0.5]))
    assert only(even)["vcpus"] == 16


def test_priced_types_of_the_servers_family_may_be_packed_onto_too() -> None:
    """Nine of 1 vCPU and their spare: 4 of m5.xlarge with 3 each, or 2 of a m5.4xlarge that is on sale."""
    servers, sale = fleet(9, instance_type="m5.xlarge"), prices("m5.xlarge", "m5.4xlarge")
    sale.rows.loc[1, "hourly"] = 0.3
    row = only(packed(use_of([1.0] * 9), servers, listed=sale))
    assert row["onto"] == "m5.4xlarge (16 vCPU, 64 GiB), chosen among 2 sizes"
    assert row["to_monthly"] == pytest.approx(2 * 0.3 * 730)
    assert row["price_source"] == "list of 2026-01-01"
    assert only(packed(use_of([1.0] * 9), servers, listed=prices("m5.xlarge")))["onto"].startswith("m5.xlarge")
    own = servers.assign(hourly_cost=[0.2] * 8 + [np.nan], instance_type=["m5.xlarge"] * 8 + ["x9"])
    assert only(packed(use_of([1.0] * 9), own, listed=sale))["vcpus"] == 4  # one without a price: no cheapest


def test_no_money_where_one_price_is_missing() -> None:
    servers = fleet(8, instance_type=["m5.xlarge"] * 7 + ["x9"])
    row = only(packed(use_of([0.5] * 8), servers, listed=prices("m5.xlarge")))
    assert row["freed"] == 5
    assert row[["monthly", "to_monthly", "monthly_change"]].isna().all()
    assert "1 of 8 servers have no price" in row["price_reason"]


def test_the_named_type_is_packed_onto_and_an_unknown_one_is_said() -> None:
    servers, listed = fleet(12, instance_type="m5.xlarge"), prices("m5.xlarge", "m5.4xlarge")
    named = RULES.model_copy(update={"instance_type": "m5.4xlarge", "spare": 0})
    row = only(packed(use_of([1.0] * 12), servers, named, listed))
    assert (row["vcpus"], row["hosts_needed"], row["freed"]) == (16, 1, 11)
    assert row["to_monthly"] == pytest.approx(0.8 * 730)
    unpriced = only(packed(use_of([1.0] * 12), servers, named, prices("m5.xlarge")))
    assert "m5.4xlarge" in unpriced["price_reason"]
    assert np.isnan(unpriced["to_monthly"])
    with pytest.raises(ConfigError, match=r"consolidation\.instance_type: m5\.huge is in no catalogue"):
        packed(use_of([1.0] * 12), servers, RULES.model_copy(update={"instance_type": "m5.huge"}), listed)


def test_fewer_is_no_gain_where_it_is_dearer_or_larger() -> None:
    named = RULES.model_copy(update={"instance_type": "m5.4xlarge"})
    servers = fleet(4, instance_type="m5.large", vcpus=2.0, memory_gib=8.0)
    priced = packed(use_of([1.0] * 4), servers, named, prices("m5.large", "m5.4xlarge"))
    assert only(priced)["reason"] == "nothing would be freed: fewer, but not cheaper"
    plain = packed(use_of([1.0] * 4), servers, named)
    assert only(plain)["reason"] == "nothing would be freed: fewer, but larger in all (32 vCPU for 8, 128 GiB for 32)"
    assert only(plain)["freed"] == 0
    assert plain.packing.empty


def test_money_of_hosts_is_that_of_their_own_rows() -> None:
    servers = fleet(4, host_id=[f"h{i}" for i in range(4)], hourly_cost=9.0)
    hosts = hosts_of(4, hourly_cost=[1.0, 2.0, 4.0, 8.0])
    row = only(packed(use_of([1.0] * 4), servers, inventory=hosts))
    assert row["monthly"] == pytest.approx(15 * 730)
    assert row["to_monthly"] == pytest.approx(3 * 730)  # h0 is the spare, h1 is filled
    assert row["price_source"] == "inventory"
    free = packed(use_of([1.0] * 4), servers, inventory=hosts.assign(hourly_cost=0.0))
    assert only(free)["freed"] == 2
    assert np.isnan(only(free)["monthly_change"]), "a cost of 0 is one that is not known"
    row = only(packed(use_of([1.0] * 4), servers, inventory=hosts.iloc[:3]))
    assert np.isnan(row["monthly_change"])
    assert row["price_reason"] == "the inventory has no cost of 1 of 4 hosts"


def test_the_rule_is_held_against_the_weeks_it_did_not_see() -> None:
    """Two servers a host; in the held-out week one rises for ten hours beyond what its host has."""
    values = np.full((2 * WEEK, 6), 6.0)
    servers = fleet(6, vcpus=16.0, host_id=[f"h{i}" for i in range(6)])
    calm = only(packed(use_of(values), servers, inventory=hosts_of(6)))
    assert (calm["hosts_needed"], calm["replayed_hours"], calm["replayed_over"]) == (3, 3 * WEEK, 0)
    assert 0 < calm["replayed_upper"] < 1
    values[WEEK : WEEK + 10, 3] = 10.5
    lax = RULES.model_copy(update={"exceedance_limit": 0.5})
    row = only(packed(use_of(values), servers, lax, inventory=hosts_of(6)))
    assert row["replayed_over"] == 10
    assert row["replayed_rate"] == pytest.approx(10 / (3 * WEEK))
    assert row["replayed_upper"] > row["replayed_rate"]
    strict = packed(use_of(values), servers, inventory=hosts_of(6))
    assert only(strict)["reason"] == "withheld: its hosts were above 100 % in 2.0% of the held-out hours"
    assert (only(strict)["freed"], only(strict)["replayed_over"]) == (0, 10)
    assert strict.packing.empty


def test_hours_of_which_nothing_was_seen_are_no_evidence() -> None:
    """Three hosts of two servers; in the held-out week one is blind on one server, another on both."""
    servers = fleet(6, vcpus=16.0, host_id=[f"h{i}" for i in range(6)])
    values = np.full((2 * WEEK, 6), 6.0)
    values[5, 1] = 6.5
    place = packed(use_of(values), servers, inventory=hosts_of(6)).packing.set_index("server_id")["host_to"]
    with_first = place.index[(place == place["s001"]) & (place.index != "s001")][0]
    others = place.index[place != place["s001"]]
    one, both = int(with_first[1:]), [int(name[1:]) for name in others if place[name] == place[others[0]]]
    values[WEEK:, [1, *both]] = np.nan
    values[WEEK : WEEK + 3, one] = 9.6  # with the 6.5 that the blind one once had: above 16
    lax = RULES.model_copy(update={"exceedance_limit": 0.5})
    row = only(packed(use_of(values), servers, lax, inventory=hosts_of(6)))
    assert (row["replayed_hours"], row["replayed_over"]) == (2 * WEEK, 3)
    values[WEEK:] = np.nan
    row = only(packed(use_of(values), servers, lax, inventory=hosts_of(6)))
    assert row["reason"] == "withheld: needs held-out hours on which its packing can be replayed"


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        (use_of([1.0] * 4, statistic="p95"), "withheld: needs hourly mean or maximum"),
        (Use(*[np.ones((400, 4), np.float32)] * 2, "mean", Cadence.DAILY), "withheld: needs hourly mean or maximum"),
        (use_of([1.0] * 4, hours=252), "withheld: needs 2 weeks of hours; there are 1.5"),
    ],
)
def test_what_cannot_be_added_up_is_withheld_for_every_group(use: Use, reason: str) -> None:
    found = packed(use, fleet(4, region=["eu", "eu", "us", "us"]))
    assert found.rows["reason"].tolist() == [reason] * 2
    assert found.rows["region"].tolist() == ["eu", "us"]
    assert found.rows["servers"].tolist() == [2, 2]
    assert found.packing.empty
    assert tuple(found.packing.columns) == PACKING_COLUMNS


def test_groups_that_cannot_be_packed_say_why() -> None:
    assert only(packed(use_of([1.0] * 2), fleet(2)))["reason"] == "fewer than 3 servers"
    some = fleet(4, host_id=["h0", "h1", None, "h2"])
    assert only(packed(use_of([1.0] * 4), some))["reason"].startswith("withheld: needs host_id of all servers or of")
    blind = packed(use_of([1.0] * 4, np.nan), fleet(4))
    assert only(blind)["reason"] == (
        "withheld: no server can be packed (4: its memory was seen in less than 50% of the hours)"
    )


def test_what_does_not_match_is_an_error() -> None:
    with pytest.raises(StageError, match="5 servers, 5 costs, use of shape"):
        packed(use_of([1.0] * 4), fleet(5))
    with pytest.raises(StageError, match="server s000 stands there twice"):
        packed(use_of([1.0] * 4), fleet(4, server_id="s000"))


@st.composite
def cases(draw, hosted: bool = False):
    """A fleet of a few groups with random loads, gaps, sizes and hosts."""
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(3, 30))
    random = np.random.default_rng(seed)
    vcpus = random.choice([2.0, 4.0, 16.0, np.nan], count, p=[0.4, 0.3, 0.25, 0.05])
    values = random.gamma(0.4, 0.2, (2 * WEEK, count, 2)).clip(0, 1) * random.uniform(0.05, 1, (1, count, 2))
    values[random.random(values.shape) < draw(st.sampled_from([0.0, 0.3]))] = np.nan
    servers = fleet(
        count, region=random.choice(["eu", "us"], count),
        criticality=random.choice(["low", "high"], count, p=[0.8, 0.2]), vcpus=vcpus, memory_gib=4 * vcpus,
        growth_cpu=random.choice([0.9, 1.3], count),
    )  # fmt: skip
    if hosted or draw(st.booleans()):
        group = servers["region"] + servers["criticality"]
        servers["host_id"] = group + random.integers(0, max(count // 3, 1), count).astype(str)
    spare = draw(st.integers(0, 2))
    size = np.nan_to_num(vcpus, nan=4.0)
    use = Use(*(np.float32(values[..., r] * size * (1, 4)[r]) for r in range(2)), "max", Cadence.HOURLY)
    return use, servers, RULES.model_copy(update={"spare": spare})


def capacity(found: Consolidation, servers: pd.DataFrame) -> pd.DataFrame:
    """vCPU and GiB of each group's bins, by group and name."""
    if "host_id" in servers:
        return servers.groupby([*DIMENSIONS, "host_id"])[["vcpus", "memory_gib"]].sum()
    size = found.rows.set_index(list(DIMENSIONS))[["vcpus", "memory_gib"]]
    names = found.packing[[*DIMENSIONS, "host_to"]].drop_duplicates()
    return names.join(size, on=list(DIMENSIONS)).set_index([*DIMENSIONS, "host_to"])


@given(cases())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_nobody_is_lost_and_no_host_is_too_full_at_any_hour(case) -> None:
    use, servers, rules = case
    found = packed(use, servers, rules)
    assert found.rows["servers"].sum() == len(servers)
    assert found.rows["packed"].sum() == len(found.packing)
    assert found.packing["server_id"].is_unique
    assert (found.rows["freed"] >= 0).all()
    gained = found.rows[found.rows["freed"] > 0]
    assert (gained["hosts"] - gained["hosts_needed"] - gained["spare"] == gained["freed"]).all()
    assert (found.rows.loc[found.rows["freed"] == 0, "reason"] != "").all()
    assert (gained["reason"] == "").all()
    limits, place = capacity(found, servers), servers.set_index("server_id").index
    for key, mine in found.packing.groupby([*DIMENSIONS, "host_to"]):
        load = np.zeros((2 * WEEK, 2))
        for server in mine["server_id"]:
            i = place.get_loc(server)
            for r, (part, growth) in enumerate(((use.vcpus, "growth_cpu"), (use.memory_gib, "growth_memory"))):
                one = part[:, i].astype(np.float64)
                load[:, r] += np.where(np.isnan(one), np.nanmax(one), one) * max(servers[growth].iloc[i], 1.0)
        room = limits.loc[key].to_numpy() * (1 - rules.headroom)
        assert (load <= room * (1 + 1e-6)).all()


@given(cases(hosted=True))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_with_the_largest_hosts_gone_any_other_may_fail_too(case) -> None:
    """Each filled host's servers fit, hour by hour, on every host that is kept empty for them."""
    use, servers, rules = case
    found = packed(use, servers, rules)
    limits = capacity(found, servers)
    for group, mine in found.packing.groupby(list(DIMENSIONS)):
        row = found.rows.set_index(list(DIMENSIONS)).loc[group]
        movable = sorted(set(mine["host_from"]))
        whole = limits.loc[group].loc[movable]
        order = (whole / whole.sum()).sum(axis=1).sort_values(ascending=False, kind="stable")
        spare = order.index[: rules.spare]
        assert not set(spare) & set(mine["host_to"])
        assert row["spare"] == rules.spare == len(spare)
        for _, on in mine.groupby("host_to"):
            assert (on[["peak_vcpus", "peak_memory_gib"]].max().to_numpy() <= whole.loc[spare].to_numpy() + 1e-6).all()


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_the_order_of_servers_changes_nothing(case, random) -> None:
    use, servers, rules = case
    order = list(range(len(servers)))
    random.shuffle(order)
    turned = Use(use.vcpus[:, order], use.memory_gib[:, order], use.statistic, use.cadence)
    plain, other = packed(use, servers, rules), packed(turned, servers.iloc[order].reset_index(drop=True), rules)
    pd.testing.assert_frame_equal(plain.rows, other.rows)
    pd.testing.assert_frame_equal(plain.packing, other.packing)
