"""One server's rows out of a long table: the same as of the whole, and only its own group of rows is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from capforecast.errors import DamagedObjectError, MissingObjectError
from capforecast.lake import datasets
from capforecast.lake.datasets import unit_key, write_table
from capforecast.lake.slices import rows_of
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Reference

AS_OF = pd.Timestamp("2026-11-23", tz="UTC")
NAMES = ["", "=1+1", "a", "b", "zürich", "北京", "😀"]


def table(names: list[str], days: int = 40) -> pd.DataFrame:
    stamps = pd.date_range(end=AS_OF, periods=days, unit="us")
    rows = [
        pd.DataFrame({"server_id": name, "timestamp": stamps, "cpu_p95": float(at)}) for at, name in enumerate(names)
    ]
    return pd.concat(rows, ignore_index=True).astype({"cpu_p95": "float32"})


def written(store: Store, frame: pd.DataFrame) -> Reference:
    return write_table(store, unit_key("processed", Cadence.DAILY, AS_OF, "retail"), frame)


@pytest.mark.parametrize("group", [7, 40, 100_000])
def test_the_rows_of_a_server_are_those_of_the_whole_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    monkeypatch.setattr(datasets, "GROUP_ROWS", group)
    store, frame = Store(tmp_path), table(sorted(NAMES))
    reference = written(store, frame)
    for name in NAMES:
        found = rows_of(store, reference, name, ["timestamp", "cpu_p95"]).to_pandas()
        wanted = frame.loc[frame["server_id"] == name, "cpu_p95"].to_numpy()
        assert np.array_equal(found["cpu_p95"].to_numpy(), wanted)
        assert list(found.columns) == ["timestamp", "cpu_p95"]
    assert rows_of(store, reference, "nobody").num_rows == 0


def test_other_groups_of_rows_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "GROUP_ROWS", 400)
    store = Store(tmp_path)
    reference = written(store, table([f"server-{at:03d}" for at in range(50)]))
    asked: list[list[int]] = []
    real = pq.ParquetFile.read_row_groups

    def watched(file: pq.ParquetFile, groups: list[int], **more: object) -> object:
        asked.append(groups)
        return real(file, groups, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", watched)
    assert rows_of(store, reference, "server-021").num_rows == 40
    assert asked == [[2]]


def test_what_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    reference = written(store, table(["a"]))
    store.put(reference.uri, b"PAR1 no more")
    with pytest.raises(DamagedObjectError, match=r"processed/.*is damaged"):
        rows_of(store, reference, "a")
    store.delete(reference.uri)
    with pytest.raises(MissingObjectError, match="processed/"):
        rows_of(store, reference, "a")
