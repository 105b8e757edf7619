"""Kept models: their size, how fast they are written and read, and what a forecast with one costs beside training.

    python benchmarks/registry.py                        10,000 servers x 5 metrics x 3 years, 90 days ahead
    python benchmarks/registry.py --servers 500 --dry    smaller, printed only

One process trains and publishes a model in a folder; another, which knows nothing of it, reads it a week later, with
the data since, forecasts, and brings the error paths up to date. The forecast of the second is compared with that of
the model in memory on the same data, to the last bit. Making the panel and compilation are not counted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from results import setting, write_section
from synthetic_panels import fleet_panel

from capforecast.forecast import engine, registry
from capforecast.lake.store import Store
from capforecast.schema import Cadence, Forecast, Panel, Reference
from capforecast.settings import ForecastSettings, Settings

SERVERS, DAYS, HORIZON, SINCE = 10_000, 1095, 90, 7
WARM_UP = 30  # servers
NOTES = {"horizon": HORIZON, "inputs": {}, "code": "benchmark", "config": "benchmark"}
TARGETS = {"mb": 250.0, "write": 10.0, "read": 10.0, "forecast": 30.0, "ratio": 10.0}
GIB = 2**30 if sys.platform == "darwin" else 2**20  # of ru_maxrss
T = TypeVar("T")
Figures = dict[str, Any]


def timed(figures: Figures, name: str, work: Callable[[], T]) -> T:
    """Do it; note wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = work()
    figures[name], figures[f"{name}_cpu"] = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{time.strftime('%H:%M:%S')} {name}: {figures[name]:.1f} s", file=sys.stderr, flush=True)
    return made


def panels(servers: int) -> tuple[Panel, Panel]:
    """What training sees, and what is known a week later."""
    later = fleet_panel(servers, DAYS + SINCE, Cadence.DAILY, seed=7)
    return later.until(later.timestamps[DAYS - 1]), later


def digest(forecast: Forecast) -> str:
    """Of every bit of a forecast."""
    return hashlib.sha256(forecast.quantiles.tobytes()).hexdigest()


def train(servers: int, folder: Path, threads: int) -> Figures:
    """Train, publish; what the model in memory says a week later."""
    settings = Settings(forecast=ForecastSettings(threads=threads))
    warm, _ = panels(WARM_UP)
    engine.train(warm, HORIZON, settings).model.predict(warm)
    seen, later = panels(servers)
    as_of, store, figures = seen.timestamps[-1] + seen.cadence.step, Store(folder), {}
    trained = timed(figures, "train", lambda: engine.train(seen, HORIZON, settings))
    manifest = timed(
        figures, "write", lambda: registry.save(store, trained, business_unit="fleet", as_of=as_of, notes=NOTES)
    )
    figures |= {"manifest": manifest.model_dump(), "digest": digest(trained.model.predict(later))}
    sizes = {path.stem: path.stat().st_size for path in folder.rglob("*.parquet")}
    return figures | {"series": len(seen.series), "bytes": sum(sizes.values()), "errors": sizes["errors"]}


def forecast(servers: int, folder: Path, threads: int, manifest: Reference) -> Figures:
    """Read the model in a process of its own, and forecast with the data since."""
    warm, _ = panels(WARM_UP)
    engine.train(warm, HORIZON, Settings(forecast=ForecastSettings(threads=threads))).model.predict(warm)
    _, later = panels(servers)
    figures: Figures = {"before": _peak()}
    model, _ = timed(figures, "read", lambda: registry.load(Store(folder), manifest))
    made = timed(figures, "predict", lambda: model.predict(later))
    timed(figures, "states", lambda: model.error_paths(later, made))
    return figures | {"digest": digest(made), "peak": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB


def in_a_child(step: str, servers: int, folder: str, threads: int, manifest: str = "") -> Figures:
    """A step in a fresh process; its progress is passed on."""
    command = [sys.executable, __file__, step, f"--servers={servers}", f"--folder={folder}", f"--threads={threads}"]
    done = subprocess.run([*command, f"--manifest={manifest}"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{step} ended with {done.returncode}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def body(servers: int, made: Figures, used: Figures, load: float) -> str:
    """The section, as Markdown."""
    whole = used["read"] + used["predict"] + used["states"]
    cheaper = made["train_cpu"] / sum(used[f"{name}_cpu"] for name in ("read", "predict", "states"))
    mb, most = made["bytes"] / 1e6, TARGETS["mb"] * made["series"] / 50_000
    parts = f"{used['read']:.1f} + {used['predict']:.1f} + {used['states']:.1f}"
    same = made["digest"] == used["digest"]
    rows = [
        ("size", f"at most {most:,.0f} MB", f"{mb:,.0f} MB, error paths {made['errors'] / 1e6:,.0f}", mb <= most),
        ("written", _most("write"), f"{made['write']:.1f} s", made["write"] <= TARGETS["write"]),
        ("read", _most("read"), f"{used['read']:.1f} s", used["read"] <= TARGETS["read"]),
        ("read, forecast, error paths", _most("forecast"), f"{whole:.1f} s ({parts})", whole <= TARGETS["forecast"]),
        ("that beside training, CPU", "at most 1 : 10", f"1 : {cheaper:.1f}", cheaper >= TARGETS["ratio"]),
        ("same forecast as in memory", "to the last bit", "yes" if same else "no", same),
    ]
    table = "\n".join(
        f"| {what} | {target} | {seen} | {'met' if met else '**not met**'} |" for what, target, seen, met in rows
    )
    return f"""## Registry

```
.venv/bin/python benchmarks/registry.py
```

{setting()} Load average at the start: {load:.1f}.

{servers:,} servers, {made["series"]:,} series of {DAYS:,} days, {HORIZON} days ahead, one model in a folder; training
took {made["train"]:.0f} s. A process that knows nothing of it reads the model a week later. Its peak memory was
{used["peak"]:.2f} GiB, of which {used["before"]:.2f} GiB were the panel and the interpreter.

| what | target | measured | |
|---|---|---|---|
{table}
"""


def _most(name: str) -> str:
    return f"at most {TARGETS[name]:.0f} s"


def main() -> None:
    """Both steps, each in a child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", nargs="?", choices=["train", "forecast"], help=argparse.SUPPRESS)
    parser.add_argument("--servers", type=int, default=SERVERS, help="servers of the fleet, five metrics each")
    parser.add_argument("--threads", type=int, default=0, help="threads; 0 = one per core")
    parser.add_argument("--dry", action="store_true", help="print, and leave RESULTS.md as it is")
    for hidden in ("--folder", "--manifest"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step == "train":
        print(json.dumps(train(asked.servers, Path(asked.folder), asked.threads)))
    elif asked.step == "forecast":
        manifest = Reference.model_validate_json(asked.manifest)
        print(json.dumps(forecast(asked.servers, Path(asked.folder), asked.threads, manifest)))
    else:
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            made = in_a_child("train", asked.servers, folder, asked.threads)
            used = in_a_child("forecast", asked.servers, folder, asked.threads, json.dumps(made["manifest"]))
        text = body(asked.servers, made, used, load)
        print(text)
        if not asked.dry:
            write_section("registry", text)


if __name__ == "__main__":
    main()
