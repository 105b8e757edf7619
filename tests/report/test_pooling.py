"""Pools in the summary: tightest first, what to order by when, and what is not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_samples import ORIGIN

from capforecast.report.pooling import pool_place, pool_summaries, pool_sums
from capforecast.schema import POOL_COLUMNS

USUAL = {
    "business_unit": "Retail", "region": "eu", "resource": "vcpu", "reason": "", "servers": 40, "unsized": 0,
    "unobserved": 0, "unforecast": 0, "supply": 400.0, "usable": 360.0, "demand_now": 300.0, "peak_q50": 330.0,
    "peak_q90": 350.0, "p_30d": 0.1, "p_90d": 0.3, "days_q10": 12.0, "days_q50": np.nan, "days_q90": np.nan,
    "horizon_days": 90.0, "buy_q50": 20.0, "buy_q90": 77.4, "buy_by": pd.Timestamp("2026-01-20"), "paths": 500,
}  # fmt: skip


def pools(*changes: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame([USUAL | change for change in changes])[list(POOL_COLUMNS)]
    return frame.assign(buy_by=pd.to_datetime(frame["buy_by"]))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "Retail · eu, CPU: 3 in 10 chance of running out by 4 Apr, 1 in 10 by 16 Jan, even odds not before 5 Apr; "
         "order 78 vCPU by 20 Jan 2026 to fit its 90 % peak with headroom"),
        ({"buy_by": pd.Timestamp("2025-12-17"), "resource": "memory_gib", "days_q50": 47.0, "p_90d": 0.7},
         "Retail · eu, memory: 7 in 10 chance of running out by 4 Apr, 5 in 10 by 20 Feb, 1 in 10 by 16 Jan; order "
         "78 GiB now to fit its 90 % peak with headroom"),
        ({"demand_now": 390.0, "buy_q90": 0.0, "buy_by": pd.NaT},
         "Retail · eu, CPU: short now: 390 vCPU are wanted, 360 vCPU usable"),
        ({"p_90d": 0.0, "days_q10": np.nan, "buy_q90": 0.0, "buy_by": pd.NaT, "unsized": 2},
         "Retail · eu, CPU: less than 1 in 100 chance of running out by 4 Apr; 2 servers of unknown size left out"),
        ({"usable": np.nan, "demand_now": np.nan, "reason": "no_sizes"},
         "Retail · eu, CPU: not known: the inventory gives the size of no server here"),
        ({"p_30d": np.nan, "p_90d": np.nan, "buy_q90": np.nan, "reason": "no_evidence"},
         "Retail · eu, CPU: too few past forecasts can be checked to state a chance"),
        ({"horizon_days": 14.0, "buy_q90": 0.0, "buy_by": pd.NaT},
         "Retail · eu, CPU: 3 in 10 chance of running out by 18 Jan, 1 in 10 by 16 Jan, even odds not before 19 Jan"),
        ({"p_90d": np.nan, "buy_q90": 3.25}, "Retail · eu, CPU: 1 in 10 chance of running out by 3 Feb, even odds not "
         "before 4 Feb; order 4 vCPU by 20 Jan 2026 to fit its 90 % peak with headroom"),
    ],
)  # fmt: skip
def test_a_pool_in_words(changes: dict[str, Any], expected: str) -> None:
    assert pool_summaries(pools(changes), ORIGIN)[0].sentence == expected


def test_the_tightest_pool_comes_first_and_unknown_ones_last() -> None:
    table = pools(
        {"region": "calm", "p_90d": 0.0}, {"region": "fuller", "p_90d": 0.0, "peak_q90": 359.0}, {"region": "short"},
        {"region": "unknown", "p_90d": np.nan, "p_30d": np.nan, "usable": np.nan},
    )  # fmt: skip
    assert [pool.region for pool in pool_summaries(table, ORIGIN)] == ["short", "fuller", "calm", "unknown"]
    shuffled = table.iloc[[2, 0, 3, 1]]
    assert pool_summaries(shuffled, ORIGIN) == pool_summaries(table, ORIGIN)


def test_a_name_with_a_colon_stays_whole() -> None:
    found = pool_summaries(pools({"business_unit": "Ops: night"}), ORIGIN)[0]
    assert found.name == "Ops: night · eu, CPU"
    assert found.sentence.startswith("Ops: night · eu, CPU: 3 in 10 chance")


def test_sums_of_pools_are_no_pools() -> None:
    fleet = {"business_unit": "_fleet"}
    table = pools(
        {}, {"region": "_all", "usable": 700.0}, fleet | {"usable": 800.0}, fleet | {"region": "_all", "usable": 900.0}
    )
    assert len(pool_summaries(table, ORIGIN)) == 1
    sums = [(pool_place(pool), pool.usable) for pool in pool_sums(table, ORIGIN)]
    assert sums == [("Fleet", 900.0), ("eu", 800.0), ("Retail", 700.0)]
    assert pool_summaries(pd.DataFrame(), ORIGIN) == pool_sums(pd.DataFrame(), ORIGIN) == []
