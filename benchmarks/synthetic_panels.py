"""Panels of synthetic fleets for the benchmarks, made in memory: the same series `capforecast generate-data` writes.

The arrays of the generator go straight into a panel, without rows, files and validation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.fleet.synthetic import Block, Fleet
from capforecast.schema import BoolArray, Cadence, FloatArray, Panel
from capforecast.settings import QualitySettings

METRICS = ("cpu", "disk", "mem", "net_in", "net_out")


@dataclass(frozen=True)
class Made:
    """A fleet and what is true of it: float32 values and expected values [T, N], and one row of `told` per series."""

    values: FloatArray
    means: FloatArray
    told: pd.DataFrame
    timestamps: pd.DatetimeIndex


def fleet_panel(servers: int, days: int, cadence: Cadence = Cadence.DAILY, seed: int = 7) -> Panel:
    """Every forecastable series of a fleet, about 4.5 per server; memory beyond the panel does not grow."""
    fleet = Fleet(servers, days, cadence, seed)
    parts, names, metrics = [], [], []
    for block in fleet.blocks():
        values = _columns({metric: block.known[f"{metric}_p95"] for metric in METRICS})
        ok = usable(values, cadence)
        parts.append(values[:, ok])
        names.append(np.repeat(block.servers.server_id, len(METRICS))[ok])
        metrics.append(np.tile(METRICS, len(block.servers.number))[ok])
    series = described(np.concatenate(names), np.concatenate(metrics))
    return Panel(np.concatenate(parts, axis=1), fleet.clock.timestamps, series, cadence)


def made(blocks: Iterable[Block]) -> Made:
    """Blocks with their truth. told: server_id, metric, archetype, story, change (days before the end) and more."""
    kept = list(blocks)
    values = np.concatenate([_columns({m: b.known[f"{m}_p95"] for m in METRICS}) for b in kept], axis=1)
    means = np.concatenate([_columns({m: b.lives.means[m] for m in METRICS}) for b in kept], axis=1)
    frames = [b.described().assign(change=b.servers.change).loc[lambda f: f.index.repeat(len(METRICS))] for b in kept]
    told = pd.concat(frames, ignore_index=True)
    told["metric"] = np.tile(METRICS, len(told) // len(METRICS))
    return Made(values, means, told, kept[0].fleet.clock.timestamps)


def _columns(by_metric: dict[str, np.ndarray]) -> FloatArray:
    """[N, T] per metric as float32 [T, N * metrics], a server's metrics side by side."""
    cube = np.stack([by_metric[metric] for metric in METRICS], axis=1).astype(np.float32)
    return np.ascontiguousarray(cube.reshape(-1, cube.shape[2]).T)


def usable(values: FloatArray, cadence: Cadence) -> BoolArray:
    """Series [N] that validation (quality.judge) would pass: old enough, not stale, not gappy."""
    settings, per_day = QualitySettings(), cadence.per_day
    least = settings.min_days_daily if cadence is Cadence.DAILY else settings.min_days_hourly
    seen = np.isfinite(values)
    old = seen[: len(values) - least * per_day + 1].any(axis=0)
    fresh = seen[-settings.stale_days * per_day :].any(axis=0)
    missing = 1 - seen[-settings.gap_window_days * per_day :].mean(axis=0)
    return np.asarray(old & fresh & (missing <= settings.max_gap_share))


def described(servers: np.ndarray, metrics: np.ndarray, unit: str = "benchmark") -> pd.DataFrame:
    """The panel's table of series, all with verdict ok."""
    series = pd.DataFrame({"server_id": servers, "metric": metrics}).astype("str")
    series = series.assign(statistic="p95", verdict="ok", reason="", flags="")
    return series.assign(business_unit=unit, region="", criticality="")
