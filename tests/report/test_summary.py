from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import StageError
from capforecast.report.build_summary import build_summary
from capforecast.report.inputs import UnitInput
from capforecast.report.summary import Quality, RunSummary
from capforecast.risk.tiers import series_tiers, server_tiers
from capforecast.schema import BACKTEST_COLUMNS, RISK_COLUMNS, Cadence
from capforecast.settings import Settings

QUALITY = Quality(rows_read=100, rows_rejected=2, duplicates=1, rejected_by_reason={"bad_time": 2})


def risks_of(unit, probabilities):
    """Known cpu series, one per server, with the given P(90 d, high)."""
    count = len(probabilities)
    frame = pd.DataFrame(
        {
            "server_id": [f"{unit}-{i:02d}" for i in range(count)],
            "metric": "cpu",
            "statistic": "p95",
            "verdict": "ok",
            "reason": "",
            "last_value": 70.0,
            "threshold_high": 80.0,
            "threshold_very_high": 90.0,
            "in_breach_high": False,
            "in_breach_very_high": False,
            "probability_high": probabilities,
            "probability_very_high": 0.0,
            "days_q10": np.where(np.array(probabilities) >= 0.1, 11.0, np.nan),
            "horizon_days": 90.0,
            "peak_q90": 83.123456789,
            "capacity_remaining": 1.0 / 3,
            "paths": 500,
            "relative_mae": 0.8,
        }
    ).reindex(columns=list(RISK_COLUMNS))
    frame["tier"], frame["reason"] = series_tiers(frame, Settings())
    return frame


def backtest_of(unit, count, **figures):
    usual = {"bucket": "all", "origins": 12, "points": 90, "mae": 4.0, "rmse": 5.0, "mape_floored": 10.0, "wape": 0.1,
             "mase": 0.9, "mae_naive": 5.0, "relative_mae": 0.8, "coverage_80": 0.8, "coverage_95": 0.95}  # fmt: skip
    frame = pd.DataFrame({"server_id": [f"{unit}-{i:02d}" for i in range(count)], "metric": "cpu"})
    return frame.assign(**(usual | figures)).reindex(columns=list(BACKTEST_COLUMNS))


def unit(name, probabilities=(0.05, 0.2, 0.7), extra=(), backtest=None):
    risks = risks_of(name, list(probabilities))
    ids = [*risks["server_id"], *extra]
    inventory = pd.DataFrame({"server_id": ids, "business_unit": name, "criticality": "gold"})
    inventory["region"] = ["eu" if i % 2 else "us" for i in range(len(ids))]
    return UnitInput(name, server_tiers(risks, inventory), risks, backtest)


def summary(*units, **changes):
    usual = {"as_of": pd.Timestamp("2026-11-23", tz="UTC"), "cadence": Cadence.DAILY, "horizon": 90,
             "settings": Settings(), "units": list(units), "quality": QUALITY}  # fmt: skip
    return build_summary(**(usual | changes))


def test_models_are_summed_over_units_and_named_in_words():
    first, second = (
        replace(unit("retail"), models={"fleet": 2, "prophet": 1}),
        replace(unit("a"), models={"prophet": 4}),
    )
    result = summary(first, second)
    assert list(result.models.items()) == [("prophet", 5), ("fleet", 2)]
    assert result.definitions["forecast by"].startswith("prophet; 2 series by fleet.")
    assert summary(UnitInput("x", problem="broken")).definitions["forecast by"].startswith("no model: ")


def test_totals_are_of_servers_and_reconcile():
    result = summary(unit("retail", extra=["ghost-1"]), unit("media"))
    assert result.tiers.model_dump() == {"critical": 0, "high": 2, "watch": 2, "ok": 2, "unknown": 1}
    assert (result.servers, result.series, result.tiers.total) == (7, 6, 7)
    assert result.unknown_reasons == {"no_observations": 1}
    assert [part.name for part in result.business_units] == ["media", "retail"]
    for cells in (result.by_region, result.by_criticality, result.by_unit_and_region):
        assert sum(cell.servers for cell in cells) == 7
        assert sum(cell.tiers.unknown for cell in cells) == 1
    assert {(cell.business_unit, cell.region) for cell in result.by_unit_and_region} == {
        ("media", "eu"), ("media", "us"), ("retail", "eu"), ("retail", "us"),
    }  # fmt: skip
    assert result.complete
    assert (result.as_of, result.horizon) == ("2026-11-23T00:00:00+00:00", "90 d")


def test_failed_business_unit_is_named_and_has_no_figures():
    result = summary(unit("retail"), UnitInput("payments", problem="forecast: disk full"))
    assert not result.complete
    failed = next(part for part in result.business_units if part.name == "payments")
    assert (failed.status, failed.problem, failed.servers, failed.tiers.total) == (
        "failed",
        "forecast: disk full",
        0,
        0,
    )
    assert result.servers == 3
    assert "payments" in result.definitions["totals"]
    alone = summary(UnitInput("payments", problem="forecast: disk full"))
    assert (alone.servers, alone.top_risks, alone.by_region, alone.accuracy) == (0, [], [], [])


def test_unit_in_which_nothing_can_be_forecast_is_finished():
    nothing = unit("lab", probabilities=(), extra=["a", "b"])
    result = summary(nothing)
    assert (result.complete, result.tiers.unknown) == (True, 2)
    assert result.business_units[0].status == "finished"


def test_same_units_in_any_order_give_the_same_bytes_and_they_can_be_read_back():
    parts = [unit("retail", backtest=backtest_of("retail", 3)), unit("media"), UnitInput("x", problem="broken")]
    one, two = (summary(*order).model_dump_json(indent=2) for order in (parts, parts[::-1]))
    assert one == two
    assert "NaN" not in one
    assert RunSummary.model_validate_json(one) == summary(*parts)
    assert json.loads(one)["top_risks"][0]["capacity_remaining"] == 0.333333


def test_top_risks_are_the_worst_of_all_units_and_no_healthy_server():
    few = Settings.model_validate({"report": {"top_risks": 3}})
    result = summary(unit("retail", (0.05, 0.2, 0.7)), unit("media", (0.9, 0.0, 0.01)), settings=few)
    assert [risk.server_id for risk in result.top_risks] == ["media-00", "retail-02", "retail-01"]
    first = result.top_risks[0]
    assert (first.tier, first.probability, first.threshold, first.days_q50) == ("high", 0.9, 80.0, None)
    assert first.sentence.startswith(
        "CPU p95 at 70 %: 9 in 10 chance of staying above 80 % by 20 Feb, 1 in 10 by 3 Dec"
    )
    assert [risk.tier for risk in summary(unit("media", (0.0, 0.05))).top_risks] == []


def test_accuracy_is_pooled_over_points_and_geometric_over_series():
    retail = backtest_of("retail", 2, mae=[2.0, 4.0], points=[300, 100], relative_mae=[0.5, 2.0], mae_naive=[4.0, 2.0])
    media = backtest_of("media", 1, mae=10.0, points=400, relative_mae=1.0, mae_naive=10.0)
    bucket = backtest_of("media", 1, bucket="1-7", mae=99.0)
    result = summary(
        unit("retail", backtest=retail), unit("media", backtest=pd.concat([media, bucket], ignore_index=True))
    )
    rows = {row.business_unit: row for row in result.accuracy}
    assert list(rows) == [None, "media", "retail"]
    assert rows["retail"].mae == 2.5
    assert rows["retail"].relative_mae == 1.0
    assert (rows["retail"].series, rows["retail"].origins) == (2, 12)
    assert rows[None].mae == 6.25
    assert rows["media"].mae == 10.0
    assert rows["media"].skill == 0.0


def test_figures_without_evidence_are_null_not_numbers():
    bare = backtest_of("lab", 2, mase=np.nan, coverage_80=np.nan)
    row = summary(unit("lab", backtest=bare)).accuracy[0]
    assert (row.mae, row.relative_mae, row.mase, row.coverage_80) == (4.0, 0.8, None, None)
    flat = backtest_of("lab", 2, mae=0.0, mae_naive=0.0, relative_mae=np.nan)
    unscored = backtest_of("lab", 2, mae=np.nan, points=0)
    for table in (flat, unscored):
        assert summary(unit("lab", backtest=table)).accuracy == []


def test_totals_that_do_not_add_up_are_refused():
    twin = unit("media")
    twin.servers.loc[0, "server_id"] = "retail-00"
    with pytest.raises(StageError, match="retail-00"):
        summary(unit("retail"), twin)
    strange = unit("media")
    strange.servers.loc[0, "tier"] = "fine"
    with pytest.raises(StageError, match="tier"):
        summary(strange)
    nameless = unit("media", extra=["ghost"])
    nameless.servers["reason"] = nameless.servers["reason"].mask(nameless.servers["tier"] == "unknown")
    with pytest.raises(StageError, match="unknown servers: the fleet has 1, its parts add up to 0"):
        summary(nameless)
    moved = unit("media")
    moved.servers.loc[0, "business_unit"] = "retail"
    with pytest.raises(StageError, match="retail"):
        summary(moved)
    with pytest.raises(StageError, match="more than once"):
        summary(unit("media"), unit("media"))
    with pytest.raises(StageError, match="problem"):
        UnitInput("media")


def test_a_shorter_reach_than_asked_is_said():
    short = unit("retail")
    assert summary(short).reach == ""
    shorter = UnitInput(short.name, short.servers.assign(horizon_days=14.0), short.risks, short.backtest)
    assert summary(shorter).reach == "14 d"
    assert summary(shorter, horizon=14).reach == ""


def test_the_forecasts_that_are_acted_on_have_an_accuracy_of_their_own():
    table = backtest_of("retail", 3, coverage_80=[0.8, 0.8, 0.4])
    calm = unit("retail", probabilities=(0.05, 0.2, 0.2), backtest=table)
    assert summary(calm).accuracy_at_risk is None
    result = summary(unit("retail", probabilities=(0.05, 0.2, 0.7), backtest=table))
    assert result.accuracy_at_risk.series == 1
    assert result.accuracy_at_risk.coverage_80 == 0.4
