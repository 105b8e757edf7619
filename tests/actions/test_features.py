"""Features of servers: what each tells, in which unit, and what is not known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.actions.features import server_features
from capforecast.schema import Cadence, Panel
from capforecast.settings import Settings

SETTINGS = Settings()
DAYS = 400


def panel_of(columns, cadence=Cadence.DAILY, verdicts=None, start="2024-01-01"):
    """A panel from {(server, metric): values}."""
    keys = sorted(columns)
    values = np.stack([columns[key] for key in keys], axis=1).astype(np.float32)
    times = pd.date_range(start, periods=len(values), freq=cadence.frequency, tz="UTC", unit="us")
    series = pd.DataFrame(keys, columns=["server_id", "metric"]).astype("str")
    series["verdict"] = [(verdicts or {}).get(key, "ok") for key in keys]
    return Panel(values, times, series, cadence)


def servers(*names):
    return pd.DataFrame({"server_id": names, "business_unit": "web"}).astype("str")


def days(count=DAYS):
    return pd.date_range("2024-01-01", periods=count, freq="D", tz="UTC")


def features_of(values, metric="cpu", **more):
    return server_features(panel_of({("a", metric): values}, **more), servers("a"), SETTINGS).iloc[0]


def test_level_and_peak_are_of_the_latest_year():
    values = np.full(DAYS, 20.0)
    values[: DAYS - 365] = 90
    values[-30:] = 60
    found = features_of(values)
    assert found["cpu_level"] == 20
    assert found["cpu_p95"] == 60


def test_a_quiet_weekend_is_a_weekly_swing_and_a_busy_one_a_negative():
    weekend = days().day_of_week >= 5
    assert features_of(np.where(weekend, 10.0, 40.0))["cpu_weekly"] == 30
    assert features_of(np.where(weekend, 40.0, 10.0))["cpu_weekly"] == -30
    assert features_of(np.where(weekend, 40.0, 10.0))["cpu_spread"] == 0  # the shape of the week is none


def test_a_rise_at_quarter_ends_is_told_but_not_from_one_of_them():
    last = np.isin(days().month, (3, 6, 9, 12)) & (days().days_in_month - days().day < 3)
    found = features_of(np.where(last, 55.0, 40.0))
    assert found["cpu_quarter_end"] == pytest.approx(15)
    assert np.isnan(features_of(np.where(last, 55.0, 40.0)[:120])["cpu_quarter_end"])


def test_growth_is_told_per_month_and_noise_has_none():
    noise = np.random.default_rng(1).normal(0, 1, DAYS)
    assert features_of(30 + 0.1 * np.arange(DAYS) + noise)["cpu_trend"] == pytest.approx(3.04, abs=0.15)
    assert features_of(30 + noise)["cpu_trend"] == 0


def test_hours_become_days_and_tell_the_swing_of_a_day():
    hours = np.arange(24 * 70) % 24
    values = np.where((hours >= 9) & (hours < 18), 60.0, 10.0)
    found = features_of(values, cadence=Cadence.HOURLY)
    assert found["cpu_daily"] == 50
    assert found["cpu_level"] == 60  # of the days' 95 % quantiles


def test_days_of_hours_are_those_of_the_calendar_wherever_the_history_begins():
    times = pd.date_range("2024-01-01 05:00", periods=24 * 70, freq="h", tz="UTC")
    at_night = np.where((times.hour < 4) & (times.day_of_week < 5), 60.0, 10.0)
    found = features_of(at_night, cadence=Cadence.HOURLY, start="2024-01-01 05:00")
    assert found["cpu_weekly"] == 50


def test_only_series_that_can_be_forecast_count_and_the_others_are_named():
    cpu, mem = np.full(DAYS, 20.0), np.full(DAYS, 50.0)
    panel = panel_of({("a", "cpu"): cpu, ("a", "mem"): mem, ("b", "cpu"): cpu}, verdicts={("a", "mem"): "unknown"})
    found = server_features(panel, servers("b", "a", "never seen"), SETTINGS)
    assert found["server_id"].tolist() == ["b", "a", "never seen"]
    assert found["missing"].tolist() == ["mem", "mem", "cpu mem"]
    assert found["cpu_level"].tolist()[:2] == [20, 20]
    assert found.filter(regex="^mem_").isna().all(axis=None)
    assert found.iloc[2].filter(regex="_level$").isna().all()


def test_a_server_is_described_the_same_in_any_company():
    random = np.random.default_rng(2)
    columns = {(f"s{i:02d}", metric): random.uniform(0, 100, 200) for i in range(12) for metric in ("cpu", "net")}
    for values in columns.values():
        values[random.uniform(size=200) < 0.1] = np.nan
    together = server_features(panel_of(columns), servers(*(f"s{i:02d}" for i in range(12))), SETTINGS)
    one = panel_of({key: values for key, values in columns.items() if key[0] == "s07"})
    pd.testing.assert_frame_equal(server_features(one, servers("s07"), SETTINGS), together[7:8].reset_index(drop=True))
