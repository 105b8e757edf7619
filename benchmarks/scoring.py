"""Forecasts of ours and of the peers on the same cases, and what they scored, with intervals clustered by series."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from peer_cache import LEVELS, PeerForecast
from real_cases import Case, panels

from capforecast.forecast import scores
from capforecast.forecast.backtest import buckets
from capforecast.forecast.engine import train
from capforecast.settings import Settings

Array = npt.NDArray[np.float64]

OURS, HINDSIGHT = "ours", "hindsight"
SETTINGS = Settings(metrics={})  # units differ: no physical range
CLIP = (0.1, 10.0)
DRAWS = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure with the 95 % interval of a bootstrap over series."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def note(text: str) -> None:
    """Say what is going on, apart from the results."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def ours(found: Sequence[Case]) -> list[PeerForecast]:
    """The engine trained and asked at each case's origin, panel by panel; CPU of the whole job (replay, intervals)."""
    out: list[PeerForecast | None] = [None] * len(found)
    for members, panel in panels(found):
        began = time.process_time()
        forecast = train(panel, len(found[members[0]].actual), SETTINGS).model.predict(panel).quantiles
        seconds = (time.process_time() - began) / len(members)
        for column, i in enumerate(members):
            quantiles = forecast[:-1, :, column].astype(np.float64)
            out[i] = PeerForecast(np.vstack([quantiles[2], quantiles]), seconds, "")
    return [made for made in out if made is not None]


def score(found: Sequence[Case], made: Mapping[str, Sequence[PeerForecast]]) -> pd.DataFrame:
    """One row per case and model: relative MAE, pinball loss in units of the in-sample naive error, CPU, failure."""
    rows = []
    for model, forecasts in made.items():
        for case, forecast in zip(found, forecasts, strict=True):
            point, quantiles = forecast.values[0], forecast.values[1:]
            error, naive = (np.nanmean(np.abs(f - case.actual)) for f in (point, case.naive))
            loss = scores.pinball(case.actual[:, None], quantiles[:, :, None], LEVELS)[0]
            scale = case.naive_scale
            rows.append(
                {
                    "dataset": case.dataset, "series": case.series, "window": case.window, "model": model,
                    "relative": scores.relative_mae(np.array([error]), np.array([naive]))[0],
                    "pinball": loss / scale if scale > 1e-6 else np.nan,
                    "cpu": forecast.cpu, "failed": forecast.failed,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def with_hindsight(table: pd.DataFrame) -> pd.DataFrame:
    """The scores with one more model: of each case the peer that turned out best."""
    peers = table[table["model"] != OURS]
    best = peers.groupby(["dataset", "series", "window"], as_index=False)[["relative", "pinball"]].min()
    return pd.concat([table, best.assign(model=HINDSIGHT, cpu=np.nan, failed="")], ignore_index=True)


def inside(found: Sequence[Case], made: Sequence[PeerForecast]) -> pd.DataFrame:
    """Points observed and points inside the 80 and 95 % interval, one row per case and horizon bucket."""
    rows = []
    for case, forecast in zip(found, made, strict=True):
        quantiles = forecast.values[1:]
        for name, first, last in buckets(case.cadence, len(case.actual)):
            part, q = case.actual[first - 1 : last], quantiles[:, first - 1 : last]
            seen = np.isfinite(part)
            hits = [((part >= q[low]) & (part <= q[high]))[seen].sum() for low, high in ((1, 3), (0, 4))]
            row = {"dataset": case.dataset, "series": case.series, "window": case.window, "bucket": name}
            rows.append({**row, "points": seen.sum(), "in_80": hits[0], "in_95": hits[1]})
    return pd.DataFrame(rows)


def logs(table: pd.DataFrame, model: str, clipped: bool, against: str | None, column: str) -> pd.DataFrame:
    """Mean log score per series over its windows (of `model` less that of `against`): dataset, series, value."""
    kept = table[table[column] > 0]
    wide = kept.pivot(index=["dataset", "series", "window"], columns="model", values=column)
    wide = np.log(wide.clip(*CLIP) if clipped else wide)
    value = wide[model] if against is None else wide[model] - wide[against]
    return value.dropna().groupby(level=["dataset", "series"]).mean().rename("value").reset_index()


def geometric(
    table: pd.DataFrame, model: str, clipped: bool = False, against: str | None = None, column: str = "relative"
) -> Estimate:
    """Geometric mean over series of their mean over windows; of the ratio of two models with `against`."""
    values = logs(table, model, clipped, against, column)
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan)
    drawn = resampled(values["dataset"], lambda chosen: values["value"].to_numpy()[chosen].mean(axis=1))
    low, high = np.exp(np.quantile(drawn, (0.025, 0.975)))
    return Estimate(float(np.exp(values["value"].mean())), float(low), float(high))


def share(counts: pd.DataFrame, hits: str, total: str = "points") -> Estimate:
    """Percentage of points, pooled over everything, one row per series; the bootstrap draws whole series."""
    rows = counts.groupby(["dataset", "series"], as_index=False)[[hits, total]].sum()
    inside, points = rows[hits].to_numpy(dtype=float), rows[total].to_numpy(dtype=float)
    drawn = resampled(rows["dataset"], lambda chosen: inside[chosen].sum(axis=1) / points[chosen].sum(axis=1))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(100 * inside.sum() / points.sum(), 100 * low, 100 * high)


def resampled(dataset: pd.Series, statistic: Callable[[npt.NDArray[np.int64]], Array]) -> Array:
    """A statistic of DRAWS bootstrap samples: series drawn with replacement within their data set, so the mix stays.

    statistic: takes row numbers [DRAWS, N], returns [DRAWS].
    """
    rng = np.random.default_rng(1)
    names = dataset.to_numpy()
    parts = [np.flatnonzero(names == name) for name in sorted(set(names))]
    chosen = np.hstack([part[rng.integers(0, len(part), (DRAWS, len(part)))] for part in parts])
    return np.asarray(statistic(chosen), dtype=np.float64)
