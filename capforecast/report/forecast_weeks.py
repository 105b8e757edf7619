"""Forecasts by week, for people: of each series the largest median and the largest 90 % value of every week ahead."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from capforecast.errors import LakeError
from capforecast.schema import BUSINESS_UNIT, METRIC, SERVER_ID, TIMESTAMP, Cadence

SHOWN = ("q50", "q90")  # quantiles that are shown
FORECAST_COLUMNS = [SERVER_ID, METRIC, TIMESTAMP, *SHOWN]  # of the `forecasts` dataset


class Stretch(NamedTuple):
    """A column of `forecast_weeks`: quantile, and the first and last day it covers."""

    key: str
    quantile: str
    label: str  # `2026-W10`, or a day `2026-03-02`
    first: dt.date
    last: dt.date


def forecast_weeks(table: pa.Table, business_unit: str) -> pd.DataFrame:
    """One row per series of a unit: server_id, metric, business_unit, then `q50:<week>` and `q90:<week>` columns.

    table: FORECAST_COLUMNS of a `forecasts` partition, with its metadata. The value of a week (ISO 8601; of hourly
    forecasts: of a day) is the largest of its days' (hours') quantiles, in the metric's unit. At the ends of the
    horizon a week may be a part of one. The largest of daily 90 % values is at most the 90 % value of the week's peak.

    Raises:
        LakeError: rows are missing.
    """
    notes = table.schema.metadata or {}
    horizon = int(notes.get(b"horizon", b"0"))
    if horizon < 1 or table.num_rows % horizon:
        raise LakeError(f"forecast table of {table.num_rows} rows is not whole: forecast again")
    count = table.num_rows // horizon
    frame = table.select([SERVER_ID, METRIC]).take(pa.array(np.arange(count) * horizon)).to_pandas()
    parts = [frame.assign(**{BUSINESS_UNIT: business_unit})]
    if not count:
        return parts[0]
    times = pd.DatetimeIndex(table.column(TIMESTAMP).slice(0, horizon).to_pandas()).tz_localize(None)
    labels = _labels(times, Cadence(notes[b"cadence"].decode()))
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    for name in SHOWN:
        values = table.column(name).to_numpy().reshape(count, horizon)
        largest = np.fmax.reduceat(values, starts, axis=1)
        parts.append(pd.DataFrame(largest, columns=[f"{name}:{label}" for label in labels[starts]]))
    return pd.concat(parts, axis=1)


def stretches(weeks: pd.DataFrame) -> list[Stretch]:
    """The columns of weeks (or days) of a frame of `forecast_weeks`: by quantile, then in time."""
    found = [_stretch(str(name)) for name in weeks.columns if str(name).partition(":")[0] in SHOWN]
    return sorted(found, key=lambda each: (SHOWN.index(each.quantile), each.first))


def _labels(times: pd.DatetimeIndex, cadence: Cadence) -> npt.NDArray[np.str_]:
    return np.asarray(times.strftime("%Y-%m-%d" if cadence is Cadence.HOURLY else "%G-W%V"), dtype=np.str_)


def _stretch(key: str) -> Stretch:
    quantile, _, label = key.partition(":")
    if "W" not in label:
        day = dt.date.fromisoformat(label)
        return Stretch(key, quantile, label, day, day)
    year, _, week = label.partition("-W")
    monday = dt.date.fromisocalendar(int(year), int(week), 1)
    return Stretch(key, quantile, label, monday, monday + dt.timedelta(days=6))
