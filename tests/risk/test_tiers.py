from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capforecast.errors import StageError
from capforecast.risk.tiers import SERVER_COLUMNS, count_tiers, order_by_risk, roll_up, series_tiers, server_tiers
from capforecast.schema import RISK_COLUMNS, TIER_ORDER
from capforecast.settings import Settings

TIERS = [tier.value for tier in TIER_ORDER]


def rows(*series, **common):
    """A risks frame; each series is a dict of what differs from a quiet, known cpu."""
    quiet = {
        "server_id": "a", "metric": "cpu", "statistic": "p95", "business_unit": "retail", "region": "eu",
        "criticality": "gold", "verdict": "ok", "reason": "", "flags": "", "tier": "ok", "last_value": 40.0,
        "threshold_high": 80.0, "threshold_very_high": 90.0, "in_breach_high": False, "in_breach_very_high": False,
        "probability_high": 0.0, "probability_very_high": 0.0, "days_q10": np.nan, "days_q50": np.nan,
        "days_q90": np.nan, "horizon_days": 90.0, "peak_q50": 45.0, "peak_q90": 50.0, "capacity_remaining": 50.0,
        "paths": 500, "relative_mae": 0.8, "coverage_80": 0.8,
    }  # fmt: skip
    frame = pd.DataFrame([quiet | common | one for one in series], columns=list(RISK_COLUMNS))
    frame["tier"], frame["reason"] = series_tiers(frame, Settings())
    return frame


def unknown(reason, **more):
    return {"verdict": "unknown", "reason": reason, "horizon_days": np.nan, "probability_high": np.nan, **more}


UNLIMITED = {"metric": "net", "threshold_high": np.nan, "threshold_very_high": np.nan}


def servers(*names, **columns):
    return pd.DataFrame({"server_id": list(names), "business_unit": "retail", "region": "eu", **columns})


@pytest.mark.parametrize(
    ("figures", "tier"),
    [
        ({"probability_high": 0.09}, "ok"),
        ({"probability_high": 0.1}, "watch"),
        ({"probability_high": 0.49, "probability_very_high": 0.49}, "watch"),
        ({"probability_high": 0.5}, "high"),
        ({"in_breach_high": True}, "high"),
        ({"probability_high": 0.9, "probability_very_high": 0.5}, "critical"),
        ({"in_breach_high": True, "in_breach_very_high": True}, "critical"),
        (unknown("stale", in_breach_very_high=True), "unknown"),
    ],
)
def test_tier_of_a_series(figures, tier):
    assert rows(figures)["tier"].tolist() == [tier]


def test_cut_offs_come_from_the_settings():
    frame = rows({"probability_high": 0.3}, {"probability_very_high": 0.3})
    strict = Settings.model_validate(
        {"risk": {"high_probability": 0.3, "watch_probability": 0.2, "critical_probability": 0.2}}
    )
    assert series_tiers(frame, strict)[0].tolist() == ["high", "critical"]


def test_server_takes_its_worst_metric_and_that_metrics_figures():
    risks = rows(
        {"metric": "cpu", "probability_high": 0.2, "capacity_remaining": 15.0},
        {"metric": "mem", "probability_high": 0.7, "capacity_remaining": 5.0, "days_q10": 9.0},
        {"metric": "net", "threshold_high": np.nan, "threshold_very_high": np.nan, "probability_high": np.nan},
    )
    table = server_tiers(risks, servers("a"))
    assert table.columns.tolist() == list(SERVER_COLUMNS)
    only = table.iloc[0]
    assert (only["tier"], only["metric"], only["reason"]) == ("high", "mem", "")
    assert (only["capacity_remaining"], only["days_q10"]) == (5.0, 9.0)


def test_unknown_metric_does_not_hide_a_known_one():
    risks = rows(unknown("stale", metric="cpu"), {"metric": "mem", "probability_high": 0.2})
    only = server_tiers(risks, servers("a")).iloc[0]
    assert (only["tier"], only["metric"], only["detail"]) == ("watch", "mem", "cpu: stale")


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        ([], "no_observations"),
        ([unknown("stale"), unknown("all_missing", metric="mem")], "stale"),
        ([unknown("all_missing"), unknown("gappy", metric="mem")], "gappy"),
        ([UNLIMITED], "no_threshold"),
        ([unknown("too_short"), UNLIMITED], "too_short"),
        ([unknown("stale", **UNLIMITED)], "stale"),
        ([{"horizon_days": np.nan, "probability_high": np.nan}], "no_evidence"),
    ],
)
def test_unknown_server_has_a_reason(series, reason):
    risks = rows(*series, {"server_id": "b"})
    table = server_tiers(risks, servers("a", "b"))
    assert table["tier"].tolist() == ["unknown", "ok"]
    assert table["reason"].tolist() == [reason, ""]
    assert pd.isna(table["capacity_remaining"].iloc[0])


def test_inventory_may_lack_columns_and_keeps_its_own():
    table = server_tiers(rows({}), pd.DataFrame({"server_id": ["b", "a"], "owner": ["eve", None]}))
    assert table["server_id"].tolist() == ["a", "b"]
    assert set(table["region"]) == {"unassigned"}
    assert table["owner"].tolist()[1] == "eve"


def test_servers_are_neither_lost_nor_invented():
    with pytest.raises(StageError, match="b"):
        server_tiers(rows({"server_id": "b"}), servers("a"))
    with pytest.raises(StageError, match="more than once"):
        server_tiers(rows({}), servers("a", "a"))


def test_worst_first():
    risks = rows(
        {"server_id": "watch", "probability_high": 0.3},
        {"server_id": "likely", "probability_high": 0.8},
        {"server_id": "now", "in_breach_high": True, "probability_high": 0.6},
        {"server_id": "full", "probability_high": 0.8, "capacity_remaining": 2.0},
        {"server_id": "critical", "probability_high": 0.7, "probability_very_high": 0.6},
    )
    order = order_by_risk(server_tiers(risks, servers(*risks["server_id"])))["server_id"].tolist()
    assert order == ["critical", "now", "full", "likely", "watch"]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(TIERS), st.sampled_from(["eu", "us", None]), st.sampled_from(["x", "y"])), min_size=1
    )
)
def test_roll_ups_reconcile_along_every_dimension(cells):
    table = pd.DataFrame(cells, columns=["tier", "region", "business_unit"])
    table["server_id"] = [f"s{i}" for i in range(len(table))]
    whole = count_tiers(table)
    for by in (["region"], ["business_unit"], ["business_unit", "region"]):
        cut = roll_up(table, by)
        assert cut["servers"].sum() == len(table)
        assert cut[TIERS].sum().to_dict() == whole
        assert (cut[TIERS].sum(axis=1) == cut["servers"]).all()


def test_roll_up_refuses_rows_that_are_not_servers():
    table = pd.DataFrame({"server_id": ["a", "a"], "tier": "ok", "region": "eu"})
    with pytest.raises(StageError, match="1 servers in 2 rows"):
        roll_up(table, ["region"])
    odd = pd.DataFrame({"server_id": ["a", "b"], "tier": ["ok", "fine"], "region": "eu"})
    with pytest.raises(StageError, match="1 with a tier"):
        roll_up(odd, ["region"])
