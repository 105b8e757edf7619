"""Peers' fits and forecasts, for speed.py and oracle.py. Runs in .venv-peers (statsforecast wants pandas < 3):

    .venv-peers/bin/python benchmarks/peer_work.py job.npz result.npz

job.npz: values float64 [T, N] without gaps, start, cadence, horizon, and `asked`, JSON: peer -> {series, repeats, cuts}
(the first so many series; best of so many runs; histories cut to so many points, 0 = whole).
result.npz: `<peer>/cpu` [cuts, series], seconds of one fit and forecast with intervals; `<peer>/point` [horizon,
series], the forecast from the last of the cuts. Compilation and imports are not in the seconds.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

SEASON = {"daily": 7, "hourly": 24}
SEASONS = {"daily": [7], "hourly": [24, 168]}
FREQUENCY = {"daily": "D", "hourly": "h"}
LEVEL = [80, 95]


@dataclass(frozen=True)
class Job:
    """Series to forecast, a matrix [T, N]."""

    values: np.ndarray
    start: pd.Timestamp
    cadence: str
    horizon: int

    def frame(self, column: int) -> pd.DataFrame:
        """One series as Prophet wants it."""
        stamps = pd.date_range(self.start, periods=len(self.values), freq=FREQUENCY[self.cadence])
        return pd.DataFrame({"ds": stamps, "y": self.values[:, column]})

    def future(self) -> pd.DataFrame:
        """The timestamps asked for."""
        stamps = pd.date_range(self.start, periods=len(self.values) + self.horizon, freq=FREQUENCY[self.cadence])
        return pd.DataFrame({"ds": stamps[len(self.values) :]})


def prophet(job: Job) -> np.ndarray:
    """Stock Prophet, nothing set, of a job's only series; its own intervals are part of `predict`."""
    from prophet import Prophet

    return Prophet().fit(job.frame(0)).predict(job.future())["yhat"].to_numpy()[:, None]


def prophet_batch(job: Job) -> np.ndarray:
    """All series of a job at once."""
    from prophet_batch import fit_many, predict_many

    count = job.values.shape[1]
    models = fit_many(pd.concat([job.frame(i).assign(unique_id=i) for i in range(count)]), n_jobs=1)
    made = predict_many(models, futures={i: job.future() for i in range(count)}, seed=0, n_jobs=1)
    return np.stack([made[i]["yhat"].to_numpy() for i in range(count)], axis=1)


def of_statsforecast(name: str) -> Callable[[Job], np.ndarray]:
    """A model of statsforecast with its usual season, for a job's only series."""
    from statsforecast import models

    def method(job: Job) -> np.ndarray:
        season: Any = SEASONS[job.cadence] if name == "MSTL" else SEASON[job.cadence]
        made = getattr(models, name)(season_length=season).forecast(y=job.values[:, 0], h=job.horizon, level=LEVEL)
        return np.asarray(made["mean"], dtype=np.float64)[:, None]

    return method


def method_of(peer: str) -> Callable[[Job], np.ndarray]:
    """What fits and forecasts all series of a job."""
    own = {"Prophet": prophet, "prophet-batch": prophet_batch}
    return own[peer] if peer in own else of_statsforecast(peer)


def cpu() -> float:
    """CPU seconds of this process and of those it ran (Prophet's optimiser is one)."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(method: Callable[[Job], np.ndarray], job: Job) -> tuple[float, np.ndarray]:
    """CPU seconds of one call, and its forecast."""
    began = cpu()
    point = method(job)
    return cpu() - began, point


def measure(peer: str, job: Job, series: int, repeats: int, cuts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """(seconds [cuts, series], point [horizon, series]); a batch's seconds are shared out evenly."""
    method = method_of(peer)
    columns = [slice(0, series)] if peer == "prophet-batch" else [slice(i, i + 1) for i in range(series)]
    seconds, points = np.empty((len(cuts), series)), np.empty((job.horizon, series))
    timed(method, Job(job.values[:, columns[0]], job.start, job.cadence, job.horizon))  # compiles
    for row, cut in enumerate(cuts):
        for which in columns:
            part = Job(job.values[: cut or None, which], job.start, job.cadence, job.horizon)
            runs = [timed(method, part) for _ in range(repeats)]
            seconds[row, which] = min(taken for taken, _ in runs) / part.values.shape[1]
            points[:, which] = runs[0][1]
        print(f"  {peer}, {len(part.values)} points: {1000 * seconds[row].mean():.1f} ms", file=sys.stderr, flush=True)
    return seconds, points


def main() -> None:
    """Command line."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.ERROR)  # Prophet reports that plotly is not there as an error
    given = np.load(sys.argv[1])
    job = Job(given["values"], pd.Timestamp(str(given["start"])), str(given["cadence"]), int(given["horizon"]))
    results = {}
    for peer, asked in json.loads(str(given["asked"])).items():
        results[f"{peer}/cpu"], results[f"{peer}/point"] = measure(peer, job, **asked)
    np.savez(sys.argv[2], **results)


if __name__ == "__main__":
    main()
