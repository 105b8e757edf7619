"""What is known of every series at an origin: now, or at a past one as it was known then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import StageError
from capforecast.fleet.bounds import physical_range
from capforecast.risk.error_pool import MIN_OBSERVED, end_tolerance, fill_gaps
from capforecast.risk.rule import fires_now, observed_daily_peaks, rule_for
from capforecast.schema import METRIC, SERVER_ID, BoolArray, Cadence, ErrorPaths, FloatArray, Forecast, Panel, Verdict
from capforecast.settings import Settings

KEYS = [SERVER_ID, METRIC]

# Past origins that a past figure rests on at least. The series of one date share its shocks, so paths of one or two
# dates tell little (measured: Brier skill below 0); the present has more, and it is the present that is to be judged.
LEAST_ORIGINS = 3


@dataclass(frozen=True)
class Recent:
    """What was observed just before an origin: days [N, n_daily] and, of hourly series, hours [N, n_hourly - 1]."""

    days: FloatArray
    hours: FloatArray

    @classmethod
    def of(cls, panel: Panel, settings: Settings) -> Recent:
        """From a panel that ends at the origin."""
        values, breach = panel.values, settings.risk.breach
        hours = _tail(values, breach.n_hourly - 1)
        hourly = panel.cadence is Cadence.HOURLY
        return cls(observed_daily_peaks(values, breach.n_daily) if hourly else _tail(values, breach.n_daily), hours)

    def in_breach(self, metrics: pd.Series, thresholds: FloatArray, settings: Settings) -> BoolArray:
        """Is each series above its thresholds [N, 2] now, by the daily rule?  bool [N, 2]."""
        above = self.days[:, None, :] > thresholds[:, :, None]
        result = np.zeros(thresholds.shape, np.bool_)
        for metric in metrics.unique():
            rows = (metrics == metric).to_numpy(dtype=bool)
            rule = rule_for(settings.metric(metric), settings.risk, Cadence.DAILY)
            result[rows] = fires_now(above[rows], rule)
        return result


@dataclass(frozen=True)
class Moment:
    """What a simulation starts from, of the N usable series of a panel.

    point: float32 [N, H] forecast, of which `length` [N] periods are known (0 = none).  scale: [N], error to expect.
    states: [N, S], in units of scale.  recent: just before.  low, high: physical range [N].
    thresholds: [N, 2] high, very_high; NaN = none.  panel: what was observed by then.
    errors: past error paths, known up to `until` (None = all), of at least so many origins for anything to be stated.
    """

    point: FloatArray
    length: npt.NDArray[np.int64]
    scale: FloatArray
    states: FloatArray
    recent: Recent
    low: FloatArray
    high: FloatArray
    thresholds: FloatArray
    panel: Panel
    errors: ErrorPaths
    until: pd.Timestamp | None
    least_origins: int = 1

    @property
    def cadence(self) -> Cadence:
        return self.errors.cadence


def present(panel: Panel, forecast: Forecast, errors: ErrorPaths, thresholds: FloatArray, settings: Settings) -> Moment:
    """Now: at the end of a panel of usable series, where the forecast begins. thresholds: [N, 2]."""
    low, high = physical_range(panel, settings)
    point = np.ascontiguousarray(forecast.median.T)
    length = np.full(len(point), point.shape[1], np.int64)
    length[~np.isfinite(point).all(axis=1)] = 0
    return Moment(
        point, length, errors.scale_now, errors.states_now, Recent.of(panel, settings), low, high, thresholds,
        panel, errors, None,
    )  # fmt: skip


def past(panel: Panel, errors: ErrorPaths, origin: int, thresholds: FloatArray, settings: Settings) -> Moment:
    """At the past origin number `origin` of the error paths, of a panel of usable series that reaches beyond it.

    The forecast of that day is what came less its error; where nothing was observed it is taken from a week before or
    after (hourly: a day). Only its first part is known where the replay was shorter, none where too little was seen.
    Nothing is stated from fewer than LEAST_ORIGINS origins. Raises StageError where the panel does not hold the origin.
    """
    when = errors.origins[origin]
    row = int(panel.timestamps.searchsorted(when, side="right"))
    if row == 0 or panel.timestamps[row - 1] != when:
        raise StageError(f"the panel does not hold the past origin {when}; pass the panel the model was trained on")
    until = panel.until(when)
    low, high = physical_range(until, settings)
    point, length = _said(panel.values[row:], errors.errors[origin], errors.cadence.season)
    return Moment(
        point, length, errors.scale[origin], errors.states[origin], Recent.of(until, settings), low, high, thresholds,
        until, errors, when, LEAST_ORIGINS,
    )  # fmt: skip


def usable(panel: Panel) -> BoolArray:
    """Which series of a panel can be forecast, [N]."""
    able: BoolArray = (panel.series["verdict"] == Verdict.OK).to_numpy(dtype=bool)
    return able


def check_series(expected: pd.DataFrame, found: pd.DataFrame, what: str) -> None:
    """Raise StageError when `found` are not the usable series `expected`, in their order."""
    wanted = expected[KEYS].reset_index(drop=True)
    have = found[KEYS].reset_index(drop=True)
    if wanted.astype(str).equals(have.astype(str)):
        return
    lost = pd.MultiIndex.from_frame(wanted).difference(pd.MultiIndex.from_frame(have))
    example = f"; missing: {lost[0]}" if len(lost) else "; the order differs"
    raise StageError(f"{what}: {len(have)} series where the panel has {len(wanted)} usable ones{example}")


def _said(actual: FloatArray, errors: FloatArray, season: int) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """A past forecast [N, H] and how much of it is known [N], from what came [T, N] and its errors [H, N]."""
    horizon, width = errors.shape
    came = np.full((horizon, width), np.nan, np.float32)
    came[: len(actual)] = actual[:horizon]
    point = np.ascontiguousarray((came - errors).T)
    seen = np.isfinite(point)
    reach = np.where(seen.any(axis=1), horizon - seen[:, ::-1].argmax(axis=1), 0)
    reach[reach >= horizon - end_tolerance(horizon)] = horizon
    known = (reach > 0) & (seen.sum(axis=1) >= MIN_OBSERVED * reach)
    fill_gaps(point, season)
    return point, np.where(known, reach, 0).astype(np.int64)


def _tail(values: FloatArray, count: int) -> FloatArray:
    """Last `count` periods, [T, N] -> [N, count], missing ones in front."""
    tail = np.full((values.shape[1], count), np.nan, np.float32)
    have = values[max(0, len(values) - count) :]
    tail[:, count - len(have) :] = have.T
    return tail
