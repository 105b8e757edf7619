"""Published versions of models, made up from numbers: no training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from capforecast.forecast import registry
from capforecast.forecast.backtest import buckets
from capforecast.forecast.base import Trained
from capforecast.forecast.candidates import candidate_names
from capforecast.forecast.experience import Effects
from capforecast.forecast.model import FleetModel
from capforecast.forecast.situation import ASPECTS
from capforecast.lake.store import Store
from capforecast.schema import BACKTEST_COLUMNS, Cadence, ErrorPaths, Reference
from capforecast.settings import Settings

DAILY = Cadence.DAILY
HORIZON = 30


def day(text: str) -> pd.Timestamp:
    """A moment in UTC."""
    return pd.Timestamp(text, tz="UTC")


def series_of(names: Sequence[str]) -> pd.DataFrame:
    """server_id, metric of servers whose cpu is forecast."""
    return pd.DataFrame({"server_id": list(names), "metric": "cpu"}, dtype="str")


def fleet_model(names: Sequence[str], width: float, horizon: int, settings: Settings) -> FleetModel:
    """A model of some servers with intervals so wide, and no error path."""
    series, count = series_of(names), len(names)
    errors = ErrorPaths(
        np.empty((0, horizon, count), np.float32), pd.DatetimeIndex([], tz="UTC"), np.empty((0, count), np.float32),
        np.ones(count, np.float32), np.empty((0, count, 2), np.float32), np.zeros((count, 2), np.float32), series,
        DAILY,
    )  # fmt: skip
    aspects = len(ASPECTS[DAILY])
    effects = Effects(np.zeros((1, aspects, 2)), np.zeros((1, aspects)), np.ones((1, aspects)))
    return FleetModel(
        series, candidate_names(DAILY)[:2], np.zeros((2, count)), effects, np.zeros(count, np.int64), np.ones(count),
        np.full((2, len(buckets(DAILY, horizon)), count), width), np.full(count, horizon), errors, horizon, DAILY,
        settings,
    )  # fmt: skip


def backtest(names: Sequence[str], error: float | Sequence[float], horizon: int) -> pd.DataFrame:
    """BACKTEST_COLUMNS rows with that relative MAE in every bucket."""
    places = [name for name, _, _ in buckets(DAILY, horizon)] + ["all"]
    relative = np.repeat(np.broadcast_to(np.asarray(error, dtype=np.float64), (len(names),)), len(places))
    rows = series_of(names).loc[lambda frame: frame.index.repeat(len(places))].reset_index(drop=True)
    rows = rows.assign(
        business_unit="x", region="EU", criticality="high", bucket=places * len(names), origins=4, points=100
    )
    figures = dict.fromkeys(BACKTEST_COLUMNS[7:], 0.5) | {"relative_mae": relative, "mae": 10 * relative}
    figures |= {"mae_naive": 10.0, "coverage_80": 0.8, "coverage_95": 0.95}
    return rows.assign(**figures)[list(BACKTEST_COLUMNS)]


def publish(
    store: Store,
    as_of: str = "2026-11-23",
    error: float | Sequence[float] = 0.8,
    *,
    names: Sequence[str] = ("srv-0", "srv-1", "srv-2"),
    business_unit: str = "x",
    horizon: int = HORIZON,
    width: float = 5.0,
    leads: str = "naive/week",
    settings: Settings | None = None,
    code: str = "c0de",
) -> Reference:
    """Save a version; the same arguments give the same one."""
    used = settings or Settings()
    model = fleet_model(names, width, horizon, used)
    choice = series_of(names).assign(candidate=leads, weight=1.0, expected_error=0.7)
    trained = Trained(model, backtest(names, error, horizon), model.errors, choice)
    notes = {
        "as_of": day(as_of).isoformat(), "horizon": horizon, "inputs": {"processed": as_of}, "code": code,
        "config": used.model_dump_json(),
    }  # fmt: skip
    return registry.save(store, trained, business_unit=business_unit, as_of=day(as_of), notes=notes)


def spoil(store: Store, manifest: Reference, file: str = "weights.parquet") -> None:
    """Change a byte of a file of a version."""
    key = manifest.uri.replace("manifest.json", file)
    data = bytearray(store.read(key))
    data[len(data) // 2] ^= 1
    store.put(key, bytes(data))
