"""Forecasts of other people's methods, for accuracy.py and interval_coverage.py. Runs in .venv-peers (`make peers`):

    .venv-peers/bin/python benchmarks/peers.py requests.parquet --cadence daily --horizon 90 --peers AutoETS,Prophet

Each is called as its documentation shows first, one series at a time, on one thread. Requests are rows of key, start
and values; forecasts with quantiles and CPU seconds go into the cache (peer_cache.py). A peer that fails on a series
is given seasonal naive there, and the reason is kept. An interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import peer_cache
from peer_cache import COLUMNS, LEVELS, PACKAGES, Array

SEASON = {"daily": 7, "hourly": 24}
SEASONS = {"daily": [7], "hourly": [24, 168]}
FREQUENCY = {"daily": "D", "hourly": "h"}
LINE = {"daily": 90, "hourly": 672}  # points a straight line is drawn through: 90 days, 28 days
NORMAL = (-1.9599640, -1.2815516, 0.0, 1.2815516, 1.9599640)  # standard normal quantiles of LEVELS
SAVE_SECONDS = 30
BATCH = 50  # series given to prophet-batch at once

Method = Callable[[Array, pd.DatetimeIndex, int, str], Array]


def normal(point: Array, deviation: Array) -> Array:
    """COLUMNS of a forecast with normal errors."""
    return np.stack([point, *(point + z * deviation for z in NORMAL)])


def seasonal_naive(y: Array, stamps: pd.DatetimeIndex, horizon: int, cadence: str) -> Array:
    """Last season again; the variance grows with the number of seasons ahead (Hyndman & Athanasopoulos, 5.5)."""
    season = SEASON[cadence]
    point = np.resize(y[-season:], horizon)
    deviation = float(np.std(y[season:] - y[:-season]))
    return normal(point, deviation * np.sqrt(np.arange(horizon) // season + 1.0))


def linear(y: Array, stamps: pd.DatetimeIndex, horizon: int, cadence: str) -> Array:
    """Least squares through the last 90 days (hourly: 28 days), as Prometheus' predict_linear; normal errors."""
    part = y[-LINE[cadence] :]
    count = len(part)
    x, ahead = np.arange(count) - (count - 1) / 2, np.arange(horizon) + (count + 1) / 2
    slope = x @ part / (x @ x)
    residual = part - part.mean() - slope * x
    spread = np.sqrt(residual @ residual / max(count - 2, 1) * (1 + 1 / count + ahead**2 / (x @ x)))
    return normal(part.mean() + slope * ahead, spread)


def of_statsforecast(model: Callable[[str], Any]) -> Method:
    """A statsforecast model: `forecast` with its own intervals."""

    def method(y: Array, stamps: pd.DatetimeIndex, horizon: int, cadence: str) -> Array:
        result = model(cadence).forecast(y=y, h=horizon, level=[80, 95])
        names = ("mean", "lo-95", "lo-80", "mean", "hi-80", "hi-95")
        return np.stack([np.asarray(result[name], dtype=np.float64) for name in names])

    return method


def of_prophet(model: Any, stamps: pd.DatetimeIndex, horizon: int, cadence: str) -> Array:
    """COLUMNS from a fitted Prophet: `yhat`, and quantiles of its own simulated paths."""
    np.random.seed(0)
    ahead = pd.date_range(stamps[-1], periods=horizon + 1, freq=FREQUENCY[cadence])[1:]
    future = pd.DataFrame({"ds": ahead})
    drawn = np.quantile(model.predictive_samples(future)["yhat"], LEVELS, axis=1)
    model.uncertainty_samples = 0
    return np.vstack([model.predict(future)["yhat"].to_numpy(), drawn])


def prophet(y: Array, stamps: pd.DatetimeIndex, horizon: int, cadence: str) -> Array:
    """Stock Prophet, nothing set."""
    from prophet import Prophet

    model = Prophet().fit(pd.DataFrame({"ds": stamps, "y": y}))
    return of_prophet(model, stamps, horizon, cadence)


def methods() -> dict[str, Method]:
    """Every peer that takes one series at a time."""
    from statsforecast import models  # type: ignore[import-not-found]

    def one_season(kind: Any) -> Method:
        return of_statsforecast(lambda cadence: kind(season_length=SEASON[cadence]))

    return {
        "SeasonalNaive": seasonal_naive, "Linear": linear, "Prophet": prophet,
        "HoltWinters": one_season(models.HoltWinters), "AutoTheta": one_season(models.AutoTheta),
        "AutoETS": one_season(models.AutoETS),
        "MSTL": of_statsforecast(lambda cadence: models.MSTL(season_length=SEASONS[cadence])),
    }  # fmt: skip


def cpu_seconds() -> float:
    """CPU time of this process and of those it started (Prophet's optimiser may be one)."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def stamps_of(row: Any, cadence: str) -> pd.DatetimeIndex:
    """The timestamps of a request, without time zone."""
    start = pd.Timestamp(row.start)
    start = start.tz_convert(None) if start.tz is not None else start
    return pd.date_range(start, periods=len(row.values_), freq=FREQUENCY[cadence])


def finished(row: Any, made: Array | None, cpu: float, reason: str, horizon: int, cadence: str) -> dict[str, Any]:
    """One row of the cache; seasonal naive where there is no forecast, or one that is not finite."""
    if made is None or made.shape != (len(COLUMNS), horizon) or not np.isfinite(made).all():
        made = seasonal_naive(row.values_, stamps_of(row, cadence), horizon, cadence)
        reason = reason or "not finite"
    columns = dict(zip(COLUMNS, made.astype(np.float32), strict=True))
    return {"key": row.key, "cpu": cpu, "failed": reason, **columns}


def one_by_one(method: Method, rows: list[Any], horizon: int, cadence: str) -> Iterator[dict[str, Any]]:
    """Rows of the cache, in turn."""
    for row in rows:
        began, made, reason = cpu_seconds(), None, ""
        try:
            made = method(row.values_.copy(), stamps_of(row, cadence), horizon, cadence)
        except Exception as error:  # whatever a peer raises, it has failed on this series
            reason = f"{type(error).__name__}: {error}"[:200]
        yield finished(row, made, cpu_seconds() - began, reason, horizon, cadence)


def in_batches(rows: list[Any], horizon: int, cadence: str) -> Iterator[dict[str, Any]]:
    """prophet-batch: all fits of a batch together; the models it returns are stock Prophet's, and forecast as such."""
    from prophet_batch import fit_many  # type: ignore[import-not-found]

    for first in range(0, len(rows), BATCH):
        batch = rows[first : first + BATCH]
        began = cpu_seconds()
        frames = [pd.DataFrame({"unique_id": r.key, "ds": stamps_of(r, cadence), "y": r.values_}) for r in batch]
        models, reason = {}, ""
        try:
            models = fit_many(pd.concat(frames, ignore_index=True), n_jobs=1)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:200]
        fitting = (cpu_seconds() - began) / len(batch)
        for row in batch:
            began, made = cpu_seconds(), None
            if row.key in models:
                made = of_prophet(models[row.key], stamps_of(row, cadence), horizon, cadence)
            yield finished(row, made, fitting + cpu_seconds() - began, reason, horizon, cadence)


def run(peer: str, requests: pd.DataFrame, cadence: str, horizon: int, folder: Path) -> None:
    """Add what is missing to a peer's cache file, saved every half minute."""
    path = peer_cache.cache_file(folder, peer, cadence, horizon)
    rows = list(requests[~requests["key"].isin(peer_cache.read(path).index)].itertuples())
    if not rows:
        return
    made, saved = [], time.monotonic()
    if peer != "prophet-batch":
        list(one_by_one(methods()[peer], rows[:1], horizon, cadence))  # compilation is not counted
    stream = in_batches(rows, horizon, cadence) if peer == "prophet-batch" else None
    for row in stream or one_by_one(methods()[peer], rows, horizon, cadence):
        made.append(row)
        if time.monotonic() - saved > SAVE_SECONDS or len(made) == len(rows):
            fresh = pd.DataFrame(made).set_index("key")
            peer_cache.add(path, fresh)
            saved, each = time.monotonic(), 1000 * fresh["cpu"].mean()
            failed = int((fresh["failed"] != "").sum())
            progress = f"{len(made)} of {len(rows)}, {each:.0f} ms CPU each, {failed} failed"
            print(f"{peer}, {cadence} {horizon}: {progress}", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("requests", type=Path, help="Parquet of key, start, values")
    parser.add_argument("--cadence", choices=list(SEASON), required=True)
    parser.add_argument("--horizon", type=int, required=True)
    parser.add_argument("--cache", type=Path, default=peer_cache.CACHE)
    parser.add_argument("--peers", default=",".join(PACKAGES))
    options = parser.parse_args()
    for package in filter(None, set(PACKAGES.values())):
        found = importlib.metadata.version(package)
        if found != peer_cache.versions()[package]:
            raise SystemExit(f"{package} is {found} here, the lock says {peer_cache.versions()[package]}: make peers")
    os.nice(10)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    requests = pd.read_parquet(options.requests).rename(columns={"values": "values_"})
    for peer in options.peers.split(","):
        run(peer, requests, options.cadence, options.horizon, options.cache)


if __name__ == "__main__":
    main()
