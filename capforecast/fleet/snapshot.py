"""A panel as two plain tables and back: how a business unit's snapshot is kept in the lake.

`processed`: wide rows (server_id, timestamp, <metric>_<statistic> ...) on the grid, where anything was observed.
`quality`: the series table, one row per series. The grid's ends stand in the processed table's schema metadata.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from capforecast.errors import LakeError
from capforecast.schema import METRIC, SERVER_ID, TIMESTAMP, Cadence, Panel


def to_tables(panel: Panel) -> tuple[pa.Table, pa.Table]:
    """Tables (processed, quality) of a panel."""
    codes, servers = pd.factorize(panel.series[SERVER_ID], sort=True)
    names = panel.series[METRIC] + "_" + panel.series["statistic"]
    cubes = {}
    for name in sorted(names.unique()):
        columns = np.flatnonzero(names == name)
        cube = np.full((len(servers), len(panel.timestamps)), np.nan, dtype=np.float32)
        cube[codes[columns]] = panel.values[:, columns].T
        cubes[name] = cube
    seen = np.zeros((len(servers), len(panel.timestamps)), dtype=bool)
    for cube in cubes.values():
        seen |= ~np.isnan(cube)
    rows, times = np.nonzero(seen)
    stamps = pa.array(panel.timestamps.as_unit("us").asi8, type=pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    processed = {
        SERVER_ID: pa.array(list(servers), type=pa.string()).take(pa.array(rows)),
        TIMESTAMP: stamps.take(pa.array(times)),
    } | {name: pa.array(cube[rows, times], from_pandas=True) for name, cube in cubes.items()}
    ends = [str(panel.timestamps[0]), str(panel.timestamps[-1])] if len(panel.timestamps) else ["", ""]
    table = pa.table(processed).replace_schema_metadata(
        {"cadence": str(panel.cadence), "first": ends[0], "last": ends[1]}
    )
    quality = pa.Table.from_pandas(panel.series, preserve_index=False).replace_schema_metadata(None)
    return table, quality


def from_tables(processed: pa.Table, quality: pa.Table) -> Panel:
    """The panel behind (processed, quality); raises LakeError when they do not belong together."""
    notes = {key.decode(): value.decode() for key, value in (processed.schema.metadata or {}).items()}
    if "cadence" not in notes:
        raise LakeError("processed table carries no grid; it was not written by this version: validate again")
    cadence = Cadence(notes["cadence"])
    series = quality.to_pandas()
    timestamps = (
        pd.date_range(notes["first"], notes["last"], freq=cadence.frequency, unit="us")
        if notes["first"]
        else pd.DatetimeIndex([], tz="UTC", dtype="datetime64[us, UTC]")
    )
    values = np.full((len(timestamps), len(series)), np.nan, dtype=np.float32)
    frame = processed.to_pandas()
    names = series[METRIC] + "_" + series["statistic"]
    missing = sorted(set(names) - set(frame.columns))
    if missing:
        raise LakeError(f"processed table lacks the columns {', '.join(missing)} of its quality table: validate again")
    times = timestamps.get_indexer(pd.DatetimeIndex(frame[TIMESTAMP]))
    for name in names.unique():
        columns = np.flatnonzero(names == name)
        place = pd.Index(series[SERVER_ID].iloc[columns]).get_indexer(frame[SERVER_ID])
        known = place >= 0
        values[times[known], columns[place[known]]] = frame[name].to_numpy(dtype=np.float32)[known]
    return Panel(values=values, timestamps=timestamps, series=series, cadence=cadence)
