from __future__ import annotations

import pandas as pd
import pytest

from capforecast.report.sentences import quantity, risk_sentence
from capforecast.report.summary import Risk
from capforecast.risk.rule import Rule


def risk(**changes):
    usual = {
        "server_id": "db-014", "business_unit": "retail", "region": "eu", "criticality": "gold", "tier": "high",
        "metric": "cpu", "statistic": "p95", "unit": "percent", "last_value": 76.04, "threshold": 80.0,
        "in_breach": False, "probability": 0.632, "probability_very_high": 0.1, "horizon_days": 90.0,
        "days_q10": 12.0, "days_q50": 41.0, "days_q90": None, "peak_q90": 91.0, "capacity_remaining": 9.0,
        "paths": 500, "relative_mae": 0.8, "coverage_80": 0.8, "sentence": "",
    }  # fmt: skip
    return Risk(**(usual | changes))


ORIGIN = pd.Timestamp("2026-01-04")  # dates: 12 d later is 16 Jan, 41 d 14 Feb, 90 d 4 Apr
FALLING = {"trend_per_month": -3.0, "trend_since": "2024-11-02"}


def say(now=None, rule=Rule(3, 7), very_high=90.0, days=30.0, lead=30.0, **changes):  # noqa: B008
    return risk_sentence(risk(**changes), ORIGIN, very_high, now, days, rule, lead)


CASES = {
    "a chance, and the dates that belong to it": (
        {},
        "CPU p95 at 76 %: 6 in 10 chance of staying above 80 % by 4 Apr, 5 in 10 by 14 Feb, 1 in 10 by 16 Jan",
    ),
    "memory with a trend, as on the first page": (
        {"metric": "mem", "probability": 0.81, "days_q50": None, "trend_per_month": 1.12, "trend_since": "2025-08-10"},
        "memory p95 at 76 %: 8 in 10 chance of staying above 80 % by 4 Apr, 1 in 10 by 16 Jan; it "
        "has climbed 1.1 points a month since August",
    ),
    "dates beyond the horizon are not invented": (
        {"probability": 0.3, "days_q50": None},
        "CPU p95 at 76 %: 3 in 10 chance of staying above 80 % by 4 Apr, 1 in 10 by 16 Jan, even odds not before 5 Apr",
    ),
    "half is not said to be later than half": (
        {"probability": 0.46, "days_q50": None},
        "CPU p95 at 76 %: 5 in 10 chance of staying above 80 % by 4 Apr, 1 in 10 by 16 Jan",
    ),
    "a small chance has no date": (
        {"probability": 0.04, "days_q10": None, "days_q50": None},
        "CPU p95 at 76 %: 4 in 100 chance of staying above 80 % by 4 Apr",
    ),
    "the same odds are not said twice": (
        {"probability": 0.52, "days_q50": 88.0},
        "CPU p95 at 76 %: 5 in 10 chance of staying above 80 % by 4 Apr, 1 in 10 by 16 Jan",
    ),
    "nor the same date": (
        {"probability": 0.97, "days_q10": 3.0, "days_q50": 3.0},
        "CPU p95 at 76 %: 97 in 100 chance of staying above 80 % by 4 Apr, 5 in 10 by 7 Jan",
    ),
    "what makes it critical comes first": (
        {"tier": "critical", "probability": 0.9, "probability_very_high": 0.6},
        "CPU p95 at 76 %: 6 in 10 chance of staying above 90 % by 3 Feb; 9 in 10 chance of staying above 80 % by "
        "4 Apr, 5 in 10 by 14 Feb, 1 in 10 by 16 Jan",
    ),
    "in breach now": (
        {"now": "high", "last_value": 85.26},
        "CPU p95 is above 80 % now (on 3 or more of the last 7 d, last value 85.3 %)",
    ),
    "in breach now, and likely of the next threshold": (
        {"now": "high", "tier": "critical", "probability_very_high": 0.6},
        "CPU p95 is above 80 % now (on 3 or more of the last 7 d, last value 76 %); 6 in 10 chance of staying above "
        "90 % by 3 Feb",
    ),
    "a full disk needs no three days": (
        {"now": "very_high", "tier": "critical", "metric": "disk", "rule": Rule(1, 1), "last_value": 93.0},
        "disk p95 is above 90 % now (last value 93 %)",
    ),
    "in breach, and falling since a year that is named": (
        {"now": "high", **FALLING},
        "CPU p95 is above 80 % now (on 3 or more of the last 7 d, last value 76 %); it has fallen 3 points a month "
        "since November 2024",
    ),
    "one point, not one points": (
        {"probability": 0.04, "days_q10": None, "days_q50": None, "trend_per_month": 1.0, "trend_since": "2025-12-01"},
        "CPU p95 at 76 %: 4 in 100 chance of staying above 80 % by 4 Apr; it has climbed 1 point a month since "
        "December",
    ),
    "a trend too small to print is none": (
        {"probability": 0.04, "days_q10": None, "days_q50": None, "trend_per_month": 0.04, "trend_since": "2025-12-01"},
        "CPU p95 at 76 %: 4 in 100 chance of staying above 80 % by 4 Apr",
    ),
    "units left": (
        {"metric": "mem", "probability": 0.04, "days_q10": None, "days_q50": None, "capacity_remaining_units": 1.24,
         "capacity_unit": "GiB"},
        "memory p95 at 76 %: 4 in 100 chance of staying above 80 % by 4 Apr; 1.2 GiB to spare at the 90 % peak of the "
        "next 30 d",
    ),
    "no unit left": (
        {"now": "high", "capacity_remaining_units": 0.0, "capacity_unit": "vCPU", "lead": 14.0},
        "CPU p95 is above 80 % now (on 3 or more of the last 7 d, last value 76 %); nothing to spare at the 90 % peak "
        "of the next 14 d",
    ),
    "no probability, no claim": (
        {"probability": None, "horizon_days": None, "days_q10": None, "days_q50": None},
        "CPU p95 at 76 %",
    ),
    "a metric of the user's own, nothing observed": (
        {"metric": "queue_length", "unit": "", "last_value": None, "threshold": 500.0},
        "queue_length p95: 6 in 10 chance of staying above 500 by 4 Apr, 5 in 10 by 14 Feb, 1 in 10 by 16 Jan",
    ),
    "another unit": (
        {"metric": "net_in", "unit": "Mbit/s", "last_value": 812.0, "threshold": 1000.0, "probability": 0.04,
         "days_q10": None, "days_q50": None, "trend_per_month": 20.0, "trend_since": "2025-12-01"},
        "inbound network p95 at 812 Mbit/s: 4 in 100 chance of staying above 1,000 Mbit/s by 4 Apr; it has climbed "
        "20 Mbit/s a month since December",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_risk_in_words(case):
    given, expected = CASES[case]
    assert say(**given) == expected


def test_quantities_carry_their_unit():
    assert quantity(76.26, "percent") == "76.3 %"
    assert quantity(1240.4, "Mbit/s") == "1,240 Mbit/s"
    assert quantity(3.0, "") == "3"
