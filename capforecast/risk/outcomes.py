"""What came after past origins, in days: was the series in breach already, and when did it first breach.

Hourly series are looked at as the tiers look at them: by the 95 % quantile of each 24 hours counted from the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capforecast.risk.rule import DAILY_PEAK, NEVER, Rule, breach_fires, fires_now
from capforecast.schema import BoolArray, FloatArray, Panel

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """By origin, level and series, [O, L, N].

    in_breach: at the origin.  first: days from the origin to the first breach after it, NaN = none in the days looked
    at. A missing day is not above; the rule's window may reach back before the origin.
    """

    in_breach: BoolArray
    first: npt.NDArray[np.float64]


def days_around(panel: Panel, origins: Index, back: int, ahead: int) -> FloatArray:
    """Days before and after each origin, float32 [O, back + ahead, N], NaN = not observed or not yet come.

    origins: rows of the panel, the last seen; that row is the last of day `back`.
    """
    per_day = panel.cadence.per_day
    rows = origins[:, None] + 1 + np.arange(-back * per_day, ahead * per_day)
    there = (rows >= 0) & (rows < len(panel.values))
    out: FloatArray = np.empty((len(origins), back + ahead, panel.values.shape[1]), np.float32)
    for o, (row, known) in enumerate(zip(rows, there, strict=True)):
        values = np.where(known[:, None], panel.values[np.where(known, row, 0)], np.float32(np.nan))
        out[o] = values if per_day == 1 else _peaks(values.reshape(back + ahead, per_day, -1))
    return out


def outcomes(days: FloatArray, back: int, threshold: npt.NDArray[np.floating], rules: list[Rule]) -> Outcomes:
    """Breaches in days [O, back + ahead, N]; threshold [O, L, N] (NaN = none); rules: one per series."""
    above = days[:, None] > threshold[:, :, None, :]
    above = np.moveaxis(above, 2, 3)  # [O, L, N, days]
    in_breach = np.zeros(threshold.shape, np.bool_)
    first = np.full(threshold.shape, np.nan)
    for rule in sorted(set(rules)):
        mine = np.array([known == rule for known in rules], dtype=bool)
        seen, part = min(rule.n - 1, back), above[:, :, mine]
        in_breach[:, :, mine] = fires_now(part[..., :back], rule)
        fired = breach_fires(part[..., back - seen :], rule.k, rule.n, observed=seen)
        first[:, :, mine] = np.where(fired == NEVER, np.nan, fired + 1.0)
    return Outcomes(in_breach, first)


def _peaks(hours: FloatArray) -> FloatArray:
    """95 % quantile (linear) of the hours observed, [days, 24, N] -> [days, N]; NaN = none was."""
    ordered = np.sort(hours, axis=1)  # NaN last
    seen = np.isfinite(hours).sum(axis=1, keepdims=True)
    position = DAILY_PEAK * np.maximum(seen - 1, 0)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(seen - 1, 0))
    below, over = np.take_along_axis(ordered, low, 1), np.take_along_axis(ordered, high, 1)
    peaks: FloatArray = (below + (position - low) * (over - below))[:, 0].astype(np.float32)
    return peaks
