"""How long the dashboard takes over a large lake, in a real browser: Debian's Chromium, driven by Playwright.

    python benchmarks/dashboard.py --lake LAKE          writes its section of RESULTS.md (two minutes)
    python benchmarks/dashboard.py --lake LAKE --dry    printed only

LAKE: a folder that `capforecast run` filled, best with two cut-offs. It is copied first, since decisions and scenarios
are written. What is timed is what tests/dashboard/browser.py does: from a press until the page is drawn anew. Server
and browser share the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from page import table, target, targets
from results import setting, write_section

from capforecast.dashboard import fleet
from capforecast.dashboard.reading import Lake
from capforecast.lake.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "dashboard"))
import browser

FIRST, MEDIAN, WORST, MEMORY = 5.0, 0.4, 1.0, 1.0  # seconds, seconds, seconds, GiB
LOADS = ("first page", "what if: reload")  # the browser starts anew: no interaction


def plain_server(lake: Path) -> str:
    """A server whose name is letters, digits and dashes, at risk."""
    known = Lake(Store(lake))
    names = fleet.servers(known.open(known.run(None)))["server_id"].astype("str")
    return str(names[names.str.fullmatch(r"[\w-]+")].iloc[5])


def measured(lake: Path) -> tuple[dict[str, float], float, float, int]:
    """Seconds of each thing done, of the server's start, GiB it held at most, servers in the lake."""
    known = Lake(Store(lake))
    servers = known.open(known.run(None)).summary.servers
    with browser.server(lake, lake.parent / "log") as server, browser.visitor(server.url) as visit:
        browser.walk(visit, [plain_server(lake), "web-00"])
        if visit.elsewhere or visit.faults:
            raise SystemExit(f"asked for elsewhere: {visit.elsewhere}; faults: {visit.faults}")
        return visit.took, server.answered, server.memory() / 2**30, servers


def main() -> None:
    """Measure, print, write."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lake", type=Path, required=True)
    options.add_argument("--dry", action="store_true", help="print only")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        shutil.copytree(chosen.lake, lake)
        shutil.rmtree(lake / "lifecycle" / "records", ignore_errors=True)
        shutil.rmtree(lake / "scenarios", ignore_errors=True)
        load = os.getloadavg()[0]
        took, answered, memory, servers = measured(lake)
    presses = {name: seconds for name, seconds in took.items() if name not in LOADS}
    median, slowest = statistics.median(presses.values()), max(presses, key=presses.__getitem__)
    first, worst = took["first page"], presses[slowest]
    met = [
        target(f"first page <= {FIRST:g} s after the server answers", f"{first:.1f} s", first <= FIRST),
        target(f"interaction <= {MEDIAN * 1000:g} ms, median", f"{median * 1000:.0f} ms", median <= MEDIAN),
        target(f"interaction <= {WORST:g} s, worst", f"{worst:.1f} s ({slowest})", worst <= WORST),
        target(f"memory <= {MEMORY:g} GiB", f"{memory:.2f} GiB", memory <= MEMORY),
    ]
    command = f"```\npython benchmarks/dashboard.py --lake {chosen.lake.name}\n```"
    how = (
        f"{servers:,} servers. From a press until the page is drawn anew, each once, server and browser on the same "
        f"two cores; load average before it began: {load:.1f} (2 = both busy with something else). The server answered "
        f"{answered:.1f} s after its start."
    )
    rows = [[name, f"{seconds:.2f}"] for name, seconds in took.items()]
    lines = ["## Dashboard", "", command, "", setting(), "", *targets(met), "", how, "", *table(["what", "s"], rows)]
    body = "\n".join(lines)
    print(body)
    if not chosen.dry:
        write_section("dashboard", body)


if __name__ == "__main__":
    main()
