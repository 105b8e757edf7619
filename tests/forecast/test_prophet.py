"""Prophet beside the others: the calendar goes in, one bad series stops nobody, nothing is pickled at rest."""

from __future__ import annotations

import math
import os

import numpy as np
import pyarrow as pa
import pytest

from capforecast.errors import ModelError
from capforecast.forecast import prophet, prophet_worker
from capforecast.schema import Panel
from capforecast.settings import Event, Settings

AHEAD = 35


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})


@pytest.fixture(scope="module")
def panel(make_panel):
    """Busy month ends on the first server, declared days on the second; the third has one value, the fourth gaps."""
    rng = np.random.default_rng(0)
    values = 40 + rng.normal(0, 1, (200, 5))
    whole = make_panel(values)
    stamps = whole.timestamps
    values[stamps.days_in_month - stamps.day < 3, 0] += 20
    values[np.arange(200) % 31 < 2, 1] += 20
    values[:-1, 2] = np.nan
    values[40:80, 3] = np.nan
    values[:, 4] = 7
    return make_panel(values)


@pytest.fixture(scope="module")
def setup(panel):
    busy = [stamp for i in range(0, 300, 31) for stamp in [panel.timestamps[0] + i * panel.cadence.step]]
    events = tuple(
        Event(name="load", start=str(day.date()), end=str((day + panel.cadence.step).date())) for day in busy
    )
    settings = Settings()
    return settings.model_copy(update={"calendar": settings.calendar.model_copy(update={"events": events})})


@pytest.fixture(scope="module")
def model(panel, setup):
    return prophet.fit(panel, AHEAD, setup)


@pytest.fixture(scope="module")
def forecast(model, panel):
    return model.predict(panel)


def test_a_series_that_cannot_be_fitted_is_unknown_with_a_reason(model, forecast):
    assert model.unknown["server_id"].tolist() == ["srv-002"]
    assert "less than 2 non-NaN rows" in model.unknown["reason"].iloc[0]
    assert forecast.series["server_id"].tolist() == ["srv-000", "srv-001", "srv-003", "srv-004"]
    assert np.isfinite(forecast.quantiles).all()


def test_the_calendar_of_the_days_ahead_is_used(forecast, setup):
    stamps = forecast.timestamps
    month_end = np.asarray(stamps.days_in_month - stamps.day < 3)
    declared = np.array([any(e.start <= str(s.date()) <= e.end for e in setup.calendar.events) for s in stamps])
    for column, special in ((0, month_end), (1, declared)):
        assert special.any()
        assert forecast.median[special, column].mean() - forecast.median[~special, column].mean() > 12


def test_intervals_are_prophets_and_in_order(forecast):
    assert (np.diff(forecast.quantiles[:5], axis=0) >= 0).all()
    width = (forecast.quantiles[3] - forecast.quantiles[1])[:, 2].mean()
    assert 2.0 < width < 4.0  # +- 1.28 of a deviation of 1, and what the trend may do
    assert (forecast.quantiles[4] - forecast.quantiles[0])[:, 2].mean() > 1.3 * width


def test_a_stored_model_predicts_the_same_bits_whatever_the_order(model, panel, forecast):
    tables = model.tables()
    assert pa.types.is_large_string(tables["models"].schema.field("model").type)
    again = prophet.from_tables(tables)
    order = np.array([4, 2, 0])
    turned = Panel(
        panel.values[:, order], panel.timestamps, panel.series.iloc[order].reset_index(drop=True), panel.cadence
    )
    predicted = again.predict(turned)
    assert predicted.series["server_id"].tolist() == ["srv-004", "srv-000"]
    assert np.array_equal(predicted.quantiles, forecast.quantiles[:, :, [3, 0]])


def test_a_changed_or_foreign_model_is_refused(model):
    tables = model.tables()
    reasons = pa.array(["other"] * 5, pa.large_string())
    changed = tables["models"].set_column(3, "reason", reasons)
    with pytest.raises(ModelError, match="corrupt"):
        prophet.from_tables(tables | {"models": changed})
    with pytest.raises(ModelError, match="lacks table 'models'"):
        prophet.from_tables({"metadata": tables["metadata"]})
    foreign = pa.table({"key": ["kind"], "value": ["trees"]})
    with pytest.raises(ModelError, match="no stored prophet model"):
        prophet.from_tables(tables | {"metadata": foreign})


def die_on_two(number):
    if number == 2:
        os._exit(1)
    return math.sqrt(number)


def test_a_task_that_fails_or_kills_its_worker_costs_only_itself(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(prophet_worker, "_quiet", do_nothing)
    found = {
        number: (result, reason) for number, result, reason in prophet_worker.run_all(die_on_two, [4, -1, 2, 9], "")
    }
    assert found[0] == (2.0, "")
    assert found[3] == (3.0, "")
    assert found[1][1].startswith("ValueError: ")
    assert found[2] == (None, "its worker process died")


def do_nothing():
    pass
