"""A stored model: the same predictions to the last bit, refused with a reason when it does not fit."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from capforecast.errors import ModelError
from capforecast.forecast.engine import train
from capforecast.forecast.model import FleetModel
from capforecast.settings import Settings

SETTINGS = Settings(forecast={"origins_daily": 4})


def stored(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Through Parquet and back, as the lake does it."""
    out = {}
    for name, table in tables.items():
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        out[name] = pq.read_table(io.BytesIO(buffer.getvalue()))
    return out


@pytest.fixture(scope="module")
def panel(make_panel, weekly):
    return make_panel(weekly(230, 7), metrics=["cpu", "mem"] * 3 + ["cpu"])


@pytest.fixture(scope="module")
def trained(panel):
    return train(panel, 30, SETTINGS)


@pytest.fixture
def tables(trained):
    return stored(trained.model.tables())


def test_round_trip_predicts_the_same_bits(panel, trained, tables):
    again = FleetModel.from_tables(tables)
    first, second = trained.model.predict(panel), again.predict(panel)
    np.testing.assert_array_equal(first.quantiles, second.quantiles)
    assert first.series.equals(second.series)
    for name in ("errors", "scale", "scale_now", "states", "states_now"):
        paths, stored_paths = trained.errors, again.error_paths(panel)
        np.testing.assert_array_equal(getattr(paths, name), getattr(stored_paths, name))
    assert (again.errors.origins == trained.errors.origins).all()


def test_frozen_model_forecasts_a_longer_panel(make_panel, weekly, trained):
    longer = make_panel(weekly(244, 7), metrics=["cpu", "mem"] * 3 + ["cpu"])
    forecast = trained.model.predict(longer)
    assert forecast.timestamps[0] == longer.timestamps[-1] + longer.cadence.step
    assert np.isfinite(forecast.quantiles).all()
    states = trained.model.error_paths(longer)
    np.testing.assert_array_equal(states.scale_now, trained.errors.scale_now)
    assert (states.states_now != trained.errors.states_now).any()


def test_error_paths_are_kept_once_per_origin_in_half_precision(trained, tables):
    origins, horizon, width = trained.errors.errors.shape
    assert tables["errors"].num_rows == origins
    assert tables["errors"].schema.field("path").type == pa.list_(pa.float16())
    assert len(tables["errors"]["path"][0]) == horizon * width


def test_a_format_of_the_future_and_a_candidate_of_the_past_are_refused_by_name(tables):
    known = dict(zip(tables["metadata"]["key"].to_pylist(), tables["metadata"]["value"].to_pylist(), strict=True))

    def with_metadata(**changes: str) -> dict[str, pa.Table]:
        content = known | changes
        return {**tables, "metadata": pa.table({"key": list(content), "value": list(content.values())})}

    with pytest.raises(ModelError, match=r"format 99, this version reads 4 and 5: update"):
        FleetModel.from_tables(with_metadata(format="99"))
    with pytest.raises(ModelError, match=r"format 3, this version reads 4 and 5.*train again"):
        FleetModel.from_tables(with_metadata(format="3"))
    renamed = known["candidates"].replace("sawtooth/", "tooth/", 1)
    assert renamed != known["candidates"]
    with pytest.raises(ModelError, match=r"'tooth/.*does not have"):
        FleetModel.from_tables(with_metadata(candidates=renamed))


def test_unknown_series_is_named(make_panel, weekly, trained):
    with pytest.raises(ModelError, match=r"srv-007.*train"):
        trained.model.predict(make_panel(weekly(230, 8), metrics=["cpu", "mem"] * 4))


def test_other_cadence_is_refused(make_panel, weekly, trained):
    with pytest.raises(ModelError, match="daily"):
        trained.model.predict(make_panel(weekly(400, 1), "hourly"))


@pytest.mark.parametrize("name", ["weights", "effects", "errors", "calibration", "metadata"])
def test_missing_table_is_named(tables, name):
    del tables[name]
    with pytest.raises(ModelError, match=name):
        FleetModel.from_tables(tables)


def test_missing_column_is_named(tables):
    tables["errors"] = tables["errors"].drop_columns(["path"])
    with pytest.raises(ModelError, match=r"errors.*path"):
        FleetModel.from_tables(tables)


def test_tables_of_different_models_do_not_mix(make_panel, weekly, tables):
    other = train(make_panel(weekly(230, 3)), 30, SETTINGS).model.tables()
    for name in ("calibration", "effects", "errors", "weights", "metadata"):
        with pytest.raises(ModelError, match="corrupt"):
            FleetModel.from_tables({**tables, name: other[name]})


def test_changed_number_is_noticed(tables):
    weights = tables["weights"]
    score = weights["score"].to_pylist()
    score[0][0] += 0.5
    changed = weights.set_column(2, "score", pa.array(score, pa.list_(pa.float64())))
    with pytest.raises(ModelError, match="corrupt"):
        FleetModel.from_tables({**tables, "weights": changed})
