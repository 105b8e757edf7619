"""The rules operations teams warn by today, on the same days our warnings are made from.

A straight line carried on (Prometheus `predict_linear`), "close to the threshold lately", "often above it", and a
logistic regression on one number. All see the days up to the origin only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
LINE_DAYS = (28, 90)
NEAR_DAYS, NEAR_SHARE = 7, 0.9
ABOVE_DAYS, ABOVE_SHARE = 365, 0.1
_ENOUGH = 0.5  # share of a line's window that must have been observed
_STEPS = 30  # of Newton's method
_RIDGE = 1e-3
_DIGITS = 3  # of the regressor: cases this close are one
_LEAST = 0.5  # of the threshold: whatever lies below counts as this far, or idle series would flatten the curve


def line_crossing(days: npt.NDArray[np.floating], threshold: Array, window: int) -> Array:
    """Days until the least-squares line through the last `window` days lies above the threshold.

    days: [..., D, N], the last row is the day of the origin, NaN = not observed.  threshold: [..., N].  Returns
    [..., N]: at least 1 (tomorrow); infinity for never, and where less than half the window was observed.
    """
    part = days[..., -window:, :].astype(np.float64)
    seen = np.isfinite(part)
    at = np.arange(1 - part.shape[-2], 1, dtype=np.float64)[:, None]
    count = seen.sum(axis=-2)
    n = np.maximum(count, 1)
    value = np.where(seen, part, 0.0)
    mean_at, mean = (seen * at).sum(axis=-2) / n, value.sum(axis=-2) / n
    off = np.where(seen, at - mean_at[..., None, :], 0.0)
    spread = (off**2).sum(axis=-2)
    slope = np.divide((off * value).sum(axis=-2), spread, out=np.zeros_like(mean), where=spread > 0)
    today = mean - slope * mean_at
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.where(slope > 0, (threshold - today) / slope, np.inf)
    crossing = np.where(today + slope > threshold, 1.0, np.maximum(crossing, 1.0))
    return np.where((count >= _ENOUGH * window) & np.isfinite(threshold), crossing, np.inf)


def near_share(days: npt.NDArray[np.floating], threshold: Array) -> Array:
    """Largest value of the last 7 days by the threshold, [..., N]; NaN where nothing was observed."""
    part = days[..., -NEAR_DAYS:, :].astype(np.float64)
    highest = np.where(np.isfinite(part), part, -np.inf).max(axis=-2)
    return np.where(np.isfinite(highest), highest, np.nan) / threshold


def above_share(days: npt.NDArray[np.floating], threshold: Array) -> Array:
    """Share of the observed ones of the last 365 days above the threshold, [..., N]; 0 where none was observed."""
    part = days[..., -ABOVE_DAYS:, :]
    seen = np.isfinite(part).sum(axis=-2)
    above = (part > threshold[..., None, :]).sum(axis=-2)
    return np.asarray(above / np.maximum(seen, 1))


def one_number_logistic(
    share: Array, origin: npt.NDArray[np.int64], known: Array, event: npt.NDArray[np.bool_]
) -> Array:
    """P(event) [C] by logistic regression on the log of `share`, fitted at each origin on what had come by then.

    share: [C], near_share.  origin: [C], day of the case.  known: [C], day its outcome was complete.  NaN where by
    the origin no case, or only cases of one kind, were known.
    """
    x = np.round(np.log(np.maximum(np.nan_to_num(share), _LEAST)), _DIGITS)
    out = np.full(len(x), np.nan)
    for when in np.unique(origin):
        here, past = origin == when, known <= when
        if not 0 < event[past].sum() < past.sum():
            continue
        kinds, place = np.unique(x[past], return_inverse=True)
        cases = np.bincount(place).astype(np.float64)
        slope, constant, middle = _fit(kinds, cases, np.asarray(np.bincount(place, weights=event[past]), np.float64))
        out[here] = 1.0 / (1.0 + np.exp(-(constant + slope * (x[here] - middle))))
    return out


def _fit(x: Array, cases: Array, events: Array) -> tuple[float, float, float]:
    """Slope, constant and middle of a lightly ridged logistic regression on grouped cases, by Newton's method."""
    middle = float((x * cases).sum() / cases.sum())
    design = np.stack([x - middle, np.ones_like(x)], axis=1)
    rate = events.sum() / cases.sum()
    beta = np.array([0.0, np.log(rate / (1.0 - rate))])
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -30.0, 30.0)))
        gradient = design.T @ (events - cases * p) - np.array([_RIDGE * beta[0], 0.0])
        hessian = (design * (cases * p * (1.0 - p))[:, None]).T @ design + np.diag([_RIDGE, 1e-9])
        step = np.linalg.solve(hessian, gradient)
        beta = beta + np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < 1e-8:
            break
    return float(beta[0]), float(beta[1]), middle
