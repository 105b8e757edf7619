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

from capforecast.actions import advice, bounds
from capforecast.actions.consolidate import Use, consolidate
from capforecast.actions.features import server_features
from capforecast.actions.needs import needs_of
from capforecast.actions.path_costs import path_costs
from capforecast.actions.prices import PriceList, configured, costs
from capforecast.actions.replay import replayed
from capforecast.actions.rightsize import Action, rightsize
from capforecast.actions.segments import segment
from capforecast.actions.sizes import Sizes
from capforecast.configuration import config_folder
from capforecast.fleet import inventory as inventories
from capforecast.fleet.synthetic import Fleet
from capforecast.schema import DIMENSIONS, SERIES_COLUMNS, SERVER_ID, Cadence, ErrorPaths, Forecast, Panel
from capforecast.settings import Settings
from capforecast.stages import shape_catalogue

SERVERS, SECONDS, GIB = 10_000, 60.0, 2.0
ORIGINS, HORIZON, DAYS = 18, 90, 1095
SEED = 7
_WARM_UP = 200  # servers
_ON_A_HOST = 8  # servers, all of one group
_UNIT = 2**30 if sys.platform == "darwin" else 2**20  # of ru_maxrss


@dataclass
class Clock:
    """Wall and CPU seconds of named parts, and what came out."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    said: dict[str, float] = field(default_factory=dict)

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


def prices_of(settings: Settings) -> PriceList:
    """The prices shipped."""
    return configured(settings.prices, config_folder() / "prices")


def sizes_of(settings: Settings) -> Sizes:
    """Types of the catalogue shipped, with the prices shipped."""
    return Sizes.of(shape_catalogue(settings), prices_of(settings).rows)


def daily_input(count: int) -> tuple[Panel, Forecast, ErrorPaths, pd.DataFrame]:
    """A synthetic fleet with made-up forecasts and error paths: what they say costs no time, only how many they are."""
    made = fleet_panel(count, DAYS, Cadence.DAILY, SEED)
    rng, width = np.random.default_rng(SEED), len(made.series)
    series = made.series.assign(unseen_peaks="")
    series = series.assign(**{name: "" for name in SERIES_COLUMNS if name not in series})
    panel, keys = Panel(made.values, made.timestamps, series, made.cadence), series[[SERVER_ID, "metric"]]
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
        found = segment(features, settings)
        now = found.table(features).set_index(SERVER_ID)["name"].astype("str")
    with clock.part("needs"):
        needs = needs_of(panel, forecast, errors, servers, settings)
    with clock.part("right-sizing"):
        table = rightsize(needs, sizes, settings.sizing)
    with clock.part("costs by path"):
        path_costs(needs, table["action"].isin([Action.UPSIZE, Action.DOWNSIZE]).to_numpy(), sizes, settings.sizing)
    with clock.part("replay"):
        replays = replayed(panel, errors, servers, sizes, settings)
    with clock.part("bounds"):
        before = found.assigned(server_features(panel.until(replays["origin"].min()), servers, settings))
        of_cases, stratum = bounds.strata(replays, before, now, settings.sizing)
        advice.tested(table, stratum, bounds.verdicts(bounds.bounds(replays, of_cases, settings.sizing)), 0.01)


def hourly_input(count: int, weeks: int) -> tuple[Use, pd.DataFrame]:
    """Hourly means of a synthetic fleet in vCPU and GiB, and its inventory."""
    fleet = Fleet(count, 7 * weeks, Cadence.HOURLY, SEED, dirty=False)
    servers = servers_of(fleet)
    place = pd.Index(servers[SERVER_ID])
    used = [np.full((24 * 7 * weeks, count), np.nan, np.float32) for _ in range(2)]
    for block in fleet.blocks():
        at = place.get_indexer(block.servers.server_id)
        for out, column, size in zip(used, ("cpu_mean", "mem_p95"), ("vcpus", "memory_gib"), strict=True):
            out[:, at] = (block.known[column].T / 100 * servers[size].to_numpy()[at]).astype(np.float32)
    return Use(used[0], used[1], "mean", Cadence.HOURLY), servers.assign(growth_cpu=1.1, growth_memory=1.05)


def packed(count: int, settings: Settings, clock: Clock) -> None:
    """Consolidation onto the hosts of the inventory, and onto instances, hosts being not known."""
    use, servers = hourly_input(count, settings.consolidation.weeks)
    sizes, prices = sizes_of(settings), prices_of(settings)
    number = servers.groupby(list(DIMENSIONS)).cumcount() // _ON_A_HOST
    group = servers[DIMENSIONS[0]].str.cat([servers[name] for name in DIMENSIONS[1:]], " ")
    hosts = servers.assign(host_id=group + " " + number.astype("str"))
    for name, table in (("hosts", hosts), ("instances", servers.assign(host_id=""))):
        with clock.part(f"consolidation onto {name}"):
            found = consolidate(use, table, table, costs(table, prices), sizes, prices, settings.consolidation)
        clock.said[f"freed {name}"] = float(found.rows["freed"].sum())


def main() -> None:
    """Measure in this process; JSON on the last line."""
    settings, clock = Settings(), Clock()
    for count in (_WARM_UP, int(sys.argv[1])):
        clock = Clock()
        sized(count, settings, clock)
        packed(count, settings, clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT
    print(
        json.dumps(
            {"wall": clock.wall, "cpu": clock.cpu, "all": clock.said | {"gib": peak, "load": os.getloadavg()[0]}}
        )
    )


if __name__ == "__main__":
    main()
