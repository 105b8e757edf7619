"""`capforecast backfill` before anything runs: its dates, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Call

WEEKS = ("--start", "2026-01-04", "--end", "2026-01-20")


def test_a_dry_run_prints_the_dates_and_needs_nothing_else(tmp_path: Path) -> None:
    """No Prefect, no source, no store: run where there is none."""
    code = (
        "import sys; from deployments.cli import main\n"
        "try: main()\n"
        "finally: print(*{'prefect', 'pandas'} & set(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "backfill", *WEEKS, "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == ["2026-01-04", "2026-01-11", "2026-01-18"]
    assert "3 dates, 2026-01-04 to 2026-01-18; no step falls on 2026-01-20" in done.stderr
    assert "prefect" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_dry_run_tells_machines_too(call: Call) -> None:
    done = call("backfill", *WEEKS, "--every", "14d", "--dry-run", "--json")
    assert done.code == 0
    assert json.loads(done.out) == {"dates": ["2026-01-04", "2026-01-18"], "count": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--start", "2026-01-4", "--end", "2026-01-20"), "--start '2026-01-4' is no date"),
        (("--start", "2026-02-04", "--end", "2026-01-20"), "is after --end"),
        (("--start", "2026-02-04", "--end", "2999-01-01"), "is in the future"),
        ((*WEEKS, "--every", "weekly"), "write day, week, month"),
    ],
)
def test_dates_are_checked_before_anything_is_scheduled(call: Call, options: tuple[str, ...], message: str) -> None:
    done = call("backfill", *options)
    assert done.code == 2
    assert message in done.err


def test_without_a_source_there_must_be_a_lake(call: Call, tmp_path: Path) -> None:
    done = call("backfill", *WEEKS, "--store", tmp_path / "none")
    assert done.code == 2
    assert "there is no lake at" in done.err
    assert not list(tmp_path.iterdir())


def test_dates_before_the_first_row_are_refused_up_front(call: Call, fleet_folder: Path, tmp_path: Path) -> None:
    source = ("--source", fleet_folder / "observations.parquet", "--store", tmp_path / "lake")
    done = call("backfill", "--start", "2020-01-05", "--end", "2020-02-01", *source)
    assert done.code == 2
    assert "4 of 4 dates lie before the first row, of" in done.err
    assert "give dates after" in done.err
    assert not (tmp_path / "lake").exists()
