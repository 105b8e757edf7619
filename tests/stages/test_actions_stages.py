"""The stages `sizing` and `actions`: every server once, evidence and money beside it, decisions of people kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from capforecast import stages
from capforecast.actions import decisions
from capforecast.actions.decisions import Record
from capforecast.configuration import load
from capforecast.exchange import Ingested, Unit
from capforecast.lake.datasets import read_frame
from capforecast.lake.store import Store
from capforecast.schema import ACTION_COLUMNS, SAVING_COLUMNS
from capforecast.settings import Settings
from tasks.data import validate

SETTINGS = Settings()
LINE = ("train", "champion", "forecast", "risk", "sizing")
MOVES = ("downsize", "upsize", "stop")


class Fleet:
    """A fleet of one lake, sized."""

    def __init__(self, folder: Path, lake: Path, settings: Settings = SETTINGS, inventory: str = "inventory.csv"):
        self.store, self.settings = Store(str(lake)), settings
        source = str(folder / "observations.parquet")
        self.history: Ingested = stages.ingest(self.store, settings, source, str(folder / inventory))
        self.units: list[Unit] = []
        for name in self.history.business_units:
            unit = stages.validate(self.store, settings, self.history, name)
            for stage in LINE:
                unit = unit.having(**getattr(stages, stage)(self.store, settings, unit))
            self.units.append(unit)

    def actions(self, units: list[Unit] | None = None) -> dict[str, pd.DataFrame]:
        """The tables of the stage, by name; of these units, or all."""
        chosen = self.units if units is None else units
        covered = [unit.business_unit for unit in chosen]
        told = stages.decided(self.store, self.history)
        given = [unit.only(stages.NEEDS["actions"]) for unit in chosen]
        made = stages.actions(self.store, self.settings, self.history, given, covered, told)
        self.keys = {name: reference.uri for name, reference in made.items()}
        return {name: read_frame(self.store, reference) for name, reference in made.items()}


@pytest.fixture(scope="module")
def fleet(fleet_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    rules = SETTINGS.sizing.model_copy(update={"exceedance_limit": 0.2})  # few servers prove little
    return Fleet(
        fleet_folder, tmp_path_factory.mktemp("actions") / "lake", SETTINGS.model_copy(update={"sizing": rules})
    )


@pytest.fixture(scope="module")
def tables(fleet: Fleet) -> dict[str, pd.DataFrame]:
    return fleet.actions()


def test_every_server_has_one_action_with_its_reason_and_nothing_is_advised_to_the_unknown(
    fleet: Fleet, tables: dict[str, pd.DataFrame]
) -> None:
    table = tables["actions"]
    assert tuple(table.columns) == ACTION_COLUMNS
    listed = pd.concat([read_frame(fleet.store, unit.references["servers"]) for unit in fleet.units])
    assert sorted(table["server_id"]) == sorted(listed["server_id"])
    assert (table["reason"] != "").all()
    unknown = table["tier"] == "unknown"
    assert unknown.any()
    assert set(table.loc[unknown, "action"]) == {"none"}
    assert {"upsize", "keep"} <= set(table["action"])
    assert fleet.keys["actions"].endswith("business_unit=_fleet/part-0.parquet")


def test_a_recommendation_carries_what_it_was_made_from(tables: dict[str, pd.DataFrame]) -> None:
    moved = tables["actions"][tables["actions"]["action"].isin(MOVES)]
    for name in ("inputs", "config", "code", "model_version", "price_source", "basis", "segment"):
        assert (moved[name] != "").all(), name
    sized = moved[moved["action"] != "stop"]
    assert (sized["paths"] >= 30).all()
    assert (sized["fits"] >= SETTINGS.sizing.fit_share).all()
    smaller = moved[moved["action"] == "downsize"]
    assert smaller["bound_upper"].notna().all()
    assert (smaller["bound_upper"] <= smaller["promised"]).all()


def test_money_adds_up_to_the_cent(tables: dict[str, pd.DataFrame]) -> None:
    table, sums = tables["actions"], tables["savings"]
    assert tuple(sums.columns) == SAVING_COLUMNS
    moved = table[table["action"].isin(MOVES)]
    whole = sums.query("scope == 'fleet' and kind == 'all'").iloc[0]
    assert whole["servers"] == len(moved)
    assert round(whole["monthly_change"] * 100) == round(moved["monthly_change"].sum() * 100)
    by_unit = sums.query("scope == 'business_unit' and kind == 'all'")
    assert round(by_unit["monthly_change"].sum() * 100) == round(whole["monthly_change"] * 100)
    assert whole["change_q10"] <= whole["change_q50"] <= whole["change_q90"]


def test_a_run_of_some_units_is_kept_beside_the_fleets(fleet: Fleet) -> None:
    one = fleet.units[0]
    found = fleet.actions([one])
    assert set(found["actions"]["business_unit"]) == {one.business_unit}
    assert f"business_unit={one.business_unit}/" in fleet.keys["actions"]


def test_the_same_twice_is_the_same_to_the_byte(fleet: Fleet) -> None:
    told = stages.decided(fleet.store, fleet.history)
    covered = fleet.history.business_units
    one, two = (
        stages.actions(fleet.store, fleet.settings, fleet.history, units, covered, told)
        for units in (fleet.units, fleet.units)
    )
    assert one == two


def test_rejected_advice_is_not_given_again_and_says_who_said_no(fleet: Fleet, tables: dict[str, pd.DataFrame]) -> None:
    row = tables["actions"][tables["actions"]["action"] == "upsize"].iloc[0]
    before = (fleet.history.cut_off - pd.Timedelta(days=3)).isoformat()
    size = {name: float(row[name]) for name in ("to_vcpus", "to_memory_gib", "to_cpu_share", "to_memory_share")}
    decisions.append(
        fleet.store,
        Record(
            server_id=row["server_id"], state="rejected", action="upsize", to_type=row["to_type"], advised=before,
            at=before, by="ann", note="it will be retired", **size,
        ),
    )  # fmt: skip
    again = fleet.actions()["actions"].set_index("server_id").loc[row["server_id"]]
    assert (again["action"], again["withheld_action"]) == ("withheld", "upsize")
    assert "rejected on" in again["reason"]
    assert "ann: it will be retired" in again["reason"]


def test_without_sizes_and_prices_advice_is_in_shares_and_no_money_is_invented(
    fleet_folder: Path, tmp_path: Path
) -> None:
    bare = pd.read_csv(fleet_folder / "inventory.csv")[["server_id", "business_unit", "region", "valid_from"]]
    bare = bare[bare["business_unit"] == bare["business_unit"].iloc[0]]
    source = pd.read_parquet(fleet_folder / "observations.parquet")
    source[source["server_id"].isin(bare["server_id"])].to_parquet(tmp_path / "observations.parquet")
    bare.to_csv(tmp_path / "inventory.csv", index=False)
    found = Fleet(tmp_path, tmp_path / "lake").actions()
    moved = found["actions"][found["actions"]["action"].isin(("downsize", "upsize"))]
    assert len(moved)
    assert moved["to_cpu_share"].notna().all()
    assert moved["to_vcpus"].isna().all()
    assert found["actions"]["monthly_change"].isna().all()
    assert (moved["price_reason"] != "").all()
    assert np.isnan(found["savings"].query("kind == 'all' and servers > 0")["monthly_change"]).all()


@pytest.mark.parametrize(("key", "value"), [("idle.days", 20), ("idle.least_days", 5)])
def test_what_validate_looks_at_is_looked_at_anew_when_it_is_set_otherwise(key: str, value: int) -> None:
    keys = []
    for overrides in ({}, {key: value}):
        job = SimpleNamespace(settings=load(environment={}, overrides=overrides).settings)
        inputs = {"job": job, "ingested": {}, "business_unit": "retail"}
        context = SimpleNamespace(task=SimpleNamespace(name="validate"))
        keys.append(validate.cache_policy.compute_key(context, inputs, {}))
    assert keys[0] != keys[1]
