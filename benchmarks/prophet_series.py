"""Series drawn from the model Prophet fits (Taylor & Letham 2018): trends that break, Fourier seasons, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

_LEVEL = 50.0  # everything below is a share of it
_YEARLY, _WEEKLY = 10, 3  # Fourier pairs, Prophet's defaults
_BREAKS_END = 0.8  # share of the history in which the trend may break, Prophet's default
_START = pd.Timestamp("2023-03-05", tz="UTC")


@dataclass(frozen=True)
class Variant:
    """Shares of the level; breaks: changes of slope, whose Laplace distribution has scale `size` a history."""

    breaks: int
    size: float
    noise: float
    yearly: float = 0.05
    weekly: float = 0.08


VARIANTS = (
    ("25 small breaks, noise 5 %", Variant(25, 0.05, 0.05)),
    ("3 strong breaks, noise 5 %", Variant(3, 0.5, 0.05)),
    ("25 small breaks, noise 15 %", Variant(25, 0.05, 0.15)),
)


def draw(
    variant: Variant, count: int, days: int, horizon: int, seed: int
) -> tuple[np.ndarray, np.ndarray, pd.DatetimeIndex]:
    """(float32 values, values without noise) [days + horizon, count] and timestamps; no break after the history."""
    rng = np.random.default_rng(seed)
    stamps = pd.date_range(_START, periods=days + horizon, freq="D", unit="us")
    t = np.arange(days + horizon) / days
    trend = 1.0 + rng.normal(0, 0.3, count) * t[:, None]
    at = np.linspace(0, _BREAKS_END, variant.breaks + 1)[1:]
    for place in at:
        trend += rng.laplace(0, variant.size, count) * np.maximum(t - place, 0.0)[:, None]
    day = np.arange(days + horizon)[:, None]
    season = _fourier(day, 365.25, _YEARLY, variant.yearly, rng, count)
    season += _fourier(day, 7.0, _WEEKLY, variant.weekly, rng, count)
    truth = _LEVEL * (trend + season)
    return (truth + _LEVEL * rng.normal(0, variant.noise, truth.shape)).astype(np.float32), truth, stamps


def _fourier(
    day: np.ndarray, period: float, pairs: int, size: float, rng: np.random.Generator, count: int
) -> np.ndarray:
    """A season [T, count]; higher frequencies are smaller."""
    total = np.zeros((len(day), count))
    for k in range(1, pairs + 1):
        angle = 2 * np.pi * k * day / period
        total += size / k * (rng.normal(size=count) * np.sin(angle) + rng.normal(size=count) * np.cos(angle))
    return total
