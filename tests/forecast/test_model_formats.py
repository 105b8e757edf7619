"""Models of every released format are read by this version, and forecast what they forecast then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from capforecast.fleet.snapshot import from_tables
from capforecast.forecast import frames, registry
from capforecast.forecast.tables import READABLE
from capforecast.lake.store import Store
from capforecast.schema import Reference

FIXTURES = Path(__file__).parents[1] / "fixtures" / "models"


def test_there_is_a_fixture_of_each_format_this_version_reads() -> None:
    assert {path.name for path in FIXTURES.iterdir()} == {f"format-{number}" for number in READABLE}


@pytest.mark.parametrize("number", READABLE)
def test_a_model_of_each_format_forecasts_what_it_did(number: int) -> None:
    folder = FIXTURES / f"format-{number}"
    reference = Reference.model_validate_json((folder / "reference.json").read_text())
    model, version = registry.load(Store(folder), reference)
    assert reference.uri.split("/")[-2] == version
    panel = from_tables(pq.read_table(folder / "panel.parquet"), pq.read_table(folder / "series.parquet"))
    expected = frames.from_table(pq.read_table(folder / "forecast.parquet"))
    made = model.predict(panel)
    np.testing.assert_allclose(made.quantiles, expected.quantiles, rtol=1e-5)
    assert made.series["server_id"].tolist() == expected.series["server_id"].tolist()
    errors = model.error_paths(panel)
    assert np.isfinite(errors.scale_now).all()
    assert errors.errors.shape[1:] == (30, 6)
