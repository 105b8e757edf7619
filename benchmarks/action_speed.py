"""What segments, right-sizing with its replay, and consolidation of 10,000 servers cost, in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from synthetic_panels import fleet_panel

from capforecast.actions.features import server_features
from capforecast.actions.needs import needs_of
from capforecast.actions.prices import configured
from capforecast.actions.replay import replayed
from capforecast.actions.rightsize import Needs, rightsize
from capforecast.actions.segments import segment
from capforecast.actions.sizes import Sizes
from capforecast.configuration import config_folder
from capforecast.fleet import inventory as inventories
from capforecast.fleet.synthetic import Fleet
from capforecast.schema import SERIES_COLUMNS, Cadence, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings
from capforecast.stages import shape_catalogue

SERVERS, SECONDS, GIB = 10_000, 60.0, 2.0
ORIGINS, HORIZON, DAYS = 18, 90, 1095
SEED = 7
_WARM_UP = 200  # servers
_UNIT = 2**30 if sys.platform == "darwin" else 2**20  # of ru_maxrss


@dataclass
class Clock:
    """Wall and CPU seconds of named parts."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what is inside."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall[name] = time.perf_counter() - wall
        self.cpu[name] = time.process_time() - cpu


def measured(servers: int = SERVERS) -> dict[str, dict[str, float]]:
    """`wall` and `cpu` seconds by part; `all`: peak memory in GiB with the inputs in it, and load average."""
    done = subprocess.run([sys.executable, __file__, str(servers)], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def sizes_of(settings: Settings) -> Sizes:
    """Types of the catalogue shipped, with the prices shipped."""
    return Sizes.of(shape_catalogue(settings), configured(settings.prices, config_folder() / "prices").rows)


def daily_input(count: int) -> tuple[Panel, Forecast, ErrorPaths, pd.DataFrame]:
    """A synthetic fleet with made-up forecasts and error paths: what they say costs no time, only how many they are."""
    made = fleet_panel(count, DAYS, Cadence.DAILY, SEED)
    rng, width = np.random.default_rng(SEED), len(made.series)
    series = made.series.assign(unseen_peaks="")
    series = series.assign(**{name: "" for name in SERIES_COLUMNS if name not in series})
    panel, keys = Panel(made.values, made.timestamps, series, made.cadence), series[["server_id", "metric"]]
    level = np.nan_to_num(np.nanmedian(made.values[-HORIZON:], axis=0))
    quantiles = np.broadcast_to(level, (6, HORIZON, width)).copy()
    noise = rng.standard_normal((HORIZON, 1000), dtype=np.float32) * 3
    errors = np.empty((ORIGINS, HORIZON, width), np.float32)
    for o in range(ORIGINS):
        errors[o] = noise[:, rng.integers(0, 1000, width)]
    scale, states = np.full((ORIGINS + 1, width), 3.0, np.float32), rng.standard_normal((ORIGINS + 1, width, 2))
    states = states.astype(np.float32)
    origins = made.timestamps[len(made.timestamps) - HORIZON - 1 - 30 * np.arange(ORIGINS)]
    past = ErrorPaths(errors, origins, scale[1:], scale[0], states[1:], states[0], keys, Cadence.DAILY)
    stamps = pd.date_range(made.timestamps[-1], periods=HORIZON + 1, freq="D")[1:]
    return panel, Forecast(quantiles, stamps, keys, Cadence.DAILY), past, servers_of(Fleet(count, DAYS, seed=SEED))


def servers_of(fleet: Fleet) -> pd.DataFrame:
    """The inventory at the end, every server with tier ok or, one in ten, high."""
    table = inventories.at(fleet.inventory(), fleet.end).reset_index(drop=True)
    return table.assign(tier=np.where(np.arange(len(table)) % 10 == 0, "high", "ok"))


def sized(count: int, settings: Settings, clock: Clock) -> None:
    """Segments, needs, sizes, and the rule replayed."""
    panel, forecast, errors, servers = daily_input(count)
    sizes = sizes_of(settings)
    with clock.part("features"):
        features = server_features(panel, servers, settings)
    with clock.part("segments"):
        segment(features, settings)
    with clock.part("needs"):
        needs: Needs = needs_of(panel, forecast, errors, servers, settings)
    with clock.part("right-sizing"):
        rightsize(needs, sizes, settings.sizing)
    with clock.part("replay"):
        replayed(panel, errors, servers, sizes, settings, settings.sizing, settings.sizing.replay_origins)


def main() -> None:
    """Measure in this process; JSON on the last line."""
    settings, clock = Settings(), Clock()
    for count in (_WARM_UP, int(sys.argv[1])):
        clock = Clock()
        sized(count, settings, clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT
    print(json.dumps({"wall": clock.wall, "cpu": clock.cpu, "all": {"gib": peak, "load": os.getloadavg()[0]}}))


if __name__ == "__main__":
    main()
