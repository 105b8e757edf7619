from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from capforecast.risk.thresholds import thresholds, units_each, usable_capacity
from capforecast.settings import Settings


def series(metric, capacity=None, criticality="gold", unit="retail"):
    table = pd.DataFrame({"metric": np.atleast_1d(metric), "business_unit": unit, "criticality": criticality})
    return table if capacity is None else table.assign(capacity=capacity)


def test_network_is_measured_against_the_bandwidth_of_the_instance_where_it_is_known():
    table = series(["net_in", "net_out", "net", "net_in", "disk_io"], [1000.0, 500.0, np.nan, 0.0, 100.0])
    expected = [[800, 900], [400, 450], [np.nan] * 2, [np.nan] * 2, [np.nan] * 2]
    np.testing.assert_allclose(thresholds(table, Settings()), expected)
    assert np.isnan(thresholds(table.drop(columns="capacity"), Settings())).all()


def test_a_threshold_in_units_goes_before_a_share():
    settings = Settings.model_validate({"metrics": {"net": {"unit": "Mbit/s", "high": 300, "very_high_share": 0.5}}})
    np.testing.assert_allclose(thresholds(series("net", 1000.0), settings), [[300, 500]])


def test_shares_may_differ_by_criticality():
    override = {"criticality": "bronze", "high_share": 0.5}
    net = {"unit": "Mbit/s", "high_share": 0.8, "very_high_share": 0.9, "overrides": [override]}
    settings = Settings.model_validate({"metrics": {"net": net}})
    found = thresholds(pd.concat([series("net", 100.0), series("net", 100.0, "bronze")]), settings)
    np.testing.assert_allclose(found, [[80, 90], [50, 90]])


def test_what_is_held_back_lowers_thresholds_in_percent_and_what_may_be_used():
    settings = Settings.model_validate({"risk": {"reserve_share": 0.1, "buffer_share": 0.1}})
    table = series(["cpu", "net"], [16.0, 1000.0])
    np.testing.assert_allclose(thresholds(table, settings), [[64, 72], [800, 900]])
    np.testing.assert_allclose(usable_capacity(table, settings), [80, 800])
    np.testing.assert_allclose(units_each(table, settings), [0.16, 1.0])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"risk": {"reserve_share": 0.5, "buffer_share": 0.5}}, "leave no usable capacity"),
        ({"risk": {"reserve_share": 0.7, "buffer_share": 0.3}}, "leave no usable capacity"),
        ({"metrics": {"cpu": {"high_share": 0.5}}}, "a percentage has `high`"),
        ({"metrics": {"net": {"unit": "Mbit/s", "high_share": 0.9, "very_high_share": 0.8}}}, "is above"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(data, said):
    with pytest.raises(ValidationError, match=said):
        Settings.model_validate(data)
