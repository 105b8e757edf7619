from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import StageError
from capforecast.risk.breach import assess
from capforecast.risk.rule import NEVER, breach_fires
from capforecast.schema import RISK_COLUMNS, Cadence
from capforecast.settings import Settings

DAYS = (7, 14, 30, 60, 90)


def settings(**risk):
    return Settings.model_validate({"risk": risk})


def limits(metric="cpu", **values):
    base = Settings().metrics
    return Settings(metrics=base | {metric: base[metric].model_copy(update=values)})


def probabilities(risks, level="high", horizons=DAYS, unit="d"):
    return risks[[f"p_{level}_{h}{unit}" for h in horizons]].to_numpy()


def test_probabilities_match_what_then_happens(fleet):
    """Calibration on a simulated fleet: mean probability near the rate of events, and so bin by bin."""
    levels = np.random.default_rng(5).uniform(55, 78, 1200)
    world = fleet(levels, seed=7)
    risks = assess(*world.arguments(), Settings())
    above = np.concatenate([world.panel.values[-6:], world.future]).T > 80
    first = breach_fires(above, 3, 7, observed=6)
    clear = ~risks["in_breach_high"].to_numpy()
    for horizon in (14, 30, 90):
        said = probabilities(risks, horizons=(horizon,))[clear, 0]
        happened = ((first != NEVER) & (first < horizon))[clear]
        assert said.mean() == pytest.approx(happened.mean(), abs=0.03)
        bins = np.minimum((said * 5).astype(int), 4)
        share = np.bincount(bins, minlength=5) / len(bins)
        gaps = [abs(said[bins == b].mean() - happened[bins == b].mean()) for b in range(5) if share[b] > 0]
        assert np.dot(gaps, share[share > 0]) < 0.05
        # It tells servers apart: the Brier score is well below that of the base rate.
        base = happened.mean() * (1 - happened.mean())
        assert np.mean((said - happened) ** 2) < 0.85 * base


def test_state_at_the_origin_matters(fleet):
    """Two servers alike but for their last week: the one that just climbed is likelier to breach soon."""
    world = fleet(np.full(200, 68.0), phi=0.95)
    states = world.errors.states_now.copy()
    states[0], states[1] = (-1.5, -1.0), (1.5, 2.0)
    errors = replace(world.errors, states_now=states)
    risks = assess(world.panel, world.forecast, errors, Settings())
    calm, climbing = risks["p_high_14d"].iloc[[0, 1]]
    assert climbing > 10 * calm


def test_probability_grows_with_horizon_and_falls_with_threshold(fleet):
    world = fleet(np.linspace(50, 85, 60))
    results = [assess(*world.arguments(), limits(high=high, very_high=99.0)) for high in (70.0, 80.0, 88.0)]
    for risks in results:
        assert (np.diff(probabilities(risks), axis=1) >= 0).all()
    low, middle, high = (probabilities(risks) for risks in results)
    assert (low >= middle).all()
    assert (middle >= high).all()
    assert low.sum() > middle.sum() > high.sum()


def test_certain_when_far_above_and_impossible_when_far_below(fleet):
    risks = assess(*fleet(np.repeat([20.0, 98.0], 20), spread=1.0).arguments(), Settings())
    assert (probabilities(risks)[:20] == 0).all()
    assert (probabilities(risks)[20:] == 1).all()
    assert risks["tier"].tolist() == ["ok"] * 20 + ["critical"] * 20
    assert risks["in_breach_very_high"].tolist() == [False] * 20 + [True] * 20
    assert risks["days_q10"].iloc[:20].isna().all()
    assert (risks[["days_q10", "days_q50", "days_q90"]].iloc[20:] == 1).all(axis=None)


def test_every_series_of_the_panel_has_a_row_and_unknown_ones_no_guess(fleet):
    world = fleet(np.full(30, 75.0))
    series = world.panel.series.copy()
    series.loc[3, ["verdict", "reason"]] = ["unknown", "gappy"]
    keep = np.arange(30) != 3
    forecast = replace(
        world.forecast, quantiles=world.forecast.quantiles[:, :, keep], series=world.forecast.series[keep]
    )
    errors = replace(
        world.errors,
        errors=world.errors.errors[:, :, keep],
        scale=world.errors.scale[:, keep],
        scale_now=world.errors.scale_now[keep],
        states=world.errors.states[:, keep],
        states_now=world.errors.states_now[keep],
        series=world.errors.series[keep],
    )
    risks = assess(replace(world.panel, series=series), forecast, errors, Settings())
    assert risks["server_id"].tolist() == series["server_id"].tolist()
    assert risks.columns.tolist() == [
        *RISK_COLUMNS, *(f"p_{level}_{h}d" for level in ("high", "very_high") for h in DAYS),
    ]  # fmt: skip
    silent = risks.iloc[3]
    assert (silent["tier"], silent["reason"], silent["paths"]) == ("unknown", "gappy", 0)
    assert silent[["p_high_90d", "probability_high", "peak_q90", "capacity_remaining"]].isna().all()
    assert silent["last_value"] == world.panel.values[-1, 3]
    assert risks.drop(index=3)["p_high_90d"].notna().all()


def test_results_do_not_depend_on_blocks_or_on_other_metrics(fleet):
    world = fleet(np.linspace(50, 85, 50), metrics=("cpu", "mem"))
    whole = assess(*world.arguments(), Settings())
    for size in (1, 7, 33):
        cut = assess(*world.arguments(), Settings.model_validate({"forecast": {"block_size": size}}))
        pd.testing.assert_frame_equal(whole, cut, check_exact=True)


def test_nothing_after_the_origin_is_looked_at(fleet):
    world = fleet(np.linspace(60, 85, 40))
    later = world.forecast.timestamps[:20]
    longer = replace(
        world.panel,
        values=np.concatenate([world.panel.values, np.full((20, 40), 100, np.float32)]),
        timestamps=world.panel.timestamps.append(later),
    )
    before = assess(*world.arguments(), Settings())
    after = assess(longer, world.forecast, world.errors, Settings())
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_a_disk_breaches_on_its_first_day_above(fleet):
    spike = np.full((90, 40), 50.0)
    spike[20] = 95.0
    cpu, disk = (fleet(np.full(40, 50.0), spread=0.1, metrics=(m,)).with_median(spike) for m in ("cpu", "disk"))
    assert assess(*cpu.arguments(), Settings())["p_high_90d"].max() == 0
    full = assess(*disk.arguments(), Settings())
    assert (full["p_high_30d"] == 1).all()
    assert (full["p_high_14d"] == 0).all()
    assert (full["days_q50"] == 21).all()


def test_observed_days_count_in_the_first_windows(fleet):
    """Two days above just before the origin: one more is enough, so a single day above breaches at once."""
    one_day = np.full((90, 20), 50.0)
    one_day[2] = 95.0
    world = fleet(np.full(20, 50.0), spread=0.1).with_median(one_day)
    values = world.panel.values.copy()
    values[-2:, :10] = 95.0
    risks = assess(*world.with_values(values).arguments(), Settings())
    assert (risks["p_high_7d"].iloc[:10] == 1).all()
    assert (risks["days_q50"].iloc[:10] == 3).all()
    assert (risks["p_high_90d"].iloc[10:] == 0).all()
    assert not risks["in_breach_high"].any()


def test_dates_beyond_the_horizon_are_censored_and_agree_with_probabilities(fleet):
    risks = assess(*fleet(np.linspace(60, 90, 80)).arguments(), Settings())
    for name, share in (("days_q10", 0.1), ("days_q50", 0.5), ("days_q90", 0.9)):
        reached = risks["p_high_90d"] >= share
        assert (risks[name].notna() == reached).all()
        assert risks[name].dropna().between(1, 90).all()
        for horizon in DAYS:
            assert ((risks[name] <= horizon) == (risks[f"p_high_{horizon}d"] >= share)).all()
    ordered = risks[["days_q10", "days_q50", "days_q90"]].fillna(np.inf).to_numpy()
    assert (np.diff(np.nan_to_num(ordered, posinf=1e9), axis=1) >= 0).all()


def test_exactly_half_of_the_paths_is_half(fleet):
    """5 of 10 paths go up, one day apart from day 10 on: the fifth is the day by which half have breached."""
    world = fleet(np.full(1, 50.0), origins=10)
    errors = np.zeros_like(world.errors.errors)
    for path in range(5):
        errors[path, 10 + path :] = 45.0
    risks = assess(world.panel, world.forecast, replace(world.errors, errors=errors), Settings())
    row = risks.iloc[0]
    assert (row["paths"], row["p_high_90d"]) == (10, 0.5)
    assert (row["days_q10"], row["days_q50"]) == (13, 17)
    assert np.isnan(row["days_q90"])


def test_shorter_supported_horizon_stands_in_and_is_said(fleet):
    world = fleet(np.linspace(60, 85, 20))
    errors = world.errors.errors.copy()
    errors[:, 45:] = np.nan
    risks = assess(world.panel, world.forecast, replace(world.errors, errors=errors), Settings())
    assert (risks["horizon_days"] == 45).all()
    assert risks["p_high_60d"].isna().all()
    assert risks["p_high_30d"].notna().all()
    assert (risks["probability_high"] >= risks["p_high_30d"]).all()
    assert (risks["days_q10"].dropna() <= 45).all()
    assert set(risks["tier"]) > {"ok"}


def test_series_without_past_errors_is_unknown_unless_in_breach_now(fleet):
    world = fleet(np.repeat([50.0, 97.0], 2), spread=1.0, origins=2)
    risks = assess(*world.arguments(), Settings())
    assert risks["tier"].tolist() == ["unknown", "unknown", "critical", "critical"]
    assert risks["reason"].tolist() == ["no_evidence", "no_evidence", "", ""]
    assert risks["p_high_30d"].isna().all()


def test_short_metric_group_borrows_paths_of_other_metrics(fleet):
    world = fleet(np.full(10, 70.0), metrics=("cpu", "mem"))
    scale = world.errors.scale.copy()
    scale[1:, world.errors.series["metric"] == "mem"] = np.nan
    scale[:, 1] = np.nan
    risks = assess(world.panel, world.forecast, replace(world.errors, scale=scale), Settings())
    assert risks.groupby("metric")["paths"].first().to_dict() == {"cpu": 60, "mem": 60}
    assert risks["p_high_90d"].notna().all()


def test_metric_without_threshold_has_peaks_but_no_probability(fleet):
    risks = assess(*fleet(np.full(10, 300.0), metrics=("net",)).arguments(), Settings())
    assert risks.filter(regex="^p_|probability|threshold|capacity").isna().all(axis=None)
    assert (risks["tier"] == "ok").all()
    assert (risks["peak_q90"] > 300).all()
    assert (risks["paths"] > 0).all()


def test_capacity_remaining_is_what_the_peak_within_the_lead_time_leaves(fleet):
    world = fleet(np.array([50.0, 60.0, 130.0]), spread=1.0)
    ramp = np.repeat([[50.0, 60.0, 130.0]], 90, axis=0)
    ramp[31:, :2] = 95.0  # after the lead time
    risks = assess(*world.with_median(ramp).arguments(), settings(lead_time_days=30))
    peaks = 100 - risks["capacity_remaining"]
    assert peaks.iloc[0] == pytest.approx(53, abs=1)
    assert peaks.iloc[1] == pytest.approx(63, abs=1)
    assert risks["capacity_remaining"].iloc[2] == 0
    assert (risks["peak_q50"].iloc[:2] > 90).all()


def test_paths_stay_within_the_range_of_the_metric(fleet):
    world = fleet(np.full(20, 97.0), spread=6.0)
    risks = assess(*world.arguments(), limits(maximum=100.0, high=80.0, very_high=90.0))
    assert risks["peak_q90"].max() == 100.0
    assert assess(*world.arguments(), Settings())["peak_q90"].max() > 105


def test_thresholds_may_differ_by_criticality(fleet):
    world = fleet(np.full(20, 65.0), spread=1.0)
    series = world.panel.series.copy()
    series.loc[:9, "criticality"] = "bronze"
    override = {"criticality": "bronze", "high": 60.0}
    config = Settings.model_validate({"metrics": {"cpu": {"high": 80, "very_high": 90, "overrides": [override]}}})
    risks = assess(replace(world.panel, series=series), world.forecast, world.errors, config)
    assert (risks["p_high_90d"].iloc[:10] == 1).all()
    assert (risks["p_high_90d"].iloc[10:] == 0).all()


def test_backtest_evidence_stands_beside_the_risk(fleet):
    world = fleet(np.full(3, 65.0))
    backtest = pd.DataFrame(
        {
            "server_id": ["s0000", "s0000", "s0002"],
            "metric": "cpu",
            "bucket": ["all", "1-7", "all"],
            "relative_mae": [0.8, 0.1, 0.9],
            "coverage_80": [0.79, 0.1, 0.83],
        }
    )
    risks = assess(*world.arguments(), Settings(), backtest)
    np.testing.assert_array_equal(risks["relative_mae"], [0.8, np.nan, 0.9])
    np.testing.assert_array_equal(risks["coverage_80"], [0.79, np.nan, 0.83])


def test_hourly_is_tiered_by_days_and_printed_by_hours(fleet):
    """Three hours above each day, every day: no day's 95 % quantile hides it, and the hourly rule fires on day one.

    One hour above a day: the hourly rule (3 of 24) does not fire, nor does the quantile of the day exceed.
    """
    hour = np.arange(168)
    median = np.full((168, 40), 40.0)
    median[(hour % 24 < 3), :10] = 96.0
    median[(hour % 24 < 1), 10:20] = 96.0
    median[:3, 20:30] = 96.0  # on the first day only
    world = fleet(np.full(40, 40.0), spread=0.1, horizon=168, step=56, cadence=Cadence.HOURLY).with_median(median)
    risks = assess(*world.arguments(), Settings())
    hours = probabilities(risks, horizons=(24, 168), unit="h")
    assert (hours[:10] == 1).all()
    assert (hours[10:20] == 0).all()
    assert (hours[20:30] == 1).all()
    assert risks["probability_high"].tolist() == [1.0] * 10 + [0.0] * 30
    assert (risks["days_q50"].iloc[:10] == 3).all()
    assert (risks["horizon_days"] == 7).all()
    assert risks["tier"].tolist() == ["critical"] * 10 + ["ok"] * 30


def test_hourly_breach_now_looks_at_the_days_before(fleet):
    world = fleet(np.full(10, 40.0), spread=0.1, horizon=168, step=56, cadence=Cadence.HOURLY)
    values = world.panel.values.copy()
    for day in (1, 3, 5):
        values[-24 * day : -24 * day + 3, 0] = 85.0
    values[-24:, 1] = 85.0
    risks = assess(*world.with_values(values).arguments(), Settings())
    assert risks["in_breach_high"].tolist() == [True] + [False] * 9
    assert risks["tier"].iloc[0] == "high"


def test_business_unit_where_nothing_can_be_forecast(fleet):
    world = fleet(np.full(3, 65.0))
    series = world.panel.series.assign(verdict="unknown", reason="stale")
    risks = assess(replace(world.panel, series=series), None, None, Settings())
    assert risks["tier"].tolist() == ["unknown"] * 3
    with pytest.raises(StageError, match="3 usable series have no forecast"):
        assess(world.panel, None, None, Settings())


def test_business_unit_that_was_never_observed(fleet):
    world = fleet(np.full(2, 65.0))
    nobody = world.panel.take(np.zeros(2, bool))
    empty = replace(nobody, values=nobody.values[:0], timestamps=nobody.timestamps[:0])
    for panel in (nobody, empty):
        risks = assess(panel, None, None, Settings())
        assert len(risks) == 0
        assert set(RISK_COLUMNS) < set(risks.columns)


def test_forecast_of_other_series_is_refused(fleet):
    world = fleet(np.full(3, 65.0))
    renamed = world.forecast.series.assign(server_id=["s0000", "s0001", "other"])
    with pytest.raises(StageError, match="s0002"):
        assess(world.panel, replace(world.forecast, series=renamed), world.errors, Settings())
    early = replace(world.forecast, timestamps=world.forecast.timestamps + pd.Timedelta(days=9))
    with pytest.raises(StageError, match="not made from this panel"):
        assess(world.panel, early, world.errors, Settings())


def test_results_do_not_depend_on_the_order_of_series_or_on_threads(fleet):
    """More series than speak for a metric: who speaks must not depend on the order they come in."""
    world = fleet(np.linspace(50, 85, 300), origins=4)
    order = np.random.default_rng(0).permutation(300)
    series = world.panel.series.iloc[order].reset_index(drop=True)
    errors = replace(
        world.errors,
        errors=world.errors.errors[:, :, order],
        scale=world.errors.scale[:, order],
        scale_now=world.errors.scale_now[order],
        states=world.errors.states[:, order],
        states_now=world.errors.states_now[order],
        series=series[["server_id", "metric"]],
    )
    panel = replace(world.panel, values=world.panel.values[:, order], series=series)
    forecast = replace(world.forecast, quantiles=world.forecast.quantiles[:, :, order], series=errors.series)
    mixed = assess(panel, forecast, errors, Settings.model_validate({"forecast": {"threads": 3}}))
    straight = assess(*world.arguments(), Settings.model_validate({"forecast": {"threads": 1}}))
    back = mixed.sort_values("server_id", ignore_index=True)
    pd.testing.assert_frame_equal(back, straight, check_exact=True)


def test_capacity_remaining_in_units_where_the_size_is_known(fleet):
    world = fleet(np.array([50.0, 50.0]), spread=0.1, metrics=("mem", "net"))
    panel = replace(world.panel, series=world.panel.series.assign(capacity=[64.0, 200.0, np.nan, np.nan]))
    risks = assess(panel, world.forecast, world.errors, Settings())
    assert risks["capacity_remaining"].tolist() == pytest.approx([49.7, 74.9, 49.7, np.nan], abs=0.3, nan_ok=True)
    expected = [32.0, 150.0, np.nan, np.nan]
    assert risks["capacity_remaining_units"].tolist() == pytest.approx(expected, abs=0.4, nan_ok=True)
    assert risks["threshold_high"].tolist() == pytest.approx([80, 160, 80, np.nan], nan_ok=True)


def test_capacity_held_back_is_not_there_to_remain(fleet):
    world = fleet(np.array([50.0, 90.0]), spread=0.1)
    risks = assess(*world.arguments(), settings(reserve_share=0.2))
    assert risks["capacity_remaining"].tolist() == pytest.approx([100 * 30 / 80, 0], abs=0.5)
    assert risks["threshold_high"].tolist() == [64.0, 64.0]


def test_a_climb_is_told_beside_the_risk_of_its_series(fleet):
    world = fleet(np.full(40, 40.0), spread=2.0)
    climb = np.linspace(0, 30, len(world.panel.values))[:, None] * (np.arange(40) % 2)
    risks = assess(world.panel, *world.arguments()[1:], Settings())
    climbing = assess(*world.with_values(world.panel.values + climb).arguments(), Settings())
    told = climbing["trend_per_month"].notna().to_numpy()
    assert told[1::2].mean() > 0.9
    assert told[::2].mean() < 0.2
    assert (climbing["trend_per_month"][1::2].dropna() > 0).all()
    assert (climbing["trend_since"].notna() == told).all()
    assert risks["trend_per_month"].notna().mean() < 0.2


@pytest.mark.parametrize("cadence", [Cadence.HOURLY, Cadence.DAILY])
def test_hourly_forecasts_that_once_promised_too_little_error_do_not_raise_alarms(fleet, cadence):
    """At its older origins an hourly replay had seen a week or two, and its error was thought a quarter of what it is.

    The paths are the same; daily input, replayed over years, keeps the units of each origin.
    """
    world = fleet(np.full(40, 60.0), spread=4.0, horizon=168, step=56, cadence=cadence)
    scale = world.errors.scale.copy()
    scale[4:] /= 4
    hasty = replace(world.errors, scale=scale)
    now = world.forecast
    fair, alarmed = (
        assess(world.panel, now, errors, Settings())["probability_high"] for errors in (world.errors, hasty)
    )
    assert fair.mean() < 0.02
    assert (alarmed.mean() < 0.02) == (cadence is Cadence.HOURLY)
