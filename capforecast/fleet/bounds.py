"""The physically possible range of each series: what forecasts and sample paths are clipped to."""

from __future__ import annotations

import warnings

import numpy as np

from capforecast.schema import METRIC, FloatArray, Panel
from capforecast.settings import Settings

FULL = 100.0


def physical_range(panel: Panel, settings: Settings) -> tuple[FloatArray, FloatArray]:
    """Lower and upper limit of each series, float32 [N]; infinite = none.

    The metric's `minimum` and `maximum`. A percentage without a maximum is limited to 100, or to the most ever
    observed of that series where that is more: a burst or a resize has shown that more is possible.
    """
    known = {name: settings.metric(name) for name in panel.series[METRIC].unique()}
    metrics = [known[name] for name in panel.series[METRIC]]
    low = np.array([-np.inf if metric.minimum is None else metric.minimum for metric in metrics], dtype=np.float32)
    given = np.array([np.nan if metric.maximum is None else metric.maximum for metric in metrics], dtype=np.float32)
    percent = np.array([metric.unit == "percent" for metric in metrics], dtype=bool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # series without any value
        seen = np.nanmax(panel.values, axis=0) if len(panel.values) else np.full(len(metrics), np.nan)
    most = np.where(percent, np.fmax(seen, FULL), np.inf)
    return low, np.where(np.isnan(given), most, given).astype(np.float32)
