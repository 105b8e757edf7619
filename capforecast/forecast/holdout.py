"""One origin, no refit: the test people know as train and test split."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.forecast import paths
from capforecast.forecast.baselines import seasonal_naive
from capforecast.forecast.blocks import fill, first_rows, recent
from capforecast.forecast.engine import train
from capforecast.forecast.evidence import evidence
from capforecast.schema import Panel
from capforecast.settings import Settings


def holdout(panel: Panel, train_until: pd.Timestamp, horizon: int, settings: Settings) -> pd.DataFrame:
    """One honest test: train on what is at or before `train_until`, forecast once, score what was observed after.

    Args:
        panel: usable series; longer than `train_until`.
        train_until: last timestamp the model may see (inclusive).
        horizon: periods forecast; points after the panel's end are not scored.

    Returns:
        BACKTEST_COLUMNS rows with one origin each.
    """
    seen = panel.until(train_until)
    known = np.asarray(np.isfinite(seen.values).any(axis=0))
    seen, whole = seen.take(known), panel.take(known)
    forecast = train(seen, horizon, settings).model.predict(seen)
    after = whole.values[len(seen.timestamps) :][:horizon].astype(np.float64)
    actual = np.full((1, horizon, after.shape[1]), np.nan)
    actual[0, : len(after)] = after
    cut = recent(seen, settings.forecast)
    values = cut.values.astype(np.float64)
    filled = fill(values, first_rows(values), panel.cadence)
    naive = seasonal_naive(filled, horizon, panel.cadence.season)[None]
    scale = paths.naive_scales(values, (len(values),), panel.cadence.season)
    quantiles = forecast.quantiles[:-1, None].astype(np.float64)
    return evidence(whole.series, actual, quantiles, naive, scale, panel.cadence)
