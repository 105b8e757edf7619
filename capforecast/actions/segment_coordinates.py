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
class Scale:
    """How a feature becomes a coordinate: less `middle`, by `width`."""

    name: str
    metric: str
    kind: str
    percent: bool  # is its metric one of percent
    middle: float
    width: float

    def of(self, numbers: pd.DataFrame) -> Floats:
        """The feature of some servers [n], within +-3; 0 where they do not have it."""
        if self.name not in numbers:
            return np.zeros(len(numbers))
        values, level = (numbers[name].to_numpy(dtype=np.float64) for name in (self.name, f"{self.metric}_{LEVEL}"))
        scaled = (_comparable(values, level, self.kind, self.percent) - self.middle) / self.width
        return np.asarray(np.nan_to_num(np.clip(scaled, -_FAR, _FAR)))


@dataclass(frozen=True)
class Coordinates:
    """points: [n, D], scaled, no NaN.  names: [D] features.  rows: [n] rows of the features that can be described.
    use: [n], by which segments are ordered: mean over the metrics of the scaled peak.  scales: [D].
    """

    points: Floats
    names: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    use: Floats
    scales: tuple[Scale, ...]


def coordinates(features: pd.DataFrame, settings: Settings) -> Coordinates:
    """Points of the servers for which any feature is known.

    Each feature less its median over the servers, by the range between its quartiles (robust scaling), within +-3;
    what a server does not have is put at the median. Features that are the same for all are left out.
    """
    rows = described(features)
    numbers = features.select_dtypes("number").iloc[rows]
    columns, scales, use = [], [], [np.zeros(len(rows))]
    for metric in sorted({name.removesuffix(f"_{LEVEL}") for name in numbers if name.endswith(f"_{LEVEL}")}):
        percent = settings.metric(metric).unit == "percent"
        for kind in KINDS:
            name = f"{metric}_{kind}"
            if name not in numbers:
                continue
            scale = _scale(numbers, name, metric, kind, percent)
            scaled = scale.of(numbers)
            if kind == PEAK:
                use.append(scaled)
            if len(rows) and np.ptp(scaled) > 0:
                columns.append(scaled)
                scales.append(scale)
    points = np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0))
    names = tuple(scale.name for scale in scales)
    return Coordinates(np.ascontiguousarray(points), names, rows, np.mean(use[1:] or use, axis=0), tuple(scales))


def described(features: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Rows of which any feature is known."""
    return np.flatnonzero(features.select_dtypes("number").notna().any(axis=1).to_numpy())


def _scale(numbers: pd.DataFrame, name: str, metric: str, kind: str, percent: bool) -> Scale:
    values, level = (numbers[column].to_numpy(dtype=np.float64) for column in (name, f"{metric}_{LEVEL}"))
    known = _comparable(values, level, kind, percent)
    known = known[~np.isnan(known)]
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75)) if len(known) else (0.0, 0.0, 0.0)
    return Scale(name, metric, kind, percent, float(middle), max(float(high - low) / _QUARTILES, _LEAST[kind]))


def _comparable(values: Floats, level: Floats, kind: str, percent: bool) -> Floats:
    """Points of percent as they are; of other units the logarithm of a level, and the share of the level of the rest.

    Traffic spreads over orders of magnitude; below one unit all is little.
    """
    if percent:
        return values
    if kind in (LEVEL, PEAK):
        return np.asarray(_PERCENT * np.log1p(np.maximum(values, 0.0)))
    return np.asarray(_PERCENT * values / (1 + np.maximum(level, 0.0)))
