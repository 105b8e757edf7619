"""Synthetic panels on which intervals have no excuse: AR(1) noise around a fixed shape, no trend, shift or spike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from real_cases import panel_of
from scoring import SETTINGS, note

from capforecast.forecast.backtest import buckets
from capforecast.forecast.engine import train
from capforecast.risk.moment import present
from capforecast.risk.rule import daily_peaks
from capforecast.risk.simulate import Figures, simulate
from capforecast.schema import Cadence, Panel

Array = npt.NDArray[np.float64]

LENGTH = {Cadence.DAILY: 1095, Cadence.HOURLY: 2000}
BURN_IN = 200
PEAK = {"peak_q50": 50.0, "peak_q90": 90.0}  # figure of the risk stage -> maxima at or below it, percent
PEAK_ALLOWED = 3.0


def stationary(cadence: Cadence, horizon: int, series: int, seed: int) -> tuple[Panel, Array]:
    """A panel of `series` series and what came after it [H, N].

    Level 20 to 60; weekly shape, with a yearly one of two harmonics (daily) or a daily one (hourly), each series its
    own; Gaussian AR(1) noise, coefficient 0 to 0.8, standard deviation 2 to 8.
    """
    rng = np.random.default_rng([seed, series, horizon])
    total = LENGTH[cadence] + horizon
    stamps = pd.date_range("2022-01-01", periods=total, freq=cadence.frequency, tz="UTC")
    values = rng.uniform(20, 60, series) + rng.normal(0, 3, (7, series))[stamps.day_of_week]
    if cadence is Cadence.DAILY:
        angle = 2 * np.pi * np.arange(total)[:, None, None] / 365.25 * np.array([1, 2])[:, None]
        waves = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)[..., 0]
        values = values + waves @ rng.normal(0, 2, (4, series))
    else:
        values = values + rng.normal(0, 4, (24, series))[stamps.hour]
    values = values + _noise(rng, total, series)
    known = LENGTH[cadence]
    names = [f"{i:04d}" for i in range(series)]
    panel = panel_of(values[:known], stamps[:known], names, ["load"] * series)
    return panel, values[known:].astype(np.float32).astype(np.float64)


def _noise(rng: np.random.Generator, total: int, series: int) -> Array:
    """AR(1) noise [T, N]."""
    carry = rng.uniform(0, 0.8, series)
    deviation = rng.uniform(2, 8, series)
    shocks = rng.normal(0, deviation * np.sqrt(1 - carry**2), (BURN_IN + total, series))
    out = np.empty_like(shocks)
    out[0] = rng.normal(0, deviation)
    for t in range(1, len(shocks)):
        out[t] = carry * out[t - 1] + shocks[t]
    return out[BURN_IN:]


def synthetic(cadence: Cadence, horizon: int, series: int, panels: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts by bucket of some stationary panels, and whether each window maximum lay below its quantiles."""
    frames, peaks = [], []
    for seed in range(panels):
        note(f"synthetic {cadence}, panel {seed + 1} of {panels}")
        panel, actual = stationary(cadence, horizon, series, seed)
        trained = train(panel, horizon, SETTINGS)
        forecast = trained.model.predict(panel)
        quantiles = forecast.quantiles[:-1].astype(np.float64)
        names = [f"{seed}/{i}" for i in range(series)]
        for name, first, last in buckets(cadence, horizon):
            part, q = actual[first - 1 : last], quantiles[:, first - 1 : last]
            row = {"dataset": "synthetic", "series": names, "bucket": name, "points": len(part)}
            hits = {level: ((part >= q[low]) & (part <= q[high])).sum(axis=0) for level, low, high in _PAIRS}
            frames.append(pd.DataFrame(row | {f"in_{level}": hit for level, hit in hits.items()}))
        unlimited = np.full((series, 2), np.nan, dtype=np.float32)
        moment = present(panel, forecast, trained.errors, unlimited, SETTINGS)
        low, high = _no_limits(series)
        risk = simulate(replace(moment, low=low, high=high), SETTINGS)
        peaks.append(_peaks(risk, panel, actual, names))
    return pd.concat(frames, ignore_index=True), pd.concat(peaks, ignore_index=True)


_PAIRS = (("80", 1, 3), ("95", 0, 4))


def _no_limits(series: int) -> tuple[np.ndarray, np.ndarray]:
    wide = np.full(series, np.inf, dtype=np.float32)
    return -wide, wide


def _peaks(risk: Figures, panel: Panel, actual: Array, names: list[str]) -> pd.DataFrame:
    """Was the maximum over the whole horizon (hourly: of daily peaks) at or below the quantiles of the joint paths'?"""
    days = daily_peaks(actual.T.astype(np.float32)) if panel.cadence is Cadence.HOURLY else actual.T
    peak = days.max(axis=1)
    rows = pd.DataFrame({"dataset": "synthetic", "series": names, "points": 1})
    return rows.assign(**{name: (peak <= getattr(risk, name)).astype(float) for name in PEAK})
