"""The stages `pools` and `fleet_pools` in the lake: every pool has a row, parts add up, nothing is published half."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast import stages
from capforecast.exchange import Ingested, Unit
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.schema import ALL_REGIONS, FLEET
from capforecast.settings import Settings

SETTINGS = Settings()


def prepared(folder: Path, lake: Path, sizes: bool) -> tuple[Store, Ingested, list[Unit]]:
    """A fleet validated and its pools stated; without forecasts, which take time."""
    listed = pd.read_csv(folder / "inventory.csv")
    if not sizes:
        listed = listed.drop(columns=["vcpus", "memory_gib", "instance_type"])
    inventory = lake / "inventory.csv"
    lake.mkdir()
    listed.to_csv(inventory, index=False)
    store = Store(str(lake / "lake"))
    history = stages.ingest(store, SETTINGS, str(folder / "observations.parquet"), str(inventory))
    units = []
    for name in history.business_units:
        unit = stages.validate(store, SETTINGS, history, name)
        units.append(unit.having(**stages.pools(store, SETTINGS, unit)))
    return store, history, units


@pytest.fixture(scope="module")
def fleet(fleet_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Ingested, list[Unit]]:
    return prepared(fleet_folder, tmp_path_factory.mktemp("pools") / "sized", sizes=True)


def test_pools_of_units_add_up_to_the_fleet(fleet: tuple[Store, Ingested, list[Unit]]) -> None:
    store, history, units = fleet
    pools = pd.concat([read_frame(store, unit.references["pools"]) for unit in units])
    added = stages.fleet_pools(store, SETTINGS, history, units)
    sums = read_frame(store, added["pools"])
    whole = sums[(sums["business_unit"] == FLEET) & (sums["region"] == ALL_REGIONS)].set_index("resource")
    assert added["pools"].uri.endswith(f"business_unit={FLEET}/part-0.parquet")
    for name in ("servers", "supply", "usable", "demand_now", "unsized", "unobserved", "unforecast"):
        assert whole[name].to_dict() == pools.groupby("resource")[name].sum().to_dict()
    assert whole["servers"].tolist() == [history.servers] * 2


def test_a_sum_over_the_fleet_is_published_only_with_all_units(fleet: tuple[Store, Ingested, list[Unit]]) -> None:
    store, history, units = fleet
    assert stages.fleet_pools(store, SETTINGS, history, units[1:]) == {}


def test_a_unit_without_sizes_is_complete_and_says_why(fleet_folder: Path, tmp_path: Path) -> None:
    store, history, units = prepared(fleet_folder, tmp_path / "unsized", sizes=False)
    table = read_frame(store, units[0].references["pools"])
    assert set(table["reason"]) == {"no_sizes"}
    assert (table["unsized"] == table["servers"]).all()
    assert np.isnan(table["demand_now"]).all()
    assert read_frame(store, units[0].references["demand"]).empty
    shown = stages.pool_overview(store, stages.fleet_pools(store, SETTINGS, history, units)["pools"])
    assert {row["reason"] for row in shown} == {"no_sizes"}
