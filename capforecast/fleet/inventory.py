"""Who a server belongs to and how big it is, as dated rows: one per change, so that a move or a resize has a date.

A row holds from `valid_from` on; one without it holds always. A missing cell is no news: what was known before goes
on, and before anything was known, what was known first.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.schema import DIMENSIONS, INVENTORY_NUMBERS, INVENTORY_TEXT, SERVER_ID, UNASSIGNED, VALID_FROM

KEY = [SERVER_ID, VALID_FROM]
FIXED = (SERVER_ID, *INVENTORY_TEXT, *INVENTORY_NUMBERS, VALID_FROM)  # every inventory has these, then labels
CAPACITY = ["vcpus", "memory_gib", "disk_gib"]
CAPACITY_CHANGED_AT = "capacity_changed_at"


def normalise(frame: pd.DataFrame) -> pd.DataFrame:
    """Inventory in standard form: columns FIXED then labels, sorted by server and date, one row per change.

    Of several rows for one server and date each column takes its last value. Text is `str`, numbers float64,
    valid_from datetime64[us, UTC]; blank text is missing.
    """
    return _changes(_filled(_one_per_key(_typed(frame))))


def at(inventory: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The row of each server in force at `as_of` (exclusive: a row dated at or after it is not seen yet).

    A server whose first row is dated later takes that row. Missing business unit, region and criticality read
    `unassigned`. Adds capacity_changed_at: date of the last known change of vCPUs, memory or disk, else NaT.
    """
    rows = normalise(inventory)
    seen = rows[VALID_FROM].isna() | (rows[VALID_FROM] < as_of)
    current = rows[seen].drop_duplicates(SERVER_ID, keep="last")
    later = rows[~rows[SERVER_ID].isin(current[SERVER_ID])].drop_duplicates(SERVER_ID, keep="first")
    servers = pd.concat([current, later], ignore_index=True).sort_values(SERVER_ID, ignore_index=True)
    servers[list(DIMENSIONS)] = servers[list(DIMENSIONS)].fillna(UNASSIGNED)
    return servers.assign(**{CAPACITY_CHANGED_AT: _resized(rows[seen]).reindex(servers[SERVER_ID]).array})


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Inventory after a delivery: dated rows of `new` join those of `old`, undated ones hold for all of them.

    Where both speak of a server and date, `new` wins column by column where it has a value. Merging the same delivery
    again changes nothing.
    """
    old, new = _typed(old), _one_per_key(_typed(new))
    always = new[new[VALID_FROM].isna()].set_index(SERVER_ID).drop(columns=VALID_FROM)
    return normalise(pd.concat([_override(old, always), new], ignore_index=True))


def overlay(observed: pd.DataFrame, given: pd.DataFrame) -> pd.DataFrame:
    """`observed` with what an explicit inventory says put over it, column by column where that has a value.

    Both keep their dates: at every date of either, `given` as in force then wins. Keeps rows that change nothing, so
    that they win over older deliveries in `merge`; servers of either appear.
    """
    observed, given = _one_per_key(_typed(observed)), _one_per_key(_typed(given))
    keys = pd.concat([observed[KEY], given[KEY]]).drop_duplicates().sort_values(KEY, na_position="first")
    columns = [name for name in dict.fromkeys([*observed, *given]) if name not in KEY]
    under, over = (_in_force(keys, frame, columns) for frame in (observed, given))
    return _filled(_typed(pd.concat([keys.reset_index(drop=True), over.combine_first(under)[columns]], axis=1)))


def from_runs(
    servers: npt.NDArray[np.object_],
    times: npt.NDArray[np.datetime64],
    texts: Mapping[str, tuple[npt.NDArray[np.int64], list[str]]],
) -> pd.DataFrame:
    """Dated rows of inventory columns that stand inside observations [R]: one per run of equal values of a server.

    texts: column -> (code [R], names), -1 = missing, which continues the run.
    """
    codes, names = pd.factorize(servers, sort=True)
    order = np.lexsort((times.view(np.int64), codes))
    server, stamps = codes[order], times[order]
    first = np.append(True, np.diff(server) != 0)[: len(server)]
    start, changed, settled = np.maximum.accumulate(np.where(first, np.arange(len(server)), 0)), first.copy(), {}
    for column, (code, _) in texts.items():
        value = code[order]
        last = np.maximum.accumulate(np.where(value >= 0, np.arange(len(value)), -1))
        value = np.where(last >= start, value[np.maximum(last, 0)], -1)
        changed[1:] |= (value[1:] != value[:-1]) & ~first[1:]
        settled[column] = value
    cells = {
        column: pd.Series(np.array([*texts[column][1], None], dtype=object)[value[changed]])
        for column, value in settled.items()
    }
    stamped = pd.DatetimeIndex(stamps[changed].astype("datetime64[us]")).tz_localize("UTC")
    return _typed(pd.DataFrame({SERVER_ID: names[server[changed]], VALID_FROM: stamped} | cells))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for name in (*FIXED, *sorted(set(frame.columns) - set(FIXED) - {CAPACITY_CHANGED_AT})):
        given = frame[name].reset_index(drop=True) if name in frame else pd.Series([None] * len(frame))
        if name == VALID_FROM:
            columns[name] = pd.to_datetime(given, utc=True).astype("datetime64[us, UTC]")
        elif name in INVENTORY_NUMBERS:
            columns[name] = pd.to_numeric(given).astype(np.float64)
        else:
            text = given.astype("str").str.strip()
            columns[name] = text.where(text != "")
    return pd.DataFrame(columns)


def _one_per_key(frame: pd.DataFrame) -> pd.DataFrame:
    if not frame.duplicated(KEY).any():
        return frame.sort_values(KEY, na_position="first", kind="stable", ignore_index=True)
    return _typed(frame.groupby(KEY, sort=True, dropna=False, as_index=False).last()).sort_values(
        KEY, na_position="first", kind="stable", ignore_index=True
    )


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Missing cells taken from the server's row before, else from the one after (sorted by server and date)."""
    rest = [name for name in frame if name not in KEY]
    if not frame[SERVER_ID].duplicated().any():
        return frame
    forward = frame.groupby(SERVER_ID, sort=False)[rest].ffill()
    filled = pd.concat([frame[[SERVER_ID]], forward], axis=1).groupby(SERVER_ID, sort=False)[rest].bfill()
    return pd.concat([frame[KEY], filled], axis=1)[list(frame.columns)]


def _changes(frame: pd.DataFrame) -> pd.DataFrame:
    """Without rows that say the same as the server's row before."""
    rest = frame.drop(columns=VALID_FROM)
    before = rest.shift()
    same = ((rest == before) | (rest.isna() & before.isna())).all(axis=1)
    return frame[~same].reset_index(drop=True)


def _override(frame: pd.DataFrame, always: pd.DataFrame) -> pd.DataFrame:
    """`frame` with the values of `always` (indexed by server) wherever it has one."""
    over = always.reindex(frame[SERVER_ID]).reset_index(drop=True)
    merged = over.combine_first(frame.drop(columns=KEY).reset_index(drop=True))
    return pd.concat([frame[KEY].reset_index(drop=True), merged], axis=1)


def _in_force(keys: pd.DataFrame, frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Values of `frame` at each (server, date) of `keys`, sorted: the last one given by then."""
    rows = keys.reset_index(drop=True).merge(frame.reindex(columns=[*KEY, *columns]), on=KEY, how="left", sort=False)
    return rows.groupby(SERVER_ID, sort=False)[columns].ffill()


def _resized(rows: pd.DataFrame) -> pd.Series:
    """Date of each server's last change of capacity, by server."""
    sizes = rows[CAPACITY]
    before = sizes.groupby(rows[SERVER_ID]).shift()
    changed = ((sizes != before) & sizes.notna() & before.notna()).any(axis=1)
    return rows[changed].drop_duplicates(SERVER_ID, keep="last").set_index(SERVER_ID)[VALID_FROM]
