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
from capforecast.schema import DIMENSIONS, SERVER_ID, UNASSIGNED, BoolArray, FloatArray
from capforecast.settings import ConsolidationSettings

Array = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]
HOST = "host_id"
SIZE = ["vcpus", "memory_gib"]
SHARED = "its host also carries servers of others"
WITH_OTHERS = "it shares its host with a server that stays"
TOO_LARGE = "its peak and headroom fit on no other"
TOO_LARGE_FOR_SIZE = "its peak and headroom do not fit this size"
UNLIKE = "it is of another architecture"


@dataclass(frozen=True)
class Instance:
    """A size that servers could be packed onto.

    hourly: its price, NaN = none is known.  priced_by: the server, of the group's, whose cost that is; -1 = it is of
    the price list.  alike: [S] which servers are, as far as is known, of its architecture.
    """

    vcpus: float
    memory_gib: float
    type: str
    hourly: float
    priced_by: int
    alike: BoolArray


@dataclass(frozen=True)
class Targets:
    """bins: to pack onto.  stays: [S] why a server is left where it is; "" = it is packed.  words: for a reader.

    standing: how many hosts, or servers where there are no hosts, are left as they are.  instance: what each bin is;
    None = they are hosts.
    """

    bins: Bins
    stays: Words
    words: str
    standing: int
    instance: Instance | None = None

    @property
    def hosts(self) -> bool:
        """Are the bins hosts?"""
        return self.instance is None

    def size(self) -> dict[str, float]:
        """Of an instance, as CONSOLIDATION_COLUMNS spell it; NaN where they are hosts."""
        one = self.instance
        return {"vcpus": one.vcpus if one else np.nan, "memory_gib": one.memory_gib if one else np.nan}


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
    return Targets(bins, stays, f"hosts{words}", len(mine) - len(free))


def instance_targets(
    load: FloatArray, stays: Words, instance: Instance, among: int, settings: ConsolidationSettings
) -> Targets:
    """Instances of a size, chosen `among` so many, for servers of a load [S, 2, T]."""
    count = int((stays == "").sum()) + settings.spare
    names = [f"instance {b:0{len(str(count))}d}" for b in range(1, count + 1)]
    capacity = np.tile([instance.vcpus, instance.memory_gib], (count, 1))
    bins = bins_of(names, capacity, settings.spare, settings.headroom)
    # what is filled is counted from 1; those kept for a failure come last
    bins = Bins(tuple(names[: len(bins.names)]), bins.capacity, bins.room, tuple(names[len(bins.names) :]))
    moves = np.flatnonzero(stays == "")
    stays = stays.copy()
    stays[moves[~fits_alone(load[moves], bins)]] = TOO_LARGE_FOR_SIZE
    stays[moves[~instance.alike[moves]]] = UNLIKE
    amount = f"{instance.vcpus:g} vCPU, {instance.memory_gib:g} GiB"
    words = f"{instance.type} ({amount})" if instance.type else f"instances of {amount}"
    words += f", chosen among {among} sizes" if among > 1 else ""
    return Targets(bins, stays, words, int((stays != "").sum()), instance)
