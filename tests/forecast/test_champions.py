"""Another model than the engine as champion: stored, loaded, with error paths it earned at past origins."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from capforecast.errors import ModelError
from capforecast.forecast import champions, engine, models, registry
from capforecast.forecast.base import Trained
from capforecast.forecast.champions import Champion
from capforecast.forecast.kinds import Kind
from capforecast.forecast.leaderboard import folds_of
from capforecast.forecast.models import model_kind, model_names
from capforecast.lake.store import Store
from capforecast.risk.breach import assess
from capforecast.schema import BACKTEST_COLUMNS, ErrorPaths, Panel
from capforecast.settings import ForecastSettings, Settings

HORIZON = 14


def named(name: str, origins: int = 3) -> Settings:
    return Settings(forecast={"model": name, "origins_daily": origins})


@pytest.fixture(scope="module")
def panel(make_panel, weekly):
    return make_panel(weekly(300, 6), metrics=["cpu", "mem"] * 3)


@pytest.fixture(scope="module")
def later(make_panel, weekly):
    """What is known nine days later."""
    return make_panel(weekly(309, 6), metrics=["cpu", "mem"] * 3)


@pytest.fixture(scope="module")
def trained(panel):
    return champions.train(panel, HORIZON, named("seasonal-naive"))


def test_the_setting_knows_every_model():
    assert ForecastSettings.model_json_schema()["properties"]["model"]["enum"] == list(model_names())


def test_fleet_is_trained_as_ever(panel):
    ours, engines = champions.train(panel, HORIZON, named("fleet")), engine.train(panel, HORIZON, named("fleet"))
    assert ours.model.version == engines.model.version
    assert champions.kind_of(ours.model) == "fleet"


def test_errors_are_those_of_forecasts_made_then(panel, trained):
    """The first origin's path is what the model says of a panel that ends there."""
    origins = trained.errors.origins
    (fold,) = folds_of(panel, HORIZON, [int(panel.timestamps.get_loc(origins[0])) + 1])
    kind = model_kind("seasonal-naive")
    then = kind.fit(fold.seen, HORIZON, named("seasonal-naive")).predict(fold.seen)
    assert len(origins) == 3
    np.testing.assert_allclose(trained.errors.errors[0], fold.after - then.median, rtol=5e-4, atol=1e-3)
    assert (trained.errors.scale > 0).all()
    assert np.isfinite(trained.errors.states_now).all()


def test_the_backtest_is_evidence_in_the_order_of_the_panel(panel, trained):
    table = trained.backtest
    assert tuple(table.columns) == BACKTEST_COLUMNS
    whole = table[table["bucket"] == "all"]
    assert whole["server_id"].tolist() == panel.series["server_id"].tolist()
    assert whole["origins"].eq(3).all()
    np.testing.assert_allclose(whole["relative_mae"], 1.0, rtol=1e-4)


def saved_and_read(store: Store, trained: Trained[Champion]) -> Champion:
    notes = {"horizon": HORIZON, "inputs": {}, "code": "c0de", "config": "c0nf16"}
    manifest = registry.save(store, trained, business_unit="x", as_of=pd.Timestamp("2026-01-05", tz="UTC"), notes=notes)
    return registry.load(store, manifest)[0]


def same_paths(first: ErrorPaths, second: ErrorPaths) -> bool:
    fields = ("errors", "scale", "scale_now", "states", "states_now")
    alike = (np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True) for name in fields)
    return all(alike) and first.origins.equals(second.origins)


@pytest.mark.parametrize("name", model_names())
def test_a_champion_of_any_kind_says_the_same_bits_in_memory_and_read_again(tmp_path, panel, later, name, monkeypatch):
    """Forecast, error paths and what risk makes of them, nine days after it was trained."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # one worker for Prophet: each takes seconds to start
    panel, later = (seen.take(np.arange(6) < 2) for seen in (panel, later))
    trained = champions.train(panel, HORIZON, named(name, origins=1))
    model = saved_and_read(Store(tmp_path), trained)
    assert champions.kind_of(model) == name
    assert same_paths(model.error_paths(panel), trained.errors)
    first, second = trained.model.predict(later), model.predict(later)
    assert np.array_equal(first.quantiles, second.quantiles)
    assert first.series.equals(second.series)
    known, again = trained.model.error_paths(later, first), model.error_paths(later, second)
    assert same_paths(known, again)
    risks = [assess(later, first, known, named(name)), assess(later, second, again, named(name))]
    assert risks[0].equals(risks[1])


def test_its_error_paths_are_what_risk_draws_from(panel, trained):
    risks = assess(panel, trained.model.predict(panel), trained.errors, named("seasonal-naive"), trained.backtest)
    assert risks["paths"].gt(0).all()


def test_which_candidates_carry_a_forecast_is_the_same_when_read_again(tmp_path, panel, later):
    trained = champions.train(panel, HORIZON, named("fleet"))
    model = saved_and_read(Store(tmp_path), trained)
    assert trained.choice is not None
    assert model.evidence(panel)[1].equals(trained.choice)
    assert model.evidence(later)[1].equals(trained.model.evidence(later)[1])


def test_a_stored_model_of_no_known_kind_is_refused(trained):
    with pytest.raises(ModelError, match="kind 'arima'"):
        champions.from_tables("arima", trained.model.tables())
    tables = trained.model.tables()
    with pytest.raises(ModelError, match="corrupt"):
        champions.from_tables("seasonal-naive", tables | {"calibration": tables["calibration"].slice(1)})


def test_the_order_of_the_panel_changes_nothing(panel, trained):
    order = np.array([4, 1, 3, 0, 5, 2])
    turned = Panel(
        panel.values[:, order], panel.timestamps, panel.series.iloc[order].reset_index(drop=True), panel.cadence
    )
    other = champions.train(turned, HORIZON, named("seasonal-naive"))
    assert np.array_equal(other.errors.errors, trained.errors.errors[:, :, order])
    assert np.array_equal(other.errors.states_now, trained.errors.states_now[order])
    assert other.backtest["server_id"].unique().tolist() == turned.series["server_id"].tolist()


def test_what_it_cannot_forecast_is_the_engines(panel, monkeypatch):
    naive = model_kind("seasonal-naive")

    class Partly:
        """Forgets a server."""

        def __init__(self, model):
            self.model, self.version, self.unknown = model, "v", model.unknown

        def predict(self, seen):
            kept = ~seen.series["server_id"].eq("srv-002").to_numpy()
            return self.model.predict(seen.take(kept))

    part = Kind("seasonal-naive", "", lambda *given: Partly(naive.fit(*given)), naive.from_tables)
    monkeypatch.setitem(models._KINDS, "seasonal-naive", part)
    trained = champions.train(panel, HORIZON, named("seasonal-naive"))
    forecast = trained.model.predict(panel)
    assert forecast.series["server_id"].tolist() == panel.series["server_id"].tolist()
    assert forecast.series.set_index("server_id")["model"].to_dict() == {
        name: "fleet" if name == "srv-002" else "seasonal-naive" for name in panel.series["server_id"]
    }
    assert np.isfinite(forecast.quantiles).all()
    assert (trained.errors.scale_now > 0).all()


@pytest.mark.parametrize("total", [32, 10])
def test_too_young_to_replay_still_forecasts(make_panel, weekly, total):
    panel = make_panel(weekly(total, 3))
    trained = champions.train(panel, 60, named("seasonal-naive"))
    assert np.isfinite(trained.model.predict(panel).quantiles).all()
    assert trained.errors.errors.shape[1:] == (60, 3)
