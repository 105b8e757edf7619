"""Raw observations and inventory: months of history that grow with every delivery.

A row is one server, time and arrival. Reading takes, column by column, the value of the latest arrival that has one,
so that a late correction wins and two deliveries with different metrics complete each other. A month is sorted by
server, time and arrival. All work on rows is done on integer codes and float columns.
"""

from __future__ import annotations

import hashlib
import io

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capforecast.lake.datasets import INVENTORY_KEY, observations_key, parse_table, read_table, table_of, write_table
from capforecast.lake.store import Store
from capforecast.schema import INGESTED_AT, SERVER_ID, TIMESTAMP, BoolArray, Cadence, Reference

KEY = [SERVER_ID, TIMESTAMP]
_FIXED = (*KEY, INGESTED_AT)
Integers = npt.NDArray[np.int64]


def add_observations(store: Store, cadence: Cadence, arrived: pd.DataFrame, now: pd.Timestamp) -> None:
    """Merge a delivery into the months it touches. Rows that say nothing new are left out, so repeating it is free.

    A row without ingested_at arrived `now`. It says something new when its server and time were not known at its
    arrival, or one of its values differs from the one known then, or the source itself says that it arrived later: a
    confirmation keeps its place among the corrections.
    """
    dated = (
        arrived[INGESTED_AT].notna().to_numpy() if INGESTED_AT in arrived else np.zeros(len(arrived), dtype=np.bool_)
    )
    arrived = _stamped(arrived, now)
    months = arrived[TIMESTAMP].dt.tz_localize(None).to_numpy().astype("datetime64[M]").astype(np.int64)
    order = np.argsort(months - months.min() if len(months) else months, kind="stable")
    starts = np.flatnonzero(np.diff(months[order], prepend=-(2**40)))
    for places in np.split(order, starts[1:]) if len(order) else []:
        month = str(np.datetime64(int(months[places[0]]), "M"))
        _add_month(store, observations_key(cadence, month), arrived.take(places), dated[places])


def _stamped(arrived: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    moment = now.as_unit("us")
    if INGESTED_AT not in arrived:
        return arrived.assign(**{INGESTED_AT: moment})
    given = arrived[INGESTED_AT]
    return arrived.assign(**{INGESTED_AT: given.fillna(moment)}) if given.hasnans else arrived


def _add_month(store: Store, key: str, rows: pd.DataFrame, dated: BoolArray) -> None:
    known = key in store.keys(key.rsplit("/", 1)[0])
    old = parse_table(store.read(key), key).to_pandas() if known else rows.iloc[:0]
    both = pd.concat([old, rows], ignore_index=True) if known else rows.reset_index(drop=True)
    keys = _keys(both)
    order = np.lexsort(keys)
    if known:
        kept = _says_something_new(both, order, keys, len(old))
        kept |= np.append(np.zeros(len(old), dtype=np.bool_), dated)[order] & _arrived_later(order, keys)
        if not kept[order >= len(old)].any():
            return
        order = order[kept]
    metrics = sorted(set(both.columns) - set(_FIXED))
    sorted_rows = both if (np.diff(order) == 1).all() and len(order) == len(both) else both.take(order)
    write_table(store, key, sorted_rows[[*KEY, *metrics, INGESTED_AT]])


def _keys(frame: pd.DataFrame) -> tuple[Integers, Integers, Integers]:
    """Sort keys [R], least important first: arrival, time, server."""
    server, _ = pd.factorize(frame[SERVER_ID], sort=True)
    return _micros(frame[INGESTED_AT]), _micros(frame[TIMESTAMP]), server.astype(np.int64)


def _micros(times: pd.Series) -> Integers:
    return np.asarray(pd.DatetimeIndex(times).as_unit("us").asi8)


def _says_something_new(
    both: pd.DataFrame, order: Integers, keys: tuple[Integers, Integers, Integers], old: int
) -> BoolArray:
    """Which of the rows in `order` to keep: the first `old` rows of `both`, and of the others those with news."""
    _, time, server = (key[order] for key in keys)
    first = _first_of_key(server, time)
    place = np.arange(len(order))
    begin = np.maximum.accumulate(np.where(first, place, 0))
    news = first.copy()
    for name in [name for name in both.columns if name not in _FIXED]:
        value = both[name].to_numpy(dtype=np.float32)[order]
        given = ~np.isnan(value)
        before = np.append(-1, np.maximum.accumulate(np.where(given, place, -1))[:-1])
        same = (before >= begin) & (value == value[np.maximum(before, 0)])
        news |= given & ~same
    return np.asarray((order < old) | news, dtype=np.bool_)


def _arrived_later(order: Integers, keys: tuple[Integers, Integers, Integers]) -> BoolArray:
    """Did the row arrive after the one before it in `order`, of the same server and time?"""
    arrival, time, server = (key[order] for key in keys)
    later = ~_first_of_key(server, time)
    later[1:] &= arrival[1:] > arrival[:-1]
    return later


def any_arrived(store: Store, months: list[Reference], known_at: pd.Timestamp) -> bool:
    """Had any row of these months arrived by `known_at`?"""
    for month in months:
        arrivals = read_table(store, month).column(INGESTED_AT)
        if len(arrivals) and pd.Timestamp(pc.min(arrivals).as_py()) <= known_at:
            return True
    return False


def _first_of_key(server: Integers, time: Integers) -> BoolArray:
    first = np.ones(len(server), dtype=np.bool_)
    first[1:] = (server[1:] != server[:-1]) | (time[1:] != time[:-1])
    return first


def observation_references(store: Store, cadence: Cadence, until: pd.Timestamp) -> list[Reference]:
    """References of all months that begin before `until`."""
    keys = store.keys(f"raw/observations/cadence={cadence}")
    return [_reference(store, key) for key in keys if _month(key) < until]


def span(store: Store, cadence: Cadence) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Beginning of the first month of which the lake keeps observations, and end of the last; None = it keeps none."""
    months = [_month(key) for key in store.keys(f"raw/observations/cadence={cadence}")]
    return (min(months), max(months) + pd.offsets.MonthBegin(1)) if months else None


def _month(key: str) -> pd.Timestamp:
    return pd.Timestamp(key.split("month=")[1][:7] + "-01", tz="UTC")


def _reference(store: Store, key: str) -> Reference:
    data = store.read(key)
    rows = parse_table(data, key).num_rows
    return Reference(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=rows)


def read_observations(
    store: Store,
    months: list[Reference],
    servers: pd.Series,
    since: pd.Timestamp,
    until: pd.Timestamp,
    known_at: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Latest observations of `servers` with since <= timestamp < until, from the months that can hold them.

    known_at: rows that arrived later are not seen. Months in order of time, each sorted by server and time.
    """
    parts = []
    for reference in months:
        month = _month(reference.uri)
        if month >= until or month + pd.offsets.MonthBegin(1) <= since:
            continue
        parts.append(_latest(_rows_of(store, reference, servers, since, until, known_at)))
    if not parts:
        return pd.DataFrame({SERVER_ID: pd.Series(dtype="str"), TIMESTAMP: pd.Series(dtype="datetime64[us, UTC]")})
    frame: pd.DataFrame = pa.concat_tables(parts, promote_options="default").to_pandas()
    return frame


def last_observations(
    store: Store,
    months: list[Reference],
    servers: pd.Series,
    until: pd.Timestamp,
    known_at: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """The last row with timestamp < until of each of `servers` that has one; months are read from the newest on."""
    wanted, parts = servers.astype("str"), []
    always = pd.Timestamp("1700-01-01", tz="UTC")
    for reference in sorted(months, key=lambda each: each.uri, reverse=True):
        if not len(wanted) or _month(reference.uri) >= until:
            continue
        rows = _latest(_rows_of(store, reference, wanted, always, until, known_at)).to_pandas()
        if len(rows):
            parts.append(rows.drop_duplicates(SERVER_ID, keep="last"))
            wanted = wanted[~wanted.isin(rows[SERVER_ID])]
    if not parts:
        return pd.DataFrame({SERVER_ID: pd.Series(dtype="str"), TIMESTAMP: pd.Series(dtype="datetime64[us, UTC]")})
    return pd.concat(parts, ignore_index=True).sort_values(SERVER_ID, ignore_index=True)


def _rows_of(
    store: Store,
    reference: Reference,
    servers: pd.Series,
    since: pd.Timestamp,
    until: pd.Timestamp,
    known_at: pd.Timestamp | None,
) -> pa.Table:
    """Rows of a month, as stored, with the server as dictionary codes."""
    data = io.BytesIO(store.fetch(reference))
    table = pq.read_table(data, partitioning=None, read_dictionary=[SERVER_ID]).unify_dictionaries()
    names = table.column(SERVER_ID)
    wanted = pa.array(sorted(servers.astype(str)), type=pa.string())
    keep = pc.is_in(names, pa.array(wanted).cast(names.type.value_type)) if len(names) else pa.array([], pa.bool_())
    times = table.column(TIMESTAMP)
    month = _month(reference.uri)
    if month + pd.offsets.MonthBegin(1) > until:
        keep = pc.and_(keep, pc.less(times, pa.scalar(until, times.type)))
    if month < since:
        keep = pc.and_(keep, pc.greater_equal(times, pa.scalar(since, times.type)))
    if known_at is not None:
        arrival = table.column(INGESTED_AT)
        keep = pc.and_(keep, pc.less_equal(arrival, pa.scalar(known_at.as_unit("us"), arrival.type)))
    return table.filter(keep)


def _latest(table: pa.Table) -> pa.Table:
    """One row per server and time of a sorted month: column by column the value of the latest arrival that has one."""
    table = table.combine_chunks()
    names = table.column(SERVER_ID)
    codes = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    codes = codes.chunk(0) if isinstance(codes, pa.ChunkedArray) and codes.num_chunks else codes
    plain = table.drop_columns([INGESTED_AT]).set_column(0, SERVER_ID, names.cast(pa.string()))
    if not len(table):
        return plain
    server = codes.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    first = _first_of_key(server, table.column(TIMESTAMP).cast(pa.int64()).to_numpy())
    if first.all():
        return plain
    last = np.append(first[1:], True)
    place = np.arange(len(first))
    begin = np.maximum.accumulate(np.where(first, place, 0))[last]
    columns: dict[str, pa.Array] = {name: plain.column(name).filter(pa.array(last)) for name in KEY}
    for name in [name for name in plain.column_names if name not in KEY]:
        value = plain.column(name).to_numpy().astype(np.float32)
        given = np.maximum.accumulate(np.where(np.isnan(value), -1, place))[last]
        columns[name] = pa.array(np.where(given >= begin, value[np.maximum(given, 0)], np.nan).astype(np.float32))
    return pa.table(columns)


def put_inventory(store: Store, rows: pd.DataFrame) -> Reference:
    """Publish the dated inventory whole."""
    return write_table(store, INVENTORY_KEY, table_of(rows))


def get_inventory(store: Store) -> pd.DataFrame | None:
    """The dated inventory kept so far, or None."""
    if INVENTORY_KEY not in store.keys("raw/inventory"):
        return None
    return parse_table(store.read(INVENTORY_KEY), INVENTORY_KEY).to_pandas()
