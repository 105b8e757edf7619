"""The synthetic fleet is the same everywhere and holds what the demo tells."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import UsageError
from capforecast.fleet.inventory import CAPACITY_CHANGED_AT, at
from capforecast.fleet.panel import build, default_as_of
from capforecast.fleet.synthetic import END, Fleet, generate
from capforecast.fleet.synthetic_servers import STORIES, cast
from capforecast.schema import INVENTORY_NUMBERS, INVENTORY_TEXT, Cadence, Panel
from capforecast.settings import Settings

# Of generate(6, 40), values written with three decimals. It changes only when the generator is changed on purpose:
# then say so in CHANGELOG.md, because fleets that others have kept no longer come out the same.
DIGEST = "34c69971085cf9cf60402ceb98aef5215ca63a812dab42fcc0d73237df7e7aeb"
PRINT_DIGEST = """
import hashlib
from capforecast.fleet.synthetic import generate
print(hashlib.sha256("".join(f.to_csv(float_format="%.3f") for f in generate(6, 40)).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def fleet() -> tuple[pd.DataFrame, pd.DataFrame]:
    return generate()


@pytest.fixture(scope="module")
def panel(fleet: tuple[pd.DataFrame, pd.DataFrame]) -> Panel:
    observations, inventory = fleet
    as_of = default_as_of(observations, Cadence.DAILY)
    return build(observations, at(inventory, as_of), Cadence.DAILY, as_of, Settings())


def story_of(*names: str) -> list[str]:
    servers = cast(0, 48, 730, 7)
    return sorted(servers.server_id[servers.plays(*names)].tolist())


def by_metric(panel: Panel) -> pd.DataFrame:
    return pd.DataFrame(panel.values, columns=pd.MultiIndex.from_frame(panel.series[["metric", "server_id"]]))


def test_the_same_arguments_give_the_stored_bytes_in_another_process() -> None:
    command = [sys.executable, "-c", PRINT_DIGEST]
    other = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "123"})
    assert other.stdout.strip() == DIGEST
    text = "".join(frame.to_csv(float_format="%.3f") for frame in generate(6, 40))
    assert hashlib.sha256(text.encode()).hexdigest() == DIGEST
    assert not generate(6, 40, seed=8)[0].equals(generate(6, 40)[0])


@pytest.mark.parametrize("dirty", [True, False])
def test_a_server_is_the_same_in_a_fleet_of_any_size_and_block(dirty: bool) -> None:
    small, small_inventory = generate(3, 50, dirty=dirty)
    large, large_inventory = generate(200, 50, dirty=dirty)
    same = large[large["server_id"].isin(small_inventory["server_id"])].reset_index(drop=True)
    assert sorted(small["server_id"].unique()) == sorted(same["server_id"].unique())
    order = ["server_id", "timestamp", "cpu_p95"]
    pd.testing.assert_frame_equal(
        small.sort_values(order, ignore_index=True), same.sort_values(order, ignore_index=True)
    )
    known = large_inventory[large_inventory["server_id"].isin(small_inventory["server_id"])]
    pd.testing.assert_frame_equal(small_inventory, known.reset_index(drop=True))
    whole = Fleet(20, 50, dirty=dirty)
    for size in (1, 7):
        pieces = [block.known["mem_p95"] for block in whole.blocks(size)]
        np.testing.assert_array_equal(np.concatenate(pieces), next(whole.blocks(20)).known["mem_p95"])


def test_the_inventory_is_complete_and_dated(fleet: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    observations, inventory = fleet
    from_type = {"network_mbps"}  # the instance type says it
    assert {*INVENTORY_TEXT, *INVENTORY_NUMBERS, "valid_from"} - from_type <= set(inventory.columns)
    assert inventory["server_id"].nunique() == 48
    assert inventory["business_unit"].nunique() == 4
    assert inventory["region"].nunique() == 3
    assert inventory.drop(columns="owner").notna().all(axis=None)
    assert set(inventory["server_id"]) - set(observations["server_id"]) == set(story_of("listed"))
    dated = inventory[inventory.duplicated("server_id", keep=False)]
    assert sorted(dated["server_id"].unique()) == story_of("resized", "moved")
    units = dated.groupby("server_id")["business_unit"].nunique()
    assert sorted(units[units == 2].index) == story_of("moved")


def test_a_resize_changes_the_percentages_by_the_change_of_capacity(
    fleet: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    observations, inventory = generate(480, 400, dirty=False)
    servers = cast(0, 480, 400, 7)
    resized = servers.server_id[servers.plays("resized")]
    assert len(resized) == 20
    ratios = []
    for name in resized:
        before, after = inventory[inventory["server_id"] == name].to_dict("records")
        values = observations[observations["server_id"] == name].set_index("timestamp")["cpu_p95"]
        window = pd.Timedelta(days=28)
        old = values[(values.index < after["valid_from"]) & (values.index >= after["valid_from"] - window)]
        new = values[(values.index >= after["valid_from"]) & (values.index < after["valid_from"] + window)]
        assert before["vcpus"] != after["vcpus"]
        ratios.append(new.median() * after["vcpus"] / (old.median() * before["vcpus"]))
    np.testing.assert_allclose(ratios, 1.0, atol=0.3)
    seen = at(inventory, END).set_index("server_id")[CAPACITY_CHANGED_AT]
    assert set(seen.dropna().index) == set(resized)


def test_values_are_plausible_and_rounded(fleet: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    observations, _ = fleet
    percent = observations[["cpu_p95", "cpu_mean", "mem_p95", "disk_p95"]]
    assert percent.min(axis=None) >= 0
    assert percent.max(axis=None) <= 100
    both = percent[["cpu_mean", "cpu_p95"]].dropna()
    assert (both["cpu_mean"] <= both["cpu_p95"]).all()
    np.testing.assert_allclose(percent, percent.astype(float).round(3), rtol=1e-6)
    assert observations["timestamp"].max() < END


def test_every_reason_to_be_unknown_is_there(panel: Panel) -> None:
    reasons = panel.series.groupby("server_id")["reason"].first()
    for story, reason in {"young": "too_short", "retired": "stale", "gappy": "gappy", "silent": "all_missing"}.items():
        assert story_of(story)
        assert set(reasons[story_of(story)]) == {reason}
    assert (reasons.drop(story_of("young", "retired", "gappy", "silent")) == "").all()


def test_stories_come_true_in_the_values(panel: Panel) -> None:
    values = by_metric(panel)
    recent = values.tail(28)
    assert (recent["cpu"][story_of("overloaded")].quantile(0.5) > 88).all()
    assert (recent["cpu"][story_of("saturated")].quantile(0.5) == 100).all()
    assert (recent["cpu"][story_of("idle")].max() < 10).all()
    constant = values.loc[:, values.columns.get_level_values("server_id").isin(story_of("constant"))]
    assert (constant.nunique() == 1).all()
    growing = values["cpu"][story_of("growing")]
    assert (growing.tail(60).mean() > growing.iloc[-400:-340].mean() + 15).all()
    disks = values["disk"][story_of("disk_soon")]
    pace = disks.tail(90).apply(lambda series: np.polyfit(np.arange(90)[series.notna()], series.dropna(), 1)[0])
    assert ((80 - disks.tail(7).mean()) / pace).between(10, 90).all()
    quiet = panel.timestamps.day_of_week >= 5
    lower = values["cpu"][quiet].mean() < values["cpu"][~quiet].mean()
    assert lower.drop(story_of("constant", "silent", "saturated")).mean() > 0.9
    quarter = (panel.timestamps.month % 3 == 0) & (panel.timestamps.day >= 29)
    peaking = values["cpu"][story_of("peaking")]
    assert (peaking[quarter].mean() > peaking[~quarter].mean() * 1.05).all()


def test_noise_remembers_and_memory_and_traffic_follow_cpu(panel: Panel) -> None:
    values, steady = by_metric(panel), story_of("steady")
    week = values["cpu"][steady].diff(7)
    assert week.apply(lambda series: series.autocorr(1)).mean() > 0.2
    for metric in ("mem", "net_in", "net_out"):
        together = values["cpu"][steady].diff().corrwith(values[metric][steady].diff())
        assert together.mean() > 0.3, metric


def test_dirty_rows_come_late_again_and_contradicting_and_the_last_is_right() -> None:
    dirty, _ = generate(60, 400)
    clean, _ = generate(60, 400, dirty=False)
    assert "ingested_at" not in clean
    assert not clean.duplicated(["server_id", "timestamp"]).any()
    delay = dirty["ingested_at"] - dirty["timestamp"] - pd.Timedelta(days=1)
    assert (delay > pd.Timedelta(0)).all()
    assert 0.003 < (delay > pd.Timedelta(days=1)).mean() < 0.02
    again = dirty[dirty.duplicated(["server_id", "timestamp"], keep=False)]
    same_arrival = again[again.duplicated(["server_id", "timestamp", "ingested_at"], keep=False)]
    differ = same_arrival.groupby(["server_id", "timestamp"])["disk_p95"].nunique()
    assert (differ == 1).sum() > 0
    assert (differ == 2).sum() > 0
    assert len(again) > len(same_arrival), "corrections arrive later than what they correct"
    final = dirty.sort_values("ingested_at", kind="stable").drop_duplicates(["server_id", "timestamp"], keep="last")
    both = final.merge(clean, on=["server_id", "timestamp"], suffixes=("", "_clean"))
    assert len(both) == len(final) < len(clean)
    given = both["cpu_p95"].notna() & both["cpu_p95_clean"].notna()
    assert given.mean() > 0.95
    np.testing.assert_array_equal(both["cpu_p95"][given], both["cpu_p95_clean"][given])


def test_hourly_input_has_a_daily_rhythm() -> None:
    observations, _ = generate(8, 60, Cadence.HOURLY)
    assert observations["timestamp"].dt.hour.nunique() == 24
    by_hour = observations.groupby([observations["timestamp"].dt.hour, "server_id"])["cpu_p95"].mean().unstack()
    assert ((by_hour.max() - by_hour.min()) / by_hour.mean() > 0.1).all()


@pytest.mark.parametrize(("servers", "days"), [(1, 1), (3, 5), (100, 20)])
def test_fleets_of_any_size_can_be_made(servers: int, days: int) -> None:
    observations, inventory = generate(servers, days)
    assert inventory["server_id"].nunique() == servers
    assert len(observations.drop_duplicates(["server_id", "timestamp"])) <= servers * days


def test_impossible_fleets_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1 server"):
        Fleet(servers=0)
    with pytest.raises(UsageError, match="midnight"):
        Fleet(end=pd.Timestamp("2026-01-01 05:00", tz="UTC"))


def test_every_48_servers_play_every_story() -> None:
    assert sum(STORIES.values()) == 48
    assert set(cast(96, 144, 100, 3).story) == set(STORIES)
