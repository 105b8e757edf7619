"""The size each server should have: up where it is at risk, down where it is not, and why not otherwise.

A size is safe where CPU and memory of one and the same sample path stay, at their peak, below what the size holds less
headroom, on `fit_share` of the paths. What may not be decided is withheld with the reason, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from capforecast.actions.sizes import GIB_STEPS, VCPU_STEPS, Sizes, next_step
from capforecast.fleet.shapes import INSTANCE_TYPE
from capforecast.schema import SERVER_ID, BoolArray, FloatArray, Tier
from capforecast.settings import SizingSettings

Array = npt.NDArray[np.float64]


class Action(StrEnum):
    """What to do about a server's size: exactly one for each server."""

    UPSIZE = "upsize"
    DOWNSIZE = "downsize"
    KEEP = "keep"  # the size fits
    WITHHELD = "withheld"  # something is missing that the rule needs
    NONE = "none"  # unknown: nothing is recommended


@dataclass(frozen=True)
class Needs:
    """What servers need on sample paths, without headroom.

    servers: [S] server_id, business_unit, region, criticality, tier, instance_type, vcpus, memory_gib; days observed as
    `history_days`, `peaks_unseen` in words ("" = none).  cpu, memory: float32 [J, S], peak in vCPU and GiB of each
    path, the same path in both; NaN = not forecast, or of unknown size.
    """

    servers: pd.DataFrame
    cpu: FloatArray
    memory: FloatArray


def rightsize(needs: Needs, sizes: Sizes, settings: SizingSettings) -> pd.DataFrame:
    """One row per server, in their order: action, reason, what it has and should have, how sure, and the money.

    Columns: server_id, action, reason, instance_type, vcpus, memory_gib, to_type, to_vcpus, to_memory_gib, need_vcpus,
    need_memory_gib (what `fit_share` of the paths need, headroom included), fits (share of the paths that the
    recommended size, or else the present one, holds), hourly, to_hourly (NaN = no price), alternatives.
    """
    servers = needs.servers.reset_index(drop=True)
    held = _held(needs, settings)
    why = _why_not(servers, held, settings)
    typed = sizes.place(servers[INSTANCE_TYPE]) >= 0
    rows = pd.concat(
        [
            _by_type(servers[typed], _part(held, typed), sizes, settings),
            _by_amount(servers[~typed], _part(held, ~typed), settings),
        ]
    ).sort_index(kind="stable")
    return _decided(servers, rows, why)


@dataclass(frozen=True)
class _Held:
    """Peaks [J, S] in vCPU and GiB, headroom included, and where both are known [S]."""

    cpu: FloatArray
    memory: FloatArray
    known_cpu: BoolArray
    known_memory: BoolArray

    def fits(self, vcpus: Array | float, memory_gib: Array | float) -> Array:
        """Share of the paths that a size holds, [S]; a resource that is not known does not count."""
        ok = (self.cpu <= vcpus) | ~self.known_cpu
        ok &= (self.memory <= memory_gib) | ~self.known_memory
        return np.asarray(ok.mean(axis=0)) if len(ok) else np.full(len(self.known_cpu), np.nan)


def _held(needs: Needs, settings: SizingSettings) -> _Held:
    room = np.float32(1.0 - settings.headroom)
    cpu, memory = needs.cpu / room, needs.memory / room
    return _Held(cpu, memory, np.isfinite(cpu).all(axis=0), np.isfinite(memory).all(axis=0))


def _part(held: _Held, which: BoolArray) -> _Held:
    return _Held(held.cpu[:, which], held.memory[:, which], held.known_cpu[which], held.known_memory[which])


def _why_not(servers: pd.DataFrame, held: _Held, settings: SizingSettings) -> pd.DataFrame:
    """Why nothing (`none`), no upsizing (`up`), no downsizing (`down`) may be decided, first reason; "" = it may."""
    unknown = (servers["tier"] == Tier.UNKNOWN).to_numpy()
    few = len(held.cpu) == 0
    unsized = ~(servers["vcpus"] > 0).to_numpy()
    blind = ~held.known_cpu
    both = [
        (np.full(len(servers), few), "needs at least 10 past forecasts whose outcome is known"),
        (unsized, "needs the number of vCPUs (inventory `vcpus`, or a known instance type)"),
        (blind, "needs a forecast of CPU"),
    ]
    down = [
        *both,
        ((servers["history_days"] < settings.least_history_days).to_numpy(),
         f"needs {settings.least_history_days} days of history"),
        (~held.known_memory, "needs a forecast of memory and its size (inventory `memory_gib`)"),
        ((servers["peaks_unseen"] != "").to_numpy(), "a known peak lies ahead that its history does not hold"),
    ]  # fmt: skip
    out = pd.DataFrame({"none": np.where(unknown, "its capacity is unknown", "")}, index=servers.index)
    for name, rules in (("up", both), ("down", down)):
        out[name] = np.select([hit for hit, _ in rules], [text for _, text in rules], "")
    unseen = servers["peaks_unseen"].to_numpy(dtype=object)
    guarded = (out["down"] == down[-1][1]).to_numpy()
    out.loc[guarded, "down"] = [f"{down[-1][1]}: {words}" for words in unseen[guarded]]
    return out


def _by_type(servers: pd.DataFrame, held: _Held, sizes: Sizes, settings: SizingSettings) -> pd.DataFrame:
    """The cheapest instance type that is safe, where types are known; without prices the smallest."""
    allowed, costs = sizes.allowed(servers, settings), sizes.costs(servers["region"])
    table, count = sizes.table, len(servers)
    vcpus, memory = (table[name].to_numpy(dtype=np.float64) for name in ("vcpus", "memory_gib"))
    fit = np.stack([held.fits(vcpus[t], memory[t]) for t in range(len(table))], axis=1) if count else costs
    priced = np.isfinite(costs).any(axis=1, keepdims=True)
    rank = np.where(priced, costs, np.arange(len(table), dtype=np.float64))
    rank = np.where(allowed & (fit >= settings.fit_share), rank, np.inf)
    rank = np.where(np.isnan(rank), np.inf, rank)
    best, now = rank.argmin(axis=1) if count else np.zeros(0, np.int64), sizes.place(servers[INSTANCE_TYPE])
    found, row = np.asarray(np.isfinite(rank.min(axis=1, initial=np.inf))), np.arange(count)
    name = table[INSTANCE_TYPE].to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "to_type": np.where(found, name[best], ""),
            "to_vcpus": np.where(found, vcpus[best], np.nan),
            "to_memory_gib": np.where(found, memory[best], np.nan),
            "fits": np.where(found, fit[row, best], np.nan),
            "fits_now": fit[row, now] if count else np.zeros(0),
            "hourly": costs[row, now] if count else np.zeros(0),
            "to_hourly": np.where(found, costs[row, best], np.nan),
            "alternatives": _alternatives(rank, fit, allowed, best, now, name, settings),
        } | _needed(held, settings),
        index=servers.index,
    )  # fmt: skip


def _alternatives(
    rank: Array, fit: Array, allowed: BoolArray, best: npt.NDArray[np.int64], now: npt.NDArray[np.int64],
    name: npt.NDArray[np.object_], settings: SizingSettings,
) -> list[str]:  # fmt: skip
    """Up to three sizes that were considered and why they were not taken, in words."""
    out = []
    for i in range(len(rank)):
        tight = np.flatnonzero(allowed[i] & (fit[i] < settings.fit_share))
        tight = tight[np.argsort(-fit[i][tight], kind="stable")][:2]
        safe = np.flatnonzero(np.isfinite(rank[i]) & (np.arange(len(name)) != best[i]))
        safe = safe[np.argsort(rank[i][safe], kind="stable")][:1]
        said = [f"{name[t]}: holds {fit[i][t]:.0%} of the paths, less than {settings.fit_share:.0%}" for t in tight]
        said += [f"{name[t]}: safe too, but {'as it is' if t == now[i] else 'larger or dearer'}" for t in safe]
        out.append("; ".join(said))
    return out


def _needed(held: _Held, settings: SizingSettings) -> dict[str, Array]:
    """What `fit_share` of the paths need, headroom included, [S] each; NaN = not known."""
    if not len(held.cpu):
        nothing = np.full(len(held.known_cpu), np.nan)
        return {"need_vcpus": nothing, "need_memory_gib": nothing.copy()}
    return {
        name: np.where(known, np.quantile(np.nan_to_num(values), settings.fit_share, axis=0, method="higher"), np.nan)
        for name, values, known in (
            ("need_vcpus", held.cpu, held.known_cpu), ("need_memory_gib", held.memory, held.known_memory),
        )
    }  # fmt: skip


def _by_amount(servers: pd.DataFrame, held: _Held, settings: SizingSettings) -> pd.DataFrame:
    """The next usual number of vCPUs and GiB that holds what the paths need, where types are not known; no money."""
    needed = _needed(held, settings)
    vcpus = next_step(np.maximum(needed["need_vcpus"], settings.least_vcpus), VCPU_STEPS)
    memory = next_step(np.maximum(needed["need_memory_gib"], settings.least_memory_gib), GIB_STEPS)
    now = [servers[name].to_numpy(dtype=np.float64) for name in ("vcpus", "memory_gib")]
    nothing = np.full(len(servers), np.nan)
    return pd.DataFrame(
        {
            "to_type": "", "to_vcpus": vcpus, "to_memory_gib": memory,
            "fits": held.fits(np.nan_to_num(vcpus, nan=np.inf), np.nan_to_num(memory, nan=np.inf)),
            "fits_now": held.fits(np.nan_to_num(now[0], nan=np.inf), np.nan_to_num(now[1], nan=np.inf)),
            "hourly": nothing, "to_hourly": nothing, "alternatives": "",
        } | needed,
        index=servers.index,
    )  # fmt: skip


def _decided(servers: pd.DataFrame, rows: pd.DataFrame, why: pd.DataFrame) -> pd.DataFrame:
    """Exactly one action for each server, with its reason."""
    at_risk = servers["tier"].isin([Tier.CRITICAL, Tier.HIGH]).to_numpy()
    has = {name: servers[name].to_numpy(dtype=np.float64) for name in ("vcpus", "memory_gib")}
    more = (rows["to_vcpus"].to_numpy() > has["vcpus"]) | (rows["to_memory_gib"].to_numpy() > has["memory_gib"])
    less = ~more & (
        (rows["to_vcpus"].to_numpy() < has["vcpus"]) | (rows["to_memory_gib"].to_numpy() < has["memory_gib"])
    )
    cheaper = ~(rows["to_hourly"] >= rows["hourly"]).to_numpy()
    found = rows["to_vcpus"].notna().to_numpy()
    none, up, down = (why[name].to_numpy(dtype=object) for name in ("none", "up", "down"))
    rules = [
        (none != "", Action.NONE, none),
        (at_risk & (up != ""), Action.WITHHELD, up),
        (at_risk & ~found, Action.WITHHELD, "no size that it may have holds what it needs"),
        (at_risk & more, Action.UPSIZE, "it is at risk, and this is the least size that holds its peaks"),
        (at_risk, Action.KEEP, "it is at risk, but its size holds its CPU and memory: another size is no remedy"),
        (up != "", Action.WITHHELD, up),
        (less & cheaper & (down != ""), Action.WITHHELD, down),
        (less & cheaper, Action.DOWNSIZE, "a smaller size holds its peaks"),
    ]
    action = np.select([hit for hit, _, _ in rules], [str(kind) for _, kind, _ in rules], str(Action.KEEP))
    reason = np.select([hit for hit, _, _ in rules], [text for _, _, text in rules], "the size fits")
    moved = np.isin(action, [str(Action.UPSIZE), str(Action.DOWNSIZE)])
    out = servers[[SERVER_ID]].assign(action=action, reason=reason)
    out = out.join(servers[[INSTANCE_TYPE, "vcpus", "memory_gib"]])
    for name in ("to_type", "to_vcpus", "to_memory_gib", "to_hourly"):
        out[name] = rows[name].where(moved, "" if name == "to_type" else np.nan)
    out["fits"] = np.where(moved, rows["fits"], rows["fits_now"])
    for name in ("need_vcpus", "need_memory_gib", "hourly", "alternatives"):
        out[name] = rows[name]
    return out
