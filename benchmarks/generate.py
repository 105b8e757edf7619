"""Speed of the synthetic fleet: wall and CPU time, peak memory and file sizes, into RESULTS.md.

python benchmarks/generate.py                      10,000 servers x 5 metrics x 3 years, daily
python benchmarks/generate.py --servers 500 --dry  smaller, printed only
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from results import Cost, measure, write_section

TARGET_SECONDS, TARGET_GIB = 60, 4


def run(folder: Path, servers: int, days: int, cadence: str, truth: bool) -> tuple[Cost, int, dict[str, float]]:
    """Cost of one call of the command, rows written and MiB per file."""
    program = Path(sys.executable).with_name("capforecast")
    options = ["--servers", str(servers), "--days", str(days), "--cadence", cadence]
    cost = measure([program, "generate-data", "--output", folder, *options, *(["--truth"] if truth else [])])
    rows = pq.read_metadata(folder / "observations.parquet").num_rows
    return cost, rows, {path.name: path.stat().st_size / 2**20 for path in sorted(folder.rglob("*.*"))}


def section(servers: int, days: int, cadence: str) -> str:
    """The page's section: without and with the truth."""
    lines = [
        "## Synthetic fleet",
        "",
        "```",
        ".venv/bin/python benchmarks/generate.py"
        + ("" if (servers, days, cadence) == DEFAULTS else f" --servers {servers} --days {days} --cadence {cadence}"),
        "```",
        "",
        f"`capforecast generate-data`, {servers:,} servers x 5 metrics x {days:,} days, {cadence}, to Parquet. "
        f"Target: at most {TARGET_SECONDS} s and {TARGET_GIB} GiB on 2 cores.",
        "",
        "| | rows | wall | CPU | peak memory | files |",
        "|---|---|---|---|---|---|",
    ]
    for truth in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            cost, rows, sizes = run(Path(folder), servers, days, cadence, truth)
        files = ", ".join(f"{name.removesuffix('.parquet')} {size:,.0f} MiB" for name, size in sizes.items())
        what = "with the truth" if truth else "observations and inventory"
        lines.append(f"| {what} | {rows:,} | {cost.wall:.1f} s | {cost.cpu:.1f} s | {cost.peak:.2f} GiB | {files} |")
    return "\n".join(lines)


DEFAULTS = (10_000, 1095, "daily")


def main() -> None:
    """Measure and write the section (or print it)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, default=DEFAULTS[0])
    parser.add_argument("--days", type=int, default=DEFAULTS[1])
    parser.add_argument("--cadence", default=DEFAULTS[2], choices=["daily", "hourly"])
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    body = section(options.servers, options.days, options.cadence)
    print(body)
    if not options.dry:
        write_section("generate", body)


if __name__ == "__main__":
    main()
