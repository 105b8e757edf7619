"""One business unit trained and forecast in threads and on Dask workers of this machine, side by side.

    python benchmarks/on_dask.py                       2,000 and 10,000 servers x 5 metrics x 3 years
    python benchmarks/on_dask.py --sizes 200 --dry     smaller, printed only

Each way in a process of its own, one after the other; versions of the model and forecasts are compared. Not counted:
the panel, the start of the cluster (shown apart), compilation. CPU is that of all processes; on a busy machine it is
the figure to compare, wall time is not. What several machines gain cannot be measured here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

from page import table
from results import setting, write_section
from scale import DAYS, HORIZON, WARM_UP, say
from synthetic_panels import fleet_panel

from capforecast.forecast import engine
from capforecast.settings import FlowSettings, ForecastSettings, Settings
from tasks import distributed

SIZES = (2_000, 10_000)
WAYS = (("threads", 1), ("threads", 2), ("dask", 1), ("dask", 2))
GIB = 2**30 if sys.platform == "darwin" else 2**20  # of ru_maxrss

Figures = dict[str, Any]


def used() -> tuple[float, float]:
    """CPU seconds and peak memory, GiB, of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / GIB


def everywhere(flow: FlowSettings) -> list[tuple[float, float]]:
    """The same of this process, and of each worker."""
    workers = distributed.client_for(flow).run(used).values() if flow.task_runner == "dask" else ()
    return [used(), *workers]


def measured(servers: int, way: str, count: int) -> Figures:
    """Figures of one way, in this process."""
    settings = Settings(forecast=ForecastSettings(threads=count))
    flow = FlowSettings(task_runner=way, dask_workers=count)
    began = time.perf_counter()
    everywhere(flow)
    started = time.perf_counter() - began
    warm, panel = fleet_panel(WARM_UP * 3, DAYS), fleet_panel(servers, DAYS)
    with distributed.computing(flow):
        engine.train(warm, HORIZON, settings)
        before, began = everywhere(flow), time.perf_counter()
        trained = engine.train(panel, HORIZON, settings)
        forecast = trained.model.predict(panel)
        wall, after = time.perf_counter() - began, everywhere(flow)
    distributed.close()
    made = trained.model.version + hashlib.sha256(forecast.quantiles.tobytes()).hexdigest()
    cpu = [now[0] - then[0] for now, then in zip(after, before, strict=True)]
    figures = {"servers": servers, "way": way, "count": count, "start": started, "wall": wall, "made": made}
    return figures | {"cpu": cpu, "peak": [peak for _, peak in after], "load": os.getloadavg()[0]}


def in_a_child(servers: int, way: str, count: int) -> Figures:
    """`measured` in a fresh process."""
    say(f"{servers:,} servers, {way} {count}")
    command = [sys.executable, __file__, "--work", f"{servers},{way},{count}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{servers} servers, {way} {count} ended with {done.returncode}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    say(f"  {figures['wall']:.0f} s wall, {sum(figures['cpu']):.0f} s CPU")
    return figures


def row(run: Figures, base: Figures) -> list[str]:
    """A line of the table; `base` is one thread."""
    cpu, more = sum(run["cpu"]), sum(run["cpu"]) / sum(base["cpu"]) - 1
    peaks = " + ".join(f"{peak:.2f}" for peak in run["peak"])
    same = "the same" if run["made"] == base["made"] else "**other numbers**"
    return [
        f"{run['servers']:,}", f"{run['way']} ({run['count']})", f"{run['wall']:.1f} s", f"{cpu:.1f} s", f"{more:+.1%}",
        f"{run['cpu'][0]:.1f} s", f"{peaks} GiB", f"{run['start']:.1f} s", f"{run['load']:.1f}", same,
    ]  # fmt: skip


def section(runs: list[Figures]) -> str:
    """The section of RESULTS.md."""
    bases = {run["servers"]: run for run in reversed(runs)}  # the first of each size
    head = [
        "servers",
        "blocks in",
        "wall",
        "CPU",
        "over the first",
        "of the run's process",
        "peak memory",
        "start",
        "load",
        "",
    ]
    sizes = ",".join(map(str, bases.keys()))
    return "\n".join(
        [
            *("## Threads and Dask", "", "```", f".venv/bin/python benchmarks/on_dask.py --sizes {sizes}", "```", ""),
            f"Training and forecast of one business unit: {DAYS:,} days, {HORIZON} ahead, 5 metrics a server. Dask: "
            "processes of this machine with one thread each. Peak memory: the run's process + each worker. "
            "Last column: model and forecasts against the first line of the size, bit for bit. With a load above the "
            f"number of cores wall says little, CPU much. {setting()}",
            "",
            *table(head, [row(run, bases[run["servers"]]) for run in runs]),
        ]
    )  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", help=f"servers, comma between; default {','.join(map(str, SIZES))}")
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        servers, way, count = given.work.split(",")
        print(json.dumps(measured(int(servers), way, int(count))))
        return
    sizes = [int(size) for size in given.sizes.split(",")] if given.sizes else list(SIZES)
    body = section([in_a_child(size, way, count) for size in sizes for way, count in WAYS])
    print(body)
    if not given.dry:
        write_section("distributed", body)


if __name__ == "__main__":
    main()
