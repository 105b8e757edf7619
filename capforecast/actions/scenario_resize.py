"""Another size: what a percentage becomes, and what the server then costs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from capforecast.actions.scenario_changes import Resize
from capforecast.actions.scenario_effects import Effects
from capforecast.actions.scenario_select import near
from capforecast.errors import UsageError
from capforecast.fleet.shapes import CAPACITY_OF, INSTANCE_TYPE
from capforecast.schema import BoolArray

Array = npt.NDArray[np.float64]


def resize(effects: Effects, change: Resize, servers: BoolArray, where: str) -> None:
    """Give servers another size. Percentages become those of it; a threshold that is a share of bandwidth follows.

    Raises UsageError for a type that no catalogue names.
    """
    wanted = {"vcpus": change.vcpus, "memory_gib": change.memory_gib, "disk_gib": change.disk_gib}
    if change.instance_type:
        wanted |= _shape(effects, change.instance_type, servers, where)
    before = {name: effects.sizes[name].copy() for name in wanted}
    for name, size in wanted.items():
        if size is not None:
            effects.sizes[name][servers] = size
    effects.types[servers] = change.instance_type or ""
    if change.instance_type is None and change.vcpus is None and change.memory_gib is None:  # a disk alone
        effects.types[servers] = effects.baseline.servers["instance_type"].to_numpy(dtype=object)[servers]
    else:
        effects.hourly[servers] = _hourly(effects, change, servers)
    effects.resized |= servers
    effects.touched |= servers
    first = effects.clock.day(change.start)
    for metric, column in CAPACITY_OF.items():
        if wanted.get(column) is not None:
            rows = servers[effects.baseline.place] & (effects.baseline.metrics == metric)
            _follow(effects, rows, before[column], column, first, where)


def _shape(effects: Effects, name: str, servers: BoolArray, where: str) -> dict[str, float]:
    """vCPUs and GiB of a type, and its bandwidth where every server resized has a type of the catalogue now."""
    table = effects.baseline.sizes.table
    row = np.flatnonzero((table[INSTANCE_TYPE] == name.strip().lower()).to_numpy())
    if not len(row):
        raise UsageError(
            f"{where}: instance type {name!r} is in no catalogue of shapes{near(name, table[INSTANCE_TYPE])}; add it "
            "to the file that inventory.shapes names, or give vcpus and memory_gib"
        )
    found = {column: float(table[column].iloc[row[0]]) for column in ("vcpus", "memory_gib")}
    bandwidth = table["network_baseline_mbps"].iloc[row[0]] if "network_baseline_mbps" in table else np.nan
    return found | ({"network_mbps": float(bandwidth)} if bandwidth > 0 else {})


def _hourly(effects: Effects, change: Resize, servers: BoolArray) -> Array:
    """What each server then costs an hour; infinite = no price is known."""
    count = int(servers.sum())
    if change.hourly_cost is not None:
        return np.full(count, change.hourly_cost)
    if change.instance_type is None:
        return np.full(count, np.inf)
    sizes = effects.baseline.sizes
    at = int(np.flatnonzero((sizes.table[INSTANCE_TYPE] == change.instance_type.strip().lower()).to_numpy())[0])
    listed = effects.baseline.costs[1][servers, at]
    return np.where(np.isnan(listed), np.inf, listed)


def _follow(effects: Effects, rows: BoolArray, before: Array, column: str, first: int, where: str) -> None:
    """Turn the percentages of some series into those of the new size, from a day on; raise the others' thresholds."""
    baseline = effects.baseline
    place = baseline.place[rows]
    grown = effects.sizes[column][place] / before[place]  # new size by the one before
    unknown = ~np.isfinite(grown) | (grown <= 0)
    if unknown.any():
        effects.note(f"{where}: of {len(np.unique(place[unknown]))} servers the present {column} is not known: their "
                     "percentages stay")  # fmt: skip
    grown = np.where(unknown, 1.0, grown)
    percent = baseline.percent[rows]
    shown = effects.clock.since(first, 1)
    by = np.where(percent, 1.0 / grown, 1.0)
    effects.size[rows] *= (1.0 + (by - 1.0)[:, None] * shown).astype(np.float32)
    if first <= 1:
        effects.now_size[rows] *= by
    metric = baseline.metrics[rows][:1]
    of_capacity = bool(len(metric)) and baseline.settings.metric(metric[0]).high is None
    raised = np.where(~percent & of_capacity, grown, 1.0)
    effects.limits[rows] *= raised[:, None].astype(np.float32)
    effects.full[rows] *= np.where(~percent, grown, 1.0)
