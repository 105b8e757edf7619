"""Error paths of the oldest origins, made usable: scaled by what a naive forecast erred before them.

At its oldest origins the engine had no past errors to tell the size of the next (their `scale` is NaN). A third of all
error paths would be lost. Their size of error to expect is taken as the in-sample seasonal naive error before the
origin, times what such origins typically erred by it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from capforecast.forecast.base import Array, Index, Mask
from capforecast.forecast.blocks import fill, first_rows
from capforecast.forecast.paths import mean_sizes, naive_scales, states
from capforecast.schema import METRIC, ErrorPaths, FloatArray

_FLOOR = 0.01  # of the metric's median: an idle series may wake up
_FEWEST = 10  # paths that tell a typical ratio


def with_oldest(errors: ErrorPaths, values: FloatArray, timestamps: pd.DatetimeIndex) -> ErrorPaths:
    """Error paths with scale and states wherever there are errors and a history before them.

    values: what was observed of the same series, [T, N], at `timestamps`; nothing after the last error known of a path
    is looked at. Where the typical ratio cannot be told, scales stay NaN.
    """
    missing = ~np.isfinite(errors.scale) & np.isfinite(errors.errors).any(axis=1)
    rows = timestamps.searchsorted(errors.origins, side="right")
    missing &= (rows > errors.cadence.season)[:, None]
    if not missing.any():
        return errors
    history = values.astype(np.float64)
    naive = naive_scales(history, tuple(int(row) for row in rows), errors.cadence.season)
    ratio = _typical(errors, naive, missing)
    scale = np.where(missing & (naive > 0), naive * ratio, np.nan)
    scale = np.maximum(scale, _FLOOR * np.nanmedian(scale)) if np.isfinite(scale).any() else scale
    filled = fill(history, first_rows(history), errors.cadence)
    where = errors.states.copy()
    for o in np.flatnonzero(missing.any(axis=1)).tolist():
        mine = np.flatnonzero(missing[o] & np.isfinite(scale[o]))
        found = _states(errors, o, mine, filled, int(rows[o]), scale[o])
        where[o, mine] = found[:, : where.shape[2]]
    return replace(errors, scale=np.where(missing, scale, errors.scale).astype(np.float32), states=where)


def _typical(errors: ErrorPaths, naive: Array, missing: Mask) -> Array:
    """Median of error by naive error among such paths of each metric, [N]; NaN where too few tell."""
    size = mean_sizes(errors.errors.astype(np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(missing & (naive > 0), size / naive, np.nan)
    typical = np.full(ratio.shape[1], np.nan)
    metrics = errors.series[METRIC].to_numpy()
    for metric in set(metrics):
        told = ratio[:, metrics == metric]
        if np.isfinite(told).sum() >= _FEWEST:
            typical[metrics == metric] = np.nanmedian(told)
    return typical


def _states(errors: ErrorPaths, o: int, mine: Index, filled: Array, row: int, scale: Array) -> Array:
    """States [n, 2] of some series at an origin, whose forecast is what came less its error."""
    week = 7 * errors.cadence.per_day
    came = filled[row : row + min(week, errors.errors.shape[1]), mine]  # the horizon may be less than a week
    missed = errors.errors[o, : len(came), mine].T
    seen = np.isfinite(missed)
    total = np.where(seen, came - missed, 0.0).sum(axis=0)
    level = np.where(seen.any(axis=0), total / np.maximum(seen.sum(axis=0), 1), filled[row - 1, mine])
    steady = np.broadcast_to(level, (week, len(mine)))
    return states(filled[:row, mine], steady, scale[mine], errors.cadence.per_day)
