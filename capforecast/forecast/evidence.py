"""The evidence table: every score of every series and horizon bucket, from one reading of the forecasts.

`scores.py` defines the scores one at a time; here all are summed together, for a fleet has 10^8 scored points.
"""

from __future__ import annotations

import numba
import numpy as np
import pandas as pd

from capforecast.forecast import scores
from capforecast.forecast.backtest import buckets
from capforecast.forecast.base import Array
from capforecast.schema import BACKTEST_COLUMNS, DIMENSIONS, METRIC, QUANTILE_LEVELS, SERVER_ID, Cadence

_SUMS = ("points", "error", "square", "floored", "actual", "scaled", "scaled_points", "naive", "naive_points",
         "interval_points", "in_80", "in_95", "pinball")  # fmt: skip
_FLOOR = 1.0  # least denominator of the percentage error


def evidence(
    series: pd.DataFrame, actual: Array, quantiles: Array, naive: Array, scale: Array, cadence: Cadence
) -> pd.DataFrame:
    """BACKTEST_COLUMNS rows, one per series and horizon bucket, then one for the whole horizon (`all`).

    actual [O, H, N], NaN where not observed or not scored; quantiles [Q, O, H, N]; naive [O, H, N]; scale [O, N],
    the in-sample seasonal naive error before each origin, for MASE. `origins` and `points` count what was scored.
    """
    origins, horizon, width = actual.shape
    places = buckets(cadence, horizon)
    sums, seen = np.zeros((len(_SUMS), len(places), width)), np.zeros((origins, len(places), width))
    ends = np.array([last for _, _, last in places], dtype=np.int64)
    unit = np.where(scale > 0, scale, np.nan)
    _add_up(actual, quantiles, naive, unit, ends, np.array(QUANTILE_LEVELS), sums, seen)
    whole = sums.sum(axis=1, keepdims=True)
    counts = np.concatenate([(seen > 0).sum(axis=0), (seen.sum(axis=1) > 0).sum(axis=0)[None]])
    numbers = _columns(np.concatenate([sums, whole], axis=1))
    names = [*(name for name, _, _ in places), "all"]
    rows = series[[SERVER_ID, METRIC, *DIMENSIONS]].loc[series.index.repeat(len(names))].reset_index(drop=True)
    table = rows.assign(
        bucket=names * width,
        origins=counts.T.reshape(-1),
        **{name: part.T.reshape(-1) for name, part in numbers.items()},
    )
    return table[list(BACKTEST_COLUMNS)]


def _columns(sums: Array) -> dict[str, Array]:
    """Scores [B + 1, N] from sums [S, B + 1, N]; NaN where nothing was scored."""
    total = dict(zip(_SUMS, sums, strict=True))
    points = total["points"]

    def mean(name: str, count: Array = points) -> Array:
        return np.asarray(np.divide(total[name], count, out=np.full(count.shape, np.nan), where=count > 0))

    judged = total["interval_points"]  # the oldest origins have no intervals
    error, naive = mean("error"), mean("naive", total["naive_points"])
    return {
        "points": points.astype(np.int64),
        "mae": error,
        "rmse": np.sqrt(mean("square")),
        "mape_floored": 100.0 * mean("floored"),
        "wape": np.divide(error, mean("actual"), out=np.full(error.shape, np.nan), where=total["actual"] > 0),
        "mase": mean("scaled", total["scaled_points"]),
        "mae_naive": naive,
        "relative_mae": scores.relative_mae(error, naive),
        "coverage_80": mean("in_80", judged),
        "coverage_95": mean("in_95", judged),
        "pinball": mean("pinball", judged),
    }


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_up(actual, quantiles, naive, unit, ends, levels, sums, seen):  # type: ignore[no-untyped-def]
    """Adds to sums [S, B, N] and to points seen per origin [O, B, N]; a point counts where it and its median are known.

    ends: last point of each bucket, counted from 1.
    """
    origins, horizon, width = actual.shape
    for o in range(origins):
        b = 0
        for h in range(horizon):
            if h >= ends[b]:
                b += 1
            for n in range(width):
                value, point = actual[o, h, n], quantiles[2, o, h, n]
                if not (np.isfinite(value) and np.isfinite(point)):
                    continue
                seen[o, b, n] += 1
                error = abs(value - point)
                sums[0, b, n] += 1
                sums[1, b, n] += error
                sums[2, b, n] += error * error
                sums[3, b, n] += error / max(abs(value), _FLOOR)
                sums[4, b, n] += abs(value)
                if np.isfinite(unit[o, n]):
                    sums[5, b, n] += error / unit[o, n]
                    sums[6, b, n] += 1
                if np.isfinite(naive[o, h, n]):
                    sums[7, b, n] += abs(value - naive[o, h, n])
                    sums[8, b, n] += 1
                if not np.isfinite(quantiles[:, o, h, n].sum()):
                    continue
                sums[9, b, n] += 1
                sums[10, b, n] += quantiles[1, o, h, n] <= value <= quantiles[3, o, h, n]
                sums[11, b, n] += quantiles[0, o, h, n] <= value <= quantiles[4, o, h, n]
                loss = 0.0
                for q in range(len(levels)):
                    miss = value - quantiles[q, o, h, n]
                    loss += max(levels[q] * miss, (levels[q] - 1.0) * miss)
                sums[12, b, n] += loss / len(levels)
