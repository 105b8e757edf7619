"""Drift: an alarm on what was injected, silence on noise, and words where nothing can be told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.forecast import drift
from capforecast.forecast.input_drift import moved
from capforecast.schema import DRIFT_COLUMNS, DRIFT_SERIES_COLUMNS, Cadence, Forecast, Panel
from capforecast.settings import DriftSettings

LIMITS = DriftSettings()
DAYS, SERVERS = 400, 40


def a_panel(values: np.ndarray, cadence: Cadence = Cadence.DAILY) -> Panel:
    stamps = pd.date_range("2025-10-01", periods=len(values), freq=cadence.step, tz="UTC")
    series = pd.DataFrame({"server_id": [f"srv-{i:03d}" for i in range(values.shape[1])], "metric": "cpu"})
    return Panel(values.astype(np.float32), stamps, series, cadence)


def noise(days: int = DAYS, servers: int = SERVERS, seed: int = 0) -> np.ndarray:
    """Weekly rhythm, a wave of the year and noise of 3 points."""
    rng = np.random.default_rng(seed)
    day = np.arange(days)[:, None]
    wave = 5 * np.sin(2 * np.pi * day / 7) + 6 * np.sin(2 * np.pi * (day / 365 + rng.random(servers)))
    return rng.uniform(30, 60, servers) + wave + rng.normal(0, 3, (days, servers))


def a_forecast(first: pd.Timestamp, level: np.ndarray, days: int = 30, half: float = 4.0) -> Forecast:
    """Level forecasts [N] whose 80 % interval is so wide to either side."""
    steps = np.array([-2 * half, -half, 0.0, half, 2 * half, 0.0])
    quantiles = np.broadcast_to(steps[:, None, None] + level, (6, days, len(level))).astype(np.float32)
    series = pd.DataFrame({"server_id": [f"srv-{i:03d}" for i in range(len(level))], "metric": "cpu"})
    return Forecast(quantiles, pd.date_range(first, periods=days, freq="D"), series, Cadence.DAILY)


def only(found: drift.Found) -> pd.Series:
    assert tuple(found.rows.columns) == DRIFT_COLUMNS
    assert tuple(found.series.columns) == DRIFT_SERIES_COLUMNS
    assert len(found.rows) == 1
    return found.rows.iloc[0]


def row_of(found: drift.Found, check: str) -> pd.Series:
    return found.rows[found.rows["check"] == check].iloc[0]


@pytest.mark.parametrize("seed", range(4))
def test_noise_raises_no_alarm_of_the_inputs(seed: int) -> None:
    found = drift.input_drift(a_panel(noise(seed=seed)), LIMITS)
    assert not found.rows["alarm"].any()
    assert found.rows["series_over"].max() <= 1


def test_a_level_shift_of_some_servers_is_an_alarm_that_names_them() -> None:
    values = noise()
    values[-14:, :8] += 25
    found = drift.input_drift(a_panel(values), LIMITS)
    level, spread = row_of(found, "input_level"), row_of(found, "input_spread")
    assert level["alarm"]
    assert level["series_over"] >= 7
    assert level["example"] == "srv-000"
    assert not spread["alarm"]
    flagged = found.series[found.series["check"] == "input_level"]
    assert set(flagged["server_id"]) <= {f"srv-{i:03d}" for i in range(8)}
    assert (flagged["now"] - flagged["before"]).between(10, 40).all()


def test_a_spread_that_grows_is_an_alarm_of_its_own() -> None:
    values = noise()
    centre = values[-14:].mean(axis=0)
    values[-14:, :10] = (values[-14:] + (values[-14:] - centre) * 5)[:, :10]
    found = drift.input_drift(a_panel(values), LIMITS)
    assert row_of(found, "input_spread")["alarm"]
    assert not row_of(found, "input_level")["alarm"]


def test_what_is_used_to_moving_does_not_drift() -> None:
    rng = np.random.default_rng(3)
    day = np.arange(DAYS)[:, None]
    climbing = 20 + 0.08 * day + rng.normal(0, 2, (DAYS, SERVERS))
    sawtooth = 30 + (day * rng.uniform(0.5, 2, SERVERS)) % 50 + rng.normal(0, 1, (DAYS, SERVERS))
    idle, gone = np.zeros((DAYS, SERVERS)), noise()
    gone[rng.random(gone.shape) < 0.3] = np.nan
    for values in (climbing, sawtooth, idle, gone):
        assert not drift.input_drift(a_panel(values), LIMITS).rows["alarm"].any()


@pytest.mark.parametrize(("servers", "enough"), [(10, 3), (29, 5), (200, 25)])
def test_a_unit_of_few_servers_is_not_alarmed_by_as_small_a_share(servers: int, enough: int) -> None:
    for shifted in (enough - 1, enough):
        values = np.repeat(40 + 5 * np.sin(2 * np.pi * np.arange(DAYS)[:, None] / 7), servers, axis=1)
        values[-14:, :shifted] += 30
        row = row_of(drift.input_drift(a_panel(values), LIMITS), "input_level")
        assert row["series_over"] == shifted
        assert row["alarm"] == (shifted == enough) == (row["value"] > row["limit"] and shifted >= LIMITS.least_series)


def test_a_series_that_fell_to_zero_has_moved() -> None:
    values = np.full((DAYS, 6), 40.0)
    values[-14:, 0] = 0.0
    strange = moved(a_panel(values))
    assert np.abs(strange.level[0]) > 10 * LIMITS.input_limit
    np.testing.assert_array_equal(strange.level[1:], 0.0)
    assert (strange.usual[0], strange.now[0]) == (40.0, 0.0)


def test_a_young_history_says_that_nothing_can_be_told() -> None:
    rows = drift.input_drift(a_panel(noise(100)), LIMITS).rows
    assert not rows["alarm"].any()
    assert rows["value"].isna().all()
    assert rows["sentence"].str.contains("22 weeks").all()
    hourly = noise(24 * 7 * 12, 5)
    hourly[-168:] += 60
    assert row_of(drift.input_drift(a_panel(hourly, Cadence.HOURLY), LIMITS), "input_level")["alarm"]


def test_a_forecast_that_jumps_is_an_alarm_and_one_that_wobbles_is_not() -> None:
    level, day = np.linspace(30, 60, 20), pd.Timestamp("2026-11-01", tz="UTC")
    old = a_forecast(day, level)
    later = day + pd.Timedelta(days=7)
    wobbled = only(drift.forecast_change(a_forecast(later, level + 1.5), old, {"cpu": "points"}, LIMITS))
    assert not wobbled["alarm"]
    assert "same 23 periods moved by 1.5 points" in wobbled["sentence"]
    jumped = level + np.where(np.arange(20) < 5, 12.0, 0.0)
    found = drift.forecast_change(a_forecast(later, jumped), old, {"cpu": "points"}, LIMITS)
    assert only(found)["alarm"]
    assert sorted(found.series["server_id"]) == [f"srv-{i:03d}" for i in range(5)]
    np.testing.assert_allclose(found.series["now"] - found.series["before"], 12.0, rtol=1e-5)


def test_only_what_both_runs_forecast_is_compared() -> None:
    day = pd.Timestamp("2026-11-01", tz="UTC")
    old = a_forecast(day, np.full(10, 40.0), days=14)
    some = a_forecast(day + pd.Timedelta(days=10), np.full(4, 40.0), days=90)
    assert only(drift.forecast_change(some, old, {}, LIMITS))["series"] == 4
    after = only(drift.forecast_change(a_forecast(day + pd.Timedelta(days=14), np.full(4, 40.0)), old, {}, LIMITS))
    assert not after["alarm"]
    assert "none of these periods" in after["sentence"]


def test_without_an_earlier_run_every_check_says_so() -> None:
    new = a_forecast(pd.Timestamp("2026-11-01", tz="UTC"), np.full(5, 40.0))
    servers = pd.DataFrame({"server_id": ["srv-000"], "tier": ["ok"]})
    promised = pd.DataFrame({"server_id": ["srv-000"], "metric": ["cpu"], "mae": [2.0]})
    for found in (
        drift.forecast_change(new, None, {}, LIMITS),
        drift.tier_change(servers, None, LIMITS),
        drift.live_error(a_panel(noise()), None, promised, LIMITS),
    ):
        row = only(found)
        assert not row["alarm"]
        assert np.isnan(row["value"])
        assert "no earlier" in row["sentence"]


def test_tiers_that_changed_are_counted_per_server() -> None:
    names = [f"srv-{i}" for i in range(20)]
    old = pd.DataFrame({"server_id": names, "tier": "ok"})
    few, many = old.copy(), old.copy()
    few.loc[:1, "tier"] = "high"
    many.loc[:7, "tier"] = "high"
    many.loc[8:9, "tier"] = "unknown"
    assert not only(drift.tier_change(few, old, LIMITS))["alarm"]
    row = only(drift.tier_change(many, old, LIMITS))
    assert row["alarm"]
    assert (row["series"], row["series_over"], row["value"]) == (18, 8, pytest.approx(8 / 18))


def live(shift: float, days: int = 7, servers: int = 20) -> drift.Found:
    """Seven days that came after a forecast, off by `shift` points."""
    rng = np.random.default_rng(1)
    level = np.linspace(30, 60, servers)
    values = level + rng.normal(0, 3, (60 + days, servers))
    values[-days:] += shift
    panel = a_panel(values)
    old = a_forecast(panel.timestamps[60], level, half=1.28 * 3)
    promised = panel.series.assign(mae=2.4)
    return drift.live_error(panel, old, promised, LIMITS)


def test_the_earlier_forecast_is_held_against_what_came() -> None:
    kept, missed = only(live(0.0)), only(live(12.0))
    assert not kept["alarm"]
    assert 0.7 < kept["value"] < 1.3
    assert missed["alarm"]
    assert missed["value"] > 3
    assert missed["series_over"] == 20
    assert "in 7 periods" in missed["sentence"]


def test_too_few_values_judge_no_forecast() -> None:
    row = only(live(40.0, days=1))
    assert not row["alarm"]
    assert "Only 20 values" in row["sentence"]
