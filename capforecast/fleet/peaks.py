"""Which known peaks lie in the window decided on and were never seen in a series' history.

Whoever sizes a server by its history must know that a quarter end stands ahead which that history does not hold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet.calendar import Occurrence, occurrences
from capforecast.schema import BoolArray, Cadence, FloatArray
from capforecast.settings import CalendarSettings

PEAKS_UNSEEN = "peaks_unseen"
SEPARATOR = ", "
# Days of history, from the first observation, that must be exceeded: 6 and 13 months. One quarter end of a history that
# began a week before it says little of how quarter ends differ from other days.
NEEDED_DAYS = {"quarter_end": 183, "year_end": 396}
_DAY = pd.Timedelta(days=1)
_SHARE = 0.5  # of an occurrence's periods must have been observed


def unseen_peaks(
    values: FloatArray,
    timestamps: pd.DatetimeIndex,
    cadence: Cadence,
    as_of: pd.Timestamp,
    horizon: int,
    settings: CalendarSettings,
) -> npt.NDArray[np.object_]:
    """Names [N] of the known peaks in the `horizon` periods from `as_of` that the series [T, N] do not hold, "" = none.

    A peak was seen where at least half the periods of one earlier occurrence were observed; a quarter end only in a
    history of more than 6 months, a year end in one of more than 13. A declared event was seen where an earlier event
    of the same name was; public holidays count as one peak, and any of them will do.
    """
    end = as_of + horizon * cadence.step - pd.Timedelta(microseconds=1)
    ahead = sorted({each.peak for each in occurrences(as_of.date(), end.date(), settings)})
    words = np.full(values.shape[1], "", dtype=object)
    seen = ~np.isnan(values)
    length = np.where(seen.any(axis=0), len(seen) - seen.argmax(axis=0) if len(seen) else 0, 0) / cadence.per_day
    before = occurrences(timestamps[0].date(), timestamps[-1].date(), settings) if len(timestamps) else []
    before = [each for each in before if pd.Timestamp(each.last, tz="UTC") + _DAY <= as_of]
    for name in ahead:
        held = _held([each for each in before if each.peak == name], seen, timestamps, cadence)
        held &= length > NEEDED_DAYS.get(name, 0)
        words = np.where(held, words, words + name + SEPARATOR)
    return np.array([text.removesuffix(SEPARATOR) for text in words], dtype=object)


def _held(earlier: list[Occurrence], seen: BoolArray, timestamps: pd.DatetimeIndex, cadence: Cadence) -> BoolArray:
    """Where [N] enough of one of the occurrences was observed."""
    held = np.zeros(seen.shape[1], dtype=np.bool_)
    for each in earlier:
        begin = timestamps.searchsorted(pd.Timestamp(each.first, tz="UTC"))
        stop = timestamps.searchsorted(pd.Timestamp(each.last, tz="UTC") + _DAY)
        periods = ((each.last - each.first).days + 1) * cadence.per_day
        held |= seen[begin:stop].sum(axis=0) >= _SHARE * periods
    return held
