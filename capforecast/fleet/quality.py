"""Can a series be forecast? A verdict with its reason, and flags that do not block.

Windows are durations before the cut-off, whatever the cadence. A point stamped t stands for the period from t on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet import anomalies
from capforecast.schema import BoolArray, Cadence, FloatArray, Reason, Verdict
from capforecast.settings import QualitySettings

COLUMNS = ("verdict", "reason", "flags", "observed", "first_seen", "last_seen")
CONSTANT, OUT_OF_RANGE = "constant", "out_of_range"
CAPACITY_CHANGED, DUPLICATE_CONFLICT = "capacity_changed", "duplicate_conflict"
LEVEL_SHIFT = "level_shift"
_SHIFT_DAYS = 90  # before the cut-off: an older shift has become what is usual


def judge(
    values: FloatArray,
    timestamps: pd.DatetimeIndex,
    cadence: Cadence,
    as_of: pd.Timestamp,
    settings: QualitySettings,
    minimum: npt.NDArray[np.float64] | None = None,
    maximum: npt.NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """Verdict of each series: one row per column of `values` [T, N] (NaN = missing) on a regular grid, COLUMNS.

    unknown, first reason that holds: all_missing; too_short (days from first to last observation, both included);
    stale (nothing in the last stale_days before `as_of`); gappy (more than max_gap_share of the last gap_window_days,
    or of the days since the first observation, is missing).
    Flags: constant (at least two values, all alike); out_of_range (a value outside minimum..maximum [N]; NaN = no end);
    level_shift (the level moved for good within the last 90 days before `as_of`, see anomalies.mark).
    """
    seen = ~np.isnan(values)
    observed = seen.sum(axis=0)
    some = observed > 0
    first, last = np.zeros_like(observed), np.zeros_like(observed)
    if len(values):
        first = np.where(some, seen.argmax(axis=0), 0)
        last = np.where(some, len(values) - 1 - seen[::-1].argmax(axis=0), 0)
    stamps = timestamps.as_unit("us")
    days = (last - first + 1) / cadence.per_day
    least = settings.min_days_daily if cadence is Cadence.DAILY else settings.min_days_hourly
    fresh_from = int(stamps.searchsorted(as_of - pd.Timedelta(days=settings.stale_days)))
    reasons = np.select(
        [
            ~some,
            days < least,
            last < fresh_from,
            _missing_share(seen, stamps, cadence, as_of, settings, first) > settings.max_gap_share,
        ],
        [Reason.ALL_MISSING, Reason.TOO_SHORT, Reason.STALE, Reason.GAPPY],
        default="",
    )
    return pd.DataFrame(
        {
            "verdict": pd.Series(np.where(reasons == "", Verdict.OK, Verdict.UNKNOWN), dtype="str"),
            "reason": pd.Series(reasons, dtype="str"),
            "flags": join_flags(
                _flags(values, observed, minimum, maximum) | {LEVEL_SHIFT: _has_shifted(values, stamps, cadence, as_of)}
            ),
            "observed": observed.astype(np.int64),
            "first_seen": _stamped(stamps, first, some),
            "last_seen": _stamped(stamps, last, some),
        }
    )


def join_flags(flags: dict[str, BoolArray]) -> pd.Series:
    """Space-separated names [N] of the flags that are true, in alphabetical order."""
    count = len(next(iter(flags.values()))) if flags else 0
    joined = pd.Series([""] * count, dtype="str")
    for name in sorted(flags):
        joined = joined.where(~flags[name], (joined + " " + name).str.strip())
    return joined


def _missing_share(
    seen: BoolArray,
    stamps: pd.DatetimeIndex,
    cadence: Cadence,
    as_of: pd.Timestamp,
    settings: QualitySettings,
    first: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Share [N] missing of the window that ends at `as_of`, which begins no earlier than the first observation."""
    window = int(stamps.searchsorted(as_of - pd.Timedelta(days=settings.gap_window_days)))
    beyond = 0  # periods between the end of the grid and the cut-off: missing, too
    if len(stamps):
        beyond = max(int((as_of - stamps[-1]) / cadence.step) - 1, 0)
    expected = np.maximum(len(stamps) + beyond - np.maximum(window, first), 1)
    return np.asarray((expected - seen[window:].sum(axis=0)) / expected, dtype=np.float64)


def _flags(
    values: FloatArray,
    observed: npt.NDArray[np.int64],
    minimum: npt.NDArray[np.float64] | None,
    maximum: npt.NDArray[np.float64] | None,
) -> dict[str, BoolArray]:
    low = np.fmin.reduce(values, axis=0, initial=np.inf)
    high = np.fmax.reduce(values, axis=0, initial=-np.inf)
    outside = np.zeros(values.shape[1], dtype=np.bool_)
    if minimum is not None:
        outside |= low < minimum
    if maximum is not None:
        outside |= high > maximum
    return {CONSTANT: (observed > 1) & (low == high), OUT_OF_RANGE: outside & (observed > 0)}


def _has_shifted(values: FloatArray, stamps: pd.DatetimeIndex, cadence: Cadence, as_of: pd.Timestamp) -> BoolArray:
    """Where [N] a level shift began in the last days before `as_of`."""
    since = int(stamps.searchsorted(as_of - pd.Timedelta(days=_SHIFT_DAYS)))
    first = max(since - anomalies.WINDOWS[cadence].reach, 0)
    marks = anomalies.mark(values[first:], stamps[first:], cadence)
    return np.asarray((marks.shifts & (marks.began >= since - first)).any(axis=0), dtype=np.bool_)


def _stamped(stamps: pd.DatetimeIndex, place: npt.NDArray[np.int64], some: BoolArray) -> pd.Series:
    if not len(stamps):
        return pd.Series(pd.DatetimeIndex([pd.NaT] * len(place), dtype="datetime64[us, UTC]"))
    return pd.Series(stamps.take(place)).where(some)
