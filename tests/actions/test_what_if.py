"""Scenarios against what the whole pipeline says of the same change, and against the published figures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from what_if_lake import METRICS, UNITS, a_world

from capforecast.actions.baseline import reopened
from capforecast.actions.scenario import Scenario
from capforecast.actions.what_if import SERIES_COLUMNS, SERVER_COLUMNS, TOTAL_COLUMNS, evaluate, open_baseline
from capforecast.errors import LakeError, StaleReferenceError, UsageError
from capforecast.lake.datasets import report_key, to_json
from capforecast.risk.breach import assess
from capforecast.risk.path_levels import MOST
from capforecast.risk.tiers import order_by_risk
from capforecast.schema import Cadence
from capforecast.settings import Settings

STEP = 1 / MOST  # what one kept path stands for
PRICES = (
    "costs are of a month of 730 hours; prices: list of 2026-01-01 (48 servers); of other sizes: list of 2026-01-01"
)


@pytest.fixture(scope="module")
def world():
    """A finished run."""
    return a_world()


@pytest.fixture(scope="module")
def baseline(world):
    """The run, opened."""
    return open_baseline(world.store)


def asked(baseline, *changes, **more):
    return evaluate(baseline, Scenario.of({"name": "test", "changes": list(changes)} | more))


def truth(world, **limits):
    """Risks of the whole pipeline, had all thresholds of CPU been these."""
    settings = Settings.model_validate({"metrics": {"cpu": {"unit": "percent", "statistic": "p95"} | limits}})
    settings = settings.model_copy(update={"metrics": world.settings.metrics | {"cpu": settings.metrics["cpu"]}})
    every = pd.concat([assess(*fleet.arguments(), settings) for fleet in world.fleets.values()])
    return every.sort_values(["server_id", "metric"], ignore_index=True)


def rows(outcome, metric="cpu", unit=None):
    table = outcome.series[outcome.series["metric"] == metric]
    return table if unit is None else table[table["business_unit"] == unit]


def test_a_scenario_that_changes_nothing_gives_the_published_figures(world, baseline):
    outcome = asked(baseline)
    assert tuple(outcome.series.columns) == SERIES_COLUMNS
    assert tuple(outcome.servers.columns) == SERVER_COLUMNS
    assert tuple(outcome.totals.columns) == TOTAL_COLUMNS
    published = world.risks.sort_values(["server_id", "metric"], ignore_index=True)
    for name in ("tier", "probability_high", "probability_very_high", "days_q10", "days_q50", "peak_q90",
                 "capacity_remaining", "threshold_high", "in_breach_high"):  # fmt: skip
        for column in (name, f"{name}_before"):
            assert outcome.series[column].astype(published[name].dtype).equals(published[name]), column
    assert not outcome.series["changed"].any()
    assert (outcome.servers["change"] == "").all()
    assert outcome.notes == (PRICES,)


def test_a_change_of_nothing_gives_the_published_figures_too(baseline):
    """The same thresholds, no more load, the same lead time: nothing but rounding may differ."""
    same = asked(
        baseline, {"kind": "threshold", "metric": "cpu", "high": 80, "very_high": 90},
        {"kind": "load", "metric": "cpu", "percent": 0}, {"kind": "lead_time", "days": 30},
    )  # fmt: skip
    for name in ("probability_high", "days_q10", "days_q50", "peak_q90", "probability_lead", "capacity_remaining"):
        np.testing.assert_array_equal(same.series[name], same.series[f"{name}_before"], err_msg=name)
    slower = asked(baseline, {"kind": "lead_time", "days": 60}).series
    np.testing.assert_array_equal(slower["probability_high"], slower["probability_high_before"])
    assert (slower["tier"] == slower["tier_before"]).all()


@pytest.mark.parametrize(
    ("change", "limits"),
    [
        ({"kind": "threshold", "metric": "cpu", "high": 72, "very_high": 85}, {"high": 72.0, "very_high": 85.0}),
        ({"kind": "threshold", "metric": "cpu", "high": 88, "very_high": 95}, {"high": 88.0, "very_high": 95.0}),
        ({"kind": "load", "metric": "cpu", "percent": 25}, {"high": 64.0, "very_high": 72.0}),
        ({"kind": "load", "metric": "cpu", "percent": -8}, {"high": 80 / 0.92, "very_high": 90 / 0.92}),
        ({"kind": "load", "metric": "cpu", "amount": 8}, {"high": 72.0, "very_high": 82.0}),
    ],
)
def test_a_change_that_holds_throughout_is_what_the_pipeline_says_of_it(world, baseline, change, limits):
    """More load against a threshold is the same load against a threshold so much lower."""
    found, expected = rows(asked(baseline, change)), truth(world, **limits)
    expected = expected[expected["metric"] == "cpu"].reset_index(drop=True)
    found = found.reset_index(drop=True)
    error = (found["probability_high"] - expected["probability_high"]).abs()
    assert error.max() <= 3 * STEP
    assert error.mean() <= STEP
    assert (found["probability_very_high"] - expected["probability_very_high"]).abs().mean() <= 1.5 * STEP
    np.testing.assert_array_equal(found["in_breach_high"], expected["in_breach_high"])
    agree = found["tier"].astype(str) == expected["tier"]
    close = (expected[["probability_high", "probability_very_high"]].sub(0.5).abs() < 0.05).any(axis=1)
    close |= expected["probability_high"].sub(0.1).abs() < 0.05
    assert (agree | close).all()
    both = found["days_q50"].notna() & expected["days_q50"].notna()
    assert both.sum() > 3
    assert (found["days_q50"] - expected["days_q50"])[both].abs().max() <= 8
    if change["kind"] == "threshold":
        np.testing.assert_allclose(found["threshold_high"], expected["threshold_high"])


def test_growth_shrinks_the_time_that_is_left_and_more_growth_more(baseline):
    growths = [rows(asked(baseline, {"kind": "growth", "percent_per_month": p})) for p in (-5, 0, 5, 10)]
    probabilities = np.stack([table["probability_high"] for table in growths])
    assert (np.diff(probabilities, axis=0) >= 0).all()
    assert probabilities[-1].sum() > probabilities[1].sum() + 2
    days = np.stack([table["days_q50"].fillna(999) for table in growths])
    assert (np.diff(days, axis=0) <= 0).all()
    untouched = asked(baseline, {"kind": "growth", "percent_per_month": 10}).series.query("metric == 'disk'")
    assert not untouched["changed"].any()  # what fills up does not grow by the month


def test_a_change_holds_for_those_selected_only(baseline):
    outcome = asked(
        baseline, {"kind": "load", "metric": "cpu", "amount": 15, "select": {"business_units": "retail"}}
    )  # fmt: skip
    other = outcome.series[outcome.series["business_unit"] == "payments"]
    assert not other["changed"].any()
    retail = rows(outcome, unit="retail")
    assert (retail["probability_high"] > retail["probability_high_before"]).any()
    totals = outcome.totals.set_index("name")
    assert totals.loc["payments", "high"] == totals.loc["payments", "high_before"]
    assert totals.loc["retail", "ok"] < totals.loc["retail", "ok_before"]


def test_a_load_that_comes_later_breaches_later(world, baseline):
    start = (world.as_of + pd.Timedelta(days=45)).date().isoformat()
    at_once = rows(asked(baseline, {"kind": "load", "metric": "cpu", "amount": 40}))
    later = rows(asked(baseline, {"kind": "load", "metric": "cpu", "amount": 40, "start": start}))
    calm = at_once["probability_high_before"] == 0
    hit = calm & (at_once["probability_high"] == 1)
    assert hit.sum() > 5
    assert (at_once["days_q50"][hit] <= 8).all()
    assert later["days_q50"][hit].between(42, 60).all()
    dates = world.as_of - pd.Timedelta(days=1) + pd.to_timedelta(later["days_q50"][hit], "D")
    assert (later["breach_date"][hit] == dates).all()


@pytest.mark.parametrize("days", range(20, 70, 3))
@pytest.mark.parametrize(
    "change",
    [
        {"kind": "load", "metric": "cpu", "amount": 40},
        {"kind": "project", "vcpus": 4000, "select": {"business_units": "retail"}},
        {"kind": "migrate", "select": {"business_units": "retail"}, "onto": {"business_units": "payments"}},
    ],
)
def test_no_change_brings_a_breach_about_before_it_begins(world, baseline, change, days):
    start = world.as_of + pd.Timedelta(days=days)
    outcome = asked(baseline, change | {"start": start.date().isoformat()})
    series = outcome.series
    for name in ("days_q10", "days_q50"):
        other = series[name] != series[f"{name}_before"]
        brought = other & series[name].notna() & ~(series[f"{name}_before"] <= days)
        assert (series[name][brought] >= days + 1).all()
    assert change["kind"] == "migrate" or (series["days_q50"].notna() & series["days_q50_before"].isna()).any()


def test_a_load_shorter_than_the_breach_rule_shows_nowhere_and_says_so(world, baseline):
    first, last = ((world.as_of + pd.Timedelta(days=days)).date().isoformat() for days in (20, 21))
    outcome = asked(baseline, {"kind": "load", "metric": "cpu", "amount": 60, "start": first, "end": last})
    assert not outcome.series["changed"].any()
    assert "lasts 2 days, and a breach takes 3" in outcome.notes[0]
    last = (world.as_of + pd.Timedelta(days=26)).date().isoformat()
    week = rows(asked(baseline, {"kind": "load", "metric": "cpu", "amount": 60, "start": first, "end": last}))
    assert (week["probability_high"] > 0.9).all()
    assert week["days_q50"][week["probability_high_before"] == 0].between(15, 31).all()


def test_a_larger_size_halves_percentages_and_costs_what_the_list_says(baseline):
    at_risk = {"tiers": ["critical", "high"]}
    outcome = asked(baseline, {"kind": "resize", "instance_type": "m.2xlarge", "select": at_risk})
    resized = outcome.servers[outcome.servers["change"] == "resized"]
    assert len(resized) > 5
    assert (resized["monthly"] == 0.4 * 730).all()
    assert (resized["instance_type"] == "m.2xlarge").all()
    cpu = rows(outcome)[rows(outcome)["server_id"].isin(resized["server_id"])]
    np.testing.assert_allclose(cpu["peak_q90"], cpu["peak_q90_before"] / 2, rtol=0.02)
    assert not cpu["in_breach_high"].any()
    disk = rows(outcome, "disk")
    assert not disk["changed"].any()  # a type says nothing about disks
    fleet = outcome.totals.iloc[0]
    assert fleet["monthly"] - fleet["monthly_before"] == pytest.approx(len(resized) * 146.0)


def test_sums_of_cost_are_not_told_where_a_price_is_lost_or_gained(baseline):
    change = {"kind": "resize", "vcpus": 7, "memory_gib": 9, "select": {"servers": ["rs0020", "rs0021"]}}
    totals = asked(baseline, change).totals.set_index("name")
    assert list(totals["monthly_unknown"]) == [
        "2 servers have no price in the scenario",
        "",
        totals.iloc[0]["monthly_unknown"],
    ]
    assert list(totals.index) == ["", "payments", "retail"]
    assert np.isnan(totals.loc[["", "retail"], "monthly"]).all()
    assert totals.loc["payments", "monthly"] == totals.loc["payments", "monthly_before"]
    assert (totals["monthly_before"] > 0).all()
    priced = asked(baseline, change | {"hourly_cost": 0.3}).totals.iloc[0]
    assert priced["monthly_unknown"] == ""
    assert priced["monthly"] - priced["monthly_before"] == pytest.approx(2 * (0.3 * 730 - 146.0))
    new = {"kind": "new_servers", "count": 3, "like": "rs0020"}
    assert asked(baseline, change, new).totals.iloc[0]["monthly_unknown"].startswith("5 servers have no price")
    gone = asked(baseline, change, {"kind": "retire", "select": change["select"]}).totals.iloc[0]
    assert gone["monthly"] == pytest.approx(gone["monthly_before"] - 2 * 146.0)


def test_a_price_that_only_the_scenario_knows_is_no_rise_of_cost(baseline):
    servers = baseline.servers.assign(
        monthly=baseline.servers["monthly"].mask(baseline.servers["server_id"] == "rs0020")
    )
    change = {"kind": "resize", "vcpus": 8, "hourly_cost": 1.0, "select": {"servers": "rs0020"}}
    total = asked(replace(baseline, servers=servers, memory={}), change).totals.iloc[0]
    assert total["monthly_unknown"] == "1 server has no price as published"
    assert np.isnan(total["monthly"])


def test_the_deciding_metric_is_the_worst_as_the_run_orders_them(baseline):
    outcome = asked(baseline, {"kind": "load", "metric": "mem", "amount": 12})
    table = outcome.series.assign(last_value=baseline.series["last_value"], tier=outcome.series["tier"].astype(str))
    worst = order_by_risk(table).drop_duplicates("server_id").set_index("server_id")
    found = outcome.servers.set_index("server_id")
    assert (found["metric"] == worst["metric"].reindex(found.index)).all()
    assert (found["tier"].astype(str) == worst["tier"].reindex(found.index)).all()
    assert (found["metric"] != found["metric_before"]).any()


def test_what_is_retired_is_gone_and_costs_nothing(baseline):
    outcome = asked(baseline, {"kind": "retire", "select": {"business_units": "retail"}})
    gone = outcome.servers[outcome.servers["business_unit"] == "retail"]
    assert (gone["change"] == "retired").all()
    assert gone["tier"].isna().all()
    assert (gone["monthly"] == 0).all()
    assert gone["tier_before"].notna().all()
    fleet = outcome.totals.iloc[0]
    assert (fleet["servers_before"], fleet["servers"]) == (48, 24)
    assert fleet["monthly"] == pytest.approx(24 * 146.0)
    assert outcome.notes == (PRICES,)
    servers = baseline.servers.assign(
        monthly=baseline.servers["monthly"].mask(baseline.servers["server_id"].isin(["rs0020", "rs0021"]))
    )
    unpriced = asked(
        replace(baseline, servers=servers, memory={}), {"kind": "retire", "select": {"business_units": "retail"}}
    )
    assert unpriced.notes == ("2 servers that are retired have no price: what that saves is not counted", PRICES)


def test_new_servers_are_like_the_one_named_and_can_share_load(baseline):
    alone = asked(baseline, {"kind": "new_servers", "count": 3, "like": "rs0020", "business_unit": "loans"})
    new = alone.servers[alone.servers["change"] == "new"]
    like = alone.servers.set_index("server_id").loc["rs0020"]
    assert list(new["server_id"]) == ["new rs0020 1", "new rs0020 2", "new rs0020 3"]
    assert (new["tier"] == like["tier"]).all()
    assert new["tier_before"].isna().all()
    assert new["monthly_before"].isna().all()
    assert list(alone.totals["name"]) == ["", "loans", "payments", "retail"]
    assert alone.totals.set_index("name").loc["loans", "servers"] == 3
    shared = asked(
        baseline, {"kind": "new_servers", "count": 24, "like": "rs0020", "share_load": True,
                   "select": {"business_units": "retail"}},
    )  # fmt: skip
    cpu = rows(shared, unit="retail")
    np.testing.assert_allclose(cpu["peak_q90"][:24], cpu["peak_q90_before"][:24] / 2, rtol=0.02)
    assert len(cpu) == 48


def test_what_takes_the_place_of_a_retired_server_costs_what_that_did(baseline):
    outcome = asked(
        baseline, {"kind": "retire", "select": {"servers": "rs0020"}},
        {"kind": "new_servers", "count": 2, "like": "rs0020"},
    )  # fmt: skip
    found = outcome.servers.set_index("server_id")
    assert found.loc["rs0020", "monthly"] == 0
    assert (found.loc[["new rs0020 1", "new rs0020 2"], "monthly"] == 146.0).all()
    assert (found.loc[["new rs0020 1", "new rs0020 2"], "metric"] == found.loc["rs0020", "metric_before"]).all()
    assert found.loc["rs0020", "metric"] == ""
    assert outcome.totals.iloc[0]["monthly"] == pytest.approx(49 * 146.0)


def test_a_project_is_shared_by_size_and_costs_what_it_says(baseline):
    outcome = asked(
        baseline, {"kind": "project", "vcpus": 9.6, "monthly_cost": 1000, "select": {"business_units": "retail"}}
    )  # fmt: skip
    cpu = rows(outcome, unit="retail")  # 24 servers of 4 vCPU: 10 percentage points each
    free = cpu["peak_q90_before"] < 85
    np.testing.assert_allclose(cpu["peak_q90"][free], cpu["peak_q90_before"][free] + 10, atol=0.05)
    assert not rows(outcome, "mem")["changed"].any()
    totals = outcome.totals.set_index("name")
    assert totals.loc["retail", "monthly"] == pytest.approx(24 * 146 + 1000)
    assert totals.loc["", "monthly"] == pytest.approx(48 * 146 + 1000)


def test_what_migrates_leaves_one_place_and_comes_to_another(baseline):
    outcome = asked(
        baseline, {"kind": "migrate", "select": {"servers": ["rs0010", "rs0011"]}, "retire": True,
                   "onto": {"servers": ["ps0000", "ps0001"]}},
    )  # fmt: skip
    cpu = rows(outcome).set_index("server_id")
    moved = cpu.loc[["rs0010", "rs0011"], "peak_q50_before"].sum() / 2
    grown = (cpu["peak_q50"] - cpu["peak_q50_before"])[["ps0000", "ps0001"]]
    assert grown.between(0.6 * moved, moved).all()
    assert outcome.totals.iloc[0]["servers"] == 46
    half = asked(
        baseline, {"kind": "migrate", "select": {"servers": ["rs0020"]}, "percent": 50,
                   "onto": {"servers": ["ps0000"]}},
    )  # fmt: skip
    cpu = rows(half).set_index("server_id")
    assert cpu.loc["rs0020", "peak_q90"] == pytest.approx(cpu.loc["rs0020", "peak_q90_before"] / 2, rel=0.02)


def test_a_quarter_end_shows_in_its_week(world, baseline):
    quarter = pd.Timestamp(world.as_of) + pd.offsets.QuarterEnd()
    days = (quarter - (world.as_of - pd.Timedelta(days=1))).days
    outcome = asked(baseline, {"kind": "quarter_end", "multiplier": 1.8, "days": 10})
    cpu = rows(outcome)
    hit = (cpu["probability_high_before"] < 0.02) & (cpu["probability_high"] > 0.9)
    assert hit.sum() >= 3
    assert (cpu["days_q50"][hit] - days).abs().max() <= 12
    assert (cpu["days_q50"][hit] > days - 10).all()


def test_a_longer_lead_time_leaves_less_and_orders_earlier(baseline):
    cpu = rows(asked(baseline, {"kind": "lead_time", "days": 60}))
    assert (cpu["probability_lead"] >= cpu["probability_lead_before"]).all()
    assert (cpu["capacity_remaining"] <= cpu["capacity_remaining_before"]).all()
    dated = cpu["order_by"].notna()
    assert ((cpu["order_by_before"] - cpu["order_by"])[dated] == pd.Timedelta(days=30)).all()
    ninety = rows(asked(baseline, {"kind": "lead_time", "days": 90}))
    np.testing.assert_allclose(ninety["probability_lead"], ninety["probability_high"], atol=1e-6)


def test_a_server_that_comes_to_be_at_risk_costs_what_the_cheapest_safe_size_does(baseline):
    outcome = asked(baseline, {"kind": "load", "metric": "cpu", "amount": 20})
    found = outcome.servers.set_index("server_id")
    cpu = rows(outcome).set_index("server_id")
    newly = cpu["tier"].isin(["critical", "high"]) & ~cpu["tier_before"].isin(["critical", "high"])
    newly &= ~rows(outcome, "mem").set_index("server_id")["tier_before"].isin(["critical", "high"])
    assert newly.sum() > 3
    assert (found.loc[newly[newly].index, "safe_monthly"] == 0.4 * 730).all()
    assert (found["monthly"] == found["monthly_before"]).all()


def test_business_units_add_up_to_the_fleet(baseline):
    totals = asked(
        baseline, {"kind": "growth", "percent_per_month": 5}, {"kind": "retire", "select": {"servers": "rs0001"}},
        {"kind": "new_servers", "count": 2, "like": "ps0003"},
    ).totals  # fmt: skip
    for name in TOTAL_COLUMNS[2:-3]:
        assert totals[name].iloc[1:].sum() == pytest.approx(totals[name].iloc[0]), name
    tiers = totals[["critical", "high", "watch", "ok", "unknown"]].sum(axis=1)
    assert (tiers == totals["servers"]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"kind": "retire", "select": {"servers": "rs001"}},
            r"changes\[1\] \(retire\), select.servers: .*did you mean",
        ),
        ({"kind": "retire", "select": {"business_units": "x"}}, "there are payments, retail"),
        ({"kind": "retire", "select": {"servers": "rs0001", "business_units": "payments"}}, "no server fits all of"),
        ({"kind": "load", "metric": "cpus", "amount": 1}, "no metric 'cpus' in this run; did you mean cpu"),
        ({"kind": "resize", "instance_type": "m.9xlarge"}, "in no catalogue of shapes; did you mean m"),
        ({"kind": "threshold", "metric": "cpu", "high": 95}, "`high` would be 95, above `very_high` .90."),
        ({"kind": "new_servers", "count": 1, "like": "zz"}, "like: no server 'zz'"),
        ({"kind": "migrate", "select": {"servers": "rs0001"}, "onto": {"servers": "rs0001"}}, "names no server beside"),
    ],
)
def test_what_cannot_be_asked_says_where_and_what_there_is(baseline, change, said):
    with pytest.raises(UsageError, match=said):
        asked(baseline, change)


def test_a_run_of_an_earlier_version_says_how_to_get_what_is_missing():
    world = a_world(servers=4, metrics=("cpu",), keep=False)
    with pytest.raises(UsageError, match="run again with --as-of"):
        open_baseline(world.store)
    with pytest.raises(UsageError, match="no daily run as of 2020-01-01 in memory://; the newest are"):
        open_baseline(world.store, "2020-01-01")


def test_hours_are_asked_by_their_days():
    """As tiers are: by the P95 of each 24 hours, as far as the forecast reaches."""
    world = a_world(servers=16, metrics=("cpu",), cadence=Cadence.HOURLY)
    baseline = open_baseline(world.store, cadence=Cadence.HOURLY)
    assert list(baseline.ends) == [1, 2, 3, 4, 5, 6, 7]
    same = asked(baseline).series
    published = world.risks.sort_values(["server_id", "metric"], ignore_index=True)
    np.testing.assert_array_equal(same["probability_high"], published["probability_high"])
    found = rows(asked(baseline, {"kind": "load", "metric": "cpu", "amount": 8}))
    expected = truth(world, high=72.0, very_high=82.0)
    error = found["probability_high"].to_numpy() - expected["probability_high"].to_numpy()
    assert np.abs(error).max() <= 3 * STEP
    longer = asked(baseline, {"kind": "lead_time", "days": 60})
    assert "reaches 7 days, less than the lead time" in longer.notes[0]


def test_a_run_is_told_by_its_id_and_known_to_have_been_made_again():
    world = a_world(servers=4, metrics=("cpu",))
    key = report_key(Cadence.DAILY, world.as_of, "inputs.json")
    made = {"published": {"references": {"inputs": world.store.reference(key).model_dump()}}}
    world.store.put("runs/one/attempt=1/manifest.json", to_json(made))
    baseline = open_baseline(world.store, run_id="one")
    assert reopened(world.store, baseline)
    assert baseline.run == open_baseline(world.store).run
    world.store.put(key, world.store.read(key) + b" ")
    assert not reopened(world.store, baseline)
    with pytest.raises(StaleReferenceError):
        open_baseline(world.store, run_id="one")
    with pytest.raises(UsageError, match="no run 'two'"):
        open_baseline(world.store, run_id="two")


@pytest.mark.parametrize("damaged", [b"{", b"[1]", b'{"published": {"references": {"inputs": {"uri": 5}}}}'])
def test_a_damaged_manifest_is_said_to_be_one(damaged):
    world = a_world(servers=4, metrics=("cpu",))
    world.store.put("runs/one/attempt=1/manifest.json", damaged)
    with pytest.raises(LakeError, match="is damaged"):
        open_baseline(world.store, run_id="one")


def test_a_run_without_advice_has_no_costs_and_everything_else():
    world = a_world(servers=4, metrics=("cpu",))
    key = report_key(Cadence.DAILY, world.as_of, "inputs.json")
    content = json.loads(world.store.read(key))
    world.store.put(key, to_json(content | {"extras": {}, "problems": {"loans": "it failed"}}))
    outcome = asked(open_baseline(world.store), {"kind": "load", "metric": "cpu", "amount": 20})
    assert outcome.servers["monthly"].isna().all()
    assert outcome.totals.iloc[0]["priced"] == 0
    assert (outcome.servers["probability_high"] > outcome.servers["probability_high_before"]).any()
    assert "business units that did not finish are left out: loans" in outcome.notes


def test_the_baseline_holds_every_series_once(world, baseline):
    assert len(baseline.series) == 2 * 24 * len(METRICS)
    assert set(baseline.servers["business_unit"]) == set(UNITS)
    assert baseline.as_of == world.as_of
    np.testing.assert_array_equal(
        baseline.servers["server_id"].to_numpy()[baseline.place], baseline.series["server_id"]
    )


def test_new_servers_have_names_that_no_other_has(baseline):
    like = baseline.servers["server_id"].iloc[0]
    outcome = asked(baseline, *[{"kind": "new_servers", "count": 2, "like": like}] * 2)
    names = outcome.servers.loc[outcome.servers["change"] == "new", "server_id"]
    assert list(names) == [f"new {like} {number}" for number in (1, 2, 3, 4)]
    assert not outcome.series.duplicated(["server_id", "metric"]).any()


def test_each_new_server_has_the_series_and_the_unit_of_what_it_is_like(baseline):
    changes = [{"kind": "new_servers", "count": 2, "like": like} for like in ("rs0020", "ps0003", "rs0021")]
    outcome = asked(baseline, *changes)
    series = outcome.series.set_index("server_id")
    for like in ("rs0020", "ps0003", "rs0021"):
        for number in (1, 2):
            new, old = series.loc[f"new {like} {number}"], series.loc[like]
            for name in ("metric", "business_unit", "peak_q90", "probability_high"):
                np.testing.assert_array_equal(new[name], old[name], name)
    units = outcome.servers.set_index("server_id")["business_unit"]
    assert units[[f"new {like} 1" for like in ("rs0020", "ps0003")]].tolist() == ["retail", "payments"]
    assert outcome.totals.set_index("name").loc["retail", "servers"] == 24 + 4


@pytest.mark.filterwarnings("error")
def test_no_load_is_too_large_to_be_a_load(baseline):
    growth = {"kind": "growth", "percent_per_month": 1000}
    outcome = asked(baseline, *[growth] * 200)
    once = asked(baseline, growth)
    assert (rows(outcome)["probability_high"].dropna() >= rows(once)["probability_high"].dropna()).all()
    assert rows(outcome)["probability_high"].notna().equals(rows(once)["probability_high"].notna())


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "threshold", "metric": "cpu", "very_high": 1e39},
        {"kind": "resize", "vcpus": 1e-300},
        {"kind": "resize", "vcpus": 2, "hourly_cost": 1e308},
    ],
)
def test_numbers_that_no_fleet_has_are_refused(baseline, change):
    with pytest.raises(UsageError, match=r"should be (less|greater) than or equal"):
        asked(baseline, change)


def test_what_begins_after_the_forecast_is_said(baseline):
    note, _ = asked(baseline, {"kind": "retire", "start": "2199-01-01"}).notes
    assert "begins after the" in note


def test_what_began_before_the_forecast_is_said(baseline):
    change = {"kind": "growth", "percent_per_month": 5, "metrics": "cpu"}
    past, now = asked(baseline, change | {"start": "2001-01-01"}), asked(baseline, change)
    assert "it begins before the forecast" in past.notes[0]
    assert past.series["probability_high"].equals(now.series["probability_high"])
    assert not any("begins before" in note for note in now.notes)


def test_load_that_moves_onto_retired_servers_is_said(baseline):
    one, other = sorted(set(baseline.servers["business_unit"].astype(str)))[:2]
    retire = {"kind": "retire", "select": {"business_units": other}}
    move = {"kind": "migrate", "select": {"business_units": one}, "onto": {"business_units": other}}
    assert any("gone with them" in note for note in asked(baseline, move, retire).notes)
    assert not any("gone with them" in note for note in asked(baseline, move).notes)
