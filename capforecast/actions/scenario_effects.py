"""What the changes of a scenario come to, as arrays over the series and servers of a run.

A level of a sample path becomes (level x factor + more) x size: growth and quarter ends multiply, loads and projects
add, another size divides. So their order does not matter; of thresholds, lead times and sizes the last one counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from capforecast.actions.baseline import Baseline
from capforecast.actions.scenario_changes import NewServers
from capforecast.actions.scenario_time import Clock
from capforecast.fleet.shapes import CAPACITY_OF
from capforecast.schema import BUSINESS_UNIT, BoolArray, FloatArray

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
MOST = np.float32(
    1e15
)  # times the load: beyond it single precision ends, and infinite times nothing would be no number
SIZES = ("vcpus", "memory_gib", "disk_gib", "network_mbps")


@dataclass
class Effects:
    """N series, S servers, W spans.  now_*: what already holds for the days observed last, [N].

    factor, more, size: float32 [N, W].  limits: float32 [N, 2] thresholds.  full: [N], usable capacity.  lead: [N],
    days.  retired, receiving (load that moves), resized, touched: bool [S].  sizes: by name [S].  types: [S].
    hourly: [S], NaN = as it was, infinite = no price is known.
    begins: [S], first day on which a change holds.
    further: monthly cost besides servers, by business unit.  new: servers to come, with the row they are like.
    """

    baseline: Baseline
    clock: Clock
    factor: FloatArray
    more: FloatArray
    size: FloatArray
    now_factor: Array
    now_more: Array
    now_size: Array
    limits: FloatArray
    full: Array
    lead: Index
    retired: BoolArray
    receiving: BoolArray
    resized: BoolArray
    touched: BoolArray
    sizes: dict[str, Array]
    types: npt.NDArray[np.object_]
    hourly: Array
    begins: Index
    further: dict[str, float] = field(default_factory=dict)
    new: list[tuple[NewServers, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def none(cls, baseline: Baseline) -> Effects:
        """Nothing is changed yet."""
        series, servers = len(baseline.series), baseline.servers
        shape = (series, len(baseline.ends))
        return cls(
            baseline=baseline, clock=Clock.of(baseline), factor=np.ones(shape, np.float32),
            more=np.zeros(shape, np.float32), size=np.ones(shape, np.float32), now_factor=np.ones(series),
            now_more=np.zeros(series), now_size=np.ones(series), limits=baseline.limits.copy(),
            full=baseline.full.copy(),
            lead=np.full(series, baseline.settings.risk.lead_time_days, np.int64),
            retired=np.zeros(len(servers), np.bool_), receiving=np.zeros(len(servers), np.bool_),
            resized=np.zeros(len(servers), np.bool_),
            touched=np.zeros(len(servers), np.bool_),
            sizes={name: servers[name].to_numpy(dtype=np.float64, copy=True) for name in SIZES},
            types=servers["instance_type"].to_numpy(dtype=object, copy=True), hourly=np.full(len(servers), np.nan),
            begins=np.full(len(servers), np.iinfo(np.int64).max, np.int64),
        )  # fmt: skip

    def multiply(self, rows: BoolArray, by: Array, now: float) -> None:
        """Multiply the load of some series by factors [W], and what was seen last by `now`."""
        self.factor[rows] = np.minimum(self.factor[rows] * by, MOST)
        self.now_factor[rows] = np.minimum(self.now_factor[rows] * now, MOST)
        self._touch(rows)

    def lift(self, rows: BoolArray, by: Array, shown: Array, now: bool) -> None:
        """Add to the load of some series [R], in their unit, as far as spans [W] show it."""
        self.more[rows] += (by[:, None] * shown).astype(np.float32)
        if now:
            self.now_more[rows] += by
        self._touch(rows)

    def _touch(self, rows: BoolArray) -> None:
        self.touched[self.baseline.place[rows]] = True

    def capacity(self, rows: BoolArray) -> Array:
        """Units at 100 % of some series, as published; NaN = not known."""
        return self.baseline.number("capacity")[rows]

    def points(self, rows: BoolArray, units: Array | float) -> Array:
        """Units of capacity in the unit of some series: percentage points of what they have; NaN = size not known."""
        each = np.broadcast_to(np.asarray(units, np.float64), (int(rows.sum()),))
        return np.where(self.baseline.percent[rows], each / self.capacity(rows) * 100.0, each)

    def share(self, rows: BoolArray, units: float, what: str, where: str) -> Array:
        """So many units in all, shared by some series in proportion to their size, in the unit of each."""
        size = self.capacity(rows)
        known = np.isfinite(size)
        if not known.all():
            self.note(f"{where}: {int((~known).sum())} servers take no part of {what}: their size is not known")
        total = size[known].sum()
        parts = np.where(known, size / total, 0.0) * units if total > 0 else np.zeros(len(size))
        return np.nan_to_num(self.points(rows, parts))

    def note(self, text: str) -> None:
        """Say what the figures do not consider; once."""
        if text not in self.notes:
            self.notes.append(text)

    def further_cost(self, servers: BoolArray, monthly: float) -> None:
        """Cost besides servers, shared by business units as the servers are."""
        units = self.baseline.servers[BUSINESS_UNIT].to_numpy(dtype=object)[servers]
        for unit, count in zip(*np.unique(units.astype(str), return_counts=True), strict=True):
            self.further[str(unit)] = self.further.get(str(unit), 0.0) + monthly * int(count) / len(units)


def metrics_of(resource: str) -> tuple[str, ...]:
    """Metrics that a resource (vcpus, memory_gib ...) is used up by."""
    return tuple(metric for metric, column in CAPACITY_OF.items() if column == resource)
