"""Ingest at scale: a source of wide Parquet into the raw months of a lake, then every business unit validated.

    python benchmarks/ingest.py                      # 10,000 servers, 3 years, daily: 11 million rows
    python benchmarks/ingest.py --servers 500 --keep /tmp/somewhere --dry

The work runs in a process of its own, so that its peak memory is its own. Figures go into RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

METRICS = ("cpu_p95", "mem_p95", "disk_p95", "net_in_p95", "net_out_p95")
UNITS = ("analytics", "checkout", "core", "logistics", "payments", "retail", "search", "support")
RESULTS = Path(__file__).with_name("RESULTS.md")
START, END = "<!-- ingest:start -->", "<!-- ingest:end -->"
BLOCK = 500  # servers written at once


def write_source(folder: Path, servers: int, days: int) -> None:
    """observations.parquet, sorted by server and time, and inventory.csv; the same numbers every time."""
    folder.mkdir(parents=True, exist_ok=True)
    stamps = pd.date_range(end="2026-10-31", periods=days, freq="D", tz="UTC", unit="us")
    names = [f"srv-{number:05d}" for number in range(servers)]
    rng = np.random.default_rng(1)
    schema = pa.schema(
        [("server_id", pa.string()), ("timestamp", pa.timestamp("us", tz="UTC"))]
        + [(name, pa.float32()) for name in METRICS]
    )
    with pq.ParquetWriter(folder / "observations.parquet", schema, compression="zstd") as writer:
        for first in range(0, servers, BLOCK):
            block = names[first : first + BLOCK]
            rows = len(block) * days
            level = np.repeat(rng.uniform(10, 60, len(block)), days)
            week = np.tile(np.where(stamps.dayofweek.to_numpy() < 5, 1.0, 0.7), len(block))
            columns = [np.round(level * week + rng.normal(0, 4, rows), 2).clip(0, 100) for _ in METRICS]
            writer.write_table(
                pa.table(
                    [
                        pa.array(np.repeat(np.array(block, dtype=object), days), pa.string()),
                        pa.array(np.tile(stamps.asi8, len(block))).cast(schema.field(1).type),
                        *[pa.array(column.astype(np.float32)) for column in columns],
                    ],
                    schema=schema,
                )
            )
    owners = pd.DataFrame({"server_id": names, "business_unit": [UNITS[i % len(UNITS)] for i in range(servers)]})
    owners.assign(region="eu", vcpus=8).to_csv(folder / "inventory.csv", index=False)


def work(folder: Path) -> None:
    """Ingest, validate all units, ingest again; prints seconds of each and what they needed, as JSON."""
    from capforecast import stages
    from capforecast.lake.store import Store
    from capforecast.settings import Settings

    settings, store = Settings(), Store(folder / "lake")
    source, inventory = str(folder / "observations.parquet"), str(folder / "inventory.csv")
    figures: dict[str, float] = {"load": os.getloadavg()[0]}

    def timed(name: str, began: tuple[float, float]) -> None:
        figures[f"{name}_wall"], figures[f"{name}_cpu"] = time.perf_counter() - began[0], time.process_time() - began[1]
        figures[f"{name}_peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    began = time.perf_counter(), time.process_time()
    ingested = stages.ingest(store, settings, source, inventory)
    timed("ingest", began)
    began = time.perf_counter(), time.process_time()
    units = [stages.validate(store, settings, ingested, name) for name in ingested.business_units]
    timed("validate", began)
    began = time.perf_counter(), time.process_time()
    again = stages.ingest(store, settings, source, inventory)
    timed("repeat", began)
    figures |= {
        "rows": ingested.rows_read,
        "units": len(units),
        "series": sum(unit.series for unit in units),
        "usable": sum(unit.usable for unit in units),
        "lake_mib": sum(path.stat().st_size for path in (folder / "lake/raw").rglob("*.parquet")) / 2**20,
        "unchanged": again.observations == ingested.observations,
    }
    print(json.dumps(figures))


def section(figures: dict[str, float], servers: int, days: int) -> str:
    """The section of RESULTS.md."""
    lines = [
        f"`python benchmarks/ingest.py --servers {servers} --days {days}`, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, pyarrow {pa.__version__}, pandas {pd.__version__}.",
        "",
        f"{figures['rows']:,} wide rows of 5 metrics in one Parquet file, {figures['units']} business units, "
        f"{figures['series']:,} series; the raw months take {figures['lake_mib']:.0f} MiB. "
        f"Load average before: {figures['load']:.1f}.",
        "",
        "| step | wall, s | CPU, s | peak memory so far, GiB |",
        "|---|---|---|---|",
    ]
    names = {
        "ingest": "source to raw months",
        "validate": "validate all business units",
        "repeat": "the same delivery again"
        + (" (no byte of the months changes)" if figures["unchanged"] else " (CHANGED the months)"),
    }
    for name, words in names.items():
        wall, cpu, peak = (figures[f"{name}_{figure}"] for figure in ("wall", "cpu", "peak_gib"))
        lines.append(f"| {words} | {wall:.1f} | {cpu:.1f} | {peak:.2f} |")
    return "\n".join(["## Ingest at scale", "", *lines])


def publish(text: str) -> None:
    """Put the section between its markers."""
    page = RESULTS.read_text(encoding="utf-8")
    block = f"{START}\n{text}\n{END}"
    if START in page:
        page = re.sub(f"{START}.*?{END}", lambda _: block, page, flags=re.DOTALL)
    else:
        page = page.rstrip("\n") + f"\n\n{block}\n"
    RESULTS.write_text(page, encoding="utf-8")


def main() -> None:
    """Make the source, measure in a fresh process, write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=1096)
    parser.add_argument("--keep", type=Path, help="folder for source and lake, kept; default: a temporary one")
    parser.add_argument("--dry", "--no-write", action="store_true", help="print only")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        if not (folder / "inventory.csv").exists():
            write_source(folder, options.servers, options.days)
        command = [sys.executable, __file__, "--work", str(folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        text = section(json.loads(done.stdout.splitlines()[-1]), options.servers, options.days)
    print(text)
    if not options.dry:
        publish(text)


if __name__ == "__main__":
    main()
