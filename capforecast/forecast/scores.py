"""Scores of forecasts, per series (last axis), on observed points only. Definitions: docs/data-dictionary.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from capforecast.forecast.base import Array

Numbers = npt.NDArray[np.floating[Any]]


def _mean(values: Numbers, axis: int | tuple[int, ...] = 0) -> Array:
    """Mean over finite values; NaN where there is none."""
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    total = np.where(finite, values, 0.0).sum(axis=axis, dtype=np.float64)
    return np.asarray(np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0))


def mae(actual: Numbers, forecast: Numbers) -> Array:
    """Mean absolute error [N] of [H, N]."""
    return _mean(np.abs(actual - forecast))


def rmse(actual: Numbers, forecast: Numbers) -> Array:
    """Root mean square error [N] of [H, N]."""
    return np.asarray(np.sqrt(_mean((actual - forecast) ** 2)))


def mape_floored(actual: Numbers, forecast: Numbers, floor: float = 1.0) -> Array:
    """Mean absolute percentage error [N], the denominator not below `floor`, since utilisation touches zero."""
    return np.asarray(100.0 * _mean(np.abs(actual - forecast) / np.maximum(np.abs(actual), floor)))


def wape(actual: Numbers, forecast: Numbers) -> Array:
    """Sum of absolute errors over sum of absolute actuals [N]; NaN where all actuals are zero."""
    error, size = _mean(np.abs(actual - forecast)), _mean(np.abs(np.where(np.isfinite(forecast), actual, np.nan)))
    return np.asarray(np.divide(error, size, out=np.full(np.shape(error), np.nan), where=size > 0))


def naive_scale(history: Numbers, season: int) -> Array:
    """In-sample mean absolute seasonal difference [N] of [T, N]: the denominator of MASE."""
    if len(history) <= season:
        return np.full(history.shape[1], np.nan)
    return _mean(np.abs(history[season:] - history[:-season]))


def mase(actual: Numbers, forecast: Numbers, scale: Numbers) -> Array:
    """Mean absolute scaled error [N] (Hyndman & Koehler 2006); points whose scale is zero or unknown do not count.

    scale: [N], or [H, N] where points belong to origins with histories of their own; from `naive_scale`.
    """
    error = np.abs(actual - forecast)
    scale = np.broadcast_to(scale, error.shape)
    return _mean(np.divide(error, scale, out=np.full(error.shape, np.nan), where=scale > 0))


def pinball(actual: Numbers, quantiles: Numbers, levels: Sequence[float]) -> Array:
    """Mean pinball loss [N] of quantile forecasts [Q, H, N] over all levels."""
    losses = []
    for level, quantile in zip(levels, quantiles, strict=True):
        error = actual - quantile
        losses.append(_mean(np.maximum(level * error, (level - 1.0) * error)))
    return np.asarray(np.mean(losses, axis=0))


def coverage(actual: Numbers, lower: Numbers, upper: Numbers) -> Array:
    """Share [N] of observed actuals [H, N] inside [lower, upper]."""
    inside = ((actual >= lower) & (actual <= upper)).astype(np.float64)
    return _mean(np.where(np.isfinite(actual) & np.isfinite(lower) & np.isfinite(upper), inside, np.nan))


def relative_mae(error: Numbers, naive: Numbers) -> Array:
    """MAE over the seasonal naive forecast's MAE, clipped to [1e-3, 1e3]; NaN where the naive error is below 1e-6."""
    ratio = np.divide(error, naive, out=np.full(np.shape(error), np.nan), where=np.asarray(naive) > 1e-6)
    return np.asarray(np.clip(ratio, 1e-3, 1e3))


def geometric_mean(ratios: Numbers) -> float:
    """Geometric mean of the finite, positive ratios; NaN where there is none."""
    ratios = np.asarray(ratios, dtype=np.float64)
    kept = ratios[np.isfinite(ratios) & (ratios > 0)]
    return float(np.exp(np.log(kept).mean())) if kept.size else float("nan")
