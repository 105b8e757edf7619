"""What a worker process does with one series: fit stock Prophet, or predict with it. Only this module imports Prophet.

Prophet: Taylor & Letham (2018), Forecasting at scale. All its defaults are kept; our calendar goes in as regressors.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from capforecast.forecast.base import Array
from capforecast.schema import QUANTILE_LEVELS

log = logging.getLogger(__name__)

_REPORTED = 0.1  # share of the work after which progress is logged
_LOST = "lost"  # the reason of a task whose pool broke


@dataclass(frozen=True)
class History:
    """A series to fit: times and values [T] that were observed, regressors [T, R] of these names."""

    times: pd.DatetimeIndex
    values: Array
    regressors: pd.DataFrame


@dataclass(frozen=True)
class Ask:
    """A fitted model (Prophet's JSON), the future [H] with its regressors, the seed of its samples."""

    model: str
    regressors: pd.DataFrame
    seed: int


def fit_one(history: History) -> str:
    """The fitted model as Prophet's own JSON. Regressors that never change in the history are left out."""
    from prophet import Prophet
    from prophet.serialize import model_to_json

    frame = pd.DataFrame({"ds": history.times, "y": history.values})
    model = Prophet()
    for name, values in history.regressors.items():
        if values.nunique() > 1:
            model.add_regressor(name)
            frame[name] = values.to_numpy()
    model.fit(frame)
    return str(model_to_json(model))


def predict_one(ask: Ask) -> Array:
    """Quantiles at QUANTILE_LEVELS and the mean, [Q + 1, H]: median and mean are Prophet's `yhat`, the others those of
    its predictive samples.
    """
    from prophet.serialize import model_from_json

    model = model_from_json(ask.model)
    future = ask.regressors.rename_axis("ds").reset_index()
    np.random.seed(ask.seed)  # Prophet draws from numpy's global stream
    samples = model.predictive_samples(future)["yhat"]  # [H, 1000]
    model.uncertainty_samples = 0
    expected = model.predict(future)["yhat"].to_numpy()
    quantiles = np.quantile(samples, QUANTILE_LEVELS, axis=1)
    middle = QUANTILE_LEVELS.index(0.5)
    quantiles[:middle] = np.minimum(quantiles[:middle], expected)
    quantiles[middle] = expected
    quantiles[middle + 1 :] = np.maximum(quantiles[middle + 1 :], expected)
    if not np.isfinite(quantiles).all():
        raise ValueError("its forecast is not finite")
    return np.concatenate([quantiles, expected[None]])


def run_all(work: Callable[[Any], Any], tasks: Sequence[Any], what: str) -> Iterator[tuple[int, Any, str]]:
    """(number, result, "") of each task, or (number, None, reason), from spawned processes, in any order.

    A task that kills its worker takes the pool with it: what was lost is then done one at a time, which tells whose
    fault it was.
    """
    left, size = list(range(len(tasks))), min(len(os.sched_getaffinity(0)), len(tasks))
    while left:
        lost: list[int] = []
        for number, result, reason in _pool(work, tasks, left, size, what):
            if reason == _LOST:
                lost.append(number)
            else:
                yield number, result, reason
        if lost and size == 1:  # in order: the first one lost was the one at work
            yield min(lost), None, "its worker process died"
            lost.remove(min(lost))
        left, size = sorted(lost), 1


def _pool(
    work: Callable[[Any], Any], tasks: Sequence[Any], numbers: list[int], size: int, what: str
) -> Iterator[tuple[int, Any, str]]:
    spawned = multiprocessing.get_context("spawn")  # a fork would copy other threads' locks
    with ProcessPoolExecutor(size, mp_context=spawned, initializer=_quiet) as pool:
        futures = {}
        for number in numbers:
            try:
                futures[pool.submit(work, tasks[number])] = number
            except BrokenProcessPool:
                yield number, None, _LOST
        every = max(int(len(numbers) * _REPORTED), 1)
        for done, future in enumerate(as_completed(futures), start=1):
            yield futures[future], *_outcome(future)
            if done % every == 0 or done == len(numbers):
                log.info("%s: %d of %d series", what, done, len(numbers), extra={"event": "progress"})


def _outcome(future: Any) -> tuple[Any, str]:
    try:
        return future.result(), ""
    except BrokenProcessPool:
        return None, _LOST
    except Exception as problem:  # whatever Prophet or Stan say of one series must not stop the others
        return None, f"{type(problem).__name__}: {problem}".split("\n")[0]


def _quiet() -> None:
    """Of a worker: no word from Stan, nor of a plot library that is not installed, and one thread."""
    for name in ("prophet", "prophet.plot", "cmdstanpy"):
        logging.getLogger(name).disabled = True
    import prophet  # noqa: F401  (loads the libraries that are limited next)
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
