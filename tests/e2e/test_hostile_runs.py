"""Whole runs under bad conditions: strange names, a disk that is full, a process killed at every stage boundary."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from lakes import data_outputs, summary_of

ROOT = Path(__file__).parents[2]
STAGES = (
    "ingest", "validate", "anomalies", "train", "champion", "forecast", "risk", "pools", "warnings", "drift",
    "sizing", "scorecard", "decided", "actions", "report",
)  # fmt: skip
KILLED = """
import os, signal, sys
from capforecast import stages
stage = getattr(stages, sys.argv[1])
def done_and_gone(*given, **named):
    stage(*given, **named)
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] != "none":
    setattr(stages, sys.argv[1], done_and_gone)
from deployments.cli import main
sys.argv[:2] = ["capforecast"]
main()
""".replace("stage = getattr(stages, sys.argv[1])", "stage = getattr(stages, sys.argv[1], None)")


def run(
    prefect_api: str, source: Path, lake: Path, *more: str, kill_after: str = "none"
) -> subprocess.CompletedProcess[str]:
    """`capforecast run`; `kill_after`: its process ends by SIGKILL when that stage's work is done."""
    command = [sys.executable, "-c", KILLED, kill_after, "run", "--source", str(source), "--store", str(lake)]
    environment = os.environ | {"PREFECT_API_URL": prefect_api, "CAPFORECAST_REPORT__MOST_UNIT_PDFS": "0"}
    return subprocess.run(
        [*command, "--horizon", "7", *more], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def small_fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two servers, 100 days, one business unit."""
    path = tmp_path_factory.mktemp("small") / "observations.parquet"
    days = pd.date_range("2026-01-01", periods=100, tz="UTC", unit="us")
    rng = np.random.default_rng(3)
    parts = [pd.DataFrame({"server_id": name, "timestamp": days, "cpu_p95": rng.uniform(20, 60, 100)}) for name in "ab"]
    pd.concat(parts).assign(business_unit="retail").to_parquet(path, index=False)
    return path


@pytest.fixture(scope="module")
def undisturbed(small_fleet: Path, prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run that nothing happens to leaves behind."""
    lake = tmp_path_factory.mktemp("undisturbed") / "lake"
    done = run(prefect_api, small_fleet, lake)
    assert done.returncode == 0, done.stderr
    return data_outputs(lake)


def test_a_run_killed_after_every_stage_and_started_again_gives_the_same_bytes(
    small_fleet: Path, prefect_api: str, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    for stage in STAGES:
        killed = run(prefect_api, small_fleet, tmp_path / "lake", kill_after=stage)
        assert killed.returncode == -9, stage + killed.stderr
    done = run(prefect_api, small_fleet, tmp_path / "lake")
    assert done.returncode == 0, done.stderr
    assert data_outputs(tmp_path / "lake") == undisturbed


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 400 KiB; `mount -o remount,size=...` gives it more."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"cannot mount a small file system here: {mounted.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_said_leaves_nothing_half_done_and_room_completes_the_run(
    small_fleet: Path, prefect_api: str, undisturbed: dict[str, bytes], small_disk: Path
) -> None:
    lake = small_disk / "lake"
    environment = {"CAPFORECAST_FLOW__RETRIES": "0"}
    os.environ.update(environment)
    try:
        (small_disk / "ballast").write_bytes(b"x" * (260 << 10))
        full = run(prefect_api, small_fleet, lake)
    finally:
        for name in environment:
            del os.environ[name]
    said = full.stdout + full.stderr
    assert full.returncode in (1, 4), said
    assert "No space left on device" in said
    assert "Traceback" not in said
    for name, data in data_outputs(lake).items():
        assert undisturbed.get(name) == data, name  # whole, or not there
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    again = run(prefect_api, small_fleet, lake)
    assert again.returncode == 0, again.stderr
    assert data_outputs(lake) == undisturbed


STRANGE = ["../x", "A/B", "=1+1", "日本-ü", "n" * 300, "two\nlines", "%2e%2e"]


def test_strange_names_empty_units_and_servers_of_one_row_all_reach_the_report(
    prefect_api: str, tmp_path: Path
) -> None:
    days = pd.date_range("2026-01-01", periods=20, tz="UTC", unit="us")
    rows = [pd.DataFrame({"server_id": name, "timestamp": days, "cpu_p95": 5.0}) for name in [*STRANGE, ""]]
    rows.append(pd.DataFrame({"server_id": ["once"], "timestamp": days[-1:], "cpu_p95": 5.0}))
    units = [*STRANGE, "", "hollow", "once"]
    servers = [*STRANGE, "nameless unit", "never seen", "once"]
    pd.concat(rows).to_parquet(tmp_path / "o.parquet", index=False)
    pd.DataFrame({"server_id": servers, "business_unit": units}).to_csv(tmp_path / "i.csv", index=False)
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    done = run(prefect_api, tmp_path / "o.parquet", tmp_path / "lake", "--inventory", str(tmp_path / "i.csv"))
    assert done.returncode == 0, done.stderr
    assert {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents} == before
    summary = summary_of(tmp_path / "lake")
    assert {unit["name"] for unit in summary["business_units"]} == {*units, "unassigned"} - {""}
    assert summary["servers"] == len(servers) == summary["tiers"]["unknown"]
    assert summary["unknown_reasons"] == {"no_observations": 2, "too_short": len(STRANGE) + 1}
    quality = summary["quality"]
    assert (quality["rows_read"], quality["rows_used"], quality["rows_rejected"]) == (161, 141, 20)
    (workbook,) = (tmp_path / "lake/reports").glob("*/*/*.xlsx")
    book = openpyxl.load_workbook(workbook)
    assert all(cell.data_type != "f" for sheet in book for line in sheet.iter_rows() for cell in line)
    assert [cell.value for cell in book["Sources"]["D"]][1:] == [161, 10]
    quarantine = pd.concat(
        [
            pq.read_table(path, partitioning=None).to_pandas()
            for path in (tmp_path / "lake/quarantine").rglob("*.parquet")
        ]
    )
    assert quarantine["reason"].tolist() == ["empty_server_id"] * 20


def test_the_prefect_ui_shows_what_became_of_each_file(prefect_api: str, undisturbed: dict[str, bytes]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["validation"])))
    assert any('"rows_used": 200' in str(artifact.data) for artifact in found)  # other tests' runs are there, too
