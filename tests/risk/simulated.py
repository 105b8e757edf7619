"""Simulated fleets whose truth is known: servers that swing (AR(1)) around a level, forecast by that level."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from capforecast.schema import Cadence, ErrorPaths, Forecast, Panel


@dataclass(frozen=True)
class Fleet:
    """What assess is given, and what really came next [H, N]."""

    panel: Panel
    forecast: Forecast
    errors: ErrorPaths
    future: np.ndarray

    def arguments(self):
        return self.panel, self.forecast, self.errors

    def with_values(self, values: np.ndarray) -> Fleet:
        return replace(self, panel=replace(self.panel, values=values.astype(np.float32)))

    def with_median(self, median: np.ndarray) -> Fleet:
        quantiles = np.broadcast_to(median.astype(np.float32), self.forecast.quantiles.shape)
        return replace(self, forecast=replace(self.forecast, quantiles=quantiles))


def _swings(rng, length: int, count: int, phi: float) -> np.ndarray:
    noise = rng.normal(size=(length + 100, count)) * np.sqrt(1 - phi**2)
    for step in range(1, len(noise)):
        noise[step] += phi * noise[step - 1]
    return noise[100:]


def make_fleet(
    levels: np.ndarray,
    *,
    spread: float = 6.0,
    horizon: int = 90,
    origins: int = 12,
    step: int = 30,
    phi: float = 0.8,
    seed: int = 1,
    metrics: tuple[str, ...] = ("cpu",),
    cadence: Cadence = Cadence.DAILY,
) -> Fleet:
    """A fleet of one series per level and metric, ordered by server and metric."""
    rng = np.random.default_rng(seed)
    level = np.repeat(levels, len(metrics)).astype(np.float32)
    count = len(level)
    past = horizon + step * (origins - 1) + 40
    swings = (_swings(rng, past + horizon, count, phi) * spread).astype(np.float32)
    values = level + swings
    times = pd.date_range("2024-01-01", periods=past + horizon, freq=cadence.frequency, tz="UTC")
    starts = [past - horizon - step * origin for origin in range(origins)]
    season = cadence.season

    def state(at: int) -> np.ndarray:
        week = swings[at - season : at] / max(spread, 1e-6)
        return np.stack([week.mean(axis=0), np.sort(week, axis=0)[-2]], axis=-1)

    series = pd.DataFrame(
        {
            "server_id": np.repeat([f"s{i:04d}" for i in range(len(levels))], len(metrics)),
            "metric": np.tile(metrics, len(levels)),
            "statistic": "p95",
            "business_unit": "retail",
            "region": "eu",
            "criticality": "gold",
            "verdict": "ok",
            "reason": "",
            "flags": "",
            "unseen_peaks": "",
            "observed": past,
            "first_seen": times[0],
            "last_seen": times[past - 1],
        }
    )
    quantiles = np.broadcast_to(level, (6, horizon, count)).astype(np.float32)
    keys = series[["server_id", "metric"]]
    errors = ErrorPaths(
        errors=np.stack([swings[start : start + horizon] for start in starts]),
        origins=times[[start - 1 for start in starts]],
        scale=np.full((origins, count), max(spread, 1e-6), np.float32),
        scale_now=np.full(count, spread, np.float32),
        states=np.stack([state(start) for start in starts]).astype(np.float32),
        states_now=state(past).astype(np.float32),
        series=keys,
        cadence=cadence,
    )
    return Fleet(
        panel=Panel(values[:past], times[:past], series, cadence),
        forecast=Forecast(quantiles, times[past:], keys, cadence),
        errors=errors,
        future=values[past:],
    )
