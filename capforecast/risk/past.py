"""The figures of a past origin, as they would have been stated then: what the scorecard judges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from capforecast.risk.moment import Recent, check_series, past, usable
from capforecast.risk.simulate import Figures, horizons, simulate
from capforecast.risk.thresholds import thresholds
from capforecast.schema import METRIC, BoolArray, ErrorPaths, FloatArray, Panel
from capforecast.settings import Settings


@dataclass(frozen=True)
class PastRisk:
    """Risk of the N series of a panel at a past origin; NaN = not stated then.

    horizons: [K], periods (days or hours).  thresholds: [N, 2] high, very_high, those of today.
    in_breach: [N, 2], by the daily rule on what had been observed.  figures: of the N series (see Figures).
    """

    origin: pd.Timestamp
    horizons: tuple[int, ...]
    thresholds: FloatArray
    in_breach: BoolArray
    figures: Figures


def past_risk(
    panel: Panel, errors: ErrorPaths, settings: Settings, origin: int, limits: FloatArray | None = None
) -> PastRisk:
    """What would have been stated at past origin number `origin` (0 = the newest) of every series of a panel.

    The same computation as of now (`assess`), from what was known then: errors observed by the origin, sizes of error
    and states of that day, the forecast made then and the days before it.

    panel: unknown series included; reaches to the end of the outcome where that is known.  errors: of its usable
    series, in its order.  limits: float32 [N, 2], thresholds instead of those of the settings; NaN = none.

    Raises StageError when the error paths are not of the panel.
    """
    able = usable(panel)
    kept = panel.take(able)
    check_series(kept.series, errors.series, "error paths")
    levels = thresholds(panel.series, settings) if limits is None else limits.astype(np.float32)
    figures = Figures.unstated(len(horizons(settings, panel.cadence)), len(able))
    moment = past(kept, errors, origin, levels[able], settings)
    figures.put(able, simulate(moment, settings))
    when = errors.origins[origin]
    recent = Recent.of(panel.until(when), settings)
    breach = recent.in_breach(panel.series[METRIC], levels, settings)
    return PastRisk(when, horizons(settings, panel.cadence), levels, breach, figures)
