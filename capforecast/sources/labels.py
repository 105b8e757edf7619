"""Columns of observations that are neither metric nor inventory: kept with the server where they describe it."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from capforecast.schema import SERVER_ID
from capforecast.settings import Settings
from capforecast.sources.columns import LABEL, plain
from capforecast.sources.grid import Times
from capforecast.sources.parts import Part

log = logging.getLogger(__name__)
_MOSTLY = 0.5  # share of servers


def attach(inventory: pd.DataFrame, parts: list[Part], grids: list[Times], settings: Settings) -> pd.DataFrame:
    """`inventory` with the latest value of each `label_<name>` of a server.

    A column that changes in time for most servers (a day of week, a counter) describes rows, not servers: it is left
    out and named in the log, unless settings.source.labels names it.
    """
    wanted = {LABEL + plain(name) for name in settings.source.labels}
    found: dict[str, list[pd.DataFrame]] = {}
    changing: set[str] = set()
    for part, grid in zip(parts, grids, strict=True):
        names = [name for name in part.texts if name.startswith(LABEL)]
        if not names:
            continue
        order = np.lexsort((grid.view(np.int64), part.server))
        server = part.server[order]
        for name in names:
            code, texts = part.texts[name]
            code = code[order]
            some = code >= 0
            holder, value = server[some], code[some]
            ends = np.append(holder[1:] != holder[:-1], True)[: len(holder)]
            turns = np.unique(holder[1:][(holder[1:] == holder[:-1]) & (value[1:] != value[:-1])])
            if name not in wanted and len(turns) > _MOSTLY * ends.sum():
                changing.add(name)
                continue
            last = pd.DataFrame(
                {
                    SERVER_ID: part.names[holder[ends]],
                    "time": grid[order][some][ends],
                    name: np.array([*texts, None], dtype=object)[value[ends]],
                }
            )
            found.setdefault(name, []).append(last)
    if changing:
        log.warning(
            "left out %s: changes in time, so it describes no server (keep it with source.labels)",
            ", ".join(sorted(name.removeprefix(LABEL) for name in changing)),
        )
    columns = {}
    for name in sorted(set(found) - changing):
        latest = pd.concat(found[name]).sort_values("time", kind="stable").drop_duplicates(SERVER_ID, keep="last")
        columns[name] = inventory[SERVER_ID].map(latest.set_index(SERVER_ID)[name]).astype("str")
    return inventory.assign(**columns)
