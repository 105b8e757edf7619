"""Panels to forecast, made up from numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from capforecast.fleet.calendar import calendar_features
from capforecast.forecast import candidates  # noqa: F401  (registers all families)
from capforecast.forecast.base import Block, families
from capforecast.forecast.blocks import blocks, calendar_of
from capforecast.schema import Cadence, Panel
from capforecast.settings import CalendarSettings

PanelMaker = Callable[..., Panel]


@pytest.fixture(scope="session")
def make_panel() -> PanelMaker:
    """A panel of values [T, N] from 3 January 2022; `metrics` names one metric per series."""

    def make(values: npt.NDArray[np.float64], cadence: str = "daily", metrics: list[str] | None = None) -> Panel:
        count = values.shape[1]
        step = Cadence(cadence)
        series = pd.DataFrame(
            {
                "server_id": [f"srv-{i:03d}" for i in range(count)],
                "metric": metrics or ["cpu"] * count,
                "statistic": "p95", "business_unit": "Retail", "region": "EU", "criticality": "high",
                "verdict": "ok", "reason": "", "flags": "", "unseen_peaks": "",
                "observed": np.isfinite(values).sum(axis=0),
            }
        )  # fmt: skip
        timestamps = pd.date_range("2022-01-03", periods=len(values), freq=step.step, tz="UTC")
        return Panel(values.astype(np.float32), timestamps, series, step)

    return make


@pytest.fixture(scope="session")
def weekly() -> Callable[..., npt.NDArray[np.float64]]:
    """Values [T, N] with a level, a weekly (daily data) or daily (hourly data) rhythm, growth and noise."""

    def make(
        total: int, count: int, seed: int = 0, season: int = 7, growth: float = 0.0, noise: float = 2.0
    ) -> npt.NDArray[np.float64]:
        rng = np.random.default_rng(seed)
        t = np.arange(total)[:, None]
        level = rng.uniform(20, 60, count)
        rhythm = rng.uniform(5, 10, count) * np.sin(2 * np.pi * (t % season) / season)
        return level + rhythm + growth * t + rng.normal(0, noise, (total, count))

    return make


@pytest.fixture(scope="session")
def hourly_block() -> Callable[..., Block]:
    """The one block of a few hourly values [T, N] that start on a Monday."""

    def make(values: npt.NDArray[np.float64], origins: tuple[int, ...], horizon: int = 60) -> Block:
        timestamps = pd.date_range("2022-01-03", periods=len(values), freq="h", tz="UTC")
        panel = Panel(values.astype(np.float32), timestamps, pd.DataFrame(), Cadence.HOURLY)
        calendar = calendar_of(panel, horizon, CalendarSettings())
        ((_, block),) = blocks(values, Cadence.HOURLY, origins, horizon, calendar, 64)
        return block

    return make


@pytest.fixture
def awkward() -> npt.NDArray[np.float64]:
    """1,500 hours of eight series: plain, gaps, late start, negative, many zeros, constant, spikes, a long outage."""
    rng = np.random.default_rng(3)
    t = np.arange(1500)[:, None]
    values = 40 + 10 * np.sin(2 * np.pi * t / 24 + np.arange(8)) + 4 * np.sin(2 * np.pi * t / 168)
    values = values + rng.normal(0, 3, values.shape)
    values[rng.random(1500) < 0.2, 1] = np.nan
    values[:1000, 2] = np.nan
    values[:, 3] -= 50
    values[rng.random(1500) < 0.7, 4] = 0
    values[:, 5] = 17.5
    values[rng.random(1500) < 0.02, 6] += 400
    values[700:900, 7] = np.nan
    return values


@pytest.fixture(scope="session")
def walks() -> Callable[..., npt.NDArray[np.float64]]:
    """Positive daily values [T, N] with a weekly rhythm, a wandering level and noise."""

    def make(total: int, count: int, seed: int = 0) -> npt.NDArray[np.float64]:
        rng = np.random.default_rng(seed)
        rhythm = 6 * np.sin(2 * np.pi * np.arange(total)[:, None] / 7 + rng.uniform(0, 6, count))
        return 80 + rhythm + np.cumsum(rng.normal(0, 0.3, (total, count)), axis=0) + rng.normal(0, 2, (total, count))

    return make


@pytest.fixture(scope="session")
def daily_block() -> Callable[..., Block]:
    """One block of daily values [T, N] from 3 January 2022, seen from `origins`."""

    def make(values: npt.NDArray[np.float64], origins: tuple[int, ...], horizon: int) -> Block:
        stamps = pd.date_range("2022-01-03", periods=len(values) + horizon, freq="D", tz="UTC")
        calendar = calendar_features(stamps, CalendarSettings(country="US"))
        ((_, block),) = blocks(values, Cadence.DAILY, origins, horizon, calendar, 1024)
        return block

    return make


@pytest.fixture(scope="session")
def forecasts_of() -> Callable[[Block, str], dict[str, npt.NDArray[np.float32]]]:
    """What a daily family forecasts for a block: member -> [O, H, N], before it is held within bounds."""

    def make(block: Block, name: str) -> dict[str, npt.NDArray[np.float32]]:
        (family,) = (family for family in families(Cadence.DAILY) if family.name == name)
        out = family.made(block)
        return {member: out[:, k] for k, member in enumerate(family.members)}

    return make
