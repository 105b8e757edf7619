"""How the last forecast fared on what has come since."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.schema import METRIC, SERVER_ID, Forecast, Panel


def mean_error(panel: Panel, old: Forecast) -> dict[str, float]:
    """Mean absolute error of an earlier forecast's medians on what came since, by metric, in the metric's unit.

    Over all values of the series that both know; a metric of which nothing came is left out.
    """
    when = panel.timestamps.intersection(old.timestamps)
    keys, known = (pd.MultiIndex.from_frame(part[[SERVER_ID, METRIC]]) for part in (panel.series, old.series))
    there = known.get_indexer(keys)
    here = np.flatnonzero(there >= 0)
    actual = panel.values[panel.timestamps.get_indexer(when)][:, here].astype(np.float64)
    error = np.abs(actual - old.median[old.timestamps.get_indexer(when)][:, there[here]])
    metrics = panel.series[METRIC].to_numpy()[here]
    of = {str(name): error[:, metrics == name] for name in sorted(set(metrics))}
    return {name: float(np.nanmean(part)) for name, part in of.items() if np.isfinite(part).any()}
