from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from capforecast.errors import LakeError
from capforecast.lake.datasets import read_table, unit_key, write_table
from capforecast.lake.store import Store
from capforecast.schema import BACKTEST_COLUMNS, Cadence

AS_OF = pd.Timestamp("2026-03-02", tz="UTC")


@pytest.fixture
def store() -> Store:
    return Store("memory://")


def written(store: Store, dataset: str, frame: pd.DataFrame) -> pa.Schema:
    return read_table(store, write_table(store, unit_key(dataset, Cadence.DAILY, AS_OF), frame)).schema


def test_a_table_without_rows_has_the_types_of_one_with_rows(store: Store) -> None:
    empty = written(store, "backtests", pd.DataFrame(columns=list(BACKTEST_COLUMNS)))
    row = dict.fromkeys(BACKTEST_COLUMNS, 1.5) | {"origins": 1, "points": 2}
    row |= dict.fromkeys(("server_id", "metric", "business_unit", "region", "criticality", "bucket"), "x")
    assert empty == written(store, "backtests", pd.DataFrame([row]))
    assert empty.field("mae").type == pa.float64()
    assert empty.field("origins").type == pa.int64()


def test_a_count_stays_whole_where_one_is_not_known(store: Store) -> None:
    frame = pd.DataFrame({"server_id": ["a", "b"], "paths": [60, np.nan]})
    reference = write_table(store, unit_key("risks", Cadence.DAILY, AS_OF), frame)
    table = read_table(store, reference)
    assert table.schema.field("paths").type == pa.int64()
    assert table["paths"].to_pylist() == [60, None]


def test_lists_of_which_there_are_none_are_lists(store: Store) -> None:
    kind = written(store, "pool_paths", pd.DataFrame({"region": ["a"], "path": [[1.0, 2.0]]})).field("path").type
    for nothing in ([np.nan], [None], []):
        frame = pd.DataFrame({"region": ["a"][: len(nothing)], "path": nothing})
        assert written(store, "pool_paths", frame).field("path").type == kind


def test_what_does_not_fit_its_type_is_refused_by_name(store: Store) -> None:
    for value in (1.5, "many", [1], AS_OF):
        with pytest.raises(LakeError, match=r"risks/.*'unheard_of'.*double|risks/.*'paths'.*int64"):
            written(store, "risks", pd.DataFrame({"paths" if value == 1.5 else "unheard_of": [value]}))


def test_labels_of_an_inventory_stay_as_they_came(store: Store) -> None:
    schema = written(store, "servers", pd.DataFrame({"server_id": ["a"], "days": ["Mondays"], "size": [3]}))
    assert schema.field("days").type == pa.string()
    assert schema.field("size").type == pa.int64()


def test_lists_of_which_no_row_has_one(store: Store) -> None:
    frame = pd.DataFrame({"business_unit": ["a", "b"], "servers": [np.nan, np.nan], "hourly": [np.nan, np.nan]})
    table = read_table(store, write_table(store, unit_key("path_costs", Cadence.DAILY, AS_OF), frame))
    assert table.schema.field("hourly").type == pa.list_(pa.float64())
    assert table["servers"].to_pylist() == [None, None]
