"""The synthetic fleet is the same everywhere and holds what the demo tells."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from capforecast.fleet.inventory import at
from capforecast.fleet.panel import build, default_as_of
from capforecast.fleet.synthetic import END, generate
from capforecast.fleet.synthetic_servers import STORIES, cast
from capforecast.schema import INVENTORY_NUMBERS, INVENTORY_TEXT, Cadence, Panel
from capforecast.settings import Settings

DIGEST = (
    "import hashlib, pandas as pd; from capforecast.fleet.synthetic import generate;"
    "print(hashlib.sha256(''.join(f.to_csv() for f in generate(6, 40)).encode()).hexdigest())"
)


@pytest.fixture(scope="module")
def fleet() -> tuple[pd.DataFrame, pd.DataFrame]:
    return generate()


@pytest.fixture(scope="module")
def panel(fleet: tuple[pd.DataFrame, pd.DataFrame]) -> Panel:
    observations, inventory = fleet
    as_of = default_as_of(observations, Cadence.DAILY)
    return build(observations, at(inventory, as_of), Cadence.DAILY, as_of, Settings())


def story_of(name: str) -> list[str]:
    servers = cast(48, 730, 7)
    return servers.server_id[servers.plays(name)].tolist()


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    here = hashlib.sha256("".join(frame.to_csv() for frame in generate(6, 40)).encode()).hexdigest()
    command = [sys.executable, "-c", DIGEST]
    other = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "123"})
    assert other.stdout.strip() == here
    assert not generate(6, 40, seed=8)[0].equals(generate(6, 40)[0])


def test_the_inventory_is_complete_and_dated(fleet: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    observations, inventory = fleet
    assert {*INVENTORY_TEXT, *INVENTORY_NUMBERS, "valid_from"} <= set(inventory.columns)
    assert inventory["server_id"].nunique() == 48
    assert inventory["business_unit"].nunique() == 4
    assert inventory["region"].nunique() == 3
    assert inventory.drop(columns="owner").notna().all(axis=None)
    assert set(inventory["server_id"]) - set(observations["server_id"]) == set(story_of("listed"))
    resized = inventory[inventory.duplicated("server_id", keep=False)]
    assert set(resized["server_id"]) == set(story_of("resized"))


def test_values_are_plausible_and_rounded(fleet: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    observations, _ = fleet
    percent = observations[["cpu_p95", "cpu_mean", "mem_p95", "disk_p95"]]
    assert percent.min(axis=None) >= 0
    assert percent.max(axis=None) <= 100
    assert (observations["cpu_mean"] <= observations["cpu_p95"]).sum() == percent[["cpu_mean", "cpu_p95"]].notna().all(
        axis=1
    ).sum()
    np.testing.assert_allclose(observations["net_in_p95"], observations["net_in_p95"].astype(float).round(3), rtol=1e-6)
    assert observations["timestamp"].max() < END


def test_every_reason_to_be_unknown_is_there(panel: Panel) -> None:
    reasons = panel.series.groupby("server_id")["reason"].first()
    for story, reason in {"young": "too_short", "retired": "stale", "gappy": "gappy", "silent": "all_missing"}.items():
        assert story_of(story)
        assert set(reasons[story_of(story)]) == {reason}
    told = [name for story in ("young", "retired", "gappy", "silent") for name in story_of(story)]
    assert (reasons.drop(told) == "").all()


def test_stories_come_true_in_the_values(panel: Panel) -> None:
    values = pd.DataFrame(panel.values, columns=pd.MultiIndex.from_frame(panel.series[["metric", "server_id"]]))
    recent = values.tail(28)
    assert (recent["cpu"][story_of("overloaded")].quantile(0.5) > 88).all()
    assert (recent["cpu"][story_of("idle")].max() < 10).all()
    growing = values["cpu"][story_of("growing")]
    assert (growing.tail(60).mean() > growing.iloc[-400:-340].mean() + 15).all()
    disks = values["disk"][story_of("disk_soon")]
    pace = disks.tail(90).apply(lambda series: np.polyfit(np.arange(90)[series.notna()], series.dropna(), 1)[0])
    assert ((80 - disks.tail(7).mean()) / pace).between(10, 90).all()
    quiet = panel.timestamps.day_of_week >= 5
    assert (values["cpu"][quiet].mean() < values["cpu"][~quiet].mean()).mean() > 0.9
    quarter = (panel.timestamps.month % 3 == 0) & (panel.timestamps.day >= 29)
    peaking = values["cpu"][story_of("peaking")]
    assert (peaking[quarter].mean() > peaking[~quarter].mean() * 1.05).all()


def test_noise_remembers_and_memory_follows_cpu(panel: Panel) -> None:
    values = pd.DataFrame(panel.values, columns=pd.MultiIndex.from_frame(panel.series[["metric", "server_id"]]))
    steady = story_of("steady")
    week = values["cpu"][steady].diff(7)
    assert week.apply(lambda series: series.autocorr(1)).mean() > 0.2
    together = values["cpu"][steady].diff().corrwith(values["mem"][steady].diff())
    assert together.mean() > 0.3


def test_hourly_input_has_a_daily_rhythm() -> None:
    observations, _ = generate(8, 60, Cadence.HOURLY)
    assert observations["timestamp"].dt.hour.nunique() == 24
    by_hour = observations.groupby([observations["timestamp"].dt.hour, "server_id"])["cpu_p95"].mean().unstack()
    assert ((by_hour.max() - by_hour.min()) / by_hour.mean() > 0.1).all()


@pytest.mark.parametrize(("servers", "days"), [(1, 1), (3, 5), (100, 20)])
def test_fleets_of_any_size_can_be_made(servers: int, days: int) -> None:
    observations, inventory = generate(servers, days)
    assert inventory["server_id"].nunique() == servers
    assert len(observations) <= servers * days


def test_the_shares_of_the_stories_add_up() -> None:
    assert sum(STORIES.values()) == pytest.approx(1.0, abs=0.03)
