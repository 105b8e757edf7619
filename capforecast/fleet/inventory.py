"""Who a server belongs to and how big it is, as dated rows: one per change, so that a move or a resize has a date.

A row holds from `valid_from` on; one without it holds always. A missing cell is no news: what was known before goes
on, and before anything was known, what was known first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.errors import InputError
from capforecast.schema import (
    ALL_REGIONS,
    BUSINESS_UNIT,
    DIMENSIONS,
    FLEET,
    INVENTORY_NUMBERS,
    INVENTORY_TEXT,
    METRIC,
    REGION,
    RENAMED_FROM,
    SERVER_ID,
    TIMESTAMP,
    UNASSIGNED,
    VALID_FROM,
)

log = logging.getLogger(__name__)
KEY = [SERVER_ID, VALID_FROM]
FIXED = (SERVER_ID, *INVENTORY_TEXT, *INVENTORY_NUMBERS, VALID_FROM)  # every inventory has these, then labels
CAPACITY = ["vcpus", "memory_gib", "disk_gib"]
CAPACITY_CHANGED_AT = "capacity_changed_at"
CAPACITY_OF = {"cpu": "vcpus", "mem": "memory_gib", "disk": "disk_gib"}  # metrics in percent of a capacity
RETIRED = ("retired", "decommissioned")  # environments of servers that are no longer part of the fleet
OLD_ID, AT, FACTOR = "old_id", "at", "factor"


def normalise(frame: pd.DataFrame) -> pd.DataFrame:
    """Inventory in standard form: columns FIXED then labels, sorted by server and date, one row per change.

    Of several rows for one server and date each column takes its last value. Text is `str`, numbers float64,
    valid_from datetime64[us, UTC]; blank text is missing.
    """
    return _changes(_filled(_one_per_key(_typed(frame))))


def _check_reserved(servers: pd.DataFrame) -> None:
    for column, name in ((BUSINESS_UNIT, FLEET), (REGION, ALL_REGIONS)):
        found = servers.loc[servers[column] == name, SERVER_ID]
        if len(found):
            raise InputError(
                f"{column} of server {found.iloc[0]} is {name!r}, which stands for sums over all of them; rename it"
            )


def at(inventory: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """The row of each server in force at `as_of` (exclusive: a row dated at or after it is not seen yet).

    A server whose environment is then `retired` or `decommissioned` is not part of the fleet.
    A server whose first row is dated later takes that row. Missing business unit, region and criticality read
    `unassigned`. Adds capacity_changed_at: date of the last known change of vCPUs, memory or disk, else NaT.
    Of a renamed server the name in force at `as_of` stands here, and none of its other names (see `renames`).
    Raises InputError for a business unit or region that is called as sums over all of them are.
    """
    rows = _under_present_names(normalise(inventory), as_of)
    seen = rows[VALID_FROM].isna() | (rows[VALID_FROM] < as_of)
    current = rows[seen].drop_duplicates(SERVER_ID, keep="last")
    later = rows[~rows[SERVER_ID].isin(current[SERVER_ID])].drop_duplicates(SERVER_ID, keep="first")
    servers = pd.concat([current, later], ignore_index=True).sort_values(SERVER_ID, ignore_index=True)
    servers = servers[~servers["environment"].str.lower().isin(RETIRED)].reset_index(drop=True)
    _check_reserved(servers)
    servers[list(DIMENSIONS)] = servers[list(DIMENSIONS)].fillna(UNASSIGNED)
    if RENAMED_FROM in servers:
        servers[RENAMED_FROM] = servers[SERVER_ID].map(rows.groupby(SERVER_ID)[RENAMED_FROM].last()).astype("str")
    return servers.assign(**{CAPACITY_CHANGED_AT: _resized(rows[seen]).reindex(servers[SERVER_ID]).array})


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Inventory after a delivery: dated rows of `new` join those of `old`.

    An undated row says how a server is now. Of a server with a dated history it corrects the last state and fills what
    was missing before; the history stays. Without such a history it holds for all dates. Where both speak of a server
    and date, `new` wins column by column where it has a value. Merging the same delivery again changes nothing.
    """
    old, new = _one_per_key(_typed(old)), _one_per_key(_typed(new))
    undated = new[VALID_FROM].isna()
    history = set(old.loc[old[VALID_FROM].notna(), SERVER_ID])
    snapshot = new[undated].set_index(SERVER_ID).drop(columns=VALID_FROM)
    told = snapshot[~snapshot.index.isin(new.loc[~undated, SERVER_ID])]  # what else the delivery says is not newer
    last = ~old.duplicated(SERVER_ID, keep="last").to_numpy(dtype=bool)
    kept = _underlay(pd.concat([_override(old[last], told), old[~last]], ignore_index=True), snapshot)
    new = new[~(undated & new[SERVER_ID].isin(history))]
    return normalise(pd.concat([kept, new], ignore_index=True))


def renames(inventory: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Renames in force at `as_of`, one row per earlier name: old_id, server_id (the name it has now), at, until.

    A row of the inventory with `renamed_from` says that the server had that name until its valid_from (`at`; NaT =
    always). Observations under the earlier name are the server's: all of them, or those before `until` where the
    inventory gives the earlier name to another machine later on (a row dated at or after the rename).
    Where two servers claim one name, or names run in a circle, the earliest rename counts and the log says so.
    """
    found = _claims(inventory)
    found = found[found[AT].isna() | (found[AT] < as_of)]
    now = dict(zip(found[OLD_ID], found[SERVER_ID], strict=True))
    found = found.assign(**{SERVER_ID: [_final(name, now) for name in found[OLD_ID]]})
    seen = inventory.loc[inventory[VALID_FROM] < as_of, [SERVER_ID, VALID_FROM]]
    dated = seen.merge(found[[OLD_ID, AT]], left_on=SERVER_ID, right_on=OLD_ID)
    again = dated.loc[dated[VALID_FROM] >= dated[AT], OLD_ID].unique()
    return found.assign(until=found[AT].where(found[OLD_ID].isin(again))).reset_index(drop=True)


def _claims(inventory: pd.DataFrame) -> pd.DataFrame:
    """(old_id, server_id, at), one row per old name, sorted by old name."""
    if RENAMED_FROM not in inventory:
        inventory = inventory.head(0).assign(**{RENAMED_FROM: pd.Series(dtype="str")})
    rows = inventory[inventory[RENAMED_FROM].notna() & (inventory[RENAMED_FROM] != inventory[SERVER_ID])]
    rows = rows.rename(columns={RENAMED_FROM: OLD_ID, VALID_FROM: AT})[[OLD_ID, SERVER_ID, AT]]
    rows = rows.sort_values([AT, SERVER_ID], na_position="first", kind="stable")
    rows = rows.drop_duplicates([OLD_ID, SERVER_ID])
    claimed = rows[OLD_ID].duplicated()
    if claimed.any():
        name = rows[OLD_ID][claimed].iloc[0]
        log.warning("%s: two servers claim to have had this name; the earlier rename counts", name)
    rows = rows[~claimed]
    now = dict(zip(rows[OLD_ID], rows[SERVER_ID], strict=True))
    circle = rows[OLD_ID].map(lambda name: _final(name, now) == name).to_numpy(dtype=bool)
    if circle.any():
        log.warning("%s: its renames run in a circle and are passed over", rows[OLD_ID][circle].iloc[0])
    return rows[~circle].sort_values(OLD_ID, kind="stable", ignore_index=True)


def _final(name: str, now: Mapping[str, str]) -> str:
    """The name at the end of a chain of renames; of a circle, `name` itself."""
    seen, last = {name}, now.get(name, name)
    while last in now and last not in seen:
        seen.add(last)
        last = now[last]
    return name if last in seen and last in now else last


def _under_present_names(rows: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Inventory in which a server's rows under earlier names are its own, and names taken only later are left out.

    What was known of the server goes on under its new name; undated rows of that hold from the rename on.
    """
    claims = _claims(rows)
    if claims.empty:
        return rows
    later = claims.loc[claims[AT] >= as_of, SERVER_ID]
    rows = rows[~rows[SERVER_ID].isin(later)].reset_index(drop=True)
    done = renames(rows, as_of)
    begin = claims[claims[AT] < as_of].groupby(SERVER_ID)[AT].min().reindex(rows[SERVER_ID]).reset_index(drop=True)
    rows[VALID_FROM] = rows[VALID_FROM].fillna(begin)
    place = pd.Index(done[OLD_ID]).get_indexer(rows[SERVER_ID])
    known = done.take(np.maximum(place, 0)).reset_index(drop=True) if len(done) else done.reindex(rows.index)
    early = (place >= 0) & ~(rows[VALID_FROM] >= known["until"]).to_numpy(dtype=bool)
    rows[SERVER_ID] = rows[SERVER_ID].where(~early, known[SERVER_ID])
    rows[VALID_FROM] = rows[VALID_FROM].where(~early | known[AT].notna().to_numpy())
    return normalise(pd.concat([rows[early], rows[~early]], ignore_index=True))


def join_renamed(observations: pd.DataFrame, done: pd.DataFrame) -> pd.DataFrame:
    """Observations under earlier names (`renames`) as the server's own; of the same moment, the newer name's count.

    Rows of the earlier name come first, so that of several values for one server and time the last one given is the
    newer name's. Returns the rows of servers that are not renamed unchanged.
    """
    if done.empty:
        return observations
    place = pd.Index(done[OLD_ID]).get_indexer(observations[SERVER_ID])
    until = done["until"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")[place]
    stamps = pd.DatetimeIndex(observations[TIMESTAMP]).tz_localize(None).to_numpy().astype("datetime64[us]")
    early = (place >= 0) & (np.isnat(until) | (stamps < until))
    names = observations[SERVER_ID].to_numpy(dtype=object)
    names = np.where(early, done[SERVER_ID].to_numpy(dtype=object)[place], names)
    moved = observations.assign(**{SERVER_ID: pd.Series(names, index=observations.index, dtype="str")})
    return pd.concat([moved[early], moved[~early]], ignore_index=True)


def resizes(inventory: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Changes of capacity before `as_of`: server_id, metric, at, factor; sorted by server, metric and date.

    A percentage before `at` times `factor` is a percentage of the capacity from then on (old / new). NaN: another
    instance type, and the capacity is not known, so percentages before and after cannot be compared.
    """
    rows = _under_present_names(normalise(inventory), as_of)
    rows = rows[rows[VALID_FROM].isna() | (rows[VALID_FROM] < as_of)]
    before = rows.groupby(SERVER_ID, sort=False)[[*CAPACITY, "instance_type"]].shift()
    other_type = rows["instance_type"].notna() & before["instance_type"].notna()
    other_type &= rows["instance_type"] != before["instance_type"]
    parts = []
    for metric, column in CAPACITY_OF.items():
        old, new = before[column].where(before[column] > 0), rows[column].where(rows[column] > 0)
        unknown = other_type & (old.isna() | new.isna()) & (metric != "disk")  # a type says nothing of its disks
        changed = unknown | (old.notna() & new.notna() & (old != new))
        part = rows.loc[changed, [SERVER_ID, VALID_FROM]].rename(columns={VALID_FROM: AT})
        parts.append(part.assign(**{METRIC: metric, FACTOR: (old / new)[changed].astype(np.float64)}))
    found = pd.concat(parts, ignore_index=True).dropna(subset=[AT])
    return found.sort_values([SERVER_ID, METRIC, AT], kind="stable", ignore_index=True)


def overlay(observed: pd.DataFrame, given: pd.DataFrame) -> pd.DataFrame:
    """`observed` with what an explicit inventory says put over it, column by column where that has a value.

    Both keep their dates: at every date of either, `given` as in force then wins. Keeps rows that change nothing, so
    that they win over older deliveries in `merge`; servers of either appear.
    """
    observed, given = _one_per_key(_typed(observed)), _one_per_key(_typed(given))
    keys = pd.concat([observed[KEY], given[KEY]]).drop_duplicates().sort_values(KEY, na_position="first")
    columns = [name for name in dict.fromkeys([*observed, *given]) if name not in KEY]
    under, over = (_in_force(keys, frame, columns) for frame in (observed, given))
    return _typed(pd.concat([keys.reset_index(drop=True), over.combine_first(under)[columns]], axis=1))


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
    rest = [name for name in frame if name not in (*KEY, RENAMED_FROM)]  # a rename has one date
    if not frame[SERVER_ID].duplicated().any():
        return frame
    forward = frame.groupby(SERVER_ID, sort=False)[rest].ffill()
    filled = pd.concat([frame[[SERVER_ID]], forward], axis=1).groupby(SERVER_ID, sort=False)[rest].bfill()
    own = [name for name in frame if name not in rest]
    return pd.concat([frame[own], filled], axis=1)[list(frame.columns)]


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


def _underlay(frame: pd.DataFrame, below: pd.DataFrame) -> pd.DataFrame:
    """`frame` with its missing cells taken from `below` (indexed by server)."""
    under = below.reindex(frame[SERVER_ID]).reset_index(drop=True)
    merged = frame.drop(columns=KEY).reset_index(drop=True).combine_first(under)
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
