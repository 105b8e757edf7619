from __future__ import annotations

import re

import pytest

from capforecast.report.sentences import chance, definitions, quantity, risk_sentence
from capforecast.report.summary import Risk
from capforecast.risk.rule import Rule
from capforecast.schema import Cadence
from capforecast.settings import Settings


def risk(**changes):
    usual = {
        "server_id": "db-014", "business_unit": "retail", "region": "eu", "criticality": "gold", "tier": "high",
        "metric": "cpu", "statistic": "p95", "unit": "percent", "last_value": 76.04, "threshold": 80.0,
        "in_breach": False, "probability": 0.632, "probability_very_high": 0.1, "horizon_days": 90.0,
        "days_q10": 12.0, "days_q50": 41.0, "days_q90": None, "peak_q90": 91.0, "capacity_remaining": 9.0,
        "paths": 500, "relative_mae": 0.8, "coverage_80": 0.8, "sentence": "",
    }  # fmt: skip
    return Risk(**(usual | changes))


def say(now=None, rule=Rule(3, 7), very_high=90.0, days=30, **changes):  # noqa: B008
    return risk_sentence(risk(**changes), very_high, now, days, rule)


def test_a_risk_is_a_level_a_chance_and_two_dates():
    assert say() == (
        "cpu p95 of db-014 is at 76 %; 63 % chance of a breach of 80 % within 90 d (10 % by 12 d, half by 41 d)"
    )


def test_dates_beyond_the_horizon_are_not_invented():
    assert say(probability=0.3, days_q50=None).endswith("within 90 d (10 % by 12 d, half later than 90 d)")
    assert say(probability=0.04, days_q10=None, days_q50=None).endswith("4 % chance of a breach of 80 % within 90 d")


def test_a_breach_now_is_said_plainly():
    assert say(now="high", last_value=85.26) == (
        "cpu p95 of db-014 is in breach of 80 % now (above it on 3 or more of the last 7 d, last value 85.3 %)"
    )
    full = say(now="very_high", tier="critical", metric="disk", rule=Rule(1, 1), last_value=93.0)
    assert full == "disk p95 of db-014 is in breach of 90 % now (last value 93 %)"


def test_a_critical_risk_says_why():
    text = say(tier="critical", probability=0.9, probability_very_high=0.6)
    assert "60 % chance of a breach of 90 % within 30 d; 90 % chance of a breach of 80 % within 90 d" in text
    assert "breach of 90 % within 30 d" not in say()
    now = say(tier="critical", now="high", probability_very_high=0.6)
    assert now.endswith("; 60 % chance of a breach of 90 % within 30 d")


def test_no_probability_no_claim():
    text = say(probability=None, horizon_days=None, days_q10=None, days_q50=None)
    assert text == "cpu p95 of db-014 is at 76 %"


@pytest.mark.parametrize(
    ("share", "paths", "words"),
    [
        (0.0, 500, "less than 1 %"),
        (0.0, 60, "less than 2 %"),
        (1.0, 500, "more than 99 %"),
        (1.0, 20, "more than 95 %"),
        (0.5, 60, "50 %"),
    ],
)
def test_certainty_is_never_claimed_from_few_paths(share, paths, words):
    assert chance(share, paths) == words


def test_quantities_carry_their_unit():
    assert quantity(76.26, "percent") == "76.3 %"
    assert quantity(1240.4, "Mbit/s") == "1,240 Mbit/s"
    assert quantity(3.0, "") == "3"


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
