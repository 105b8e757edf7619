"""Ingest from Debian's Prometheus: 1,000 made-up hosts, 4 metrics, 90 days hourly, into an empty lake; then again.

    python benchmarks/prometheus_ingest.py                     # makes the history first: 10 minutes, 4 GB of disk
    python benchmarks/prometheus_ingest.py --keep /tmp/prom    # keeps it there for the next time
    python benchmarks/prometheus_ingest.py --hosts 50 --days 20 --dry

Samples stand every 30 minutes, so an hour's statistic is of two values. The ingest runs in a process of its own, with
Prometheus beside it on the same machine; both need CPU, and both are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tests")]

END = "2026-06-01"
MINUTES, DAYS_OF_A_PART = 30, 18


def make(folder: Path, hosts: int, days: int) -> None:
    """The data folder of Prometheus with the hosts' history, unless it is there."""
    from monitoring.made_up_hosts import made_up
    from monitoring.prometheus_server import backfill, write_openmetrics

    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    made = made_up(hosts, days, END, MINUTES)
    made.lean, made.cores = True, 1
    step = DAYS_OF_A_PART * 24 * 60 // MINUTES
    for begin in range(0, len(made.times), step):
        part = slice(begin, begin + step)
        file = folder / "part.txt"
        write_openmetrics(file, ((name, labels, at[part], v[part].round(4)) for name, labels, at, v in made.series()))
        backfill(file, folder / "data")
        file.unlink()
    (folder / "done").touch()


def work(url: str, lake: str, days: int) -> None:
    """Ingest what the lake does not have; prints what it took as JSON."""
    import pandas as pd

    from capforecast import stages
    from capforecast.lake.store import Store
    from capforecast.settings import Settings
    from capforecast.sources.prometheus import from_settings

    own = {"url": url, "resolution_minutes": MINUTES, "rate_minutes": 4 * MINUTES, "per_second": 1000.0,
           "metrics": {"net_out": None, "disk_io": None}}  # fmt: skip
    settings = Settings.model_validate({"remote": {"cadence": "hourly", "history_days": days, "prometheus": own}})
    now = pd.Timestamp(END, tz="UTC") + pd.Timedelta(hours=1)
    began = time.perf_counter()
    told = stages.collect(Store(lake), settings, from_settings(settings), stages.Asked(f"at-{time.time():.0f}", now))
    print(json.dumps({
        "wall": time.perf_counter() - began,
        "cpu": time.process_time(),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "requests": sum(window.requests for window in told.windows),
        "retries": sum(window.retries for window in told.windows),
        "values": sum(window.values for window in told.windows),
        "windows": len(told.windows),
        "missed": len(told.missed),
        "servers": told.servers,
    }))  # fmt: skip


def section(first: dict[str, float], again: dict[str, float], server: tuple[float, float], days: int) -> str:
    """The section of RESULTS.md."""
    from results import setting

    lines = [
        "## Ingest from Prometheus", "",
        f"`python benchmarks/prometheus_ingest.py`, {setting()} {first['servers']:,.0f} hosts x 4 metrics x {days} "
        f"days hourly, two requests at a time; Prometheus 2.42 beside it took {server[0]:.0f} s of CPU and "
        f"{server[1]:.2f} GiB.", "",
        "| | wall, s | CPU, s | peak memory, GiB | values | windows | requests | retries | spans missed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, told in (("into an empty lake", first), ("again, nothing new", again)):
        lines.append(
            f"| {name} | {told['wall']:.1f} | {told['cpu']:.1f} | {told['peak']:.2f} | {told['values']:,.0f} | "
            f"{told['windows']:.0f} | {told['requests']:.0f} | {told['retries']:.0f} | {told['missed']:.0f} |"
        )
    return "\n".join(lines)


def run(folder: Path, url: str, lake: str, days: int) -> dict[str, float]:
    """One ingest in a process of its own."""
    import subprocess

    command = [sys.executable, __file__, "--work", url, "--lake", lake, "--days", str(days)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise SystemExit(done.stderr)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def cost(process: int) -> tuple[float, float]:
    """CPU seconds and peak memory, GiB, of a running process (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    peak = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 2**20


def main() -> None:
    """Make the history, ingest twice, write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--keep", type=Path, help="folder for the history of the hosts; kept")
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--lake", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.lake, given.days)
        return
    from monitoring.prometheus_server import running
    from results import write_section

    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        make(folder, given.hosts, given.days)
        with running(folder / "data") as server:
            assert server.process is not None
            first, again = (run(folder, server.url, f"{temporary}/lake", given.days) for _ in range(2))
            text = section(first, again, cost(server.process.pid), given.days)
    print(text)
    if not given.dry and (given.hosts, given.days) == (1000, 90):
        write_section("prometheus-ingest", text)


if __name__ == "__main__":
    main()
