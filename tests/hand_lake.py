"""A lake written by hand, small enough to know every answer, for tests that ask it in SQL."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.lake.datasets import unit_key, write_table
from capforecast.lake.store import Store
from capforecast.schema import Cadence

AS_OF = pd.Timestamp("2026-03-02", tz="UTC")
BEFORE = AS_OF - pd.Timedelta(days=7)
SHOP = "Web Shop, a%"
SERVERS = {"retail": ("retail-a", "retail-b"), SHOP: ("shop-c",)}
DAYS = 28


def values() -> dict[str, np.ndarray]:
    """Daily P95 of CPU by server, up to AS_OF: nothing seen on two days of retail-a, and at the end of shop-c."""
    known = {name: np.full(DAYS, level) for name, level in (("retail-a", 50.0), ("retail-b", 70.0), ("shop-c", 20.0))}
    known["retail-b"][-3:] = (85.0, 95.0, 81.0)
    known["retail-a"][10:12] = np.nan
    known["shop-c"][-4:] = np.nan
    known["shop-c"][:2] = np.nan  # before it was there: no gap
    return known


def make(url: str) -> Store:
    """Two runs: of BEFORE the forecasts (always 60, from 50 to 80), of AS_OF snapshot, quality and servers."""
    store = Store(url)
    for unit, names in SERVERS.items():
        for as_of in (BEFORE, AS_OF):
            write_table(store, unit_key("processed", Cadence.DAILY, as_of, unit), _snapshot(names, as_of))
            write_table(store, unit_key("forecasts", Cadence.DAILY, as_of, unit), _forecast(names, as_of))
        write_table(store, unit_key("quality", Cadence.DAILY, AS_OF, unit), _quality(names))
        write_table(store, unit_key("servers", Cadence.DAILY, AS_OF, unit), _servers(names, unit))
    write_table(store, unit_key("savings", Cadence.DAILY, AS_OF), _savings())
    return store


def _snapshot(names: tuple[str, ...], as_of: pd.Timestamp) -> pd.DataFrame:
    stamps = pd.date_range(end=AS_OF - pd.Timedelta(days=1), periods=DAYS)
    rows = [pd.DataFrame({"server_id": name, "timestamp": stamps, "cpu_p95": values()[name]}) for name in names]
    frame = pd.concat(rows).astype({"cpu_p95": "float32"})
    return frame[frame["timestamp"] < as_of]


def _forecast(names: tuple[str, ...], as_of: pd.Timestamp) -> pd.DataFrame:
    stamps = pd.date_range(as_of, periods=30)
    levels = {"q025": 40.0, "q10": 50.0, "q50": 60.0, "q90": 80.0, "q975": 90.0, "mean": 62.0}
    rows = [
        pd.DataFrame(
            {"server_id": name, "metric": "cpu", "timestamp": stamps, "origin": as_of - pd.Timedelta(days=1)} | levels
        )
        for name in names
    ]
    return pd.concat(rows).assign(model="fleet", model_version="1").astype(dict.fromkeys(levels, "float32"))


def _quality(names: tuple[str, ...]) -> pd.DataFrame:
    first = AS_OF - pd.Timedelta(days=DAYS)
    known = {"metric": "cpu", "verdict": "ok", "reason": "", "first_seen": first}
    later = {"shop-c": {"first_seen": first + pd.Timedelta(days=2)}}
    return pd.DataFrame([{"server_id": name} | known | later.get(name, {}) for name in names])


def _servers(names: tuple[str, ...], unit: str) -> pd.DataFrame:
    tiers = {"retail-a": ("watch", 40.0), "retail-b": ("critical", 1.0), "shop-c": ("ok", np.nan)}
    rows = [
        {
            "server_id": name, "business_unit": unit, "region": "eu", "criticality": "high", "metric": "cpu",
            "tier": tiers[name][0], "days_q50": tiers[name][1], "in_breach_high": name == "retail-b",
            "probability_high": 0.9, "last_value": 81.0, "threshold_high": 80.0,
        }
        for name in names
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _savings() -> pd.DataFrame:
    rows = [
        ("fleet", "", "all", 3, -30.0), ("business_unit", "retail", "downsize", 1, -20.0),
        ("business_unit", "retail", "all", 1, -20.0), ("business_unit", SHOP, "all", 2, -10.0),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["scope", "name", "kind", "servers", "monthly_change"])
    return frame.assign(priced=frame["servers"], monthly=100.0, to_monthly=80.0, currency="USD")
