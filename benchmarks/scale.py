"""Scale: the forecast stage of ever larger fleets, in wall and CPU time and peak memory, and how these grow.

    python benchmarks/scale.py                          1k, 3k, 10k, 30k servers x 5 metrics x 3 years, 90 days ahead
    python benchmarks/scale.py --million                200,000 servers, as 20 business units one after the other
    python benchmarks/scale.py --sizes 100,300 --dry    smaller, printed only

Each size runs in a process of its own (peak memory is the process's, panel and interpreter included). The stage is what
the product does for a business unit: train (choice, backtest at all origins, calibration) and predict with intervals;
publishing model, evidence and forecasts into a lake is timed beside it. Making the panel is not counted, nor is
compilation: a few series are run through before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from results import setting, write_section
from synthetic_panels import fleet_panel

from capforecast.forecast import engine, frames, registry
from capforecast.lake.datasets import unit_key, write_table
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Panel
from capforecast.settings import ForecastSettings, Settings

SIZES = (1_000, 3_000, 10_000, 30_000)
DAYS, HORIZON = 1095, 90
UNITS, UNIT_SIZE = 20, 10_000  # the million: 20 business units of 10,000 servers
WARM_UP = 30  # servers
GIB = 2**30 if sys.platform == "darwin" else 2**20  # of ru_maxrss
NOTES = {"horizon": HORIZON, "inputs": {}, "code": "benchmark", "config": "benchmark"}
TARGETS = {"wall": 150.0, "gib": 4.0, "exponent": 1.05, "million_wall": 3000.0, "at": 10_000}

Figures = dict[str, Any]


class Clock:
    """Wall and CPU seconds of named stages, summed over business units."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside."""
        began = time.perf_counter(), _cpu()
        yield
        self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - began[0]
        self.cpu[name] = self.cpu.get(name, 0.0) + _cpu() - began[1]


def _cpu() -> float:
    """CPU seconds of this process, all its threads, and of processes it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def forecast_unit(panel: Panel, store: Store, unit: str, clock: Clock, settings: Settings) -> int:
    """The forecast stage of one business unit, and its results published; how many series it has."""
    as_of = panel.timestamps[-1] + panel.cadence.step
    with clock.stage("train"):
        trained = engine.train(panel, HORIZON, settings)
    with clock.stage("predict"):
        forecast = trained.model.predict(panel)
    if not np.isfinite(forecast.quantiles).all():
        raise SystemExit(f"{unit}: a forecast is not finite")
    with clock.stage("publish"):
        registry.save(store, trained, business_unit=unit, as_of=as_of, notes=NOTES)
        write_table(store, unit_key("forecasts", panel.cadence, as_of, unit), frames.to_table(forecast))
        write_table(store, unit_key("backtests", panel.cadence, as_of, unit), trained.backtest)
    return len(panel.series)


def work(servers: int, units: int, threads: int, folder: Path) -> Figures:
    """Figures of `units` business units of so many servers each, one after the other in this process."""
    warm, settings = Clock(), Settings(forecast=ForecastSettings(threads=threads))
    with warm.stage("warm"):
        forecast_unit(fleet_panel(WARM_UP, DAYS), Store(folder / "warm"), "warm", Clock(), settings)
    store, clock, series = Store(folder / "lake"), Clock(), 0
    for number in range(units):
        panel = fleet_panel(servers, DAYS, Cadence.DAILY, seed=7 + number)
        series += forecast_unit(panel, store, f"unit-{number:02d}", clock, settings)
        del panel  # before the next one is made
        spent = sum(clock.wall.values())
        say(f"  unit {number + 1} of {units}: {series:,} series, {spent:,.0f} s so far, peak {_peak():.2f} GiB")
    written = sum(path.stat().st_size for path in (folder / "lake").rglob("*") if path.is_file())
    return {
        "servers": servers * units, "series": series, "wall": clock.wall, "cpu": clock.cpu, "peak": _peak(),
        "written": written / 2**30, "compile": warm.wall["warm"], "load": os.getloadavg()[0],
    }  # fmt: skip


def in_a_child(servers: int, threads: int, units: int = 1) -> Figures:
    """`work` in a fresh process; its progress is passed on."""
    say(f"{units} x {servers:,} servers" if units > 1 else f"{servers:,} servers")
    with tempfile.TemporaryDirectory() as folder:
        options = {"work": folder, "sizes": servers, "units": units, "threads": threads}
        command = [sys.executable, __file__, *(f"--{name}={value}" for name, value in options.items())]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{servers} servers ended with {done.returncode}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def stage_seconds(figures: Figures, kind: str) -> float:
    """Seconds of the forecast stage, publishing not included."""
    return float(figures[kind]["train"] + figures[kind]["predict"])


def exponent(runs: Sequence[Figures], of: Callable[[Figures], float]) -> float:
    """Slope of log seconds over log series, by least squares; NaN for a single size."""
    if len(runs) < 2:
        return math.nan
    x, y = np.log([[run["series"], of(run)] for run in runs]).T
    return float(np.polyfit(x, y, 1)[0])


def row(figures: Figures) -> str:
    """A line of the table."""
    wall, cpu = stage_seconds(figures, "wall"), stage_seconds(figures, "cpu")
    stages = " + ".join(f"{figures['wall'][name]:,.1f}" for name in ("train", "predict"))
    return (
        f"| {figures['servers']:,} | {figures['series']:,} | {wall:,.1f} s | {stages} | {cpu:,.1f} s "
        f"| {1000 * cpu / figures['series']:.2f} ms | {figures['peak']:.2f} GiB | {figures['wall']['publish']:,.1f} s, "
        f"{figures['written']:.2f} GiB | {figures['load']:.1f} |"
    )


HEAD = (
    "| servers | series | wall | train + predict | CPU | CPU per series | peak memory | published in | load |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def verdict(name: str, target: str, measured: str, met: bool | None) -> str:
    """A line of the table of targets; None = this run says nothing about it."""
    if met is None:
        return f"| {name} | {target} | not run | |"
    return f"| {name} | {target} | {measured} | {'met' if met else '**not met**'} |"


def sizes_section(runs: Sequence[Figures]) -> str:
    """Fleets of several sizes."""
    by_cpu, by_wall = (exponent(runs, lambda run, kind=kind: stage_seconds(run, kind)) for kind in ("cpu", "wall"))
    large = next((run for run in runs if run["servers"] == TARGETS["at"]), None)
    wall, peak = (stage_seconds(large, "wall"), large["peak"]) if large else (math.nan, math.nan)
    fitted = None if math.isnan(by_cpu) else by_cpu <= TARGETS["exponent"]
    targets = [
        verdict(
            "10,000 servers, wall on 2 cores", "<= 150 s", f"{wall:.1f} s", wall <= TARGETS["wall"] if large else None
        ),
        verdict(
            "10,000 servers, peak memory", "<= 4 GiB", f"{peak:.2f} GiB", peak <= TARGETS["gib"] if large else None
        ),
        verdict("fitted exponent of CPU over series", "<= 1.05", f"{by_cpu:.3f} (wall {by_wall:.3f})", fitted),
    ]
    compiled = max(run["compile"] for run in runs)
    return "\n".join(
        [
            *("## Scale", "", "```", ".venv/bin/python benchmarks/scale.py" + _sizes(runs), "```", ""),
            f"Forecast stage of one business unit: {DAYS:,} days, {HORIZON} ahead, 5 metrics a server, of which about "
            "4.5 can be forecast. Each size in a process of its own; panel and interpreter are part of its peak. "
            f"Not counted: making the panel, and {WARM_UP} servers run first, so that kernels are compiled "
            f"({compiled:.0f} s). Load = load average at the end. {setting()}",
            *("", "| | target | measured | |", "|---|---|---|---|", *targets, "", HEAD, *map(row, runs)),
        ]
    )


def _sizes(runs: Sequence[Figures]) -> str:
    sizes = tuple(run["servers"] for run in runs)
    return "" if sizes == SIZES else " --sizes " + ",".join(map(str, sizes))


def million_section(run: Figures, units: int, size: int) -> str:
    """A million series."""
    wall = stage_seconds(run, "wall")
    published = wall + run["wall"]["publish"]
    whole = run["servers"] >= 200_000
    option = "" if (units, size) == (UNITS, UNIT_SIZE) else f" --units {units} --sizes {size}"
    limit = TARGETS["million_wall"]
    targets = [
        verdict("wall on 2 cores", "<= 50 min", f"{wall / 60:.1f} min", wall <= limit if whole else None),
        verdict(
            "wall with publishing", "<= 50 min", f"{published / 60:.1f} min", published <= limit if whole else None
        ),
        verdict("peak memory", "<= 4 GiB", f"{run['peak']:.2f} GiB", run["peak"] <= TARGETS["gib"] if whole else None),
    ]
    return "\n".join(
        [
            *("## A million series", "", "```", f".venv/bin/python benchmarks/scale.py --million{option}", "```", ""),
            f"{run['servers']:,} servers x 5 metrics x {DAYS:,} days as {units} business units of {size:,} servers, "
            "one after the other in one process, as a run on one machine does them. Model, evidence and forecasts of "
            f"each unit are written to disk before the next begins. {setting()}",
            *("", "| | target | measured | |", "|---|---|---|---|", *targets, "", HEAD, row(run)),
        ]
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", help=f"servers, comma between; default {','.join(map(str, SIZES))}")
    parser.add_argument("--million", action="store_true", help="business units one after the other")
    parser.add_argument("--units", type=int, default=UNITS, help="business units of --million")
    parser.add_argument("--threads", type=int, default=0, help="blocks at a time (forecast.threads), 0 = one per core")
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")] if options.sizes else None
    if options.work:
        print(json.dumps(work((sizes or [UNIT_SIZE])[0], options.units, options.threads, options.work)))
        return
    if options.million:
        size = (sizes or [UNIT_SIZE])[0]
        name, body = (
            "scale-million",
            million_section(in_a_child(size, options.threads, options.units), options.units, size),
        )
    else:
        name, body = "scale", sizes_section([in_a_child(size, options.threads) for size in sizes or SIZES])
    print(body)
    if not options.dry:
        write_section(name, body)


if __name__ == "__main__":
    main()
