"""What a group of servers may be packed onto: the hosts it stands on, or instances of one size.

A host can be freed only if everything on it may move. Where one carries a server that may not (of another group, of
unknown size, hardly seen, too large for any other), that host and its servers are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.packing import Bins, bins_of, fits_alone
from capforecast.actions.sizes import Sizes
from capforecast.errors import ConfigError
from capforecast.fleet.shapes import INSTANCE_TYPE
from capforecast.schema import DIMENSIONS, SERVER_ID, UNASSIGNED, FloatArray
from capforecast.settings import ConsolidationSettings

Array = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]
HOST = "host_id"
SIZE = ["vcpus", "memory_gib"]
SHARED = "its host also carries servers of others"
WITH_OTHERS = "it shares its host with a server that stays"
TOO_LARGE = "its peak and headroom fit on no other"


@dataclass(frozen=True)
class Targets:
    """bins: to pack onto.  stays: [S] why a server is left where it is; "" = it is packed.  words: for a reader.

    standing: how many hosts, or servers where there are no hosts, are left as they are.  vcpus, memory_gib, type: of an
    instance; NaN and "" where they are hosts.
    """

    bins: Bins
    stays: Words
    words: str
    standing: int
    hosts: bool
    vcpus: float = np.nan
    memory_gib: float = np.nan
    type: str = ""


def host_table(servers: pd.DataFrame, inventory: pd.DataFrame) -> pd.DataFrame:
    """Hosts of the servers, by host_id: vcpus, memory_gib; stated (by the inventory's own row of that server_id, else
    the sum of its servers' sizes); shared (carries servers of several business units, regions or criticalities, or one
    that is not among the servers).
    """
    others = inventory[~inventory[SERVER_ID].isin(servers[SERVER_ID])]
    every = pd.concat([servers, others])
    every = every[every[HOST] != ""].sort_values(SERVER_ID, kind="stable")  # sums in one order
    by_host = every.groupby(HOST, sort=True)
    groups = every.drop_duplicates([HOST, *DIMENSIONS]).groupby(HOST, sort=True).size()
    out = by_host[SIZE].sum(min_count=1).astype("float64")
    own = inventory.drop_duplicates(SERVER_ID).set_index(SERVER_ID)[SIZE].astype("float64").reindex(out.index)
    stated = own.gt(0).all(axis=1)
    shared = (groups > 1) | out.index.isin(others[HOST])
    return out.where(~stated, own).assign(stated=stated, shared=shared)


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """A table of servers whose dimensions and host_id are words throughout; no host = ""."""
    groups = {name: text(table, name).replace("", UNASSIGNED) for name in DIMENSIONS}
    return table.assign(**groups, **{HOST: text(table, HOST)})


def text(table: pd.DataFrame, name: str) -> pd.Series:
    """A column of words, "" where there is none."""
    return table[name].fillna("").astype("str") if name in table else pd.Series("", index=table.index, dtype="str")


def host_targets(
    servers: pd.DataFrame, load: FloatArray, stays: Words, hosts: pd.DataFrame, settings: ConsolidationSettings
) -> Targets:
    """The hosts of a group of servers [S], less those that must stay as they are.

    load: [S, 2, T]; of servers that stay it is not looked at.  hosts: of `host_table`.
    """
    on = servers[HOST].to_numpy(dtype=object)
    mine = hosts.loc[np.unique(on.astype(str))]
    stays = np.where(mine["shared"].reindex(on).to_numpy(dtype=bool) & (stays == ""), SHARED, stays)
    while True:
        kept = np.isin(on, on[stays != ""])
        stays = np.where(kept & (stays == ""), WITH_OTHERS, stays)
        free = mine[~mine.index.isin(on[kept])]
        bins = bins_of(list(free.index), free[SIZE].to_numpy(), settings.spare, settings.headroom)
        moves = np.flatnonzero(~kept)
        large = moves[~fits_alone(load[moves], bins)] if len(bins.names) else moves[:0]
        if not len(large):
            break
        stays[large] = TOO_LARGE
    summed = int((~free["stated"]).sum())
    words = f"; the capacity of {summed} of {len(free)} is the sum of their servers' sizes" if summed else ""
    return Targets(bins, stays, f"hosts{words}", len(mine) - len(free), hosts=True)


def instance_targets(
    servers: pd.DataFrame, load: FloatArray, stays: Words, sizes: Sizes, settings: ConsolidationSettings
) -> Targets:
    """Instances of the size that the settings name, else of the largest server's that is packed.

    Raises ConfigError where the named type is in no catalogue.
    """
    vcpus, memory, name = _size(servers[stays == ""], sizes, settings)
    count = int((stays == "").sum()) + settings.spare
    names = [f"instance {b:0{len(str(count))}d}" for b in range(1, count + 1)]
    capacity = np.tile([vcpus, memory], (count, 1))
    bins = bins_of(names, capacity, settings.spare, settings.headroom)
    # what is filled is counted from 1; those kept for a failure come last
    bins = Bins(tuple(names[: len(bins.names)]), bins.capacity, bins.room, tuple(names[len(bins.names) :]))
    moves = np.flatnonzero(stays == "")
    stays = stays.copy()
    stays[moves[~fits_alone(load[moves], bins)]] = TOO_LARGE
    amount = f"{vcpus:g} vCPU, {memory:g} GiB"
    words = f"{name} ({amount})" if name else f"instances of {amount}"
    return Targets(bins, stays, words, int((stays != "").sum()), False, vcpus, memory, name)


def _size(servers: pd.DataFrame, sizes: Sizes, settings: ConsolidationSettings) -> tuple[float, float, str]:
    """vCPUs, GiB and type of the instances."""
    if settings.instance_type:
        row = int(sizes.place(pd.Series([settings.instance_type]))[0])
        if row < 0:
            raise ConfigError(
                f"consolidation.instance_type: {settings.instance_type} is in no catalogue of shapes; name a type with "
                "vCPUs and memory in config/prices/shapes.csv or inventory.shapes, or leave it empty"
            )
        named = sizes.table.iloc[row]
        return float(named["vcpus"]), float(named["memory_gib"]), str(named[INSTANCE_TYPE])
    if not len(servers):
        return np.nan, np.nan, ""
    largest = servers.sort_values([*SIZE, SERVER_ID], kind="stable").iloc[-1]
    return float(largest["vcpus"]), float(largest["memory_gib"]), str(largest.get(INSTANCE_TYPE) or "")
