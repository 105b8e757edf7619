"""What would have been said at past origins: the breach probabilities of `assess`, with what was known then.

At each past origin the forecast made then (truth less its error) takes the place of today's, and the error paths of
origins whose outcome had come by then take the place of all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.bounds import physical_range
from capforecast.risk.error_pool import _fill_gaps
from capforecast.risk.simulate import Figures, MetricRisk, Recent
from capforecast.schema import METRIC, QUANTILE_LEVELS, Cadence, ErrorPaths, FloatArray, Forecast, Panel
from capforecast.settings import Settings

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Said:
    """What was said at each origin, newest first; NaN = nothing could be.

    probabilities: [O, L, J, N], 0..1.  days_q10, days_q50: [O, L, N].  paths: [O, N].
    """

    probabilities: Array
    days_q10: Array
    days_q50: Array
    paths: npt.NDArray[np.int64]


def said_at_origins(
    panel: Panel,
    errors: ErrorPaths,
    wanted: npt.NDArray[np.intp],
    threshold: FloatArray,
    horizons: tuple[int, ...],
    settings: Settings,
) -> Said:
    """Probabilities at every past origin of `errors`, for thresholds [O, L, N].

    panel: usable series, in the order of `errors`.
    """
    hourly = panel.cadence is Cadence.HOURLY
    count, levels, width = threshold.shape
    said = Said(
        np.full((count, levels, len(horizons), width), np.nan), np.full((count, levels, width), np.nan),
        np.full((count, levels, width), np.nan), np.zeros((count, width), np.int64),
    )  # fmt: skip
    rows = panel.timestamps.searchsorted(errors.origins)
    for o in wanted:
        forecast = _forecast(panel, errors, o, int(rows[o]))
        known = _known(errors, rows, o)
        for level in range(levels):
            for j, horizon in enumerate(horizons if hourly else (horizons[-1:] or ())):
                risk = settings.risk.model_copy(
                    update={"tier_horizon_days": horizon, "critical_horizon_days": horizon, "horizons_daily": horizons}
                )
                asked = settings.model_copy(update={"risk": risk})
                both = np.stack([threshold[o, level]] * 2, axis=1)
                figures = _figures(panel.until(errors.origins[o]), forecast, known, both, asked)
                if hourly:
                    said.probabilities[o, level, j] = figures.columns["probability_high"]
                else:
                    for i, h in enumerate(horizons):
                        said.probabilities[o, level, i] = figures.columns[figures.probabilities["high", h]]
                said.days_q10[o, level] = figures.columns["days_q10"]
                said.days_q50[o, level] = figures.columns["days_q50"]
                said.paths[o] = figures.paths
    return said


def _forecast(panel: Panel, errors: ErrorPaths, o: int, row: int) -> Forecast:
    length = errors.errors.shape[1]
    actual = np.full((length, len(panel.series)), np.nan, np.float32)
    after = panel.values[row + 1 : row + 1 + length]
    actual[: len(after)] = after
    made = (actual - errors.errors[o]).T.copy()
    some = np.isfinite(made).any(axis=1)
    reach = np.where(some, made.shape[1] - np.isfinite(made)[:, ::-1].argmax(axis=1), 0)
    filled = made[some]
    _fill_gaps(filled, panel.cadence.season)
    made[some] = filled
    del reach
    quantiles = np.broadcast_to(made.T, (len(QUANTILE_LEVELS) + 1, *made.T.shape))
    times = pd.date_range(panel.timestamps[row] + panel.cadence.step, periods=length, freq=panel.cadence.step)
    return Forecast(quantiles, times, errors.series, panel.cadence)


def _known(errors: ErrorPaths, rows: npt.NDArray[np.intp], o: int) -> ErrorPaths:
    """What was known of older origins' errors at origin number o."""
    length = errors.errors.shape[1]
    older = np.flatnonzero(rows < rows[o])
    seen = rows[older, None] + 1 + np.arange(length) <= rows[o]
    kept = np.where(seen[:, :, None], errors.errors[older], np.float32(np.nan))
    return replace(
        errors, errors=kept, origins=errors.origins[older], scale=errors.scale[older], scale_now=errors.scale[o],
        states=errors.states[older], states_now=errors.states[o],
    )  # fmt: skip


def _figures(
    panel: Panel, forecast: Forecast, errors: ErrorPaths, thresholds: FloatArray, settings: Settings
) -> Figures:
    figures = Figures(
        len(panel.series), settings.risk.horizons_daily if panel.cadence is Cadence.DAILY else (24,), panel.cadence
    )
    recent, limits = Recent.of(panel, settings), physical_range(panel, settings)
    for metric in sorted(panel.series[METRIC].unique()):
        members = (panel.series[METRIC] == metric).to_numpy(dtype=bool)
        job = MetricRisk(
            forecast, errors, members, np.flatnonzero(members), metric, settings, recent, thresholds, limits
        )
        job.run(figures)
    return figures
