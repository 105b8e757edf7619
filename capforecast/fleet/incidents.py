"""What was strange in a history, as a list people can read: incident spikes and level shifts, one row each.

Marks (`anomalies`) say it value by value. Here neighbouring spikes are one incident, the spikes with which a shift
begins are part of the shift, and spikes on days that the calendar knows are left out: known peaks are no incidents.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.fleet import anomalies
from capforecast.fleet.calendar import calendar_features
from capforecast.schema import ANOMALY_COLUMNS, DIMENSIONS, METRIC, SERVER_ID, BoolArray, Cadence, Panel
from capforecast.settings import CalendarSettings

SPIKE, LEVEL_SHIFT = "spike", "level_shift"
SHOWN_DAYS = 365  # of history before its end that the list covers
KNOWN = ("holiday", "event", "quarter_end", "year_end")  # days of the calendar on which a spike is no surprise
_GAP = {Cadence.DAILY: 2, Cadence.HOURLY: 24}  # periods between spikes of one incident, at most

Whole = npt.NDArray[np.int64]


def incidents(panel: Panel, calendar: CalendarSettings) -> pd.DataFrame:
    """Spikes and level shifts told within the last SHOWN_DAYS of a panel (ANOMALY_COLUMNS), by series, then by date.

    `value` and `usual` of several spikes are of the one that strays most; `value` of a shift is the level it led to.
    Nothing after a row's `told` enters it but further spikes of the same incident.
    """
    first = max(len(panel.timestamps) - SHOWN_DAYS * panel.cadence.per_day, 0)
    begin = max(first - anomalies.WINDOWS[panel.cadence].reach, 0)
    values, stamps = panel.values[begin:], panel.timestamps[begin:]
    marks = anomalies.mark(values, stamps, panel.cadence)
    shown = np.arange(len(stamps))[:, None] >= first - begin
    place, told = np.nonzero((marks.shifts & shown).T)
    shifts = _rows(panel, LEVEL_SHIFT, place, told, marks.began[told, place].astype(np.int64), stamps).assign(
        value=(marks.usual + marks.sizes)[told, place], usual=marks.usual[told, place], size=marks.sizes[told, place]
    )
    known = calendar_features(stamps, calendar)[list(KNOWN)].to_numpy(dtype=bool).any(axis=1)
    place, time = np.nonzero((marks.spikes & ~known[:, None] & ~_of_shifts(marks)).T)
    start, most = _grouped(place, time, marks.sizes[time, place], _GAP[panel.cadence])
    inside = time[start] >= first - begin
    place, begun, worst = place[start][inside], time[start][inside], time[most][inside]
    spikes = _rows(panel, SPIKE, place, begun, begun, stamps).assign(
        value=values[worst, place], usual=marks.usual[worst, place], size=marks.sizes[worst, place]
    )
    both = pd.concat([shifts, spikes], ignore_index=True).sort_values(["place", "told", "kind"], kind="stable")
    numbers = {name: both[name].astype(np.float64) for name in ("value", "usual", "size")}
    return both.assign(**numbers)[list(ANOMALY_COLUMNS)].reset_index(drop=True)


def _rows(panel: Panel, kind: str, place: Whole, told: Whole, began: Whole, stamps: pd.DatetimeIndex) -> pd.DataFrame:
    rows = panel.series[[SERVER_ID, METRIC, *DIMENSIONS]].iloc[place].reset_index(drop=True)
    stamps = stamps.as_unit("us")
    return rows.assign(place=place, kind=pd.Series([kind] * len(place), dtype="str"), told=stamps[told],
                       began=stamps[began])  # fmt: skip


def _of_shifts(marks: anomalies.Marks) -> BoolArray:
    """Where [T, N] a value lies between the beginning of a shift and its telling, and strays to the same side."""
    inside = np.zeros((len(marks.shifts) + 1, marks.shifts.shape[1]), dtype=np.int8)
    told, place = np.nonzero(marks.shifts)
    side = np.sign(marks.sizes[told, place]).astype(np.int8)
    np.add.at(inside, (marks.began[told, place], place), side)
    np.add.at(inside, (told + 1, place), -side)
    of_shift: BoolArray = np.cumsum(inside, axis=0, dtype=np.int8)[:-1] == np.sign(np.nan_to_num(marks.sizes))
    return of_shift & marks.spikes


def _grouped(place: Whole, time: Whole, sizes: npt.NDArray[np.float32], gap: int) -> tuple[Whole, Whole]:
    """First spike of each incident, and the one that strays most: rows of spikes sorted by series and time."""
    if not len(place):
        return place, place
    fresh = (np.diff(place) != 0) | (np.diff(time) > gap) | (np.diff(np.sign(sizes)) != 0)
    group = np.cumsum(np.concatenate(([0], fresh)))
    order = np.lexsort((-np.abs(sizes), group))
    first = np.flatnonzero(np.concatenate(([True], fresh)))
    return first, order[first]  # within a group the largest stands where its first row stood
