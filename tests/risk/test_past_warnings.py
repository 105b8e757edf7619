"""Cases of the scorecard: what would have been said at past origins, with nothing known that came later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from capforecast.risk.past_warnings import no_warnings, past_warnings, sampled_warnings
from capforecast.schema import METRIC, SERVER_ID, WARNING_COLUMNS, Cadence
from capforecast.settings import Settings

SETTINGS = Settings()
LEVELS = np.linspace(55, 88, 24)
KEY = [SERVER_ID, METRIC, "origin", "level"]
STATED = [f"p_{h}d" for h in (7, 14, 30, 60, 90)]
OUTCOME = ["event_days"]


def changed(fleet, after: int, seed: int = 9):
    """The fleet with other values from row `after` on; its past forecasts stay what they were."""
    panel, errors = fleet.panel, fleet.errors
    values = panel.values.copy()
    rng = np.random.default_rng(seed)
    values[after:] += rng.uniform(10, 40, values[after:].shape).astype(np.float32)
    rows = panel.timestamps.get_indexer(errors.origins)
    length = errors.errors.shape[1]
    moved = np.stack([values[r + 1 : r + 1 + length] - panel.values[r + 1 : r + 1 + length] for r in rows])
    return replace(fleet, panel=replace(panel, values=values), errors=replace(errors, errors=errors.errors + moved))


@pytest.fixture
def simulated(fleet):
    return fleet(LEVELS, origins=16)


def test_a_case_is_a_series_an_origin_and_a_level_not_in_breach(simulated) -> None:
    table = past_warnings(simulated.panel, simulated.errors, SETTINGS)
    assert list(table.columns) == [*WARNING_COLUMNS, *STATED]
    assert not table[KEY].duplicated().any()
    values, times = simulated.panel.values, simulated.panel.timestamps
    rows = times.get_indexer(simulated.errors.origins)
    for level, limit in (("high", 80.0), ("very_high", 90.0)):
        week = np.stack([(values[r - 6 : r + 1] > limit).sum(axis=0) >= 3 for r in rows])
        assert (table["level"] == level).sum() == (~week).sum()
    assert (table["threshold"] == table["level"].map({"high": 80.0, "very_high": 90.0})).all()


def test_probabilities_only_where_enough_older_origins_had_come_true(simulated) -> None:
    table = past_warnings(simulated.panel, simulated.errors, SETTINGS)
    stated = table[table[STATED].notna().any(axis=1)]
    times = simulated.errors.origins
    assert set(stated["origin"]) == set(times[:8])  # the eighth has 16 - 7 - 3 = 6 behind it
    assert stated[STATED].notna().all().all()
    assert (stated["paths"] >= 10).all()
    assert (np.diff(stated[STATED].to_numpy(), axis=1) >= 0).all()
    assert set(past_warnings(simulated.panel, simulated.errors, SETTINGS, latest=2)
               .dropna(subset=STATED)["origin"]) == set(times[:2])  # fmt: skip


def test_nothing_after_an_origin_enters_what_is_said_there(simulated) -> None:
    before = past_warnings(simulated.panel, simulated.errors, SETTINGS)
    origin = simulated.errors.origins[2]
    row = int(simulated.panel.timestamps.get_loc(origin))
    later = changed(simulated, row + 1)
    after = past_warnings(later.panel, later.errors, SETTINGS)
    here = [table[table["origin"] <= origin].set_index(KEY).drop(columns=OUTCOME) for table in (before, after)]
    pd.testing.assert_frame_equal(*here)
    came = [table[table["origin"] == origin].set_index(KEY)["event_days"] for table in (before, after)]
    assert came[1].notna().sum() > came[0].notna().sum()
    assert len(came[0]) == len(came[1])


def test_what_comes_after_the_outcome_window_changes_nothing_of_a_case(simulated) -> None:
    origin = simulated.errors.origins[4]
    end = int(simulated.panel.timestamps.get_loc(origin)) + 91
    later = changed(simulated, end)
    tables = [past_warnings(f.panel, f.errors, SETTINGS) for f in (simulated, later)]
    assert not tables[0].equals(tables[1])
    here = [table[table["origin"] <= origin].reset_index(drop=True) for table in tables]
    pd.testing.assert_frame_equal(*here)


def test_a_horizon_is_stated_only_when_its_outcome_is_complete(simulated) -> None:
    shorter = replace(simulated.errors, errors=simulated.errors.errors.copy())
    shorter.errors[0, 40:] = np.nan  # the newest origin has come true for 40 days only
    panel = simulated.panel.until(simulated.errors.origins[0] + pd.Timedelta(days=40))
    table = past_warnings(panel, shorter, SETTINGS)
    newest = table[table["origin"] == simulated.errors.origins[0]]
    assert (newest["observed_days"] == 40).all()
    assert newest[["p_7d", "p_30d"]].notna().all().all()
    assert newest[["p_60d", "p_90d"]].isna().all().all()


def test_a_series_unseen_for_a_week_is_no_case(simulated) -> None:
    values = simulated.panel.values.copy()
    row = int(simulated.panel.timestamps.get_loc(simulated.errors.origins[1]))
    values[row - 6 : row + 1, 3] = np.nan
    table = past_warnings(replace(simulated.panel, values=values), simulated.errors, SETTINGS)
    silent = table[(table[SERVER_ID] == "s0003") & (table["origin"] == simulated.errors.origins[1])]
    assert silent.empty


def test_thresholds_may_be_given_for_every_origin_and_series(simulated) -> None:
    count = len(simulated.errors.origins)
    mine = np.full((count, 1, len(LEVELS)), 70.0)
    mine[1:, 0, 5] = np.nan
    table = past_warnings(simulated.panel, simulated.errors, SETTINGS, thresholds=mine, levels=("own",))
    assert set(table["level"]) == {"own"}
    assert (table["threshold"] == 70.0).all()
    assert set(table.loc[table[SERVER_ID] == "s0005", "origin"]) <= {simulated.errors.origins[0]}


def test_many_series_of_a_metric_are_sampled_and_those_without_threshold_left_out(fleet, monkeypatch) -> None:
    made = fleet(LEVELS, origins=12, metrics=("cpu", "net_in"))
    monkeypatch.setattr("capforecast.risk.past_warnings.spokesmen", lambda group: np.arange(0, len(group), 3))
    table = sampled_warnings(made.panel, made.errors, SETTINGS)
    assert set(table[METRIC]) == {"cpu"}
    assert table[SERVER_ID].nunique() == 8


def test_order_of_series_changes_no_case(simulated) -> None:
    turned = np.random.default_rng(1).permutation(len(LEVELS))
    panel, errors = simulated.panel, simulated.errors
    other = replace(
        errors, errors=errors.errors[:, :, turned], scale=errors.scale[:, turned], states=errors.states[:, turned],
        scale_now=errors.scale_now[turned], states_now=errors.states_now[turned],
        series=errors.series.iloc[turned].reset_index(drop=True),
    )  # fmt: skip
    moved = replace(panel, values=panel.values[:, turned], series=panel.series.iloc[turned].reset_index(drop=True))
    tables = [past_warnings(panel, errors, SETTINGS), past_warnings(moved, other, SETTINGS)]
    sorted_ones = [table.sort_values(KEY, ignore_index=True) for table in tables]
    pd.testing.assert_frame_equal(*sorted_ones)


def test_hourly_series_are_judged_by_the_days_rule(fleet) -> None:
    made = fleet(np.linspace(60, 78, 12), horizon=168, step=56, origins=12, cadence=Cadence.HOURLY, phi=0.97)
    table = past_warnings(made.panel, made.errors, SETTINGS)
    assert "p_7d" in table
    assert "p_14d" not in table
    assert table["p_7d"].notna().any()
    assert (table["observed_days"] == 7).all()


def test_a_week_is_not_stated_from_hourly_paths_of_fewer_days(fleet) -> None:
    """Six origins 56 h apart: a week after the newest lie three, after the next two, and one more that shows 112 h."""
    made = fleet(np.linspace(60, 78, 12), horizon=168, step=56, origins=6, cadence=Cadence.HOURLY, phi=0.97)
    table = past_warnings(made.panel, made.errors, SETTINGS)
    assert set(table.loc[table["p_7d"].notna(), "origin"]) == {made.errors.origins[0]}
    assert (table.loc[table["origin"] == made.errors.origins[1], "paths"] > 0).all()


def test_nothing_to_say_is_an_empty_table_of_the_same_form(simulated) -> None:
    none = no_warnings(SETTINGS, Cadence.DAILY, 90)
    found = past_warnings(simulated.panel, simulated.errors, SETTINGS)
    assert list(none.columns) == list(found.columns)
    assert none.empty
    bare = replace(simulated.panel, series=simulated.panel.series.assign(metric="net_in"))
    assert sampled_warnings(bare, simulated.errors, SETTINGS).empty
