"""The rule at past origins: from what was known then alone, held against what came."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast.actions.exceedance import exceedance
from capforecast.actions.replay import COLUMNS, replayed
from capforecast.actions.sizes import Sizes
from capforecast.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "risk"))
from simulated import make_fleet

SETTINGS = Settings()
COUNT = 12


@pytest.fixture(scope="module")
def fleet():
    return make_fleet(np.linspace(10.0, 60.0, COUNT), metrics=("cpu", "mem"), origins=14, horizon=30, step=30)


def servers() -> pd.DataFrame:
    names = [f"s{i:04d}" for i in range(COUNT)]
    return pd.DataFrame(
        {
            "server_id": names, "business_unit": "retail", "region": "eu", "tier": "ok", "instance_type": "",
            "vcpus": 16.0, "memory_gib": 64.0,
        }
    )  # fmt: skip


def sizes() -> Sizes:
    columns = ["instance_type", "family", "architecture", "vcpus", "memory_gib", "burstable"]
    return Sizes.of(pd.DataFrame(columns=columns), pd.DataFrame(columns=["instance_type", "region", "os", "hourly"]))


def replay(fleet, settings: Settings = SETTINGS, tier: str = "ok") -> pd.DataFrame:
    return replayed(fleet.panel, fleet.errors, servers().assign(tier=tier), sizes(), settings)


def test_what_was_recommended_is_held_against_what_came(fleet) -> None:
    table = replay(fleet)
    assert tuple(table.columns) == COLUMNS
    newest = table[table["origin"] == table["origin"].max()].set_index("server_id")
    assert (newest["periods"] == 30).all()
    row = int(fleet.panel.timestamps.get_loc(table["origin"].max())) + 1
    came = fleet.panel.values[row : row + 30].reshape(30, COUNT, 2) / 100.0
    for name, prefix in (("over_need", "need_"), ("over_size", "to_")):
        limits = newest[[f"{prefix}cpu_share", f"{prefix}memory_share"]].to_numpy(dtype=float)
        np.testing.assert_array_equal(newest[name], (came > limits).any(axis=2).sum(axis=0))
        for r, resource in enumerate(("cpu", "memory")):
            np.testing.assert_array_equal(newest[f"{name}_{resource}"], (came > limits)[:, :, r].sum(axis=0))
    assert (newest["action"] == "downsize").sum() >= 3


def test_nothing_after_an_origin_speaks_at_it(fleet) -> None:
    whole = replay(fleet)
    origin = sorted(whole["origin"].unique())[-3]
    row = int(fleet.panel.timestamps.get_loc(origin)) + 1
    values, errors = fleet.panel.values.copy(), fleet.errors.errors.copy()
    values[row:] += 40.0
    for o, when in enumerate(fleet.errors.origins):
        first = int(fleet.panel.timestamps.get_loc(when)) + 1
        hit = np.arange(first, first + 30) >= row
        errors[o, hit] += 40.0  # the forecasts of then stay what they were
    later = replace(
        fleet, panel=replace(fleet.panel, values=values), errors=replace(fleet.errors, errors=errors)
    )  # fmt: skip
    before, after = (part[part["origin"] <= origin].reset_index(drop=True) for part in (whole, replay(later)))
    told = [name for name in COLUMNS if not name.startswith("over_")]
    pd.testing.assert_frame_equal(before[told], after[told])
    assert (
        after.loc[after["origin"] == origin, "over_need"].sum()
        > before.loc[before["origin"] == origin, "over_need"].sum()
    )


def test_the_tiers_of_today_do_not_speak_at_a_past_origin(fleet) -> None:
    assert (replay(fleet)["action"] == "downsize").any()
    pd.testing.assert_frame_equal(replay(fleet, tier="critical"), replay(fleet))


def test_origins_without_enough_known_ones_say_nothing(fleet) -> None:
    table = replay(fleet)
    assert len(fleet.errors.origins) > table["origin"].nunique() >= 3
    one = SETTINGS.model_copy(update={"sizing": SETTINGS.sizing.model_copy(update={"replay_origins": 1})})
    assert replay(fleet, one)["origin"].nunique() == 1
    young = replace(
        fleet.errors, **{name: getattr(fleet.errors, name)[:3] for name in ("errors", "origins", "scale", "states")}
    )
    none = replayed(fleet.panel, young, servers(), sizes(), SETTINGS)
    assert none.empty
    assert tuple(none.columns) == COLUMNS


def test_the_rule_keeps_its_promise_on_a_fleet_of_known_noise() -> None:
    fleet = make_fleet(np.linspace(10.0, 60.0, 60), metrics=("cpu", "mem"), origins=14, horizon=30, step=30, phi=0.5)
    names = [f"s{i:04d}" for i in range(60)]
    many = pd.concat([servers()] * 5, ignore_index=True).assign(server_id=names)
    table = replayed(fleet.panel, fleet.errors, many, sizes(), SETTINGS)
    found = exceedance(table["over_need"].to_numpy(), table["periods"].to_numpy(), pd.factorize(table["server_id"])[0])
    assert found.servers == 60
    assert found.rate < 0.005
    assert found.upper < 0.04, "sixty servers without one day over"
