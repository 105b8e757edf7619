"""What would have been said at past origins, for any number of thresholds: the figures of `past_risk`, in days.

Hourly series are stated as the tiers state them, by the days' rule, so that all horizons are days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from capforecast.risk.past import past_risk
from capforecast.risk.simulate import DATES, LEVELS, Figures
from capforecast.schema import Cadence, ErrorPaths, FloatArray, Panel
from capforecast.settings import Settings

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Said:
    """What was said at each origin; NaN = nothing could be.

    probabilities: [O, L, J, N], 0..1.  days_q10, days_q50: [O, L, N].  paths: [O, N], 0 = nothing was said.
    """

    probabilities: Array
    days_q10: Array
    days_q50: Array
    paths: Index


def said_at_origins(
    panel: Panel,
    errors: ErrorPaths,
    origins: npt.NDArray[np.intp],
    thresholds: FloatArray,
    horizons: tuple[int, ...],
    settings: Settings,
) -> Said:
    """P(breach within each of J horizons in days) at some `origins` (numbers), for thresholds [O, L, N].

    panel: usable series, in the order of `errors`.  Raises StageError as `past_risk`.
    """
    count, levels, width = thresholds.shape
    nothing = np.full((count, levels, width), np.nan)
    said = Said(
        np.full((count, levels, len(horizons), width), np.nan), nothing, nothing.copy(),
        np.zeros((count, width), np.int64),
    )  # fmt: skip
    for o in origins:
        for first in range(0, levels, len(LEVELS)):
            asked = thresholds[o, first : first + len(LEVELS)]
            pair = np.full((width, len(LEVELS)), np.nan, np.float32)
            pair[:, : len(asked)] = asked.T
            here = slice(first, first + len(asked))
            stated, figures = _stated(panel, errors, int(o), pair, horizons, settings)
            said.probabilities[o, here] = stated[: len(asked)]
            for percent, dates in ((10, said.days_q10), (50, said.days_q50)):
                dates[o, here] = figures.days[: len(asked), DATES.index(percent)]
            said.paths[o] = figures.paths
    return said


def _stated(
    panel: Panel, errors: ErrorPaths, origin: int, pair: FloatArray, horizons: tuple[int, ...], settings: Settings
) -> tuple[Array, Figures]:
    """Probabilities [2, J, N] for a pair of thresholds [N, 2] by the days' rule, and the figures of the longest."""

    def looking(days: int) -> Figures:
        update = {"tier_horizon_days": days, "critical_horizon_days": days, "horizons_daily": horizons}
        asked = settings.model_copy(update={"risk": settings.risk.model_copy(update=update)})
        return past_risk(panel, errors, asked, origin, pair).figures

    longest = looking(horizons[-1])
    if panel.cadence is Cadence.DAILY:
        return longest.by_horizon, longest
    every = [*(looking(days) for days in horizons[:-1]), longest]
    stated = [
        np.where(figures.horizon_days >= days, figures.within, np.nan)  # not that of the fewer days paths reached
        for days, figures in zip(horizons, every, strict=True)
    ]
    return np.stack(stated, axis=1), longest
