"""The sizes a server could have: which instance types it may become, what they hold and cost.

Without instance types, sizes are whole vCPUs and GiB, in steps of an eighth at the most, as hypervisors allow;
where not even these are known, shares of what there is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.price_rows import EVERYWHERE, LINUX
from capforecast.fleet.shapes import INSTANCE_TYPE
from capforecast.schema import BoolArray
from capforecast.settings import SizingSettings

Array = npt.NDArray[np.float64]
VCPU_STEPS = (*range(1, 17), *range(18, 33, 2), *range(36, 65, 4), *range(72, 129, 8), 160, 192, 256)
GIB_STEPS = (
    *range(1, 17), *range(18, 33, 2), *range(36, 65, 4), *range(72, 129, 8), *range(144, 257, 16),
    *range(288, 513, 32), *range(576, 1025, 64), 1280, 1536, 2048,
)  # fmt: skip
SHARE_STEPS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of a size that is not known


@dataclass(frozen=True)
class Sizes:
    """Instance types, the small ones first.

    table: instance_type, family, architecture, vcpus, memory_gib, burstable, [T].  hourly: [T, R] by region of
    `regions`; NaN = no price.
    """

    table: pd.DataFrame
    hourly: Array
    regions: tuple[str, ...]

    @staticmethod
    def of(catalogue: pd.DataFrame, prices: pd.DataFrame) -> Sizes:
        """Types of a catalogue (SHAPE_COLUMNS) whose vCPUs and memory are known.

        prices: instance_type, region, os, hourly; those of Linux count.
        """
        known = catalogue[catalogue["vcpus"].notna() & catalogue["memory_gib"].notna()]
        table = known.sort_values(["vcpus", "memory_gib", INSTANCE_TYPE], kind="stable").reset_index(drop=True)
        prices = prices[prices["os"] == LINUX]
        regions = tuple(sorted(prices["region"].unique())) if len(prices) else ()
        wide = prices.pivot_table(index=INSTANCE_TYPE, columns="region", values="hourly", aggfunc="min")
        hourly = wide.reindex(index=table[INSTANCE_TYPE], columns=list(regions)).to_numpy(dtype=np.float64)
        return Sizes(table, hourly, regions)

    def place(self, types: pd.Series) -> npt.NDArray[np.int64]:
        """Row of each server's type, -1 = not in the catalogue, [S]."""
        return np.asarray(pd.Index(self.table[INSTANCE_TYPE]).get_indexer(types.astype("str").str.lower()))

    def costs(self, region: pd.Series) -> Array:
        """Hourly price of every type in each server's region, [S, T]; NaN = none."""
        names = region.astype("str").str.strip().str.lower()
        table = np.column_stack([self.hourly, np.full(len(self.table), np.nan)])
        anywhere = table[:, self.regions.index(EVERYWHERE) if EVERYWHERE in self.regions else -1]
        own = table[:, pd.Index(self.regions).get_indexer(names) if self.regions else np.full(len(region), -1)]
        return np.where(np.isnan(own), anywhere[:, None], own).T

    def allowed(self, servers: pd.DataFrame, settings: SizingSettings) -> BoolArray:
        """Which types each server may become, [S, T].

        Of its own architecture; of its own family, or of one that `families` allows its business unit; not below the
        smallest size; burstable ones only where it is burstable now.
        """
        now = self.place(servers[INSTANCE_TYPE])
        known, table = now >= 0, self.table
        family, architecture = (table[name].to_numpy(dtype=object) for name in ("family", "architecture"))
        burstable = table["burstable"].fillna(False).to_numpy(dtype=bool)
        listed = [set(settings.families_of(unit)) for unit in servers["business_unit"]]
        named = {
            name: np.array([name in group for group in listed], dtype=bool) for name in np.unique(family.astype(str))
        }
        ok = np.zeros((len(servers), len(table)), dtype=bool)
        for t in range(len(table)):
            same, alike = (np.asarray(kind[now] == kind[t], dtype=bool) for kind in (family, architecture))
            ok[:, t] = known & alike & (same | named[str(family[t])])
            ok[:, t] &= burstable[now] | ~burstable[t] if burstable[t] else True
        large = (table["vcpus"] >= settings.least_vcpus) & (table["memory_gib"] >= settings.least_memory_gib)
        return np.asarray(ok & large.to_numpy(dtype=bool))


def next_step(need: Array, steps: Sequence[float]) -> Array:
    """The smallest step that holds a need, [S]; needs above the last are rounded up to whole multiples of it."""
    ladder = np.asarray(steps, dtype=np.float64)
    place = np.searchsorted(ladder, np.nan_to_num(need), side="left")
    beyond = np.ceil(need / ladder[-1]) * ladder[-1]
    return np.where(
        np.isnan(need), np.nan, np.where(place < len(ladder), ladder[np.minimum(place, len(ladder) - 1)], beyond)
    )
