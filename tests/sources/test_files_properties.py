"""Whatever a file holds: every row is an observation, a reject or a duplicate, and nothing but our errors is raised."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capforecast.errors import CapforecastError
from capforecast.settings import Settings
from capforecast.sources import tally
from capforecast.sources.files import Batch, read_files

LENIENT = Settings.model_validate({"source": {"max_rejected_share": 1.0}})
ROW_REASONS = {
    "empty_server_id", "missing_timestamp", "unparseable_timestamp", "implausible_timestamp", "off_grid", "ragged_row",
}  # fmt: skip
IN_TIME = st.one_of(
    st.sampled_from(
        ["2024-01-01", "2024-01-02", "2024-01-03T00:00:00Z", "2024/01/05", "1704067200", "2024-01-04 00:01"]
    ),
    st.sampled_from(["", "NaT", "yesterday", "2024-13-45", "0001-01-01", "99999999999999999999", "2024-01-01T25:00"]),
    st.text(max_size=8),
)
NUMBER = st.one_of(
    st.floats(0, 120).map(lambda value: f"{value:.3f}"),
    st.sampled_from(["", "NA", "x", "inf", "-inf", "1e300", "-5", "45 %", "1,5", "nan", "0x10", "true"]),
    st.text(max_size=5),
)
SERVER = st.one_of(st.sampled_from(["a", "b", "007", " a ", "", "NA"]), st.text(max_size=4))
ROWS = st.lists(st.tuples(SERVER, IN_TIME, NUMBER, NUMBER), max_size=25)
few = settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def read(frame: pd.DataFrame | pa.Table, suffix: str) -> Batch | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"garbage{suffix}"
        if isinstance(frame, pa.Table):
            pq.write_table(frame, path)
        else:
            frame.to_csv(path, index=False)
        try:
            return read_files(str(path), LENIENT)
        except CapforecastError as error:
            if path.name not in str(error):
                raise
            return None


def rows_refused(batch: Batch) -> int:
    return int(batch.rejects["reason"].isin(ROW_REASONS).sum())


@few
@given(ROWS)
def test_every_row_of_a_wide_csv_is_accounted_for(rows: list[tuple[str, str, str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["server_id", "timestamp", "cpu_p95", "odd_mean"])
    batch = read(frame, ".csv")
    if batch is None:
        return
    assert batch.rows_read == batch.rows_used + batch.rows_rejected + batch.duplicates
    conflicts = int((batch.rejects["reason"] == "duplicate_conflict").sum())
    assert rows_refused(batch) <= batch.rows_rejected <= rows_refused(batch) + conflicts
    assert batch.rows_used >= len(batch.observations)
    tally.check(batch.tallies, batch.rejects)
    assert not batch.observations.duplicated(["server_id", "timestamp"]).any()
    values = batch.observations.drop(columns=["server_id", "timestamp"]).to_numpy()
    assert values.dtype == np.float32
    assert not np.isinf(values).any()
    assert set(batch.observations["server_id"]) == set(batch.inventory["server_id"])


@few
@given(ROWS)
def test_every_row_of_a_long_csv_is_accounted_for(rows: list[tuple[str, str, str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["series_id", "timestamp", "metric", "value"])
    batch = read(frame, ".csv")
    if batch is None:
        return
    assert batch.rows_read == batch.rows_used + batch.rows_rejected + batch.duplicates
    cells = int(batch.observations.drop(columns=["server_id", "timestamp"]).notna().sum().sum())
    assert cells <= batch.rows_used  # the rest are rows without a value
    tally.check(batch.tallies, batch.rejects)
    assert not batch.observations.duplicated(["server_id", "timestamp"]).any()


CELLS = {
    "ids": st.one_of(st.none(), st.sampled_from(["a", "b"])),
    "whole": st.one_of(st.none(), st.integers(-(2**40), 2**40)),
    "real": st.one_of(st.none(), st.floats(width=64)),
    "truth": st.one_of(st.none(), st.booleans()),
    "moment": st.one_of(st.none(), st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2261, 1, 1))),
    "day": st.one_of(st.none(), st.dates(dt.date(2024, 1, 1), dt.date(2024, 1, 9))),
    "bytes": st.one_of(st.none(), st.binary(max_size=3)),
    "list": st.one_of(st.none(), st.lists(st.integers(0, 3), max_size=2)),
    "nothing": st.none(),
    "span": st.one_of(st.none(), st.timedeltas(dt.timedelta(0), dt.timedelta(9))),
    "clock": st.one_of(st.none(), st.times()),
}
COLUMN = st.sampled_from(sorted(CELLS)).flatmap(lambda name: st.lists(CELLS[name], min_size=6, max_size=6))


@few
@given(COLUMN, COLUMN, COLUMN, COLUMN)
def test_any_type_of_parquet_column_is_read_or_refused(
    server: list[object], time: list[object], value: list[object], label: list[object]
) -> None:
    columns = {"server_id": server, "timestamp": time, "cpu_p95": value, "note": label}
    batch = read(pa.table({name: pa.array(cells) for name, cells in columns.items()}), ".parquet")
    if batch is not None:
        assert batch.rows_read == 6
        assert batch.rows_used + batch.rows_rejected + batch.duplicates == batch.rows_read
        assert batch.rows_rejected >= rows_refused(batch)
