"""Features of servers as points between which distances mean something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.features import DAILY, KINDS, LEVEL, PEAK, QUARTER_END, SPREAD, TREND, WEEKLY
from capforecast.settings import Settings

Floats = npt.NDArray[np.float64]

# A scale is never finer than this, so that differences nobody acts on are not blown up: points of percent; other units
# are compared by logarithm and by shares, in hundredths of these.
_LEAST = {LEVEL: 10.0, PEAK: 10.0, SPREAD: 4.0, WEEKLY: 6.0, QUARTER_END: 6.0, TREND: 0.5, DAILY: 8.0}
_PERCENT = 100.0
_FAR = 3.0  # scaled values are cut there: one odd server makes no segment
_QUARTILES = 1.349  # standard deviations between the quartiles of a normal distribution


@dataclass(frozen=True)
class Coordinates:
    """points: [n, D], scaled, no NaN.  names: [D] features.  rows: [n] rows of the features that can be described.
    use: [n], by which segments are ordered: mean over the metrics of the scaled peak.
    """

    points: Floats
    names: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    use: Floats


def coordinates(features: pd.DataFrame, settings: Settings) -> Coordinates:
    """Points of the servers for which any feature is known.

    Each feature less its median over the servers, by the range between its quartiles (robust scaling), within +-3;
    what a server does not have is put at the median. Features that are the same for all are left out.
    """
    numbers = features.select_dtypes("number")
    rows = np.flatnonzero(numbers.notna().any(axis=1).to_numpy())
    columns, names, use = [], [], [np.zeros(len(rows))]
    for metric in sorted({name.removesuffix(f"_{LEVEL}") for name in numbers if name.endswith(f"_{LEVEL}")}):
        percent = settings.metric(metric).unit == "percent"
        level = numbers[f"{metric}_{LEVEL}"].to_numpy(dtype=np.float64)[rows]
        for kind in KINDS:
            name = f"{metric}_{kind}"
            if name not in numbers:
                continue
            scaled = _scaled(_comparable(numbers[name].to_numpy(dtype=np.float64)[rows], level, kind, percent), kind)
            if kind == PEAK:
                use.append(scaled)
            if len(rows) and np.ptp(scaled) > 0:
                columns.append(scaled)
                names.append(name)
    points = np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))
    return Coordinates(np.ascontiguousarray(points), tuple(names), rows, np.mean(use[1:] or use, axis=0))


def _comparable(values: Floats, level: Floats, kind: str, percent: bool) -> Floats:
    """Points of percent as they are; of other units the logarithm of a level, and the share of the level of the rest.

    Traffic spreads over orders of magnitude; below one unit all is little.
    """
    if percent:
        return values
    if kind in (LEVEL, PEAK):
        return np.asarray(_PERCENT * np.log1p(np.maximum(values, 0.0)))
    return np.asarray(_PERCENT * values / (1 + np.maximum(level, 0.0)))


def _scaled(values: Floats, kind: str) -> Floats:
    """`values` [n] scaled; 0 where they are NaN."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.zeros(len(values))
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    scaled = (values - middle) / max((high - low) / _QUARTILES, _LEAST[kind])
    return np.asarray(np.nan_to_num(np.clip(scaled, -_FAR, _FAR)))
