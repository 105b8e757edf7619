"""Pools to measure on: histories of many series cut at past dates, what came after, and made-up sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from real_cases import panel_of
from scoring import SETTINGS
from stationary import stationary

from capforecast.fleet import inventory as inventories
from capforecast.fleet.synthetic import Fleet
from capforecast.forecast.engine import train
from capforecast.schema import Cadence, ErrorPaths, FloatArray, Panel

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

HORIZON = {Cadence.DAILY: 90, Cadence.HOURLY: 168}
LEAST = {Cadence.DAILY: 700, Cadence.HOURLY: 900}  # points of history at the first window
STEP = {Cadence.DAILY: 60, Cadence.HOURLY: 84}  # between windows
SIZES = np.array([2.0, 4.0, 8.0, 16.0, 32.0])  # vCPUs, drawn by name
STATIONARY = 4  # panels
FEWEST = 5  # series that make a pool worth looking at


@dataclass(frozen=True)
class Source:
    """Series [T, N] of one kind, the pool of each, and units of capacity per unit of the series."""

    name: str
    values: pd.DataFrame
    pool: Index
    units: Array


@dataclass(frozen=True)
class Window:
    """What the engine said at one date, and what came: median and actual [H, N], units and pool [N]."""

    source: str
    cadence: Cadence
    median: FloatArray
    errors: ErrorPaths
    actual: Array
    units: Array
    pool: Index


def _number(name: str, below: int) -> int:
    """A number that depends on the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % below


def _sized(values: pd.DataFrame, percent: bool) -> Array:
    """Made-up vCPUs per point of a series; what is no percentage is taken as 50 % at its median."""
    size = SIZES[[_number(f"size {name}", len(SIZES)) for name in values]]
    return size / 100 if percent else size * 0.5 / values.median().to_numpy()


def _tidy(path: Path, metrics: tuple[str, ...], since: str, pools: int, percent: str = "") -> Source:
    rows = pd.read_parquet(path)
    rows = rows[rows["metric"].isin(metrics) & (rows["timestamp"] >= since)]
    names = rows["series_id"].astype(str) + "|" + rows["metric"].astype(str)
    wide = rows.assign(name=names).pivot_table(index="timestamp", columns="name", values="value", aggfunc="last")
    wide = wide.loc[:, (wide.median() > 0) & (wide.notna().mean() > 0.5)]
    pool = np.array([_number(f"pool {name}", pools) for name in wide], np.int64)
    name = f"{path.name.split('__')[0]} {percent}".strip()
    return Source(name, wide, np.unique(pool, return_inverse=True)[1], _sized(wide, bool(percent)))


def real_sources(folder: Path) -> Iterator[Source]:
    """Daily load of packages, pages and name servers; virtual machines by the hour; in made-up pools."""
    queries = ("queries_total", "queries_tcp_v4", "queries_udp_v4", "queries_udp_v6", "queries_tcp_v6")
    yield _tidy(folder / "cran_downloads__daily.parquet", ("downloads_per_day",), "2016", 1)
    yield _tidy(folder / "wikipedia_pageviews__daily.parquet", ("pageviews_per_day",), "2018", 3)
    yield _tidy(folder / "dns_root_queries__daily.parquet", queries, "2015", 2)
    for metric in ("cpu", "mem"):
        path = folder / "bitbrains_rnd__hourly.parquet"
        yield _tidy(path, (f"{metric}_pct_mean",), "2013-07-01", 12, metric)


def seed_sources(folder: Path) -> Iterator[Source]:
    """CPU of the reference fleets by business unit."""
    for name in ("daily", "archetypes"):
        rows = pd.read_parquet(folder / f"{name}_120x1461.parquet")
        wide = rows.pivot_table(index="timestamp", columns="server_id", values="cpu_p95")
        unit = rows.groupby("server_id")["business_unit"].last().loc[wide.columns]
        size = SIZES[[_number(f"size {server}", len(SIZES)) for server in wide]]
        yield Source(f"{name} fleet", wide, pd.factorize(unit.astype(str))[0].astype(np.int64), size / 100)


def synthetic_source(servers: int, cadence: Cadence) -> Source:
    """CPU of our synthetic fleet by business unit and region, with its own vCPUs."""
    fleet = Fleet(servers, 1460 if cadence is Cadence.DAILY else 100, cadence, 11)
    block = next(fleet.blocks(servers))
    stamps = fleet.clock.timestamps.tz_localize(None)
    wide = pd.DataFrame(block.known["cpu_p95"].T, index=stamps, columns=block.servers.server_id)
    known = inventories.at(fleet.inventory(), fleet.clock.timestamps[-1]).set_index("server_id")
    wide = wide.loc[:, wide.columns.isin(known.index)]
    known = known.loc[wide.columns]
    pool = pd.factorize(known["business_unit"].astype(str) + known["region"].astype(str))[0].astype(np.int64)
    return Source(f"synthetic {cadence} fleet", wide, pool, known["vcpus"].fillna(4.0).to_numpy(np.float64) / 100)


def windows(source: Source, most: int) -> Iterator[Window]:
    """The engine trained and asked at past dates; series that had ended or just begun by then are left out."""
    wide = source.values.asfreq(pd.Series(source.values.index).diff().min())
    hourly = wide.index[1] - wide.index[0] < pd.Timedelta(days=1)
    cadence = Cadence.HOURLY if hourly else Cadence.DAILY
    values, horizon = wide.to_numpy(np.float64), HORIZON[cadence]
    for number in range(most):
        now = len(wide) - horizon - number * STEP[cadence]
        if now < LEAST[cadence]:
            return
        seen = np.isfinite(values[:now])
        kept = seen[-7 * cadence.per_day :].any(axis=0) & (seen.sum(axis=0) >= (336 if hourly else 60))
        kept &= np.isfinite(values[now : now + horizon]).mean(axis=0) > 0.9
        if kept.sum() < FEWEST:
            continue
        names = [f"{i:04d}" for i in np.flatnonzero(kept)]
        panel = panel_of(values[:now, kept], wide.index[:now], names, ["load"] * len(names))
        pool = np.unique(source.pool[kept], return_inverse=True)[1]
        yield _window(source.name, panel, values[now : now + horizon, kept], source.units[kept], pool)


def stationary_windows(series: int) -> Iterator[Window]:
    """Series that have nothing in common: only the noise of each."""
    for seed in range(STATIONARY):
        panel, actual = stationary(Cadence.DAILY, HORIZON[Cadence.DAILY], series, 50 + seed)
        units = SIZES[np.arange(series) % len(SIZES)] / 100
        yield _window("independent noise", panel, actual, units, np.arange(series) % 8)


def _window(name: str, panel: Panel, actual: Array, units: Array, pool: Index) -> Window:
    trained = train(panel, len(actual), SETTINGS)
    median = trained.model.predict(panel).median
    filled = np.where(np.isfinite(actual), actual, median)
    return Window(name, panel.cadence, median, trained.errors, filled, units, pool.astype(np.int64))
