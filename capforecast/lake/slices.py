"""Rows of one server out of a large table, without reading the rest: of a bucket only those bytes are fetched.

Tables whose rows are sorted by server are written in groups of rows (datasets.GROUP_ROWS) that tell their first and
last server; only the groups that may hold the one wanted are read. Of tables in one piece all is read, then chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capforecast.errors import DamagedObjectError
from capforecast.lake.store import Store
from capforecast.schema import SERVER_ID, Reference


def rows_of(store: Store, reference: Reference, server: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a server, of some columns where they are there; the metadata of the table stays.

    The content is not compared with the reference's hash: that would take reading all of it. Raises
    MissingObjectError, or DamagedObjectError naming the object.
    """
    with store.opened(reference.uri) as file:
        try:
            parquet = pq.ParquetFile(file, pre_buffer=True)
            known = parquet.schema_arrow.names
            if SERVER_ID not in known:
                raise DamagedObjectError(
                    f"{reference.uri} in the lake is damaged (no column {SERVER_ID}): run again with --refresh"
                )
            wanted = list(known) if columns is None else [name for name in columns if name in known]
            read = wanted if SERVER_ID in wanted else [SERVER_ID, *wanted]
            table = parquet.read_row_groups(_groups(parquet, server), columns=read)
            return table.filter(pc.equal(table[SERVER_ID], server)).select(wanted)
        except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
            raise DamagedObjectError(
                f"{reference.uri} in the lake is damaged ({str(error).splitlines()[0]}): run again with --refresh"
            ) from None


def _groups(parquet: pq.ParquetFile, server: str) -> list[int]:
    """Numbers of the groups of rows that may hold a server."""
    place = parquet.schema_arrow.get_field_index(SERVER_ID)
    return [at for at in range(parquet.num_row_groups) if _may_hold(parquet, at, place, server)]


def _may_hold(parquet: pq.ParquetFile, group: int, place: int, server: str) -> bool:
    told = parquet.metadata.row_group(group).column(place).statistics
    if told is None or not told.has_min_max:
        return True
    return bool(str(told.min) <= server <= str(told.max))
