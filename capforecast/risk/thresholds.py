"""What each series is measured against, in its metric's unit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.schema import BUSINESS_UNIT, CRITICALITY, METRIC, FloatArray
from capforecast.settings import Settings


def thresholds(series: pd.DataFrame, settings: Settings) -> FloatArray:
    """Thresholds `high`, `very_high` of each series, float32 [N, 2]; NaN = none."""
    keys = pd.MultiIndex.from_frame(series[[METRIC, BUSINESS_UNIT, CRITICALITY]].astype(str))
    codes, kinds = keys.factorize()
    table = [[np.nan if value is None else value for value in settings.thresholds(*kind)] for kind in kinds]
    levels: FloatArray = np.asarray(table, np.float32).reshape(-1, 2)
    chosen: FloatArray = levels[codes]
    return chosen
