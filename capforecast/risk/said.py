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
            pair = np.full((width, len(LEVELS)), np.nan, np.float32)
            asked = thresholds[o, first : first + len(LEVELS)]
            pair[:, : len(asked)] = asked.T
            here = slice(first, first + len(asked))
            for j, figures in _figures(panel, errors, int(o), pair, horizons, settings):
                said.probabilities[o, here, j] = figures[0][: len(asked)]
                said.days_q10[o, here], said.days_q50[o, here] = (
                    figures[1].days[: len(asked), DATES.index(percent)] for percent in (10, 50)
                )
                said.paths[o] = figures[1].paths
    return said


def _figures(
    panel: Panel, errors: ErrorPaths, origin: int, pair: FloatArray, horizons: tuple[int, ...], settings: Settings
) -> list[tuple[int | slice, tuple[Array, Figures]]]:
    """For each horizon, or all at once: its place, and the probabilities [2, ...] and figures."""
    if panel.cadence is Cadence.DAILY:
        asked = _looking(settings, settings.risk.tier_horizon_days, horizons)
        figures = past_risk(panel, errors, asked, origin, pair).figures
        return [(slice(None), (figures.by_horizon, figures))]
    found = [past_risk(panel, errors, _looking(settings, days, horizons), origin, pair).figures for days in horizons]
    return [(j, (figures.within, figures)) for j, figures in enumerate(found)]


def _looking(settings: Settings, days: int, horizons: tuple[int, ...]) -> Settings:
    """The settings with tiers, critical too, that look so many days ahead, and probabilities at these horizons."""
    update = {"tier_horizon_days": days, "critical_horizon_days": days, "horizons_daily": horizons}
    return settings.model_copy(update={"risk": settings.risk.model_copy(update=update)})
