"""A group of servers packed: what each loads its host with, which stay where they are, and where the others go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.instance_choice import best_instances, placed
from capforecast.actions.instance_sizes import instance_sizes
from capforecast.actions.packing import loads
from capforecast.actions.packing_targets import HOST, SIZE, Targets, host_targets, text
from capforecast.actions.prices import HOURLY, PriceList
from capforecast.actions.sizes import Sizes
from capforecast.schema import DIMENSIONS, BoolArray, FloatArray, Tier
from capforecast.settings import ConsolidationSettings

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Words = npt.NDArray[np.object_]
LEAST_SEEN = 0.5  # share of the hours in which a server must have been seen, else it is not packed


@dataclass(frozen=True)
class Group:
    """Servers of one business unit, region and criticality, by server_id, and what is known around them."""

    servers: pd.DataFrame
    costs: pd.DataFrame
    inventory: pd.DataFrame
    hosts: pd.DataFrame
    sizes: Sizes
    prices: PriceList
    settings: ConsolidationSettings

    def row(self, reason: str, **more: object) -> dict[str, object]:
        """A row of the group in which nothing is freed."""
        first = self.servers.iloc[0]
        return {
            **{name: first[name] for name in DIMENSIONS}, "reason": reason, "servers": len(self.servers), "packed": 0,
            "freed": 0, "onto": "", "replayed_hours": 0, "replayed_over": 0, "currency": self.prices.currency,
            "price_source": "", "price_reason": "",
        } | more  # fmt: skip

    @property
    def amounts(self) -> Array:
        """vCPU, GiB and hourly cost of each server, [S, 3]; NaN = not known."""
        return np.column_stack([self.servers[SIZE], self.costs[HOURLY]]).astype(np.float64)

    def packed(self, load: FloatArray, stays: Words) -> tuple[Targets, Index]:
        """Where servers of a load [S, 2, T] go: onto the group's own hosts, else instances."""
        named = self.servers[HOST]
        if (named != "").all() and not self.hosts["shared"].reindex(named).all():
            targets = host_targets(self.servers, load, stays, self.hosts, self.settings)
            return targets, placed(load, targets)
        sizes = instance_sizes(self.servers, self.costs, stays == "", self.sizes, self.settings)
        return best_instances(self.amounts, load, stays, sizes, self.settings)


@dataclass(frozen=True)
class Plan:
    """load: float32 [S, 2, T], vCPU and GiB.  place: bin of each server [S]; -1 = it stays, or there is no room."""

    targets: Targets
    load: FloatArray
    place: Index

    @property
    def packed(self) -> BoolArray:
        """Servers that may move, [S]."""
        return np.asarray(self.targets.stays == "", dtype=bool)

    @property
    def complete(self) -> bool:
        """Is there room for all that may move?"""
        return bool(self.packed.any() and (self.place[self.packed] >= 0).all())

    @property
    def used(self) -> Index:
        """Bins that are filled."""
        return np.unique(self.place[self.place >= 0])

    def counts(self) -> dict[str, object]:
        """Hosts, or servers where there are none, before and after; those that stay as they are count in both."""
        targets, used = self.targets, len(self.used)
        bins, spare = len(targets.bins.names), len(targets.bins.spare_names)
        today = bins + spare if targets.hosts else int(self.packed.sum())
        needed = used + targets.standing if self.complete else None
        return {
            "hosts": today + targets.standing, "hosts_needed": needed, "spare": spare,
            "freed": max(today - used - spare, 0) if self.complete else 0,
        }  # fmt: skip

    def left(self) -> str:
        """Why servers stay where they are, in words, the most frequent first."""
        why, counts = np.unique(self.targets.stays[~self.packed].astype(str), return_counts=True)
        return "; ".join(f"{counts[i]}: {why[i]}" for i in np.argsort(-counts, kind="stable"))

    def onto(self) -> str:
        """What the servers are packed onto, and how many are not, in words."""
        stay = int((~self.packed).sum())
        return self.targets.words + (
            f"; {stay} of {len(self.place)} servers stay as they are ({self.left()})" if stay else ""
        )

    def busiest(self) -> float:
        """Share of its capacity that the fullest bin uses at its busiest hour."""
        bins = self.targets.bins
        peak = loads(self.load, self.place, len(bins.names)).max(axis=2, initial=0.0)
        return float((peak / bins.capacity).max(initial=0.0))


def plan_of(group: Group, used: FloatArray, growth: Array) -> Plan:
    """Servers [S], whose use is [S, 2, T] and grows by the factors [S, 2], packed."""
    seen = ~np.isnan(used)
    largest = np.where(seen, used, np.float32(0.0)).max(axis=2, initial=0.0)[:, :, None]
    factor = np.maximum(np.nan_to_num(growth, nan=1.0), 1.0).astype(np.float32)[:, :, None]
    load = np.where(seen, used, largest) * factor
    stays = _staying(group.servers, seen, growth)
    targets, place = group.packed(load, stays)
    return Plan(targets, load, place)


def _staying(servers: pd.DataFrame, seen: BoolArray, growth: Array) -> Words:
    """Why a server cannot be packed, first reason, [S]; "" = it can."""
    hardly = seen.mean(axis=2) < LEAST_SEEN
    unknown = np.asarray(text(servers, "tier") == Tier.UNKNOWN)
    rules = [
        (unknown, "its capacity is unknown"),
        (~(servers[SIZE].to_numpy(dtype=np.float64) > 0).all(axis=1), "its vcpus or memory_gib are not known"),
        (hardly[:, 0], f"its CPU was seen in less than {LEAST_SEEN:.0%} of the hours"),
        (hardly[:, 1], f"its memory was seen in less than {LEAST_SEEN:.0%} of the hours"),
        (np.isnan(growth).any(axis=1), "its peaks are not forecast"),
    ]
    return np.select([hit for hit, _ in rules], [why for _, why in rules], "").astype(object)
