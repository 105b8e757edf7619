"""A fleet on disk is the fleet in memory, whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capforecast.fleet import synthetic
from capforecast.fleet.inventory import at
from capforecast.fleet.panel import build
from capforecast.fleet.synthetic import Fleet, generate
from capforecast.fleet.synthetic_files import TRUTH, write
from capforecast.schema import Cadence
from capforecast.settings import Settings
from capforecast.sources.files import read_files


def test_files_hold_the_same_as_memory_whatever_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    observations, inventory = generate(30, 60)
    monkeypatch.setattr(synthetic, "_BLOCK_PERIODS", 60 * 7)
    written = write(Fleet(30, 60), tmp_path / "a", with_truth=True)
    read = pd.read_parquet(tmp_path / "a/observations.parquet")
    order = ["server_id", "timestamp", "ingested_at", "cpu_p95"]
    pd.testing.assert_frame_equal(
        read.sort_values(order, ignore_index=True), observations.sort_values(order, ignore_index=True)
    )
    assert written.rows == len(read)
    assert len(pd.read_csv(tmp_path / "a/inventory.csv")) == len(inventory)
    servers = set(inventory["server_id"])
    for name in TRUTH:
        table = pd.read_parquet(tmp_path / f"a/_truth/{name}.parquet")
        assert set(table["server_id"]) <= servers
        assert len(table), name
    means = pd.read_parquet(tmp_path / "a/_truth/truth_mean.parquet")
    assert not means.duplicated(["server_id", "timestamp"]).any()
    assert means.notna().all(axis=None)
    left = read.merge(means, on=["server_id", "timestamp"], how="left", suffixes=("", "_mean"))
    assert left["disk_p95_mean"].notna().all()


def test_a_fleet_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(Fleet(3, 20), tmp_path, with_truth=True)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}

    def broken(self: object) -> pd.DataFrame:
        raise OSError("disk full")

    monkeypatch.setattr(synthetic.Block, "rows", broken)
    with pytest.raises(OSError, match="disk full"):
        write(Fleet(4, 20), tmp_path)
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_the_truth_of_an_earlier_fleet_does_not_stay(tmp_path: Path) -> None:
    write(Fleet(3, 20), tmp_path, with_truth=True)
    assert (tmp_path / "_truth/truth_mean.parquet").exists()
    write(Fleet(4, 20), tmp_path)
    assert not list(tmp_path.glob("_truth/*.parquet"))


def test_what_is_read_from_the_files_is_what_the_truth_speaks_of(tmp_path: Path) -> None:
    fleet = Fleet(60, 200)
    write(fleet, tmp_path)
    batch = read_files(str(tmp_path / "observations.parquet"), Settings(), str(tmp_path / "inventory.csv"))
    assert batch.duplicates > 0
    assert set(batch.rejects["reason"]) == {"duplicate_conflict"}, "clean but for duplicates that differ"
    panel = build(batch.observations, at(batch.inventory, fleet.end), Cadence.DAILY, fleet.end, Settings())
    block = next(fleet.blocks(60))
    place = {name: row for row, name in enumerate(block.servers.server_id)}
    for column, (server, metric) in enumerate(zip(panel.series["server_id"], panel.series["metric"], strict=True)):
        np.testing.assert_array_equal(panel.values[:, column], block.known[f"{metric}_p95"][place[server]])


def test_the_folder_as_source_never_reads_the_truth(tmp_path: Path) -> None:
    write(Fleet(12, 60), tmp_path, with_truth=True)
    files = {Path(file).name for file, _ in read_files(str(tmp_path), Settings()).files}
    assert files <= {"observations.parquet", "inventory.csv"}
    assert "observations.parquet" in files
