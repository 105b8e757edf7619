"""What each series is measured against, in its metric's unit: thresholds, and the capacity that may be used."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.bounds import FULL
from capforecast.schema import BUSINESS_UNIT, CRITICALITY, METRIC, FloatArray
from capforecast.settings import Settings

Numbers = npt.NDArray[np.float64]
CAPACITY = "capacity"  # of a panel's series: units at 100 %, NaN = not known


def thresholds(series: pd.DataFrame, settings: Settings) -> FloatArray:
    """Thresholds `high`, `very_high` of each series, float32 [N, 2]; NaN = none.

    A threshold in percent is of usable capacity. In another unit it is the one of the settings, else their share of
    the capacity where that is known.
    """
    keys = pd.MultiIndex.from_frame(series[[METRIC, BUSINESS_UNIT, CRITICALITY]].astype(str))
    codes, kinds = keys.factorize()
    given = _table([settings.thresholds(*kind) for kind in kinds])[codes]
    shares = _table([settings.threshold_shares(*kind) for kind in kinds])[codes]
    given[in_percent(series, settings)] *= settings.risk.usable_share
    levels = np.where(np.isnan(given), shares * capacity(series)[:, None], given)
    found: FloatArray = levels.astype(np.float32)
    return found


def usable_capacity(series: pd.DataFrame, settings: Settings) -> Numbers:
    """What may be used of each series' capacity, in its metric's unit, [N]; NaN = not known."""
    return np.where(in_percent(series, settings), FULL, capacity(series)) * settings.risk.usable_share


def units_each(series: pd.DataFrame, settings: Settings) -> Numbers:
    """Units of capacity (vCPU, GiB, Mbit/s) in one of the metric's unit, [N]; NaN where the size is not known."""
    size = capacity(series)
    return np.where(in_percent(series, settings), size / FULL, np.where(np.isnan(size), np.nan, 1.0))


def capacity(series: pd.DataFrame) -> Numbers:
    """Units at 100 % of each series, [N]; NaN = not known."""
    if CAPACITY not in series:
        return np.full(len(series), np.nan)
    size = series[CAPACITY].to_numpy(dtype=np.float64)
    return np.where(size > 0, size, np.nan)


def in_percent(series: pd.DataFrame, settings: Settings) -> npt.NDArray[np.bool_]:
    """Is each series a percentage of its server's capacity?  [N]."""
    codes, metrics = pd.factorize(series[METRIC])
    known = np.array([settings.metric(metric).unit == "percent" for metric in metrics], dtype=np.bool_)
    return np.asarray(known[codes], dtype=np.bool_)


def _table(levels: list[tuple[float | None, float | None]]) -> Numbers:
    rows = [[np.nan if value is None else value for value in pair] for pair in levels]
    return np.asarray(rows, np.float64).reshape(-1, 2)
