"""The stage `ingest`: what a run sees that knows only what had arrived by its cut-off."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

from capforecast import stages
from capforecast.exchange import Ingested
from capforecast.lake import raw
from capforecast.lake.store import Store
from capforecast.settings import Settings

DAYS = pd.date_range("2026-01-01", periods=60, tz="UTC", unit="us")
CUT = DAYS[40]


def source(folder: Path, arrived: pd.Series | None) -> str:
    """Server a, a row a day; the value of day 5 is corrected by a second row."""
    rows = pd.DataFrame({"server_id": "a", "timestamp": DAYS, "cpu_p95": 50.0, "business_unit": "retail"})
    rows = pd.concat([rows, rows.iloc[[5]].assign(cpu_p95=99.0)], ignore_index=True)
    if arrived is not None:
        rows["ingested_at"] = arrived
    rows.to_parquet(folder / "observations.parquet", index=False)
    return str(folder / "observations.parquet")


def seen(store: Store, ingested: Ingested) -> pd.Series:
    known = None if ingested.known_at is None else pd.Timestamp(ingested.known_at)
    rows = raw.read_observations(store, ingested.observations, pd.Series(["a"]), DAYS[0], ingested.cut_off, known)
    return rows.set_index("timestamp")["cpu_p95"]


def test_as_of_knows_what_had_arrived_by_the_cut_off(tmp_path: Path) -> None:
    arrived = pd.Series([*(DAYS + pd.Timedelta("6h")), DAYS[50]])  # the correction after the cut-off
    store, path = Store(tmp_path / "lake"), source(tmp_path, arrived)
    before = stages.ingest(store, Settings(), path, as_of=str(CUT.date()), known_at=stages.AS_OF)
    assert before.known_at == CUT.isoformat()
    assert seen(store, before)[DAYS[5]] == 50
    assert len(seen(store, before)) == 40
    after = stages.ingest(store, Settings(), path, as_of=str(DAYS[55].date()), known_at=stages.AS_OF)
    assert seen(store, after)[DAYS[5]] == 99


def test_a_source_that_does_not_say_when_its_rows_arrived_is_seen_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, path = Store(tmp_path / "lake"), source(tmp_path, None)
    with caplog.at_level(logging.INFO):
        ingested = stages.ingest(store, Settings(), path, as_of=str(CUT.date()), known_at=stages.AS_OF)
    assert ingested.known_at is None
    assert len(seen(store, ingested)) == 40
    assert "all rows before the cut-off are seen" in caplog.text


def test_rows_of_files_that_do_not_say_when_they_arrived_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    rows = pd.read_parquet(source(folder, pd.Series([*DAYS, DAYS[5]])))
    rows.iloc[3:4].drop(columns="ingested_at").assign(server_id="b").to_parquet(folder / "other.parquet", index=False)
    store = Store(tmp_path / "lake")
    ingested = stages.ingest(store, Settings(), str(folder), as_of=str(CUT.date()), known_at=stages.AS_OF)
    assert len(seen(store, ingested)) == 40
    assert "1 of 61 rows of the source do not say when they arrived" in caplog.text
