"""Reports of four past weeks on the stack, stopped by somebody in between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from drive import until
from stack.control import Stack
from stack.environments import BUCKET

from capforecast.lake.store import Store

STORE = f"s3://{BUCKET}/backfill"
WEEKS = ["2026-02-09", "2026-02-16", "2026-02-23", "2026-03-02"]


def begin(stack: Stack, fleet: Path, folder: Path) -> subprocess.Popen[str]:
    """`capforecast backfill` of the four weeks, as a person starts it."""
    words = ["--start", WEEKS[0], "--end", WEEKS[-1], "--every", "week", "--horizon", "14d", "--store", STORE, "--json"]
    words += ["--business-unit", "analytics"]
    words += ["--source", str(fleet / "observations.parquet"), "--inventory", str(fleet / "inventory.csv")]
    return subprocess.Popen(
        [sys.executable, "-m", "deployments.cli", "backfill", *words],
        env=stack.environment | {"CAPFORECAST_REPORT__PER_BUSINESS_UNIT": "false"},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reports() -> dict[str, bytes]:
    """The published summaries by date."""
    lake = Store(STORE)
    found = [key for key in lake.keys("reports/") if key.endswith("/summary.json")]
    return {key.partition("as_of=")[2].partition("/")[0]: lake.read(key) for key in found}


def test_four_weeks_are_backfilled_stopped_and_gone_on_with(
    stack: Stack, fleet_folder: Path, timings: dict[str, float], tmp_path: Path
) -> None:
    begun = time.monotonic()
    first = begin(stack, fleet_folder, tmp_path)
    until("the second week's report", lambda: len(reports()) >= 2 or first.poll() is not None, 240)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    stopped = reports()
    assert 2 <= len(stopped) < len(WEEKS)

    again = begin(stack, fleet_folder, tmp_path)
    out, err = again.communicate(timeout=400)
    assert again.returncode == 0, out + err
    timings["backfill of four weeks"] = time.monotonic() - begun
    rows: list[dict[str, Any]] = json.loads(out)["dates"]
    assert [row["date"] for row in rows] == WEEKS
    assert rows[0]["status"] == "already done"
    assert {row["status"] for row in rows} == {"already done", "done"}
    made = reports()
    assert [day[:10] for day in sorted(made)] == WEEKS
    assert made | stopped == made  # what was there is there as it was
