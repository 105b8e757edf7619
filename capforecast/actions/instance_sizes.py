"""The sizes of instances that servers without hosts could be packed onto: those they have, and priced ones beside."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.packing_targets import SIZE, Instance, text
from capforecast.actions.prices import HOURLY, TYPE
from capforecast.actions.sizes import Sizes
from capforecast.errors import ConfigError
from capforecast.schema import REGION, SERVER_ID, BoolArray
from capforecast.settings import ConsolidationSettings

Index = npt.NDArray[np.int64]


def instance_sizes(
    servers: pd.DataFrame, costs: pd.DataFrame, free: BoolArray, sizes: Sizes, settings: ConsolidationSettings
) -> list[Instance]:
    """The type that the settings name; else every size of the servers that are `free` to move, the largest first, and
    where all of these have a price also the priced types of their families.

    servers: of one region, [S].  costs: of `prices.costs`, in their order; a size whose servers are paid differently
    costs what the dearest does.  A burstable type is packed onto only where all servers are burstable today: it cannot
    hold what it would be filled to.

    Raises ConfigError where the named type is in no catalogue.
    """
    row = sizes.place(text(servers, TYPE))
    if settings.instance_type:
        return [_listed(_named(sizes, settings.instance_type), servers, row, sizes)]
    table, types = sizes.table, np.unique(row[free])
    found = _own(servers, costs, free, row, sizes)
    if free.any() and costs[HOURLY].notna().to_numpy()[free].all():
        families, have = table["family"].iloc[types[types >= 0]], {one.type.lower() for one in found}
        beside = np.flatnonzero(table["family"].isin(families) & ~table[TYPE].isin(have))
        found += [one for one in (_listed(int(t), servers, row, sizes) for t in beside) if np.isfinite(one.hourly)]
    burstable = table["burstable"].fillna(False).to_numpy(dtype=bool)
    if (types < 0).any() or not burstable[types].all():
        credits = set(table.loc[burstable, TYPE])
        found = [one for one in found if one.type.lower() not in credits]
    return sorted(found, key=lambda one: (-one.vcpus, -one.memory_gib, one.type))


def _own(servers: pd.DataFrame, costs: pd.DataFrame, free: BoolArray, row: Index, sizes: Sizes) -> list[Instance]:
    """The distinct sizes of those that are free; one of unknown size where none is."""
    if not free.any():
        return [Instance(np.nan, np.nan, "", np.nan, -1, np.ones(len(servers), dtype=bool))]
    mine = servers[[SERVER_ID, *SIZE]].assign(**{TYPE: text(servers, TYPE), HOURLY: costs[HOURLY].to_numpy()})
    mine = mine.assign(place=np.arange(len(mine)))[free]
    dearest = mine.sort_values([HOURLY, SERVER_ID], kind="stable", na_position="first")
    dearest = dearest.drop_duplicates([*SIZE, TYPE], keep="last")
    return [
        Instance(float(one.vcpus), float(one.memory_gib), one.instance_type, one.hourly, one.place,
                 _alike(row, int(row[one.place]), sizes))
        for one in dearest.itertuples(index=False)
    ]  # fmt: skip


def _named(sizes: Sizes, name: str) -> int:
    """Row of a type in the catalogue."""
    row = int(sizes.place(pd.Series([name]))[0])
    if row < 0:
        raise ConfigError(
            f"consolidation.instance_type: {name} is in no catalogue of shapes; name a type with vCPUs and memory in "
            "config/prices/shapes.csv or inventory.shapes, or leave it empty"
        )
    return row


def _listed(of: int, servers: pd.DataFrame, row: Index, sizes: Sizes) -> Instance:
    """A type of the catalogue as the list prices it in the servers' region."""
    one = sizes.table.iloc[of]
    hourly = float(sizes.costs(servers[REGION].iloc[:1])[0, of])
    return Instance(
        float(one["vcpus"]), float(one["memory_gib"]), str(one[TYPE]), hourly, -1, _alike(row, of, sizes)
    )  # fmt: skip


def _alike(row: Index, of: int, sizes: Sizes) -> BoolArray:
    """Which servers, whose types are these rows of the catalogue, are of the architecture of the type `of`."""
    kind = sizes.table["architecture"].to_numpy(dtype=object)
    return np.asarray((row < 0) | (of < 0) | (kind[row] == kind[of]), dtype=bool) if len(kind) else row < 0
