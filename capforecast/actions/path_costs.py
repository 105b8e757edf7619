"""What the cheapest safe size costs on each sample path: the range behind a saving."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.size_choice import Held, Needs, shares_of
from capforecast.actions.sizes import Sizes
from capforecast.schema import SERVER_ID, BoolArray, FloatArray
from capforecast.settings import SizingSettings

Array = npt.NDArray[np.float64]
COLUMNS = ("origin", "repeat", "servers", "hourly")  # rows are draws; the last two are lists, one entry per server


def path_costs(needs: Needs, moved: BoolArray, sizes: Sizes, settings: SizingSettings) -> pd.DataFrame:
    """COLUMNS: list price per hour, by draw [J], of the cheapest size that would do on that path alone.

    moved: [S], servers that are to change their size; those without prices are left out. On a path that no size it may
    have holds, a server costs what the dearest does.
    """
    servers = needs.servers.reset_index(drop=True)
    costs = sizes.costs(servers["region"])
    allowed = sizes.allowed(servers, settings) & np.isfinite(costs)
    which = np.flatnonzero(moved & allowed.any(axis=1))
    held, (cpu, memory) = Held.of(needs, settings), shares_of(servers.iloc[which], sizes)
    found = _cheapest(
        np.ascontiguousarray(held.cpu[:, which]), np.nan_to_num(held.memory[:, which], nan=-np.inf), cpu, memory,
        np.where(allowed[which], costs[which], np.inf),
    )  # fmt: skip
    names = servers[SERVER_ID].iloc[which].astype("str").to_list()
    return pd.DataFrame(
        {
            "origin": needs.origins, "repeat": needs.repeat, "servers": [names] * len(found), "hourly": list(found),
        },
        columns=list(COLUMNS),
    )  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cheapest(cpu: FloatArray, memory: FloatArray, has_cpu: Array, has_memory: Array, costs: Array) -> Array:
    """Least cost [J, S] of the sizes [S, T] that hold the needs [J, S]; costs are inf where a size may not be had."""
    draws, servers = cpu.shape
    found = np.empty((draws, servers))
    for s in range(servers):
        order = np.argsort(costs[s])
        last = order[0]
        for t in order:
            if costs[s, t] < np.inf:
                last = t
        for j in range(draws):
            found[j, s] = costs[s, last]
            for t in order:
                if costs[s, t] == np.inf:
                    break
                if cpu[j, s] <= has_cpu[s, t] and memory[j, s] <= has_memory[s, t]:
                    found[j, s] = costs[s, t]
                    break
    return found
