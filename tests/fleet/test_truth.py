"""The truth that is written beside a synthetic fleet is true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from capforecast.fleet.synthetic import Block, Fleet
from capforecast.fleet.synthetic_load import clipped_mean
from capforecast.fleet.truth import BREACH_COLUMNS, EVENT_COLUMNS, fires
from capforecast.risk.rule import NEVER, breach_fires, observed_daily_peaks
from capforecast.schema import Cadence


@pytest.fixture(scope="module")
def block() -> Block:
    return next(Fleet(192, 500).blocks(192))


@given(arrays(np.bool_, (2, 30)), st.integers(1, 4), st.integers(0, 4), st.integers(0, 29))
@settings(max_examples=60, deadline=None)
def test_the_first_date_after_any_origin_is_the_one_the_breach_rule_gives(
    above: np.ndarray, k: int, more: int, origin: int
) -> None:
    dates = fires(above, k, k + more)
    for row, first in zip(dates, breach_fires(above, k, k + more, observed=origin), strict=True):
        later = np.flatnonzero(row[origin:])
        assert (later[0] if len(later) else NEVER) == first


def test_breaches_are_those_of_the_values_as_observed(block: Block) -> None:
    found = block.breaches()
    assert list(found.columns) == list(BREACH_COLUMNS)
    assert set(found["metric"]) == {"cpu", "mem", "disk"}
    names, stamps = block.servers.server_id, block.fleet.clock.timestamps
    hot = np.flatnonzero(block.servers.plays("hot"))[0]
    mine = found[(found["server_id"] == names[hot]) & (found["metric"] == "cpu") & (found["level"] == "high")]
    values = block.known["cpu_p95"][hot]
    for date in mine["date"]:
        place = stamps.get_loc(date)
        window = values[max(place - 6, 0) : place + 1]
        assert values[place] > 80
        assert (window > 80).sum() >= 3
    assert len(mine) > 100
    origin = stamps[400]
    position = breach_fires(values[None] > 80, 3, 7, observed=401)[0]
    assert mine["date"][mine["date"] > origin].iloc[0] == stamps[401 + position]
    assert not found["server_id"].isin(names[block.servers.plays("idle", "silent", "listed")]).any()


def test_hourly_breaches_follow_both_rules() -> None:
    block = next(Fleet(48, 40, Cadence.HOURLY).blocks(48))
    found = block.breaches()
    assert set(found["rule"]) == {"daily", "hourly"}
    peaks = observed_daily_peaks(block.known["cpu_p95"].T, 40)
    expected = fires(peaks > 80, 3, 7).sum()
    counted = found[(found["rule"] == "daily") & (found["metric"] == "cpu") & (found["level"] == "high")]
    assert len(counted) == expected > 0
    assert (counted["date"] == counted["date"].dt.normalize()).all()


@pytest.mark.parametrize("metric", ["cpu", "mem", "disk", "net_in", "net_out"])
def test_what_is_observed_scatters_around_the_mean(block: Block, metric: str) -> None:
    mean, seen = block.lives.means[metric], block.known[f"{metric}_p95"]
    struck = np.nan_to_num(block.lives.incident_at[..., None] >= block.fleet.clock.age)
    over = block.lives.incident_at[..., None] - block.lives.incident_days[..., None] >= block.fleet.clock.age
    calm = ~(struck.astype(bool) & ~over).any(axis=1)
    error = np.where(calm, (seen - mean) / np.maximum(mean, 1e-9), np.nan)
    error = error[~block.servers.plays("silent", "listed")]
    by_server = np.nanmean(error, axis=1)
    assert abs(np.nanmean(by_server)) < 0.004, "no bias over the fleet"
    assert np.nanmax(np.abs(by_server)) < 0.15
    saturated = ~block.servers.plays("silent", "listed")
    near_limit = (mean > 97)[saturated] & np.isfinite(error)
    if metric == "cpu":
        assert abs(np.nanmean(error[near_limit])) < 0.004, "clipping at 100 is part of the mean"


def test_the_mean_of_a_clipped_value_is_exact() -> None:
    drawn = np.random.default_rng(1).standard_normal(400_000)
    for mean, sigma in ((99.0, 3.0), (104.0, 3.0), (50.0, 3.0), (1.0, 2.0)):
        got = clipped_mean(np.array([[mean]]), np.array([[sigma]]), 0.0, 100.0)[0, 0]
        assert got == pytest.approx(np.clip(mean + sigma * drawn, 0, 100).mean(), abs=0.02)
    assert clipped_mean(np.array([[100.0]]), np.array([[0.0]]), 0.0, 100.0)[0, 0] == 100


def test_events_show_in_the_values(block: Block) -> None:
    events = block.events()
    assert list(events.columns) == list(EVENT_COLUMNS)
    stamps = block.fleet.clock.timestamps
    place = {name: row for row, name in enumerate(block.servers.server_id)}
    ratio = {"level_shift": [], "resize": [], "incident": [], "spike": []}
    for event in events[events["metric"] == "cpu"].itertuples():
        if event.kind not in ratio:
            continue
        actual = block.lives.values["cpu"][place[event.server_id]]
        mean = block.lives.means["cpu"][place[event.server_id]]
        start = stamps.get_loc(event.start)
        if event.kind in ("level_shift", "resize"):
            ratio[event.kind].append(mean[start : start + 28].mean() / mean[start - 28 : start].mean() / event.size)
        else:
            add = 1 if event.kind == "spike" else 0
            ratio[event.kind].append(min(actual[start] / mean[start] / (event.size + add), 1.3))
    for kind, measured in ratio.items():
        assert len(measured) > 5, kind
        assert np.median(measured) == pytest.approx(1.0, abs=0.1), kind
    restarts = events[events["kind"] == "restart"]
    drops = []
    for event in restarts.itertuples():
        start, mean = stamps.get_loc(event.start), block.lives.means["mem"][place[event.server_id]]
        if start:
            drops.append((mean[start] - mean[start - 1]) - event.size)
    assert np.median(np.abs(drops)) < 2
    cleanups = events[events["kind"] == "cleanup"]
    assert (cleanups["size"] < 0).all()
    assert set(events["kind"]) == {
        "cleanup", "first_seen", "incident", "level_shift", "move", "outage", "quarter_end", "resize", "restart",
        "retired", "seasonal_peak", "spike",
    }  # fmt: skip


def test_outages_and_the_ends_of_servers_are_dated_to_the_period(block: Block) -> None:
    events, stamps = block.events(), block.fleet.clock.timestamps
    seen = pd.DataFrame(block.there.T, index=stamps, columns=block.servers.server_id)
    for event in events[events["kind"] == "outage"].itertuples():
        assert not seen[event.server_id][(stamps >= event.start) & (stamps < event.end)].any()
    for event in events[events["kind"] == "first_seen"].itertuples():
        assert not seen[event.server_id][stamps < event.start].any()
        assert seen[event.server_id][stamps >= event.start].mean() > 0.8
    for event in events[events["kind"] == "retired"].itertuples():
        assert not seen[event.server_id][stamps >= event.start].any()
        assert seen[event.server_id][stamps < event.start].mean() > 0.8


def test_servers_are_described(block: Block) -> None:
    table = block.described()
    assert list(table["server_id"]) == list(block.servers.server_id)
    assert set(table["archetype"]) == {"app", "batch", "db", "file", "web"}
    moved = table[table["story"] == "moved"]
    assert (moved["business_unit"].to_numpy() != block.servers.unit[block.servers.plays("moved")]).all()
    assert moved["changed_at"].notna().all()
    assert table["changed_at"].notna().sum() == block.servers.plays("shifted", "resized", "moved").sum()
