"""The evidence table says what the scores say, one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from capforecast.forecast import scores
from capforecast.forecast.backtest import buckets
from capforecast.forecast.evidence import evidence
from capforecast.schema import QUANTILE_LEVELS, Cadence

ORIGINS, HORIZON, WIDTH = 4, 20, 3


@pytest.fixture
def world() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    point = rng.normal(50, 5, (ORIGINS, HORIZON, WIDTH))
    half = rng.uniform(1, 4, (ORIGINS, HORIZON, WIDTH))
    actual = point + rng.normal(0, 3, point.shape)
    actual[rng.random(actual.shape) < 0.2] = np.nan
    actual[:, :, 2] = np.nan
    scale = rng.uniform(1, 3, (ORIGINS, WIDTH))
    scale[0, 0] = 0.0
    quantiles = np.stack([point - 2 * half, point - half, point, point + half, point + 2 * half])
    return {"actual": actual, "quantiles": quantiles, "naive": point + 3.0, "scale": scale}


def table(world: dict[str, np.ndarray]) -> pd.DataFrame:
    series = pd.DataFrame({"server_id": list("abc"), "metric": "cpu", "business_unit": "x"})
    series = series.assign(region="", criticality="")
    return evidence(series, **world, cadence=Cadence.DAILY)


@pytest.mark.parametrize(("bucket", "rows"), [("1-7", slice(0, 7)), ("8-20", slice(7, 20)), ("all", slice(0, 20))])
def test_each_score_is_the_one_defined(world, bucket, rows):
    found = table(world).query("bucket == @bucket")
    actual = world["actual"][:, rows].reshape(-1, WIDTH)
    quantiles = world["quantiles"][:, :, rows].reshape(5, -1, WIDTH)
    naive, point = world["naive"][:, rows].reshape(-1, WIDTH), quantiles[2]
    unit = np.repeat(np.where(world["scale"] > 0, world["scale"], np.nan), rows.stop - rows.start, axis=0)
    error, of_naive = scores.mae(actual, point), scores.mae(actual, naive)
    expected = {
        "points": np.isfinite(actual).sum(axis=0),
        "mae": error,
        "rmse": scores.rmse(actual, point),
        "mape_floored": scores.mape_floored(actual, point),
        "wape": scores.wape(actual, point),
        "mase": scores.mase(actual, point, unit),
        "mae_naive": of_naive,
        "relative_mae": scores.relative_mae(error, of_naive),
        "coverage_80": scores.coverage(actual, quantiles[1], quantiles[3]),
        "coverage_95": scores.coverage(actual, quantiles[0], quantiles[4]),
        "pinball": scores.pinball(actual, quantiles, QUANTILE_LEVELS),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].to_numpy(dtype=float), values, err_msg=name)


def test_origins_without_intervals_are_scored_but_not_for_coverage(world):
    before = table(world)
    world["quantiles"][[0, 1, 3, 4], 3] = np.nan
    after = table(world)
    pd.testing.assert_series_equal(after["mae"], before["mae"])
    world["actual"][3] = np.nan
    pd.testing.assert_series_equal(after["coverage_80"], table(world)["coverage_80"])
    assert (after["origins"] == before["origins"]).all()


def test_rows_come_by_series_then_bucket(world):
    rows = table(world)
    names = [name for name, _, _ in buckets(Cadence.DAILY, HORIZON)] + ["all"]
    assert rows["bucket"].tolist() == names * 3
    assert rows["server_id"].tolist() == [server for server in "abc" for _ in names]
    assert (rows.query("server_id == 'c'")["origins"] == 0).all()
