"""Raw observations and inventory: months of history that grow with every delivery.

A row is one server, time and arrival. Reading takes, column by column, the value of the latest arrival that has one,
so that a late correction wins and two deliveries with different metrics complete each other.
"""

from __future__ import annotations

import hashlib

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from capforecast.lake.datasets import INVENTORY_KEY, observations_key, parse_table, read_table, table_of, write_table
from capforecast.lake.store import Store
from capforecast.schema import INGESTED_AT, SERVER_ID, TIMESTAMP, Cadence, Reference

KEY = [SERVER_ID, TIMESTAMP]


def add_observations(store: Store, cadence: Cadence, arrived: pd.DataFrame, now: pd.Timestamp) -> None:
    """Merge a delivery into the months it touches. Rows that say nothing new are left out, so repeating it is free."""
    if INGESTED_AT not in arrived:
        arrived = arrived.assign(**{INGESTED_AT: now.as_unit("us")})
    for month, rows in arrived.groupby(arrived[TIMESTAMP].dt.strftime("%Y-%m"), sort=True):
        key = observations_key(cadence, str(month))
        old = parse_table(store.read(key)).to_pandas() if key in store.keys(key.rsplit("/", 1)[0]) else None
        fresh = rows if old is None else _new_rows(old, rows)
        if len(fresh):
            merged = fresh if old is None else pd.concat([old, fresh], ignore_index=True)
            write_table(store, key, _ordered(merged))


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    metrics = sorted(set(frame.columns) - {*KEY, INGESTED_AT})
    frame = frame.sort_values([*KEY, INGESTED_AT], kind="stable", ignore_index=True)
    return frame[[*KEY, *metrics, INGESTED_AT]]


def latest(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per server and time: column by column the value of the latest arrival that has one."""
    frame = frame.sort_values([*KEY, INGESTED_AT], kind="stable", ignore_index=True)
    if frame.duplicated(KEY).any():
        frame = frame.groupby(KEY, sort=False, as_index=False).last()
    return frame


def _new_rows(old: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that change what `latest(old)` says, and were not delivered before."""
    metrics = [name for name in rows.columns if name not in (*KEY, INGESTED_AT)]
    known = latest(old).set_index(KEY).reindex(columns=metrics)
    known = known.reindex(pd.MultiIndex.from_frame(rows[KEY]))
    given = rows[metrics]
    differs = (given.to_numpy() != known.to_numpy()) & given.notna().to_numpy()
    fresh = rows[differs.any(axis=1)]
    whole = [*KEY, INGESTED_AT, *(name for name in metrics if name in old)]
    earlier = old.loc[old[INGESTED_AT].isin(fresh[INGESTED_AT]), whole]
    return fresh[~pd.MultiIndex.from_frame(fresh[whole]).isin(pd.MultiIndex.from_frame(earlier))]


def observation_references(store: Store, cadence: Cadence, until: pd.Timestamp) -> list[Reference]:
    """References of all months that begin before `until`."""
    references = []
    for key in store.keys(f"raw/observations/cadence={cadence}"):
        month = key.split("month=")[1][:7]
        if pd.Timestamp(f"{month}-01", tz="UTC") < until:
            references.append(_reference(store, key))
    return references


def _reference(store: Store, key: str) -> Reference:
    data = store.read(key)
    return Reference(uri=key, sha256=hashlib.sha256(data).hexdigest(), rows=parse_table(data).num_rows)


def read_observations(
    store: Store, months: list[Reference], servers: pd.Series, since: pd.Timestamp, until: pd.Timestamp
) -> pd.DataFrame:
    """Latest observations of `servers` with since <= timestamp < until, from the months that can hold them."""
    wanted = pa.array(sorted(servers.astype(str)), type=pa.string())
    parts = []
    for reference in months:
        month = pd.Timestamp(reference.uri.split("month=")[1][:7] + "-01", tz="UTC")
        if month >= until or month + pd.offsets.MonthBegin(1) <= since:
            continue
        table = read_table(store, reference)
        times = table.column(TIMESTAMP)
        keep = pc.and_(pc.is_in(table.column(SERVER_ID), wanted), pc.less(times, pa.scalar(until, times.type)))
        keep = pc.and_(keep, pc.greater_equal(times, pa.scalar(since, times.type)))
        parts.append(table.filter(keep))
    if not parts:
        return pd.DataFrame({SERVER_ID: pd.Series(dtype="str"), TIMESTAMP: pd.Series(dtype="datetime64[us, UTC]")})
    frame = pa.concat_tables(parts, promote_options="default").to_pandas()
    return latest(frame).drop(columns=INGESTED_AT)


def put_inventory(store: Store, rows: pd.DataFrame) -> Reference:
    """Publish the dated inventory whole."""
    return write_table(store, INVENTORY_KEY, table_of(rows))


def get_inventory(store: Store) -> pd.DataFrame | None:
    """The dated inventory kept so far, or None."""
    if INVENTORY_KEY not in store.keys("raw/inventory"):
        return None
    return parse_table(store.read(INVENTORY_KEY)).to_pandas()
