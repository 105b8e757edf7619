"""Segments: named kinds of servers are told apart, the same ones whatever the order, and odd fleets are no trouble."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from capforecast.actions.features import server_features
from capforecast.actions.segment_names import ACTIONS
from capforecast.actions.segments import NOTHING_SEEN, SIZE_COLUMNS, UNKNOWN, _sample, _silhouettes, segment
from capforecast.fleet.synthetic import Fleet
from capforecast.schema import Cadence, Panel
from capforecast.settings import Settings

SETTINGS = Settings()
METRICS = ("cpu", "disk", "mem", "net_in", "net_out")
SEED = Path("/work/shared/data/seed/archetypes_120x1461.parquet")


def described(values, names):
    """A panel of [T, N * metrics], all usable."""
    series = pd.DataFrame({"server_id": np.repeat(names, len(METRICS)), "metric": np.tile(METRICS, len(names))})
    series = series.astype("str").assign(verdict="ok")
    times = pd.date_range(end="2025-12-31", periods=len(values), freq="D", tz="UTC", unit="us")
    return Panel(values.astype(np.float32), times, series, Cadence.DAILY)


@pytest.fixture(scope="module")
def synthetic():
    """Features of 240 servers of a synthetic fleet, and the story of each."""
    block = next(Fleet(240, 400).blocks(240))
    cube = np.stack([block.known[f"{metric}_p95"] for metric in METRICS], axis=1)
    panel = described(cube.reshape(-1, cube.shape[2]).T, block.servers.server_id)
    usable = np.isfinite(panel.values[-90:]).mean(axis=0) > 0.8
    panel.series["verdict"] = np.where(usable, "ok", "unknown")
    servers = pd.DataFrame({"server_id": block.servers.server_id, "business_unit": block.servers.unit_now})
    return server_features(panel, servers.astype("str"), SETTINGS), block.servers.story


def made(levels, seed=0):
    """Features of servers with CPU (percent) and traffic about `levels` [S], nothing else of note."""
    levels = np.asarray(levels, dtype=float)
    spread = np.random.default_rng(seed).uniform(0.5, 1.5, len(levels))
    frame = pd.DataFrame({"server_id": [f"s{i:04d}" for i in range(len(levels))], "business_unit": "web"})
    frame = frame.astype("str").assign(cpu_level=levels, cpu_p95=levels + 3 * spread, cpu_spread=spread)
    zeros = dict.fromkeys(("cpu_weekly", "cpu_quarter_end", "cpu_trend"), 0.0)
    return frame.assign(**zeros, net_level=levels * 10, net_p95=levels * 12, missing="")


def names_of(found, features):
    return found.table(features).set_index("server_id")["name"]


def test_idle_hot_growing_and_filling_servers_of_a_synthetic_fleet_are_told_apart(synthetic):
    features, story = synthetic
    found = segment(features, SETTINGS)
    kinds = np.array([*found.bases, "unknown"])[found.labels]
    for told, kind in (("idle", "idle"), ("hot", "hot"), ("overloaded", "hot"), ("saturated", "hot")):
        assert (kinds[story == told] == kind).all(), told
    assert (kinds[story == "growing"] == "growing").mean() >= 0.8
    assert (kinds[np.isin(story, ["disk_full", "disk_soon"])] == "filling").mean() >= 0.8
    assert not np.isin(kinds[story == "steady"], ["idle", "hot"]).any()


def test_segments_are_the_archetypes_of_the_seed_fleet():
    if not SEED.exists():
        pytest.skip("the shared seed data are not here")
    rows = pd.read_parquet(SEED).sort_values(["server_id", "timestamp"])
    names = rows["server_id"].unique()
    cube = rows[[f"{metric}_p95" for metric in METRICS]].to_numpy().reshape(len(names), -1, len(METRICS))
    panel = described(cube.transpose(1, 0, 2).reshape(cube.shape[1], -1), names)
    features = server_features(panel, pd.DataFrame({"server_id": names}), SETTINGS)
    found = segment(features, SETTINGS)
    assert adjusted_rand_score(rows.groupby("server_id")["server_type"].first(), found.labels) > 0.9


@given_settings(max_examples=5, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_servers_changes_nothing(synthetic, shuffle):
    features, _ = synthetic
    order = list(range(len(features)))
    shuffle.shuffle(order)
    settings = Settings(segments={"sample": 100, "k_max": 5, "starts": 2})
    first, other = segment(features, settings), segment(features.iloc[order], settings)
    pd.testing.assert_frame_equal(
        other.table(features.iloc[order]), first.table(features).iloc[order].reset_index(drop=True), check_exact=True
    )
    pd.testing.assert_frame_equal(other.size_table(), first.size_table(), check_exact=True)
    pd.testing.assert_frame_equal(other.k_tried, first.k_tried, check_exact=True)


def test_every_server_is_counted_once_and_every_segment_has_its_own_name_and_an_action(synthetic):
    features, _ = synthetic
    found = segment(features, SETTINGS)
    table, sizes = found.table(features), found.size_table()
    assert sizes["servers"].sum() == len(table) == len(features)
    assert sizes.set_index("name")["servers"].to_dict() == table["name"].value_counts().to_dict()
    assert sizes["name"].is_unique
    assert set(sizes["action"]) <= set(ACTIONS.values())
    unknown = table["segment"] == UNKNOWN
    assert (table["reason"][unknown] == NOTHING_SEEN).all()
    assert (table["reason"][~unknown] == "").all()
    assert table["distance"][~unknown].notna().all()
    assert sizes.columns[: len(SIZE_COLUMNS)].tolist() == list(SIZE_COLUMNS)


def test_segments_go_from_the_least_to_the_most_used():
    features = made([85] * 10 + [3] * 20 + [45] * 30 + [25] * 10)
    found = segment(features, SETTINGS)
    assert found.sizes.tolist() == [20, 10, 30, 10]
    assert found.centroids["cpu_level"].tolist() == [3, 25, 45, 85]
    assert found.bases == ("idle", "steady", "steady", "hot")
    assert len(set(found.names)) == 4


def test_the_number_of_segments_that_separates_best_is_taken_unless_it_is_set():
    features = made([3] * 20 + [30] * 20 + [50] * 20 + [70] * 20 + [95] * 20)
    assert len(segment(features, SETTINGS).names) == 5
    fixed = segment(features, Settings(segments={"k": 3}))
    assert len(fixed.names) == 3
    assert "as set" in fixed.note


def test_one_odd_server_makes_no_segment_of_its_own():
    features = made([20] * 100 + [40] * 100 + [60] * 100 + [80] * 100 + [100_000])
    assert segment(features, SETTINGS).sizes.min() >= 100


def test_what_a_server_lacks_does_not_set_it_apart():
    features = made([5] * 20 + [85] * 20)
    features.loc[::2, ["net_level", "net_p95"]] = np.nan
    found = names_of(segment(features, Settings(segments={"k": 2})), features)
    assert found[:20].nunique() == found[20:].nunique() == 1


def test_of_many_servers_a_sample_chooses_and_all_are_assigned():
    features = made([3, 30, 55, 90] * 100)
    found = segment(features, Settings(segments={"sample": 100}))
    assert found.sizes.tolist() == [100, 100, 100, 100]
    assert "100 of 400" in found.note
    assert np.isfinite(found.silhouettes).all()


def test_a_segment_that_the_sample_misses_has_a_silhouette_all_the_same():
    settings = Settings(segments={"sample": 100}).segments
    missed = np.setdiff1d(np.arange(400), _sample(400, settings))[:5]
    labels = np.arange(400) % 2
    labels[missed] = 2
    silhouettes, _ = _silhouettes(labels[:, None] * 10.0, labels, settings)
    assert silhouettes == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(
    ("features", "note", "names"),
    [
        (made([20, 50, 3, 90]), "fewer than segments.least_servers (8)", ("steady",)),
        (made([]), "no segments", ()),
        (
            made([np.nan] * 12).drop(columns=["cpu_weekly", "cpu_quarter_end", "cpu_trend", "cpu_spread"]),
            "no segments",
            (),
        ),
        (pd.concat([made([20])] * 12).assign(server_id=[f"s{i}" for i in range(12)]), "alike", ("steady",)),
    ],
)
def test_where_there_is_nothing_to_group_it_says_so(features, note, names):
    found = segment(features.reset_index(drop=True), SETTINGS)
    assert note in found.note
    assert found.names == names
    assert len(found.table(features)) == len(features)
    assert found.size_table()["servers"].sum() == len(features)


def test_fewer_kinds_of_servers_than_segments_wanted_is_no_error():
    features = pd.concat([made([5])] * 10 + [made([85])] * 10, ignore_index=True)
    features["server_id"] = [f"s{i:02d}" for i in range(20)]
    found = segment(features, SETTINGS)
    assert found.sizes.tolist() == [10, 10]


def test_servers_as_they_were_at_another_time_are_assigned_to_the_nearest_segment(synthetic):
    features, _ = synthetic
    found = segment(features, SETTINGS)
    names = found.assigned(features)
    own = found.table(features).set_index("server_id")["name"]
    assert (names.loc[own.index] == own).mean() > 0.98, "k-means assigns to the nearest centroid"
    first, last = features.iloc[[0]], features.iloc[[-1]]
    swapped = found.assigned(first.assign(**{name: last[name].to_numpy() for name in features.select_dtypes("number")}))
    assert swapped.iloc[0] == names.iloc[-1]
    blank = first.assign(**dict.fromkeys(features.select_dtypes("number"), np.nan))
    assert found.assigned(blank).tolist() == ["unknown"]
    assert found.assigned(features.head(0)).empty
