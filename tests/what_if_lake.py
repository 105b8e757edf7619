"""A lake with one finished run to ask what-if questions of: simulated servers of two business units."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from simulated import Fleet, make_fleet

from capforecast.lake.datasets import report_key, to_json, unit_key, write_table
from capforecast.lake.store import Store
from capforecast.risk.breach import assess_with_levels
from capforecast.risk.tiers import server_tiers
from capforecast.schema import ACTION_COLUMNS, FLEET, Cadence
from capforecast.settings import Settings

UNITS = ("payments", "retail")
PRICES = {"m.large": (2.0, 8.0, 0.1), "m.xlarge": (4.0, 16.0, 0.2), "m.2xlarge": (8.0, 32.0, 0.4)}
METRICS = ("cpu", "disk", "mem")


@dataclass(frozen=True)
class World:
    """What was put into the lake: by business unit the fleet it was made of, and its risks."""

    store: Store
    fleets: dict[str, Fleet]
    risks: pd.DataFrame
    as_of: pd.Timestamp
    settings: Settings


def a_world(
    settings: Settings | None = None,
    servers: int = 24,
    metrics: tuple[str, ...] = METRICS,
    keep: bool = True,
    cadence: Cadence = Cadence.DAILY,
    store: Store | None = None,
) -> World:
    """A run of `servers` servers each of two business units; CPU at 40 to 85 %, other metrics likewise."""
    settings, store = settings or Settings(), store or Store("memory://")
    fleets, risks, units = {}, [], []
    for number, name in enumerate(UNITS):
        fleets[name] = _fleet(name, servers, metrics, cadence, seed=number + 1)
    as_of = fleets[UNITS[0]].panel.timestamps[-1] + cadence.step
    for name, fleet in fleets.items():
        found, kept = assess_with_levels(*fleet.arguments(), settings, keep=True)
        tables = {"risks": found, "servers": server_tiers(found, _inventory(found)), "path_levels": kept}
        tables |= {"prices": _prices(), "shapes": _shapes()}
        if not keep:
            del tables["path_levels"]
        places = {table: unit_key(table, cadence, as_of, name) for table in tables}
        units.append({"business_unit": name, "references": {
            table: write_table(store, places[table], frame).model_dump() for table, frame in tables.items()
        }})  # fmt: skip
        risks.append(found)
    every = pd.concat(risks, ignore_index=True)
    actions = write_table(store, unit_key("actions", cadence, as_of, FLEET), _actions(every))
    content = {
        "ingested": {"as_of": as_of.isoformat(), "cadence": str(cadence)}, "units": units, "problems": {},
        "extras": {"actions": actions.model_dump()}, "settings": settings.model_dump(mode="json"),
    }  # fmt: skip
    store.put(report_key(cadence, as_of, "inputs.json"), to_json(content))
    return World(store, fleets, every, as_of, settings)


def _fleet(name: str, servers: int, metrics: tuple[str, ...], cadence: Cadence, seed: int) -> Fleet:
    sizes = {} if cadence is Cadence.DAILY else {"horizon": 168, "step": 56}
    made = make_fleet(np.linspace(40, 85, servers), metrics=metrics, seed=seed, cadence=cadence, **sizes)
    series = made.panel.series.assign(
        server_id=name[0] + made.panel.series["server_id"], business_unit=name, capacity=100.0
    )
    keys = series[["server_id", "metric"]]
    return replace(
        made, panel=replace(made.panel, series=series), forecast=replace(made.forecast, series=keys),
        errors=replace(made.errors, series=keys),
    )  # fmt: skip


def _inventory(risks: pd.DataFrame) -> pd.DataFrame:
    rows = risks.drop_duplicates("server_id")[["server_id", "business_unit", "region", "criticality"]]
    return rows.assign(
        environment="production", owner="shop", instance_type="m.xlarge", vcpus=4.0, memory_gib=16.0, disk_gib=100.0,
        network_mbps=1000.0, hourly_cost=np.nan,
    )  # fmt: skip


def _actions(risks: pd.DataFrame) -> pd.DataFrame:
    rows = risks.drop_duplicates("server_id")[["server_id", "business_unit", "region", "criticality"]]
    cpu = risks[risks["metric"] == "cpu"].set_index("server_id")["peak_q90"]
    return rows.assign(
        action="keep", instance_type="m.xlarge", vcpus=4.0, memory_gib=16.0, monthly=146.0, to_monthly=146.0,
        need_cpu_share=rows["server_id"].map(cpu) / 80.0, need_memory_share=0.5, segment="flat", currency="USD",
        price_source="list of 2026-01-01",
    ).reindex(columns=list(ACTION_COLUMNS))  # fmt: skip


def _prices() -> pd.DataFrame:
    rows = [(name, "eu", "linux", hourly, "list of 2026-01-01", "", "USD") for name, (_, _, hourly) in PRICES.items()]
    return pd.DataFrame(rows, columns=["instance_type", "region", "os", "hourly", "source", "reason", "currency"])


def _shapes() -> pd.DataFrame:
    rows = [
        (name, "m", "x86_64", vcpus, memory, 100.0 * vcpus, 1000.0 * vcpus, False)
        for name, (vcpus, memory, _) in PRICES.items()
    ]
    columns = ["instance_type", "family", "architecture", "vcpus", "memory_gib", "network_baseline_mbps",
               "network_burst_mbps", "burstable"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
