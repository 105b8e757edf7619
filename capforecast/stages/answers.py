"""What a monitoring system answers, on its way into the lake: checked, and its inventory dated."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pandas as pd

from capforecast.errors import StageError
from capforecast.fleet import inventory as inventories
from capforecast.lake import raw
from capforecast.lake.store import Store
from capforecast.schema import ALL_REGIONS, BUSINESS_UNIT, FLEET, REGION, SERVER_ID, TIMESTAMP, VALID_FROM, Cadence
from capforecast.sources.remote import Found, Window
from capforecast.stages.collected import Asked

SIZES = [*inventories.CAPACITY, "network_mbps", "instance_type"]  # of a server; a change of one has a date


def without_reserved(found: Found) -> Found:
    """What was found without business units and regions that are called as sums over all are: no run would take them.

    A system is labelled by many hands, and one label must not keep the reports of all others.
    """
    rows, said = found.inventory, list(found.warnings)
    for column, name in ((BUSINESS_UNIT, FLEET), (REGION, ALL_REGIONS)):
        if column not in rows:
            continue
        bad = rows[column].astype("str").str.strip() == name
        if bad.any():
            who = rows.loc[bad, SERVER_ID]
            said.append(
                f"{column} {name!r} of {who.nunique()} server(s), such as {who.iloc[0]}, was left out: it stands for "
                "sums over all of them; rename it there"
            )
            rows = rows.assign(**{column: rows[column].mask(bad)})
    return replace(found, inventory=rows, warnings=tuple(said))


def keep_inventory(store: Store, rows: pd.DataFrame, asked: Asked) -> None:
    """Merge what the system says of its servers into the lake's inventory, the user's own rows laid over it."""
    known = raw.get_inventory(store)
    if known is not None:
        rows = _dated(inventories.normalise(rows), known, asked.now)
    if asked.inventory is not None:
        rows = inventories.overlay(rows, asked.inventory)
    raw.put_inventory(store, inventories.merge(rows.head(0) if known is None else known, rows))


def _dated(rows: pd.DataFrame, known: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """Rows without a date that say another size than the lake knows: from today on, so that the resize has a date."""
    before = inventories.normalise(known).drop_duplicates(SERVER_ID, keep="last").set_index(SERVER_ID)
    before = before.reindex(rows[SERVER_ID]).reset_index(drop=True)
    other = [(rows[name] != before[name]) & rows[name].notna() & before[name].notna() for name in SIZES]
    resized = reduce(lambda one, two: one | two, other) & rows[VALID_FROM].isna()
    return rows.assign(**{VALID_FROM: rows[VALID_FROM].mask(resized, now.floor("D"))})


def check_answer(rows: pd.DataFrame, some: Found, window: Window, cadence: Cadence) -> None:
    """Raise StageError where a source answers what it was not asked: nothing of it may reach the lake."""
    metrics = [name for name in rows if name not in (SERVER_ID, TIMESTAMP)]
    strange = sorted(set(metrics) - set(some.series["column"]))
    outside = (rows[TIMESTAMP] < window.since) | (rows[TIMESTAMP] >= window.until)
    off_grid = rows[TIMESTAMP] != rows[TIMESTAMP].dt.floor(cadence.frequency)
    faults = {
        f"columns that were not asked for ({', '.join(strange[:3])})": bool(strange),
        "rows outside the window": bool(outside.any()),
        "rows off the grid": bool(off_grid.any()),
        "servers that were not asked for": not rows[SERVER_ID].isin(some.series[SERVER_ID]).all(),
        "two rows for one server and time": bool(rows.duplicated([SERVER_ID, TIMESTAMP]).any()),
        "rows without a value": bool(len(rows)) and bool(rows[metrics].isna().all(axis=1).any()),
    }
    wrong = [text for text, is_so in faults.items() if is_so]
    if wrong:
        raise StageError(
            f"{window.since.isoformat()} to {window.until.isoformat()}: the source gave {'; '.join(wrong)}; "
            "nothing of it was kept"
        )
