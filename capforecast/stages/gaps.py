"""Periods of which the lake holds no value: what `ingest --refill` asks for once more."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.lake import marks as kept
from capforecast.lake import raw
from capforecast.lake.intervals import NONE, Intervals, joined
from capforecast.lake.store import Store
from capforecast.schema import SERVER_ID, TIMESTAMP, Cadence
from capforecast.sources.remote import Window


def without_values(store: Store, series: pd.DataFrame, cadence: Cadence, window: Window) -> Intervals:
    """Of each of `series` (server_id, column; by row) and month, from its first period without a value to its last."""
    servers, place = np.unique(series[SERVER_ID].to_numpy(dtype=str), return_inverse=True)
    months = raw.observation_references(store, cadence, window.until)
    found = [NONE]
    for begin in pd.date_range(window.since.floor("D").replace(day=1), window.until, freq="MS", inclusive="left"):
        part = Window(max(begin, window.since), min(begin + pd.offsets.MonthBegin(1), window.until))
        rows = raw.read_observations(store, months, pd.Series(servers), part.since, part.until)
        found.append(_of_month(series, servers, place, rows, part, cadence))
    return joined(*found)


def _of_month(
    series: pd.DataFrame, servers: np.ndarray, place: np.ndarray, rows: pd.DataFrame, part: Window, cadence: Cadence
) -> Intervals:
    first, end = kept.periods(pd.DatetimeIndex([part.since, part.until]), cadence)
    at = kept.periods(rows[TIMESTAMP], cadence) - first
    of = np.searchsorted(servers, rows[SERVER_ID].to_numpy(dtype=str))
    parts = [NONE]
    for column, members in series.groupby("column", sort=True).indices.items():
        empty = np.ones((len(servers), int(end - first)), dtype=np.bool_)
        if column in rows:
            given = rows[column].notna().to_numpy()
            empty[of[given], at[given]] = False
        empty = empty[place[members]]
        some = empty.any(axis=1)
        since = empty.argmax(axis=1)[some] + first
        until = end - empty[:, ::-1].argmax(axis=1)[some]
        parts.append(Intervals(np.asarray(members)[some].astype(np.int64), since, until))
    return joined(*parts)
