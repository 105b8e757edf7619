"""The stage that lists what was strange in a business unit's history."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from capforecast.exchange import Unit
from capforecast.fleet.incidents import incidents
from capforecast.forecast.threads import in_threads
from capforecast.lake.datasets import write_table
from capforecast.lake.store import Store
from capforecast.schema import Panel, Reference
from capforecast.settings import Settings
from capforecast.stages.units import read_panel

_BLOCK = 500  # series at a time in each thread; results do not depend on it


def anomalies(store: Store, settings: Settings, unit: Unit) -> dict[str, Reference]:
    """Incident spikes and level shifts of every series of the unit, unknown ones included."""
    return {"anomalies": write_table(store, unit.key("anomalies"), listed(read_panel(store, unit), settings))}


def listed(panel: Panel, settings: Settings) -> pd.DataFrame:
    """`incidents` of a panel, in blocks of series side by side in threads."""
    parts: dict[int, pd.DataFrame] = {}

    def work(start: int) -> None:
        block = slice(start, start + _BLOCK)
        part = replace(panel, values=panel.values[:, block], series=panel.series.iloc[block])
        parts[start] = incidents(part, settings.calendar)

    starts = list(range(0, len(panel.series), _BLOCK)) or [0]
    in_threads(work, starts, settings.forecast.threads, "marking anomalies of")
    return pd.concat([parts[start] for start in starts], ignore_index=True)
