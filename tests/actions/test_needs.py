"""What servers need: in units of their own size, CPU and memory of the same draws, nothing where nothing is known."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast.actions.needs import needs_of
from capforecast.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "risk"))
from simulated import make_fleet

SETTINGS = Settings()


def servers(count: int, **columns: object) -> pd.DataFrame:
    names = [f"s{i:04d}" for i in range(count)]
    return pd.DataFrame({"server_id": names, "tier": "ok", "vcpus": 8.0, "memory_gib": 32.0} | columns)


@pytest.fixture(scope="module")
def fleet():
    return make_fleet(np.array([20.0, 40.0, 60.0]), metrics=("cpu", "mem"))


def test_peaks_are_shares_of_the_size_and_of_the_same_draws(fleet) -> None:
    found = needs_of(*fleet.arguments(), servers(3), SETTINGS)
    assert found.cpu.shape == found.memory.shape == (len(found.origins), 3)
    assert len(found.cpu) >= 16 * 3
    assert not pd.MultiIndex.from_arrays([found.origins, found.repeat]).has_duplicates
    middle = np.median(found.cpu, axis=0)
    assert (middle > np.array([0.2, 0.4, 0.6])).all(), "a peak lies above the level"
    assert (np.diff(middle) > 0.1).all()
    np.testing.assert_allclose(np.median(found.memory, axis=0), middle, rtol=0.2)


def test_paths_that_fall_short_of_the_horizon_say_how_far_they_reach(fleet) -> None:
    whole = needs_of(*fleet.arguments(), servers(3), SETTINGS)
    assert (whole.servers["horizon_days"] == len(fleet.forecast.timestamps)).all()
    errors = fleet.errors.errors.copy()
    errors[:, 20:] = np.nan
    short = needs_of(fleet.panel, fleet.forecast, replace(fleet.errors, errors=errors), servers(3), SETTINGS)
    assert (short.servers["horizon_days"] == 20).all()
    assert (np.median(short.cpu, axis=0) < np.median(whole.cpu, axis=0)).all()
    assert needs_of(fleet.panel, None, None, servers(3), SETTINGS).servers["horizon_days"].eq(0).all()


def test_history_and_unseen_peaks_are_the_servers_own(fleet) -> None:
    panel = fleet.panel
    values = panel.values.copy()
    values[:-50, 0] = np.nan
    series = panel.series.assign(unseen_peaks=["", "", "", "year end", "", ""])
    found = needs_of(replace(panel, values=values, series=series), fleet.forecast, fleet.errors, servers(3), SETTINGS)
    assert found.servers["history_days"].tolist() == [50, len(values), len(values)]
    assert found.servers["peaks_unseen"].tolist() == ["", "year end", ""]


def test_what_is_not_known_is_not_needed(fleet) -> None:
    found = needs_of(*fleet.arguments(), servers(5), SETTINGS)
    assert np.isfinite(found.cpu).all(axis=0).tolist() == [True, True, True, False, False]
    assert found.servers["instance_type"].tolist() == [""] * 5
    assert found.servers["cpu_statistic"].tolist() == ["p95"] * 3 + [""] * 2
    said = "CPU by the P95 of a day, 20% headroom; memory by the P95 of a day, 30% headroom, wider"
    assert found.servers["basis"][0].startswith(said)
    nothing = needs_of(fleet.panel, None, None, servers(3), SETTINGS)
    assert nothing.cpu.shape == (0, 3)
    bare = needs_of(*fleet.arguments(), servers(3).drop(columns=["vcpus", "memory_gib"]), SETTINGS)
    assert bare.servers["vcpus"].isna().all()
    assert np.isfinite(bare.cpu).all(), "shares need no size"
