"""How far apart a file's rows are, and their place on the daily or hourly grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import InputError
from capforecast.schema import Cadence

Times = npt.NDArray[np.datetime64]
_MINUTE = np.timedelta64(60_000_000, "us")
_WINDOW = {  # median spacing that counts as the cadence: clock changes and late jobs stay inside
    Cadence.DAILY: (np.timedelta64(20, "h"), np.timedelta64(28, "h")),
    Cadence.HOURLY: (np.timedelta64(50, "m"), np.timedelta64(70, "m")),
}
# How far a row may stand from the time of day (daily) or minute (hourly) usual in its file.
_TOLERANCE = {Cadence.DAILY: np.timedelta64(120, "m"), Cadence.HOURLY: np.timedelta64(5, "m")}


def spacing(servers: npt.NDArray[np.int64], times: Times) -> np.timedelta64 | None:
    """Median time between two neighbouring rows of one server; None when no server has two."""
    if len(times) < 2:
        return None
    order = np.lexsort((times, servers))
    codes, stamps = servers[order], times[order]
    gaps = np.diff(stamps)[(np.diff(codes) == 0) & (np.diff(stamps) > np.timedelta64(0, "us"))]
    return None if not len(gaps) else np.timedelta64(int(np.median(gaps.astype(np.int64))), "us")


def cadence_of(gap: np.timedelta64 | None, walls: Times, file: str, wanted: str) -> Cadence:
    """The cadence of rows `gap` apart (None: judged by the time of day of `walls`).

    wanted: daily, hourly or auto. Raises InputError for rows that are finer or coarser than a day or an hour.
    """
    if wanted != "auto":
        cadence = Cadence(wanted)
        if gap is not None and gap < _WINDOW[cadence][0]:
            raise InputError(f"{file}: source.cadence says {wanted}, but its rows are {_words(gap)} apart; {_ADVICE}")
        return cadence
    if gap is None:
        midnight = (walls == walls.astype("datetime64[D]")).all()
        return Cadence.DAILY if midnight else Cadence.HOURLY
    near = nearest(gap)
    if near is not None:
        return near
    raise InputError(f"{file}: its rows are {_words(gap)} apart, neither an hour nor a day; {_ADVICE}")


def nearest(gap: np.timedelta64) -> Cadence | None:
    """The cadence of which a spacing is typical, if any."""
    return next((each for each, (least, most) in _WINDOW.items() if least <= gap <= most), None)


_ADVICE = "aggregate them to hourly or daily rows first (p95, mean or max per period), or set source.cadence"


def _words(gap: np.timedelta64) -> str:
    minutes = gap / np.timedelta64(1, "m")
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute"), (1 / 60, "second")):
        if minutes >= size:
            count = minutes / size
            return f"{count:.3g} {unit}{'' if round(count, 2) == 1 else 's'}"
    return f"{minutes * 60_000:.3g} milliseconds"


def snap(utc: Times, wall: Times, cadence: Cadence) -> tuple[Times, npt.NDArray[np.bool_]]:
    """Grid time [R] of each row (UTC hour, or the day as written, stored as midnight UTC) and where [R] it fits.

    A file's usual minute past the hour, or time of day, is its phase (a half-hour zone, a nightly job); a row within
    5 minutes (hourly) or 2 hours (daily) of it takes its period's start, any other one is off the grid. So does an
    hourly row whose local time a clock change skips or repeats.
    """
    step = np.timedelta64(1, "D" if cadence is Cadence.DAILY else "h").astype("timedelta64[us]")
    times = (wall if cadence is Cadence.DAILY else utc).astype("datetime64[us]")
    valid = ~np.isnat(times)
    offsets: npt.NDArray[np.timedelta64] = (times[valid] - np.datetime64(0, "us")) % step
    if not len(offsets):
        return times, valid
    phase = _phase(offsets, int(step // _MINUTE)) * _MINUTE
    away = (offsets - phase + step // 2) % step - step // 2
    grid = times.copy()
    grid[valid] = times[valid] - away - phase
    fits = valid.copy()
    fits[valid] = np.abs(away) <= _TOLERANCE[cadence]
    return grid, fits


def _phase(offsets: npt.NDArray[np.timedelta64], minutes: int) -> int:
    """Most common minute of the period; rows around its start, some seconds early or late, stand for the start."""
    counts = np.bincount((offsets // _MINUTE).astype(np.int64), minlength=minutes)
    phase = int(counts.argmax())
    return 0 if phase == minutes - 1 and counts[0] * 20 > counts[phase] else phase


def to_index(times: Times) -> pd.DatetimeIndex:
    """UTC index of microseconds."""
    return pd.DatetimeIndex(times.astype("datetime64[us]")).tz_localize("UTC")
