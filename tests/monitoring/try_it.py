"""A Prometheus with made-up hosts to try things on, in the foreground: see docs/sources/prometheus.md.

PYTHONPATH=tests .venv/bin/python -m monitoring.try_it --folder /tmp/try --port 9090
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from .made_up_hosts import RATE_STEPS, made_up
from .prometheus_server import Server, backfill, write_openmetrics


def main() -> None:
    """Make the history up to today's beginning, unless it is there, and serve it until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the data goes")
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--hosts", type=int, default=12)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--minutes", type=int, default=5, help="between scrapes")
    given = parser.parse_args()
    if not (given.folder / "data").exists():
        given.folder.mkdir(parents=True, exist_ok=True)
        hosts = made_up(given.hosts, given.days, f"{pd.Timestamp.now(tz='UTC'):%Y-%m-%d}", given.minutes)
        write_openmetrics(given.folder / "history.txt", hosts.series())
        backfill(given.folder / "history.txt", given.folder / "data")
        (given.folder / "history.txt").unlink()
    server = Server(given.folder / "data", port=given.port)
    server.start()
    print(f"{server.url}, scraped every {given.minutes} minutes: rate_minutes {RATE_STEPS * given.minutes}", flush=True)
    assert server.process is not None
    try:
        server.process.wait()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
