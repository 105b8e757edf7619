"""What a report of ten thousand servers costs: every format, rendered from a finished run's lake.

    python benchmarks/report_formats.py LAKE --as-of 2026-03-02      writes its section of RESULTS.md
    python benchmarks/report_formats.py LAKE --as-of ... --dry       printed only

The lake of a run of `capforecast generate-data --servers 10000 --days 400`. Each format is rendered twice, in a process
of its own, and the bytes are compared.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from page import table, target, targets
from results import Cost, measure, setting, write_section

FORMATS = ("pdf", "xlsx", "json", "html")
SECONDS, GIB, PDF_MB = 90.0, 2.0, 3.0


def rendered(lake: Path, as_of: str, formats: str, folder: Path) -> Cost:
    """Render into a folder."""
    command = [sys.executable, "-m", "deployments.cli", "report", "--as-of", as_of, "--store", str(lake)]
    return measure([*command, "--format", formats, "--output", str(folder)])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=Path, help="lake of a finished run")
    parser.add_argument("--as-of", required=True, help="cut-off of the run")
    parser.add_argument("--dry", action="store_true", help="print, write nothing")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        one, two = Path(name) / "one", Path(name) / "two"
        cost = rendered(given.lake, given.as_of, ",".join(FORMATS), one)
        single = {kind: rendered(given.lake, given.as_of, kind, two) for kind in FORMATS}
        files = sorted(path.name for path in one.iterdir())
        same = all((one / file).read_bytes() == (two / file).read_bytes() for file in files)
        sizes = {file: (one / file).stat().st_size / 1e6 for file in files}
    pdf = sizes["capacity-report.pdf"]
    rows = [
        target(f"all formats <= {SECONDS:.0f} s", f"{cost.wall:.1f} s ({cost.cpu:.1f} s CPU)", cost.wall <= SECONDS),
        target(f"<= {GIB:.0f} GiB", f"{cost.peak:.2f} GiB", cost.peak <= GIB),
        target(f"PDF <= {PDF_MB:.0f} MB", f"{pdf:.2f} MB", pdf <= PDF_MB),
        target("the same bytes twice", ", ".join(files), same),
    ]
    each = [[kind, f"{spent.wall:.1f}", f"{spent.cpu:.1f}", f"{spent.peak:.2f}"] for kind, spent in single.items()]
    command = "python benchmarks/report_formats.py LAKE --as-of DATE"
    body = "\n".join(
        [
            "## The report of 10,000 servers", "", "```", command, "```", "", setting(), "", *targets(rows), "",
            "Each alone, start and reading of the tables included:", "",
            *table(["format", "wall, s", "CPU, s", "GiB"], each), "",
            *table(["file", "MB"], [[file, f"{size:.2f}"] for file, size in sizes.items()]),
        ]
    )  # fmt: skip
    print(body)
    if not given.dry:
        write_section("report-formats", body)


if __name__ == "__main__":
    main()
