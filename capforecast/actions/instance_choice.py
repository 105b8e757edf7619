"""The size of instances that serves a group of servers best: the cheapest, or else the smallest, packing in all.

Every size is first held against what its instances must hold together at the busiest hours, whatever goes where. The
most promising are then packed, until none that is left could do better.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from capforecast.actions.packing import first_fit
from capforecast.actions.packing_targets import Instance, Targets, Words, instance_targets
from capforecast.schema import BoolArray, FloatArray
from capforecast.settings import ConsolidationSettings

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
MOST_PACKED = 12  # sizes that are packed onto, of those that may be better than what is known
_STEPS = 2  # sizes in which vCPU, and in which GiB, double: of those more alike only the most promising is packed onto
_BUSY_HOURS = 24  # of each resource, in which the least number of instances shows
_DIGITS, _ALIKE = 9, 1e-9  # shares that differ by less are the same: sums taken in another order


class Kind(IntEnum):
    """What a packing is good for, the best first."""

    GAIN = 0
    WORSE = 1  # fewer, but dearer, or larger in all
    NOTHING_FREED = 2
    NOBODY = 3  # moves


@dataclass(frozen=True)
class Change:
    """vCPU, GiB and hourly cost, [3], NaN = not known: of the servers packed, of the instances they are packed onto,
    and of the servers that could move but not onto these.
    """

    now: Array
    then: Array
    left: Array

    def worse(self) -> str:
        """Why fewer instances are no gain, in words; "" = they are one, as far as is known."""
        if np.isfinite(self.then[2] - self.now[2]):
            return "" if self.then[2] < self.now[2] * (1 - _ALIKE) else "fewer, but not cheaper"
        pairs = zip(self.then[:2], self.now[:2], ("vCPU", "GiB"), strict=True)
        more = ", ".join(f"{new:g} {unit} for {old:g}" for new, old, unit in pairs)
        return f"fewer, but larger in all ({more})" if (self.then > self.now)[:2].any() else ""

    def share(self, by_cost: bool) -> float:
        """Of today's cost, or of today's vCPU and GiB on average, what is left of all that could move."""
        today, after = self.now + self.left, self.then + self.left
        share = np.divide(after, today, out=np.ones(3), where=today > 0)
        return float(share[2] if by_cost else share[:2].mean())


def change(amounts: Array, free: BoolArray, packed: BoolArray, instance: Instance, count: int) -> Change:
    """Of servers [S] whose vCPU, GiB and hourly cost are `amounts` [S, 3]; packed onto `count` instances."""
    then = count * np.array([instance.vcpus, instance.memory_gib, instance.hourly])
    return Change(amounts[packed].sum(axis=0), then, amounts[free & ~packed].sum(axis=0))


def best_instances(
    amounts: Array, load: FloatArray, stays: Words, sizes: list[Instance], settings: ConsolidationSettings
) -> tuple[Targets, Index]:
    """The size that leaves the least of today's cost, where all who may move have one, else of today's vCPU and GiB.

    Returns the instances, and the one of each server, [S]; -1 = it stays.  amounts: [S, 3] vCPU, GiB and hourly cost.
    load: [S, 2, T].  stays: [S] "" = it may move.  sizes: at least one.  What is too large for a size counts as it is
    today. A size that frees nothing, or is dearer or larger in all, is chosen only where all are; of equals the one
    with fewer servers and instances in the end is taken, then the first.
    """
    free = np.asarray(stays == "", dtype=bool)
    by_cost = bool(np.isfinite(amounts[free, 2]).all())
    least = _least(amounts, load, free, sizes, by_cost, settings)
    found: list[tuple[tuple[int, float, int, int], Targets, Index]] = []
    for i in _promising(sizes, least):
        if found and least[i] > min(rank for rank, _, _ in found)[:2]:
            break
        targets = instance_targets(load, stays, sizes[i], len(sizes), settings)
        place = placed(load, targets)
        moved, used = np.asarray(targets.stays == "", dtype=bool), len(np.unique(place[place >= 0]))
        rank = _rank(amounts, free, moved, sizes[i], used + settings.spare, by_cost)
        found.append(((*rank, used + targets.standing, i), targets, place))
    _, targets, place = min(found, key=lambda one: one[0])
    return targets, place


def placed(load: FloatArray, targets: Targets) -> Index:
    """The bin of each server of a load [S, 2, T]; -1 = it stays, or there is no room."""
    place = np.full(len(load), -1, dtype=np.int64)
    moves = targets.stays == ""
    place[moves] = first_fit(load[moves], targets.bins)
    return place


def _promising(sizes: list[Instance], least: list[tuple[Kind, float]]) -> list[int]:
    """Sizes to pack onto, those first that may be best; of such as are much alike and of no type, one."""
    alike: set[tuple[float, float]] = set()
    out = []
    for i in sorted(range(len(sizes)), key=lambda i: (least[i], i)):
        vcpus, memory = np.round(_STEPS * np.log2([sizes[i].vcpus, sizes[i].memory_gib]))
        if sizes[i].type or (vcpus, memory) not in alike:
            out.append(i)
        alike.add((vcpus, memory))
    return out[:MOST_PACKED]


def _rank(
    amounts: Array, free: BoolArray, moved: BoolArray, instance: Instance, count: int, by_cost: bool
) -> tuple[Kind, float]:
    """How good a packing is, the best least: of what kind it is, and what share of today it leaves."""
    if not moved.any():
        return Kind.NOBODY, 1.0
    found = change(amounts, free, moved, instance, count)
    kind = Kind.NOTHING_FREED if count >= moved.sum() else Kind.WORSE if found.worse() else Kind.GAIN
    return kind, round(found.share(by_cost), _DIGITS)


def _least(
    amounts: Array, load: FloatArray, free: BoolArray, sizes: list[Instance], by_cost: bool,
    settings: ConsolidationSettings,
) -> list[tuple[Kind, float]]:  # fmt: skip
    """What no packing onto each size can rank better than: that onto the instances that hold the sum of all loads."""
    peak, total = load.max(axis=2, initial=0.0), load[free].sum(axis=0, dtype=np.float64)
    busy = np.unique(np.argsort(-total, axis=1, kind="stable")[:, :_BUSY_HOURS])
    busiest, ranks = load[:, :, busy].astype(np.float64), []
    for size in sizes:
        room = np.array([size.vcpus, size.memory_gib]) * (1.0 - settings.headroom)
        moved = free & size.alike & (peak <= room).all(axis=1)
        needed = busiest[moved].sum(axis=0).max(axis=1, initial=0.0) / room * (1 - _ALIKE) if moved.any() else 0.0
        count = max(int(np.ceil(np.max(needed))), 1) + settings.spare
        ranks.append(_rank(amounts, free, moved, size, count, by_cost))
    return ranks
