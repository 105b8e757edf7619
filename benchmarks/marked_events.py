"""Marks of a synthetic fleet beside the events that are in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capforecast.fleet.anomalies import WINDOWS, mark
from capforecast.fleet.synthetic import Block
from capforecast.schema import Cadence

LEAST_SPIKE = 0.45  # share above the expected value


def rates(block: Block, cadence: Cadence) -> dict[str, float]:
    """Share of events found, and marks on nothing per 1,000 observations, on CPU; events not shown are left out."""
    times = block.fleet.clock.timestamps
    values = block.known["cpu_p95"].T
    marks, run = mark(values, times, cadence), WINDOWS[cadence].run
    events = block.events()
    events = events[(events["metric"] == "cpu")]
    place = {name: column for column, name in enumerate(block.servers.server_id)}
    first = 3 * WINDOWS[cadence].before
    explained = np.zeros(values.shape, dtype=bool)
    explained[:first] = True
    explained[block.fleet.clock.quiet] = True  # holidays: known beforehand, no anomalies
    found: dict[str, list[bool]] = {"shift": [], "spike": []}
    for event in events.itertuples():
        column, start = place[event.server_id], times.searchsorted(event.start)
        end = len(times) if event.end is pd.NaT else times.searchsorted(event.end)
        lasts = event.kind in ("level_shift", "resize")
        explained[start : (start if lasts else end) + 3 * run, column] = True
        if lasts and first <= start < len(times) - 2 * run:
            found["shift"].append(bool(marks.shifts[start : start + 2 * run, column].any()))
        if event.kind == "spike" and event.size > LEAST_SPIKE and start >= first and np.isfinite(values[start, column]):
            found["spike"].append(bool(marks.spikes[start, column]))
    open_to_error = (np.isfinite(values) & ~explained).sum() / 1000
    return {
        "shifts_found": float(np.mean(found["shift"])),
        "spikes_found": float(np.mean(found["spike"])),
        "false_shifts": float((marks.shifts & ~explained).sum() / open_to_error),
        "false_spikes": float((marks.spikes & ~explained).sum() / open_to_error),
    }
