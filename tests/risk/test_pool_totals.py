"""Sums of pools: parts add up to the last digit, in every draw, and nothing is dropped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated import make_fleet

from capforecast.lake.datasets import table_of
from capforecast.risk.pool_figures import demand_table, pool_table
from capforecast.risk.pool_totals import path_table, read_paths, totals
from capforecast.risk.pools import pool_paths
from capforecast.schema import ALL_REGIONS, FLEET
from capforecast.settings import Settings

SETTINGS = Settings()


def unit(name: str, count: int, seed: int, **fleet):
    made = make_fleet(np.linspace(20, 75, count), seed=seed, **fleet)
    servers = pd.DataFrame(
        {
            "server_id": [f"s{i:04d}" for i in range(count)],
            "business_unit": name,
            "region": [("eu", "us")[i % 2] for i in range(count)],
            "vcpus": np.resize([2.0, 3.0, 48.0], count),
            "memory_gib": np.nan,
        }
    )
    paths = pool_paths(*made.arguments(), servers, SETTINGS)
    stored = table_of(path_table(paths)).to_pandas()
    table = pool_table(paths, SETTINGS.risk)
    return table, read_paths(table, stored, made.forecast.timestamps[0]), paths


@pytest.fixture(scope="module")
def units():
    return [unit("retail", 9, 1), unit("payments", 14, 2, origins=15), unit("young", 3, 3, origins=2)]


@pytest.fixture(scope="module")
def sums(units):
    return totals([part for _, parts, _ in units for part in parts])


def test_stored_paths_read_back_as_they_were(units):
    table, parts, paths = units[0]
    pd.testing.assert_frame_equal(pool_table(parts, SETTINGS.risk), table)
    pd.testing.assert_frame_equal(demand_table(parts), demand_table(paths))


def test_pools_add_up_to_units_regions_and_fleet_to_the_last_digit(units, sums):
    single = pd.concat([table for table, _, _ in units])
    table = pool_table(sums, SETTINGS.risk).set_index(["resource", "business_unit", "region"]).sort_index()
    for name in ("demand_now", "supply", "usable", "servers", "unsized", "unobserved"):
        for by, key in (("business_unit", lambda v: (v, ALL_REGIONS)), ("region", lambda v: (FLEET, v))):
            for resource, rows in single.groupby("resource"):
                for value, part in rows.groupby(by):
                    expected = part[name].sum(min_count=1)
                    found = table.loc[(resource, *key(value)), name]
                    assert found == expected or (np.isnan(found) and np.isnan(expected))
        cores = single[single["resource"] == "vcpu"]
        assert table.loc[("vcpu", FLEET, ALL_REGIONS), name] == cores[name].sum()


def test_draws_of_pools_add_up_to_those_of_the_fleet(units, sums):
    (fleet,) = [s for s in sums if s.resource == "vcpu" and tuple(s.names.iloc[0]) == (FLEET, ALL_REGIONS)]
    (retail,) = [s for s in sums if s.resource == "vcpu" and tuple(s.names.iloc[0]) == ("retail", ALL_REGIONS)]
    pools = units[0][2][0]
    assert np.array_equal(retail.draws.values[:, :, 0], pools.draws.values.sum(axis=2))
    # the largest pool leads; payments has three origins more than retail, which lends its nearest
    assert len(fleet.draws.values) in (len(pools.draws.values), len(units[1][2][0].draws.values))
    assert np.isfinite(fleet.draws.values).all()


def test_pools_of_which_nothing_can_be_said_count_at_their_last_demand(units, sums):
    table = pool_table(sums, SETTINGS.risk)
    fleet = table[(table["business_unit"] == FLEET) & (table["region"] == ALL_REGIONS)].set_index("resource")
    assert fleet.loc["vcpu", "reason"] == ""
    assert fleet.loc["vcpu", "unforecast"] == 3  # the three servers of `young`
    assert fleet.loc["memory_gib", "reason"] == "no_sizes"
    young = table[(table["business_unit"] == "young") & (table["resource"] == "vcpu")].iloc[0]
    assert young["reason"] == "no_evidence"
    assert young["demand_now"] > 0


def test_no_pools_make_empty_tables_of_the_usual_types(units):
    table, paths, _ = units[0]
    nothing = totals([])
    assert nothing == []
    for empty, usual in (
        (pool_table(nothing, SETTINGS.risk), table),
        (demand_table(nothing), demand_table(paths)),
    ):
        assert len(empty) == 0
        pd.testing.assert_series_equal(empty.dtypes, usual.dtypes)
