"""The fleet engine as a user meets it: sound forecasts, honest intervals, no look into the future, no surprises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from capforecast.forecast import engine
from capforecast.forecast.engine import train
from capforecast.forecast.holdout import holdout
from capforecast.forecast.model import FleetModel
from capforecast.schema import BACKTEST_COLUMNS, Panel
from capforecast.settings import Settings

SETTINGS = Settings(forecast={"origins_daily": 5, "origins_hourly": 5})


def median(panel: Panel, horizon: int, settings: Settings = SETTINGS) -> np.ndarray:
    return train(panel, horizon, settings).model.predict(panel).median


def test_weekly_rhythm_is_forecast(make_panel, weekly):
    values = weekly(430, 6)
    truth = weekly(430, 6, noise=0.0)
    forecast = median(make_panel(values[:400]), 30)
    assert np.abs(forecast - truth[400:]).mean() < 1.0  # noise has a standard deviation of 2


def test_hourly_rhythm_is_forecast(make_panel, weekly):
    values, truth = weekly(840, 5, season=24), weekly(840, 5, season=24, noise=0.0)
    forecast = median(make_panel(values[:816], "hourly"), 24)
    assert np.abs(forecast - truth[816:]).mean() < 1.2


def test_a_state_that_holds_since_yesterday_is_carried_on(make_panel):
    blocks = np.random.default_rng(5).uniform(0, 100, (140, 8))  # a batch queue: every six hours another load ...
    values = np.repeat(blocks, 6, axis=0)
    values[-40:] = 3.0  # ... until it stands still
    assert np.median(np.abs(median(make_panel(values, "hourly"), 72) - 3.0)) < 3.0


def test_growth_is_followed(make_panel, weekly):
    values = weekly(560, 4, growth=0.08, noise=1.0)
    truth = weekly(560, 4, growth=0.08, noise=0.0)
    forecast = median(make_panel(values[:500]), 60)
    naive = np.abs(values[493:500].mean(axis=0) - truth[500:]).mean()
    assert np.abs(forecast - truth[500:])[-14:].mean() < 0.5 * naive


def test_nothing_at_an_origin_depends_on_what_follows(make_panel, weekly, monkeypatch):
    monkeypatch.setattr(engine, "stored_errors", lambda errors: errors)  # errors of 1,000 would be kept to a quarter
    values = weekly(400, 3)
    changed = values.copy()
    changed[340:] += 1000.0
    first, second = (train(make_panel(v), 30, SETTINGS).errors for v in (values, changed))
    observed = [make_panel(v).values for v in (values, changed)]
    place = make_panel(values).timestamps.get_indexer(first.origins) + 1
    early = [o for o, at in enumerate(place) if at <= 340]
    assert len(early) >= 3
    for o in early:
        rows = slice(place[o], place[o] + 30)
        made = [a[rows] - e.errors[o] for a, e in zip(observed, (first, second), strict=True)]
        np.testing.assert_allclose(made[0], made[1], rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(first.scale[o], second.scale[o])
        np.testing.assert_array_equal(first.states[o], second.states[o])


def test_scaled_input_gives_scaled_forecast(make_panel, weekly):
    values = weekly(300, 4)
    settings = Settings(metrics={}, forecast={"origins_daily": 4})
    once, many = median(make_panel(values), 30, settings), median(make_panel(1024.0 * values), 30, settings)
    np.testing.assert_allclose(many, 1024.0 * once, rtol=1e-5)


def test_intervals_cover_simulated_noise(make_panel, weekly):
    values = weekly(460, 60, seed=3, noise=4.0)
    table = holdout(make_panel(values), pd.Timestamp("2022-01-03", tz="UTC") + pd.Timedelta(days=399), 60, SETTINGS)
    whole = table[table["bucket"] == "all"]
    assert whole["coverage_80"].mean() == pytest.approx(0.80, abs=0.06)
    assert whole["coverage_95"].mean() == pytest.approx(0.95, abs=0.04)
    assert (whole["origins"] == 1).all()
    assert (whole["points"] == 60).all()


def test_backtest_evidence_covers_too(make_panel, weekly):
    trained = train(make_panel(weekly(900, 40, season=24), "hourly"), 24, SETTINGS)
    whole = trained.backtest.query("bucket == 'all'")
    assert list(trained.backtest.columns) == list(BACKTEST_COLUMNS)
    assert whole["coverage_80"].mean() == pytest.approx(0.80, abs=0.06)
    assert (whole["relative_mae"] < 1.0).mean() > 0.9


@pytest.mark.parametrize(
    ("total", "cadence", "horizon"), [(20, "daily", 90), (30, "daily", 90), (120, "daily", 60), (336, "hourly", 168)]
)
def test_blemished_series_get_finite_ordered_forecasts(make_panel, weekly, total, cadence, horizon):
    values = weekly(total, 8, season=7 if cadence == "daily" else 24)
    values[:, 0] = 0.0
    values[:, 1] = 42.0
    values[: total // 5, 2] = np.nan
    values[total // 2 : total // 2 + 4, 3] = np.nan
    values[::9, 4] = np.nan
    values[:, 5] *= 3.0
    values[:-1, 6] = 0.0
    values[-5:, 7] = np.nan
    panel = make_panel(values, cadence)
    trained = train(panel, horizon, SETTINGS)
    forecast = trained.model.predict(panel)
    assert forecast.quantiles.shape == (6, horizon, 8)
    assert np.isfinite(forecast.quantiles).all()
    assert (np.diff(forecast.quantiles[:5], axis=0) >= 0).all()
    assert forecast.quantiles.min() >= 0.0
    assert np.isfinite(trained.errors.scale_now).all()
    assert np.isfinite(trained.errors.states_now).all()
    again = FleetModel.from_tables(trained.model.tables())
    np.testing.assert_array_equal(again.predict(panel).quantiles, forecast.quantiles)
    np.testing.assert_array_equal(again.error_paths(panel).states, trained.errors.states)


def test_history_shorter_than_the_horizon_is_said(make_panel, weekly):
    trained = train(make_panel(weekly(89, 3)), 90, SETTINGS)
    assert np.isfinite(trained.errors.errors[:, :30]).any()
    assert np.isnan(trained.errors.errors[:, -1]).all()
    rows = trained.backtest
    assert "61-90" not in set(rows["bucket"])
    assert (rows.query("bucket == 'all'")["points"] > 0).all()
    forecast = trained.model.predict(make_panel(weekly(89, 3)))
    width = forecast.quantiles[4] - forecast.quantiles[0]
    assert (width[-1] > width[13]).all()


def test_one_lonely_series(make_panel, weekly):
    panel = make_panel(weekly(200, 1))
    assert np.isfinite(median(panel, 30)).all()


def test_empty_panel(make_panel):
    panel = make_panel(np.empty((100, 0)))
    trained = train(panel, 30, SETTINGS)
    assert trained.model.predict(panel).quantiles.shape == (6, 30, 0)
    assert trained.backtest.empty


def test_error_paths_of_some_of_the_series_are_theirs(make_panel, weekly):
    """A server that went stale since training is left out of the forecast; the others keep what was stored of them."""
    panel = make_panel(weekly(200, 4))
    trained = train(panel, 30, SETTINGS)
    for kept in ([False, True, False, True], [False] * 4):
        some = trained.model.error_paths(panel.take(np.array(kept)))
        np.testing.assert_array_equal(some.errors, trained.errors.errors[:, :, kept])
        np.testing.assert_array_equal(some.scale, trained.errors.scale[:, kept])
        assert some.states_now.shape == (sum(kept), 2)


def test_mase_is_in_units_of_what_was_known_at_each_origin(make_panel):
    values = np.tile([10.0, 20, 30, 40, 50, 60, 70], 60)[:, None] + np.arange(420)[:, None] / 70
    calm, wild = values.copy(), values.copy()
    wild[-30:] += 500 * np.random.default_rng(0).random((30, 1))  # in the newest test window only
    for panel in (make_panel(calm), make_panel(wild)):
        table = train(panel, 30, SETTINGS).backtest
        row = table[table["bucket"] == "all"].iloc[0]
        known_then = 0.1  # mean weekly change before every origin: 7 days of 1 / 70
        assert row["mase"] == pytest.approx(row["mae"] / known_then, rel=0.01)


def test_block_size_changes_nothing(make_panel, weekly):
    values = weekly(210, 150)
    values[:60, ::7] = np.nan
    values[::13, 5] = np.nan
    panel = make_panel(values)
    results = [
        train(panel, 30, Settings(forecast={"origins_daily": 3, "block_size": size})) for size in (64, 150, 1024)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].errors.errors, other.errors.errors)
        np.testing.assert_array_equal(results[0].model.predict(panel).quantiles, other.model.predict(panel).quantiles)
        pd.testing.assert_frame_equal(results[0].backtest, other.backtest)


def test_hourly_block_size_changes_nothing(make_panel, weekly):
    panel = make_panel(weekly(400, 70, season=24), "hourly")
    few, many = (train(panel, 24, Settings(forecast={"origins_hourly": 3, "block_size": s})) for s in (64, 512))
    np.testing.assert_array_equal(few.errors.errors, many.errors.errors)
    np.testing.assert_array_equal(few.model.predict(panel).quantiles, many.model.predict(panel).quantiles)


def test_neither_threads_nor_blocks_change_a_unit_larger_than_its_sample(make_panel, weekly, monkeypatch):
    monkeypatch.setattr("capforecast.forecast.sampling.spokesmen.__defaults__", (40,))
    values = weekly(210, 200)
    values[:60, ::7] = np.nan
    values[:180, ::31] = np.nan
    panel = make_panel(values, metrics=["cpu", "mem"] * 100)
    first, *others = [
        train(panel, 30, Settings(forecast={"origins_daily": 3, "block_size": size, "threads": threads}))
        for size, threads in ((64, 1), (64, 3), (192, 2))
    ]
    for other in others:
        np.testing.assert_array_equal(first.errors.errors, other.errors.errors)
        np.testing.assert_array_equal(first.model.score, other.model.score)
        np.testing.assert_array_equal(first.model.predict(panel).quantiles, other.model.predict(panel).quantiles)
        pd.testing.assert_frame_equal(first.backtest, other.backtest)
        assert first.model.version == other.model.version


def test_order_of_columns_changes_nothing(make_panel, weekly):
    values = weekly(200, 9)
    panel = make_panel(values, metrics=["cpu", "mem", "disk"] * 3)
    turned = np.array([4, 1, 8, 0, 3, 7, 2, 6, 5])
    other = replace(panel, values=panel.values[:, turned], series=panel.series.iloc[turned].reset_index(drop=True))
    first, second = train(panel, 30, SETTINGS), train(other, 30, SETTINGS)
    np.testing.assert_array_equal(first.model.predict(panel).median[:, turned], second.model.predict(other).median)
    np.testing.assert_array_equal(first.errors.errors[:, :, turned], second.errors.errors)
    assert second.backtest["server_id"].drop_duplicates().tolist() == other.series["server_id"].tolist()


def test_holdout_sees_nothing_after_the_date(make_panel, weekly):
    values = weekly(260, 3)
    cut = pd.Timestamp("2022-01-03", tz="UTC") + pd.Timedelta(days=229)
    longer = values.copy()
    longer[230:, 0] = np.nan
    first, second = (holdout(make_panel(v), cut, 30, SETTINGS) for v in (values, longer))
    kept = first["server_id"] != "srv-000"
    pd.testing.assert_frame_equal(first[kept], second[kept])
    assert (second[~kept]["points"] == 0).all()


def test_a_burst_that_began_after_training_is_expected_to_pass_where_bursts_do(make_panel):
    rng = np.random.default_rng(4)
    wandering = 40 * np.exp(np.cumsum(rng.normal(0, 0.03, (600, 40)), axis=0))  # so that the last days tell most
    values = wandering.copy()
    for column in values.T:
        for start in rng.integers(0, 545, 6):
            column[start : start + 10] *= 2.5
    values[-6:, :20] *= 2.5
    model = train(make_panel(values[:-30]), 30, SETTINGS).model
    deaf = replace(model, effects=replace(model.effects, size=0 * model.effects.size))
    known = wandering[-1, :20]
    off = [np.abs(np.log(m.predict(make_panel(values)).median[10:, :20] / known)).mean() for m in (model, deaf)]
    assert off[0] < 0.8 * off[1]
