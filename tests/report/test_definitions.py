"""Definitions a report prints: with the numbers that were configured."""

from __future__ import annotations

import re

from capforecast.report.definitions import definitions
from capforecast.schema import Cadence
from capforecast.settings import Settings


def test_definitions_state_the_configured_numbers():
    config = Settings.model_validate(
        {
            "risk": {"breach": {"k_daily": 2, "n_daily": 5}, "watch_probability": 0.15, "lead_time_days": 45},
            "metrics": {
                "cpu": {"high": 75, "very_high": 85, "overrides": [{"criticality": "gold", "high": 70}]},
                "disk": {"high": 80, "fills_up": True},
                "net": {"unit": "Mbit/s"},
            },
        }
    )
    words = definitions(config, Cadence.DAILY, ["cpu", "net", "disk"], ["payments"])
    assert "2 of 5 consecutive days" in words["breach"]
    assert "disk" in words["breach"]
    assert words["thresholds"] == "cpu: high 75 %, very high 85 % (gold: high 70 %); disk: high 80 %; net: none"
    assert words["watch"].startswith("At least 15 %")
    assert "45 d" in words["capacity remaining"]
    assert "payments" in words["totals"]
    assert "hourly" not in words["breach"]


def test_capacity_remaining_is_not_claimed_for_longer_than_is_forecast():
    usual = definitions(Settings(), Cadence.DAILY, ["cpu"], [])["capacity remaining"]
    assert "next 30 d (procurement lead time; or, if shorter, the longest horizon" in usual
    for settings, cadence in (
        (Settings.model_validate({"forecast": {"horizon_days": 7}}), Cadence.DAILY),
        (Settings(), Cadence.HOURLY),
    ):
        short = definitions(settings, cadence, ["cpu"], [])["capacity remaining"]
        assert "next 7 d (the forecast ends before the procurement lead time of 30 d;" in short


def test_definitions_of_an_hourly_run_say_how_hours_become_days():
    words = definitions(Settings(), Cadence.HOURLY, ["cpu"], [])
    assert "95 % quantile of its 24 hourly values" in words["breach"]
    assert "3 of 24 consecutive hours" in words["breach"]
    assert "Missing" not in words["totals"]
    assert all(re.search(r"[.a-z%]$", text) for text in words.values())
