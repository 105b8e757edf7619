"""What every model but Prophet (test_prophet.py, slower) must do with a panel, whatever is in it."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capforecast.errors import ModelError, UsageError
from capforecast.forecast.models import model_kind, model_names
from capforecast.schema import QUANTILE_LEVELS
from capforecast.settings import Settings

POINT_MODELS = ("trees", "random-forest", "seasonal-naive")


@pytest.fixture(scope="module", params=POINT_MODELS)
def kind(request):
    return model_kind(request.param)


@pytest.fixture(scope="module")
def panel(make_panel, weekly):
    return make_panel(weekly(250, 6), metrics=["cpu", "mem"] * 3)


@pytest.fixture(scope="module")
def model(kind, panel):
    return kind.fit(panel, 20, Settings())


def stored(tables):
    """Through Parquet, as the lake keeps them."""
    kept = {}
    for name, table in tables.items():
        file = io.BytesIO()
        pq.write_table(table, file)
        kept[name] = pq.read_table(io.BytesIO(file.getvalue()))
    return kept


def test_names_are_known_and_an_unknown_one_is_told_the_choices():
    assert model_names()[0] == "fleet"
    assert set(model_names()) == {"fleet", "prophet", *POINT_MODELS}
    with pytest.raises(UsageError, match=r"no model 'arima'.*prophet.*seasonal-naive"):
        model_kind("arima")


def test_a_stored_model_predicts_the_same_bits(kind, model, panel):
    again = kind.from_tables(stored(model.tables()))
    assert again.version == model.version
    assert np.array_equal(again.predict(panel).quantiles, model.predict(panel).quantiles)


def test_a_model_that_lacks_a_part_says_which(kind, model):
    for name in model.tables():
        with pytest.raises(ModelError, match=name):
            kind.from_tables({key: table for key, table in model.tables().items() if key != name})


def damaged(tables):
    """The tables with one thing wrong, each time another: a fact of the metadata is gone or odd, a column is empty."""
    facts = dict(zip(*(tables["metadata"][name].to_pylist() for name in ("key", "value")), strict=True))
    for key in facts:
        for value in (None, "", "999", "{"):
            kept = {name: text for name, text in facts.items() if name != key} | ({} if value is None else {key: value})
            yield tables | {"metadata": pa.table({"key": list(kept), "value": list(kept.values())})}
    for name, table in tables.items():
        for i, field in enumerate(table.schema if name != "metadata" else ()):
            yield tables | {name: table.set_column(i, field, pa.nulls(table.num_rows, field.type))}
            yield tables | {name: table.set_column(i, field.name, pa.array(["x"] * table.num_rows))}


def test_a_damaged_model_is_refused_in_words(kind, model):
    for tables in damaged(model.tables()):
        with pytest.raises(ModelError, match=r"train (it )?again"):
            kind.from_tables(tables)


def test_the_forecast_is_named_ordered_and_ahead(kind, model, panel):
    forecast = model.predict(panel)
    assert set(forecast.series["model"]) == {kind.name}
    assert forecast.quantiles.shape == (len(QUANTILE_LEVELS) + 1, 20, 6)
    assert forecast.timestamps[0] == panel.timestamps[-1] + panel.cadence.step
    assert (np.diff(forecast.quantiles[:5], axis=0) >= 0).all()
    assert (forecast.quantiles[4] - forecast.quantiles[0] > 1).all()


def test_the_order_of_the_panel_changes_nothing(kind, model, panel):
    order = np.array([3, 0, 5, 2, 1, 4])
    turned = panel.take(np.ones(6, dtype=bool))
    turned = type(turned)(
        turned.values[:, order], turned.timestamps, turned.series.iloc[order].reset_index(drop=True), turned.cadence
    )
    fitted = kind.fit(turned, 20, Settings())
    assert np.array_equal(fitted.predict(turned).quantiles, model.predict(panel).quantiles[:, :, order])
    assert np.array_equal(model.predict(turned).quantiles, model.predict(panel).quantiles[:, :, order])
    some = panel.take(np.arange(6) % 2 == 0)
    assert np.array_equal(model.predict(some).quantiles, model.predict(panel).quantiles[:, :, ::2])


def test_a_series_it_was_not_fitted_on_is_refused(model, make_panel, weekly):
    with pytest.raises(ModelError, match="srv-006"):
        model.predict(make_panel(weekly(250, 8), metrics=["cpu", "mem"] * 4))
    with pytest.raises(ModelError, match="hourly"):
        model.predict(make_panel(weekly(250, 6), "hourly", metrics=["cpu", "mem"] * 3))


@pytest.mark.parametrize("cadence", ["daily", "hourly"])
@pytest.mark.parametrize("total", [3, 40, 500])
def test_whatever_the_panel_holds_the_forecast_is_finite(kind, cadence, total, make_panel):
    rng = np.random.default_rng(1)
    values = rng.normal(50, 5, (total, 10))
    values[:, 0] = 0
    values[:, 1] = 7
    values[:, 2] = np.nan
    values[:-1, 3] = np.nan
    values[:, 4] *= 1e30
    values[:, 5] *= 1e-30
    values[: total // 2, 6] = np.nan
    values[rng.random(total) < 0.3, 7] = np.nan
    values[total // 3, 8] = np.inf
    values[:, 9] = -values[:, 9]
    forecast = kind.fit(make_panel(values, cadence), 60, Settings())
    assert np.isfinite(forecast.predict(make_panel(values, cadence)).quantiles).all()


@pytest.mark.parametrize(("cadence", "season"), [("daily", 7), ("hourly", 24)])
def test_fitted_models_beat_the_seasonal_naive_and_intervals_hold(cadence, season, make_panel, weekly):
    values = weekly(600, 12, seed=3, season=season)
    whole = make_panel(values, cadence)
    seen, after = whole.until(whole.timestamps[559]), values[560:]
    errors = {}
    for name in POINT_MODELS:
        forecast = model_kind(name).fit(seen, 40, Settings()).predict(seen)
        errors[name] = np.abs(forecast.median - after).mean()
        inside = (after >= forecast.quantiles[1]) & (after <= forecast.quantiles[3])
        assert 0.65 < inside.mean() < 0.92, name
    assert errors["trees"] < 0.85 * errors["seasonal-naive"]
    assert errors["random-forest"] < 0.9 * errors["seasonal-naive"]


def test_a_stored_model_with_a_broken_link_is_refused():
    from capforecast.forecast.tree_nodes import nodes_of

    def table(left):
        return pa.table(
            {
                "tree": pa.array([0, 0, 0], pa.int32()), "feature": pa.array([0, 0, 0], pa.int32()),
                "threshold": [0.5, 0.0, 0.0], "left": pa.array([left, -1, -1], pa.int32()),
                "right": pa.array([2, -1, -1], pa.int32()), "missing_left": [False] * 3, "value": [0.0, 1.0, 2.0],
            }
        )  # fmt: skip

    rows = np.array([[0.0], [1.0], [np.nan]], dtype=np.float32)
    assert nodes_of(table(1), 10.0, 1).predict(rows).tolist() == [11, 12, 12]
    for left in (0, 3):
        with pytest.raises(ModelError, match="leads nowhere"):
            nodes_of(table(left), 0.0, 1)
    with pytest.raises(ModelError, match="taught 1 features, not 2"):
        nodes_of(table(1), 0.0, 1).predict(np.zeros((1, 2), dtype=np.float32))
